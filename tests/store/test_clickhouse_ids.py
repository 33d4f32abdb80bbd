"""The ids of a block, looked up in ClickHouse."""

from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.domain.metrics import MAX_ID_LENGTH
from metrics_graphql.store.clickhouse.ingest import in_parts
from tests.conftest import Gateway, new_organization, only_clickhouse

FIELD_BYTES = 128 * 1024
"""What ClickHouse's `http_max_field_value_size` is, unless an administrator changed it."""


@given(st.lists(st.text(min_size=1, max_size=MAX_ID_LENGTH), max_size=40))
def test_ids_are_sent_in_parts_that_a_server_takes(some: list[str]) -> None:
    """All of them, in order, none longer than a field of a form may be."""
    ids = [f"{number}{text}" for number in range(30) for text in some]
    parts = list(in_parts(ids).values())

    assert [session_id for part in parts for session_id in part] == ids
    assert all(len(str(part).encode()) <= FIELD_BYTES for part in parts)


@only_clickhouse
def test_sessions_are_found_in_every_part(gateway: Gateway) -> None:
    """Ids as long as may be, of which a block has more than one part."""
    org_id = next(new_organization)
    ids = [f"{number:0{MAX_ID_LENGTH}}" for number in range(600)]
    rows = [{"org_id": org_id, "session_id": each, "created_at": 1} for each in ids]
    first, again = gateway.load(rows), gateway.load(rows)

    assert len(in_parts(ids)) > 2
    assert (first.inserted, again.unchanged) == (600, 600)
