"""`MetricsService` on a repository in memory: authentication, authorization, partial failure."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from metrics_graphql.core.breakdowns import (
    Breakdown,
    BreakdownQuery,
    Dimension,
    OrderDirection,
    Ranking,
)
from metrics_graphql.core.callers import ServiceUser
from metrics_graphql.core.errors import (
    BadUserInput,
    Forbidden,
    MetricsError,
    Unauthenticated,
    Unavailable,
)
from metrics_graphql.core.measures import SESSIONS_CREATED
from metrics_graphql.core.names import MAX_FOUND_IDS, NamedId, NamedKind
from metrics_graphql.core.periods import DAY
from metrics_graphql.core.queries import MetricsRequest, SessionMetricsQuery
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.core.service import LAST_USED_RESOLUTION, MetricsService
from metrics_graphql.core.tenants import ENTERPRISE, Tenant
from metrics_graphql.core.tokens import generate_token
from tests.conftest import Advance
from tests.core.in_memory import InMemoryRepository, service_user

FetchCounts = Callable[..., list[int | str]]
NOT_THIS_ORGANIZATION = "You may not read the metrics of this organization."
NOT_THE_ENTERPRISE = "You may not read the metrics of the enterprise."
NOT_AVAILABLE = "The database is not available. Try again later."


@pytest.fixture
def repository() -> InMemoryRepository:
    """Return a repository of two organizations, with one session and with two."""
    return InMemoryRepository({"org-1": 1, "org-2": 2})


@pytest.fixture
def service(repository: InMemoryRepository) -> MetricsService:
    """Return a service on it that caches nothing."""
    return MetricsService(repository, ttl=0)


def query(tenant: Tenant) -> SessionMetricsQuery:
    """Return a query of a tenant."""
    return SessionMetricsQuery.from_params(tenant=tenant, time_after=0, time_before=10)


def result_of(result: SessionMetrics | MetricsError) -> int | str:
    """Return the number of sessions in a result, or the message of an error."""
    return result.message if isinstance(result, MetricsError) else result[SESSIONS_CREATED]


def counts(service: MetricsService, caller: ServiceUser, *tenants: Tenant) -> list[int | str]:
    """Return the number of sessions of each tenant, or the message of its error."""
    requests = [MetricsRequest(query(tenant), (SESSIONS_CREATED,)) for tenant in tenants]
    return [result_of(each) for each in asyncio.run(service.fetch_metrics(caller, requests))]


def breakdown_counts(
    service: MetricsService, caller: ServiceUser, *tenants: Tenant
) -> list[int | str]:
    """Return the same of breakdowns, whose only row counts all sessions."""
    ranking = Ranking(SESSIONS_CREATED.name, OrderDirection.DESC, 1)
    queries = [
        BreakdownQuery(query(tenant), Dimension.USER, ranking, (SESSIONS_CREATED,))
        for tenant in tenants
    ]
    return [
        each.message if isinstance(each, MetricsError) else result_of(each.rows[0].metrics)
        for each in asyncio.run(service.fetch_breakdowns(caller, queries))
    ]


both = pytest.mark.parametrize("fetch_counts", [counts, breakdown_counts])


def test_a_known_token_authenticates_its_service_user(
    repository: InMemoryRepository, service: MetricsService
) -> None:
    """With the expiry of the token."""
    caller, tomorrow = service_user("org-1"), int(time.time()) + DAY
    token = repository.add_token(caller, tomorrow)

    authenticated = asyncio.run(service.authenticate(token))

    assert authenticated == replace(caller, token_expires_at=tomorrow)


@pytest.mark.parametrize("reason", ["unknown", "expired", "revoked"])
def test_invalid_tokens_are_refused_with_the_same_message(
    repository: InMemoryRepository, service: MetricsService, reason: str
) -> None:
    """The message does not reveal the reason, and no use is recorded."""
    token = {
        "unknown": generate_token(),
        "expired": repository.add_token(service_user("org-1"), int(time.time())),
        "revoked": repository.add_token(service_user("org-1", revoked_at=1)),
    }[reason]

    with pytest.raises(Unauthenticated, match=r"^The token is not valid$"):
        asyncio.run(service.authenticate(token))
    assert repository.last_uses == []


def test_authentication_fails_if_the_repository_is_unavailable(
    repository: InMemoryRepository, service: MetricsService
) -> None:
    """Whether the token is valid is unknown."""
    repository.broken.add("fetch_callers")

    with pytest.raises(Unavailable):
        asyncio.run(service.authenticate(generate_token()))


@both
def test_forbidden_entries_of_a_batch_are_values(
    service: MetricsService, fetch_counts: FetchCounts
) -> None:
    """In their places; the other entries have their results."""
    found = fetch_counts(service, service_user("org-2"), "org-1", "org-2", ENTERPRISE, "org-3")

    assert found == [NOT_THIS_ORGANIZATION, 2, NOT_THE_ENTERPRISE, NOT_THIS_ORGANIZATION]


@both
def test_the_enterprise_level_covers_every_known_organization(
    service: MetricsService, fetch_counts: FetchCounts
) -> None:
    """It also covers the enterprise itself. An unknown organization is forbidden."""
    found = fetch_counts(service, service_user(ENTERPRISE), "org-1", "org-3", ENTERPRISE, "org-2")

    assert found == [1, NOT_THIS_ORGANIZATION, 3, 2]


@both
@pytest.mark.parametrize("tenant", ["org-1", ENTERPRISE])
def test_without_the_permission_everything_is_forbidden(
    repository: InMemoryRepository,
    service: MetricsService,
    fetch_counts: FetchCounts,
    tenant: Tenant,
) -> None:
    """Without a read that would depend on the organization."""
    caller = service_user(tenant, "ManageBilling")

    found = fetch_counts(service, caller, "org-1", "org-3", ENTERPRISE)

    assert found == [NOT_THIS_ORGANIZATION, NOT_THIS_ORGANIZATION, NOT_THE_ENTERPRISE]
    assert "fetch_data_versions" not in repository.calls
    assert asyncio.run(service.list_organizations(caller, 10)) == []


@both
def test_a_failed_entry_of_a_batch_leaves_the_others(
    repository: InMemoryRepository, service: MetricsService, fetch_counts: FetchCounts
) -> None:
    """It is `Unavailable`, next to results and to entries that are forbidden."""
    repository.broken.add("org-1")

    found = fetch_counts(service, service_user(ENTERPRISE), "org-2", "org-1", "org-3", ENTERPRISE)

    assert found == [2, NOT_AVAILABLE, NOT_THIS_ORGANIZATION, 3]


@both
def test_every_entry_fails_if_permissions_cannot_be_checked(
    repository: InMemoryRepository, service: MetricsService, fetch_counts: FetchCounts
) -> None:
    """Nothing is fetched without a permission."""
    repository.broken.add("fetch_data_versions")

    found = fetch_counts(service, service_user(ENTERPRISE), "org-1", "org-3")

    assert found == [NOT_AVAILABLE, NOT_AVAILABLE]
    assert "fetch_metrics" not in repository.calls
    assert "fetch_breakdown" not in repository.calls


def test_organizations_are_listed_as_far_as_they_may_be_read(
    repository: InMemoryRepository, service: MetricsService
) -> None:
    """All of them at enterprise level, else the caller's own; with their names."""
    enterprise, own = service_user(ENTERPRISE), service_user("org-2")
    repository.names[NamedKind.ORGANIZATION, "org-2"] = "Two"
    one, two = NamedId("org-1", None), NamedId("org-2", "Two")

    assert asyncio.run(service.list_organizations(enterprise, 10)) == [one, two]
    assert asyncio.run(service.list_organizations(enterprise, 1)) == [one]
    assert asyncio.run(service.list_organizations(own, 1)) == [two]
    for first in (0, 1_001):
        with pytest.raises(BadUserInput, match="must be from 1 to 1000"):
            asyncio.run(service.list_organizations(own, first))


def test_ids_are_searched_as_far_as_they_may_be_read(
    repository: InMemoryRepository, service: MetricsService
) -> None:
    """By a part of the name or of the id; a tenant that may not be read is forbidden."""
    repository.names[NamedKind.USER, "user-1"] = "Ada"
    repository.names[NamedKind.USER, "user-2"] = "Grace"

    def search(caller: ServiceUser, tenant: Tenant, text: str, first: int = 10) -> list[str]:
        found = service.search_ids(caller, tenant, NamedKind.USER, text, first)
        return [each.id for each in asyncio.run(found)]

    assert search(service_user("org-1"), "org-1", "race") == ["user-2"]
    assert search(service_user(ENTERPRISE), ENTERPRISE, "user", first=1) == ["user-1"]
    for tenant in ("org-2", "org-3", ENTERPRISE):
        with pytest.raises(Forbidden):
            search(service_user("org-1"), tenant, "")
    for first in (0, MAX_FOUND_IDS + 1):
        with pytest.raises(BadUserInput, match=f"must be from 1 to {MAX_FOUND_IDS}"):
            search(service_user("org-1"), "org-1", "", first)


def test_a_breakdown_has_the_data_version_before_it_was_read(
    repository: InMemoryRepository, service: MetricsService
) -> None:
    """Rows may be newer than it, and never older."""
    ranking = Ranking(SESSIONS_CREATED.name, OrderDirection.DESC, 1)
    breakdown = BreakdownQuery(query("org-1"), Dimension.USER, ranking, (SESSIONS_CREATED,))

    (found,) = asyncio.run(service.fetch_breakdowns(service_user("org-1"), [breakdown]))

    assert isinstance(found, Breakdown)
    assert found.data_version == 1
    assert repository.calls == ["fetch_data_versions", "fetch_breakdown"]


def uses_recorded(repository: InMemoryRepository, last_used_at: int | None, times: int = 1) -> int:
    """Return how many uses are recorded when a token is used some times in a row."""
    token = repository.add_token(service_user("org-1", last_used_at=last_used_at))

    async def use() -> None:
        service = MetricsService(repository, ttl=0)
        for _ in range(times):
            await service.authenticate(token)
            await service.close()

    asyncio.run(use())
    return len(repository.last_uses)


@pytest.mark.parametrize(
    ("seconds_ago", "recorded"),
    [(LAST_USED_RESOLUTION + 1, 1), (1, 0), (-DAY, 1)],
    ids=["earlier", "recent", "in the future"],
)
def test_a_use_is_recorded_unless_a_recent_one_is(
    repository: InMemoryRepository, seconds_ago: int, recorded: int
) -> None:
    """A use in the future, after the clock was set back, is not recent."""
    assert uses_recorded(repository, int(time.time()) - seconds_ago) == recorded


def test_uses_in_a_row_are_recorded_once(repository: InMemoryRepository) -> None:
    """The stored use may be behind by `LAST_USED_RESOLUTION`."""
    assert uses_recorded(repository, None, times=3) == 1


def test_a_failed_recording_of_a_use_is_repeated(
    repository: InMemoryRepository, caplog: pytest.LogCaptureFixture
) -> None:
    """The request itself succeeds; the failure is logged."""
    token = repository.add_token(service_user("org-1"))

    async def use() -> None:
        service = MetricsService(repository, ttl=0)
        repository.broken.add("record_last_use")
        await service.authenticate(token)
        await service.close()
        repository.broken.clear()
        await service.authenticate(token)
        await service.close()

    asyncio.run(use())

    assert [who for who, _ in repository.last_uses] == ["service-user-1"]
    assert "The last use of service-user-1 was not stored" in caplog.text


def test_a_revoked_token_is_valid_for_the_ttl_at_most(
    repository: InMemoryRepository, advance: Advance
) -> None:
    """Then it is looked up again."""
    token = repository.add_token(service_user("org-1"))

    async def use() -> None:
        service = MetricsService(repository, ttl=5)
        await service.authenticate(token)
        repository.callers.clear()
        advance(4.9)
        await service.authenticate(token)
        advance(0.1)
        with pytest.raises(Unauthenticated):
            await service.authenticate(token)

    asyncio.run(use())
