"""Semantics of the measures and filters: the table in docs/concepts.md."""

import pytest

from tests.conftest import Gateway, on_every_engine

pytestmark = on_every_engine

DAY = 86_400


def session(number: int, **values: object) -> dict[str, object]:
    """Return a session of org-1, by default created at 1000."""
    return {"org_id": "org-1", "session_id": f"s{number}", "created_at": 1000, **values}


def count(gateway: Gateway, after: int, before: int, **filters: object) -> int:
    """Return the number of sessions in a period that filters match."""
    body = gateway.rest(
        "org-1", gateway.token("org-1"), time_after=after, time_before=before, **filters
    ).json()
    return int(body["sessions_created_count"])


def test_a_period_includes_its_start_and_excludes_its_end(gateway: Gateway) -> None:
    """A session at `time_after` counts, one at `time_before` does not."""
    gateway.load([session(1)])

    assert count(gateway, 1000, 1001) == 1
    assert count(gateway, 999, 1000) == 0
    assert count(gateway, 1000, 1000) == 0


def test_adjacent_periods_add_up(gateway: Gateway) -> None:
    """Wherever a period is divided, no session is counted twice or lost."""
    gateway.load(session(at, created_at=at) for at in range(100))

    for cut in range(101):
        assert count(gateway, 0, cut) + count(gateway, cut, 100) == 100


def test_bounds_beyond_64_bits_count_everything(gateway: Gateway) -> None:
    """They are clamped to bounds outside of which there are no sessions."""
    gateway.load([session(1), session(2, created_at=0)])

    assert count(gateway, -(10**40), 10**40) == 2


def test_a_session_matches_if_either_list_names_its_creator(gateway: Gateway) -> None:
    """One that both lists name counts once."""
    gateway.load(
        [
            session(1, user_id="u", service_user_id="s"),
            session(2, user_id="u"),
            session(3, service_user_id="s"),
            session(4, user_id="v", service_user_id="t"),
        ]
    )

    assert count(gateway, 0, 2000, user_ids="u") == 2
    assert count(gateway, 0, 2000, service_user_ids="s") == 2
    assert count(gateway, 0, 2000, user_ids="u", service_user_ids="s") == 3
    assert count(gateway, 0, 2000, user_ids="u", service_user_ids="") == 2
    assert count(gateway, 0, 2000, user_ids="", service_user_ids="") == 0
    assert count(gateway, 0, 2000) == 4


@pytest.mark.parametrize("origin", ["cli", "vscode_extension", "devin_spaces", "brand-new", None])
def test_an_origin_that_is_not_public_counts_in_the_totals_only(
    gateway: Gateway, origin: str | None
) -> None:
    """The session counts in no origin."""
    gateway.load([session(1, origin=origin)])
    body = gateway.rest("org-1", gateway.token("org-1"), time_after=0, time_before=2000).json()

    assert body["sessions_created_count"] == 1
    assert set(body["sessions_created_by_origin"].values()) == {0}


def test_scheduled_counts_as_automation(gateway: Gateway) -> None:
    """Like sessions whose stored origin is automation."""
    gateway.load([session(1, origin="scheduled"), session(2, origin="automation")])
    body = gateway.rest("org-1", gateway.token("org-1"), time_after=0, time_before=2000).json()

    assert body["sessions_created_by_origin"]["automation"] == 2


@pytest.mark.parametrize("size", ["XS", "xxl", "", None])
def test_a_size_that_is_not_public_counts_in_the_totals_only(
    gateway: Gateway, size: str | None
) -> None:
    """The session counts in no size, with a merged pull request or without."""
    gateway.load([session(1, size=size, has_merged_pr=True)])
    body = gateway.rest("org-1", gateway.token("org-1"), time_after=0, time_before=2000).json()

    assert body["sessions_with_merged_prs_count"] == body["sessions_created_count"] == 1
    assert set(body["sessions_created_by_size"].values()) == {0}
    assert set(body["sessions_with_merged_prs_by_size"].values()) == {0}


def test_the_average_is_exact_to_the_last_digit(gateway: Gateway) -> None:
    """Also thirds of an ACU, and tenths, whose sum in floats would be inexact."""
    gateway.load(session(at, acus=acus) for at, acus in enumerate([100_000, 200_000, 1_000_000]))
    body = gateway.rest("org-1", gateway.token("org-1"), time_after=0, time_before=2000).json()
    assert body["avg_acus_per_session"] == 1.3 / 3

    gateway.load([session(9, acus=0), *(session(at, acus=100_000) for at in range(3))])
    body = gateway.rest("org-1", gateway.token("org-1"), time_after=0, time_before=2000).json()
    assert body["avg_acus_per_session"] == 0.075
