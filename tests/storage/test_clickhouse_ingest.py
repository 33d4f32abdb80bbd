"""The ids of a batch, looked up in ClickHouse."""

from clickhouse_connect.driver.binding import format_bind_value
from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.core.identifiers import MAX_ID_LENGTH
from metrics_graphql.storage.clickhouse.ingest import split_ids
from tests.conftest import Gateway, new_organization, only_clickhouse

FIELD_BYTES = 128 * 1024
"""The default of ClickHouse's `http_max_field_value_size`."""


TEXTS = st.text(min_size=1, max_size=MAX_ID_LENGTH) | st.text("\\'`\t\n\r\0\"a", min_size=1)


@given(st.lists(TEXTS, max_size=40))
def test_ids_are_split_into_parameters_that_a_server_accepts(texts: list[str]) -> None:
    """All of them, in order, as the driver writes them; none longer than a field may be."""
    ids = [f"{number}{text}" for number in range(30) for text in texts]
    parameters = list(split_ids(ids).values())

    elements = [element for parameter in parameters for element in parameter.elements]
    assert f"[{', '.join(elements)}]" == format_bind_value(ids)
    for parameter in parameters:
        assert format_bind_value(parameter) == str(parameter)
        assert len(str(parameter).encode()) <= FIELD_BYTES


@only_clickhouse
def test_sessions_are_found_in_every_parameter(gateway: Gateway) -> None:
    """A batch of the longest ids takes more than one. Ids may have quotes and backslashes."""
    org_id = next(new_organization)
    ids = [f"{number:0{MAX_ID_LENGTH}}" for number in range(595)]
    ids += ["it's", 'a "quote"', "back\\slash\\", "`tick`", "é ☕"]
    rows = [{"org_id": org_id, "session_id": each, "created_at": 1} for each in ids]
    first, second = gateway.load(rows), gateway.load(rows)

    assert len(split_ids(ids)) > 1
    assert (first.inserted, second.unchanged) == (600, 600)
