"""Generates realistic sessions of fictitious organizations, reproducibly.

Attributes are drawn in bulk, one list each, and zipped: a draw per session would take far longer.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from metrics_graphql.core.names import NamedKind
from metrics_graphql.core.periods import DAY, HOUR
from metrics_graphql.core.sessions import MICROS_PER_ACU, SessionUpdate

DEMO_SECONDS: Final = 395 * DAY
"""Length of the generated period: thirteen months, for a month to be compared with that of the year
before."""


@dataclass(frozen=True, slots=True)
class _Organization:
    """A fictitious organization: its size, its time zone, and its numbers of creators."""

    org_id: str
    share: float
    """Fraction of all sessions; the first organization gets the remainder of rounding."""
    utc_offset: int
    """Seconds. Daylight saving time is not modelled."""
    users: int
    service_users: int
    playbooks: int


_ORGANIZATIONS: Final = (
    _Organization("org-larkspur", 0.70, -8 * HOUR, users=1_200, service_users=14, playbooks=90),
    _Organization("org-tidewater", 0.20, 1 * HOUR, users=350, service_users=6, playbooks=40),
    _Organization("org-quillfern", 0.07, 11 * HOUR // 2, users=110, service_users=3, playbooks=16),
    _Organization("org-emberfold", 0.025, -5 * HOUR, users=40, service_users=2, playbooks=7),
    _Organization("org-mosskettle", 0.005, 9 * HOUR, users=8, service_users=1, playbooks=3),
)
DEMO_ORGANIZATIONS: Final = tuple(organization.org_id for organization in _ORGANIZATIONS)
"""Ids of the demo organizations, the largest first."""

_GROWTH: Final = 3.0
"""Ratio of the hourly rate at the end of the period to that at its start."""
_WEEKDAY_WEIGHTS: Final = (1.0, 1.1, 1.1, 1.05, 0.85, 0.12, 0.15)
"""By day of the week, Monday first."""
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday."""
_HOUR_WEIGHTS: Final = (
    *(0.05, 0.04, 0.03, 0.03, 0.04, 0.08, 0.2, 0.45),
    *(0.85, 1.2, 1.35, 1.3, 0.95, 1.1, 1.35, 1.3),
    *(1.15, 0.9, 0.55, 0.35, 0.3, 0.25, 0.15, 0.08),
)
"""By hour of the day, local time."""

_USER_ORIGINS: Final[dict[str | None, float]] = {
    "webapp": 38,
    "slack": 21,
    "linear": 7,
    "desktop": 6,
    "jira": 5,
    "teams": 3.5,
    "api": 1.5,
    "cli": 1.5,
    "vscode_extension": 0.8,
    "devin_spaces": 0.4,
    "other": 0.6,
    None: 0.7,
}
"""Stored origins of sessions created by users, and their weights among all sessions."""
_SERVICE_ORIGINS: Final[dict[str | None, float]] = {"api": 6, "automation": 4, "scheduled": 2.5}
"""Like `_USER_ORIGINS`, for sessions created by service users in their own name."""
_ON_BEHALF_ORIGINS: Final[dict[str | None, float]] = {"api": 1, "automation": 0.5}
"""Like `_USER_ORIGINS`, for sessions created by service users on behalf of users, with both ids."""

_PLAYBOOK_TASKS: Final = (
    "Upgrade a dependency",
    "Fix a failing build",
    "Write missing tests",
    "Triage a bug report",
    "Migrate an endpoint",
    "Review a pull request",
)
_USER_ID_PREFIXES: Final = ("email|", "email|", "google-oauth2|")
_WITH_PLAYBOOK: Final = 0.35
_FIRST_SEARCH_RATE: Final = 0.08
_SEARCH_RATE_RISE: Final = 0.34


@dataclass(frozen=True, slots=True)
class _SizeTraits:
    """A size, its weight among all sessions, and the attributes that depend on it."""

    size: str | None
    weight: float
    median_acus: float
    merge_rate: float


_SIZE_TRAITS: Final = (
    _SizeTraits("xs", 30, 0.5, merge_rate=0.34),
    _SizeTraits("s", 34, 1.8, merge_rate=0.56),
    _SizeTraits("m", 22, 4.5, merge_rate=0.52),
    _SizeTraits("l", 9, 11.0, merge_rate=0.31),
    _SizeTraits("xl", 4, 30.0, merge_rate=0.13),
    _SizeTraits(None, 1, 1.2, merge_rate=0.25),
)
_ACU_SPREAD: Final = 0.55
_MEAN_MERGE_DELAY: Final = 2.5 * DAY
_UNMERGED_STATES: Final = ((None, "closed", "open"), (70, 22, 8))
"""States of the pull requests of sessions that never merge one, and their weights."""
_OUTCOMES: Final = 20_000
"""Outcomes that are drawn once; those of the sessions are drawn from these."""

_Creator = tuple[str | None, str | None, str | None]
"""Origin, user id, service user id: drawn together, because they depend on each other."""
_Outcome = tuple[str | None, int, float, str | None]
"""Size, ACUs in millionths, seconds until the pull request is merged, and its state until then
(None: there is no pull request). They are drawn together, like those of `_Creator`."""


def demo_sessions(count: int, *, until: int, seed: int = 20) -> Iterator[SessionUpdate]:
    """Yield sessions, one organization after the other, each oldest first.

    The same arguments give the same sessions. A later `until` gives the same ids at later times. So
    loading them again replaces the sessions of a demo.

    Args:
        count: Sessions of all organizations together.
        until: Unix seconds. Sessions are created in the `DEMO_SECONDS` before it.
        seed: Another seed gives other sessions of the same organizations.
    """
    rng = Random(seed)  # noqa: S311 - invents data, guards nothing
    outcomes = _draw_outcomes(rng)
    for organization, sessions in zip(_ORGANIZATIONS, _split(count), strict=True):
        yield from _organization_sessions(organization, sessions, until, outcomes, rng)


def demo_names(org_id: str, kind: NamedKind, ids: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the ids of one kind in a demo organization, each with a name that contains a number."""
    company = org_id.removeprefix("org-")
    for number, each in enumerate(sorted(ids), 1):
        match kind:
            case NamedKind.USER:
                yield each, f"user{number:04}@{company}.example"
            case NamedKind.SERVICE_USER:
                yield each, f"{company} bot {number}"
            case NamedKind.PLAYBOOK:
                task = _PLAYBOOK_TASKS[number % len(_PLAYBOOK_TASKS)]
                yield each, f"{task} {number}"
            case NamedKind.ORGANIZATION:
                yield each, company.capitalize()


def _split(count: int) -> list[int]:
    """Return the number of sessions of each organization, `count` in total."""
    smaller = [int(count * organization.share) for organization in _ORGANIZATIONS[1:]]
    return [count - sum(smaller), *smaller]


def _organization_sessions(
    organization: _Organization, count: int, until: int, outcomes: Sequence[_Outcome], rng: Random
) -> Iterator[SessionUpdate]:
    """Yield one organization's sessions, oldest first."""
    times = _draw_times(organization, count, until, rng)
    drawn = zip(
        _draw_hex_ids(count, 16, rng),
        times,
        _draw_creators(organization, count, rng),
        rng.choices(outcomes, k=count),
        _draw_playbooks(organization, count, rng),
        _draw_search_use(times, until, rng),
        strict=True,
    )
    for session_id, created_at, creator, outcome, playbook_id, used_search in drawn:
        origin, user_id, service_user_id = creator
        size, acus, merge_delay, unmerged_state = outcome
        is_merged = created_at + merge_delay < until
        state = "merged" if is_merged else unmerged_state
        values = {
            "created_at": created_at,
            "origin": origin,
            "size": size,
            "user_id": user_id,
            "service_user_id": service_user_id,
            "playbook_id": playbook_id,
            "used_search": used_search,
            "has_merged_pr": is_merged,
            "acus": acus,
            "pr_count": int(state is not None),
            "open_pr_count": int(state == "open"),
            "merged_pr_count": int(state == "merged"),
            "closed_pr_count": int(state == "closed"),
        }
        yield SessionUpdate(organization.org_id, session_id, values)


def _draw_times(organization: _Organization, count: int, until: int, rng: Random) -> list[int]:
    """Return sorted instants, weighted by the organization's working hours and its growth."""
    start = until - DEMO_SECONDS
    hours = range(start, until, HOUR)
    weights = [
        _activity(hour + organization.utc_offset) * _GROWTH ** ((hour - start) / DEMO_SECONDS)
        for hour in hours
    ]
    drawn = rng.choices(hours, weights, k=count)
    return sorted(hour + int(rng.random() * HOUR) for hour in drawn)


def _activity(local_time: int) -> float:
    """Return the weight of an hour by its weekday and time of day."""
    day, second = divmod(local_time, DAY)
    return _WEEKDAY_WEIGHTS[(day + _EPOCH_WEEKDAY) % 7] * _HOUR_WEIGHTS[second // HOUR]


def _draw_creators(organization: _Organization, count: int, rng: Random) -> list[_Creator]:
    """Return the creator and origin of each session. Sessions per user are Zipf-distributed."""
    users = [
        rng.choice(_USER_ID_PREFIXES) + hex_id
        for hex_id in _draw_hex_ids(organization.users, 12, rng)
    ]
    service_users = [
        f"service-user-{hex_id}" for hex_id in _draw_hex_ids(organization.service_users, 12, rng)
    ]
    weights: dict[_Creator, float] = {}
    for user, share in zip(users, _zipf_weights(len(users)), strict=True):
        for origin, weight in _USER_ORIGINS.items():
            weights[origin, user, None] = weight * share
        for origin, weight in _ON_BEHALF_ORIGINS.items():
            weights[origin, user, service_users[0]] = weight * share
    for service_user, share in zip(service_users, _zipf_weights(len(service_users)), strict=True):
        for origin, weight in _SERVICE_ORIGINS.items():
            weights[origin, None, service_user] = weight * share
    return rng.choices(list(weights), list(weights.values()), k=count)


def _draw_playbooks(organization: _Organization, count: int, rng: Random) -> list[str | None]:
    """Return the playbook of each session, or None. Uses are Zipf-distributed."""
    playbooks = [f"playbook-{hex_id}" for hex_id in _draw_hex_ids(organization.playbooks, 16, rng)]
    weights = [_WITH_PLAYBOOK * weight for weight in _zipf_weights(len(playbooks))]
    return rng.choices([None, *playbooks], [1 - _WITH_PLAYBOOK, *weights], k=count)


def _draw_search_use(times: Sequence[int], until: int, rng: Random) -> list[bool]:
    """Return whether each session used search. The rate rises linearly over time."""
    start, rise = until - DEMO_SECONDS, _SEARCH_RATE_RISE / DEMO_SECONDS
    return [rng.random() < _FIRST_SEARCH_RATE + rise * (time - start) for time in times]


def _draw_outcomes(rng: Random) -> list[_Outcome]:
    """Return a pool of outcomes to draw from with equal weights."""
    weights = [traits.weight for traits in _SIZE_TRAITS]
    outcomes = []
    for traits in rng.choices(_SIZE_TRAITS, weights, k=_OUTCOMES):
        merge_delay = _draw_merge_delay(traits, rng)
        (unmerged_state,) = rng.choices(*_UNMERGED_STATES)
        state = unmerged_state if merge_delay == math.inf else "open"
        outcomes.append((traits.size, _draw_acus(traits, rng), merge_delay, state))
    return outcomes


def _draw_acus(traits: _SizeTraits, rng: Random) -> int:
    """Return ACUs in millionths, log-normally distributed around the median of the size."""
    return int(MICROS_PER_ACU * rng.lognormvariate(math.log(traits.median_acus), _ACU_SPREAD))


def _draw_merge_delay(traits: _SizeTraits, rng: Random) -> float:
    """Return the seconds from a session's creation to its first merge; infinity: never merged.

    With a delay instead of a flag, pull requests of the newest sessions are not merged yet.
    """
    merged = rng.random() < traits.merge_rate
    return rng.expovariate(1 / _MEAN_MERGE_DELAY) if merged else math.inf


def _draw_hex_ids(count: int, size: int, rng: Random) -> list[str]:
    """Return `count` ids of `size` random bytes, which are enough to make them unique."""
    digits, width = rng.randbytes(count * size).hex(), 2 * size
    return [digits[at : at + width] for at in range(0, len(digits), width)]


def _zipf_weights(count: int) -> list[float]:
    """Return Zipf-like weights, largest first, with a sum of 1."""
    weights = [rank**-0.7 for rank in range(1, count + 1)]
    total = sum(weights)
    return [weight / total for weight in weights]
