"""The fast path and graphql-core respond equally to random requests.

`data` is equal byte for byte; the errors are equal, in the order of their paths. With
`METRICS_TEST_EXAMPLES`, as many requests of each kind are executed.
"""

import os
from collections.abc import Generator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_graphql import queries

from metrics_graphql.core.measures import SESSIONS_CREATED
from metrics_graphql.core.results import SessionMetrics
from tests import strategies
from tests.conftest import Gateway, only_sqlite
from tests.graphql_api.both_ways import BothWays
from tests.graphql_api.operations import Request, requests
from tests.graphql_api.test_schema import PRINTED

pytestmark = only_sqlite

random_requests = settings(
    max_examples=int(os.environ.get("METRICS_TEST_EXAMPLES", settings().max_examples))
)


@pytest.fixture(scope="module")
def unlimited(shared: Gateway) -> Generator[Gateway]:
    """Return a gateway with limits that no random document exceeds."""
    limits = ("tokens", "fields", "aliases", "root_fields", "directives", "cost", "response_fields")
    with shared.configured(
        **{f"max_{limit}": 10**9 for limit in limits},
        cache_bytes=0,
        cache_ttl=60,
        rate_limit="none",
    ) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def tokens(unlimited: Gateway) -> list[str]:
    """Return the tokens of an organization, of the enterprise, and without the permission."""
    return [
        unlimited.token("org-1"),
        unlimited.token(),
        unlimited.token("org-1", "ManageBilling"),
    ]


@random_requests
@given(request=requests(), caller=st.sampled_from([0, 0, 1, 1, 2]))
def test_responses_to_operations_with_fragments_and_variables_are_equal(
    unlimited: Gateway,
    tokens: list[str],
    monkeypatch: pytest.MonkeyPatch,
    request: Request,
    caller: int,
) -> None:
    """With conditions, aliases, and arguments of which some are refused, for three callers."""
    responses = BothWays(unlimited, tokens[caller], monkeypatch).execute(*request)

    assert responses.is_compiled
    responses.check_equal()


@random_requests
@given(
    query=queries(
        PRINTED, custom_scalars={"DateTime": st.integers(0, 20).map(strategies.literal)}
    ).map(lambda query: query.replace('orgId: ""', 'orgId: "org-1"'))
)
def test_responses_to_generated_queries_are_equal(
    unlimited: Gateway, tokens: list[str], monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    """Of hypothesis-graphql, which knows nothing of the fast path."""
    for token in tokens[:2]:
        BothWays(unlimited, token, monkeypatch).execute(query).check_equal()


@random_requests
@given(request=requests())
def test_nulls_are_propagated_equally(
    unlimited: Gateway, tokens: list[str], monkeypatch: pytest.MonkeyPatch, request: Request
) -> None:
    """An exception in a non-null field makes the nearest nullable field null in both ways."""

    def failing_average(metrics: SessionMetrics) -> float:
        if metrics[SESSIONS_CREATED] == 3:
            raise RuntimeError
        return 1.0

    with monkeypatch.context() as patch:
        patch.setattr(SessionMetrics, "avg_acus_per_session", property(failing_average))
        for token in tokens[:2]:
            responses = BothWays(unlimited, token, monkeypatch).execute(*request)

            assert responses.fast_path.data == responses.graphql_core.data
