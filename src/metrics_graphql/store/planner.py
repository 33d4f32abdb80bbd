"""Which rows answer a question: roll-ups where they are exact, raw sessions where not."""

from enum import Enum
from typing import Final, NamedTuple

from metrics_graphql.domain.metrics import SessionMetricsQuery
from metrics_graphql.domain.periods import TimePeriod
from metrics_graphql.store.dialects import Run
from metrics_graphql.store.rollups import ORGANIZATION, PLAYBOOK, SERVICE_USER, USER, Scope


class Filters(NamedTuple):
    """Which filters a question has."""

    users: bool
    service_users: bool
    playbook: bool


SCOPE_OF: Final = {
    Filters(users=False, service_users=False, playbook=False): ORGANIZATION,
    Filters(users=True, service_users=False, playbook=False): USER,
    Filters(users=False, service_users=True, playbook=False): SERVICE_USER,
    Filters(users=False, service_users=False, playbook=True): PLAYBOOK,
}
"""Whose roll-ups know the sessions that some filters match."""


class Organizations(Enum):
    """Of how many organizations sessions are counted."""

    ONE = "one"
    SOME = "some"
    ALL = "all"


class Plan(NamedTuple):
    """How questions that differ only in their bounds are answered: they share a statement."""

    filters: Filters
    scope: Scope | None
    """Whose roll-ups are read between the raw ends of a period; None where only raw rows do."""
    organizations: Organizations = Organizations.ONE

    def runs(self, question: int, period: TimePeriod) -> list[Run]:
        """Cut a period into the runs of buckets and of raw sessions that answer for it."""
        grains = self.scope.grains if self.scope else ()
        return [
            Run(question, segment.grain or 0, segment.start, segment.end)
            for segment in period.segments(grains)
        ]


def plan_for(query: SessionMetricsQuery, *, rolled_up: bool = True) -> Plan:
    """Return how to answer a question exactly.

    A roll-up adds up the sessions that name one id. With two filters at once no roll-up knows which
    sessions both match; with both kinds of creator, a session that names one of each would count
    twice. Such questions go to the raw rows, through the filters' indexes; and so do all where
    sessions are not `rolled_up`.
    """
    filters = Filters(
        users=query.creators.user_ids is not None,
        service_users=query.creators.service_user_ids is not None,
        playbook=query.playbook_id is not None,
    )
    scope = SCOPE_OF.get(filters) if rolled_up else None
    return Plan(filters, scope, organizations_of(query))


def organizations_of(query: SessionMetricsQuery) -> Organizations:
    """Return of how many organizations a question is."""
    if query.org_id is not None:
        return Organizations.ONE
    return Organizations.ALL if query.org_ids is None else Organizations.SOME
