"""GraphQL = REST = oracle: a query has exactly the same result over both APIs."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests import oracle, strategies
from tests.conftest import Gateway, new_organization, on_every_engine

pytestmark = on_every_engine


@given(data=st.data())
def test_both_apis_equal_the_oracle(gateway: Gateway, data: st.DataObject) -> None:
    """For random sessions, periods, filters and selections, all three agree to the last digit."""
    org_id = next(new_organization)
    rows = strategies.session_rows(org_id, st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    stored = data.draw(st.lists(rows, max_size=40, unique_by=lambda row: row["session_id"]))
    elsewhere = data.draw(
        st.lists(strategies.session_rows(f"{org_id}-b", st.just("a")), max_size=1)
    )
    gateway.load([*stored, *elsewhere])
    token = gateway.token(org_id)
    for _ in range(4):
        period: dict[str, Any] = data.draw(strategies.periods())
        filters = data.draw(strategies.filters())
        selection = data.draw(strategies.selections())
        rest = strategies.rest_filters(filters)
        expected = oracle.rest(stored, org_id, **period, **rest)

        over_rest = gateway.rest(org_id, token, **strategies.rest_parameters(period, rest))
        over_graphql = gateway.metrics(
            strategies.in_graphql(selection),
            org_id,
            token,
            strategies.graphql_filters(period, filters),
        )

        assert over_rest.json() == expected
        assert over_graphql == oracle.select(
            oracle.graphql(stored, org_id, **period, **filters), selection
        )
