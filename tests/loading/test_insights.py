"""A page of the v3 API: what is taken, and how what is not as documented is named."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from metrics_graphql.loading.insights import MAX_CURSOR, Page
from metrics_graphql.loading.rows import reason

ITEM: dict[str, Any] = {
    "session_id": "a",
    "org_id": "org-1",
    "created_at": 10,
    "updated_at": 20,
    "session_size": "s",
    "acus_consumed": 0.1,
    "pull_requests": [],
}
LAST: dict[str, Any] = {"items": [ITEM], "has_next_page": False, "end_cursor": None}


def read(page: dict[str, Any]) -> Page:
    """Read a page of org-1."""
    return Page.model_validate_json(json.dumps(page), context="org-1")


def refusal(page: dict[str, Any]) -> str:
    """Return why a page is refused."""
    with pytest.raises(ValidationError) as refused:
        read(page)
    return reason(refused.value)


def without_dots(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is `...`."""
    return {name: value for name, value in values.items() if value is not ...}


def test_exact_values_are_taken() -> None:
    """Decimal fractions are what they look like; what is new in the API is passed over."""
    (item,) = read({**LAST, "items": [{**ITEM, "new": {}}], "new": 1}).items

    assert str(item.acus_consumed) == "0.1"
    assert item.update("org-1").values["acus"] == 100_000


@pytest.mark.parametrize(
    ("change", "path"),
    [
        *(({name: ...}, f"items.1.{name}: ") for name in ITEM),
        *(({name: None}, f"items.1.{name}: ") for name in ITEM),
        ({"session_id": ""}, "items.1.session_id: "),
        ({"session_id": "a,b"}, "items.1.session_id: "),
        ({"org_id": "org-2"}, "items.1.org_id: must be org-1, not org-2"),
        ({"created_at": 1_735_689_600_000}, "items.1.created_at: "),
        ({"updated_at": "soon"}, "items.1.updated_at: "),
        ({"session_size": ""}, "items.1.session_size: "),
        ({"session_size": 5}, "items.1.session_size: "),
        ({"acus_consumed": -1}, "items.1.acus_consumed: "),
        ({"acus_consumed": True}, "items.1.acus_consumed: "),
        ({"pull_requests": {}}, "items.1.pull_requests: "),
        ({"pull_requests": [{"pr_state": 5}]}, "items.1.pull_requests.0.pr_state: "),
        ({"user_id": 5}, "items.1.user_id: "),
        ({"origin": "a\0b"}, "items.1.origin: "),
    ],
    ids=str,
)
def test_a_session_that_is_not_as_expected_is_named(change: dict[str, Any], path: str) -> None:
    """By the path of its field into the page."""
    page = {**LAST, "items": [ITEM, without_dots({**ITEM, **change})]}

    assert refusal(page).startswith(path)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"items": ...}, "items: "),
        ({"items": None}, "items: "),
        ({"items": {}}, "items: "),
        ({"items": [5]}, "items.0: "),
        ({"has_next_page": ...}, "has_next_page: "),
        ({"has_next_page": "false"}, "has_next_page: "),
        ({"has_next_page": 1}, "has_next_page: "),
        ({"has_next_page": True}, "end_cursor: "),
        ({"has_next_page": True, "end_cursor": ...}, "end_cursor: "),
        ({"has_next_page": True, "end_cursor": ""}, "end_cursor: "),
        ({"end_cursor": 5}, "end_cursor: "),
        ({"end_cursor": "a\0b"}, "end_cursor: "),
        ({"end_cursor": "c" * (MAX_CURSOR + 1)}, "end_cursor: "),
        ({"total": -1}, "total: "),
    ],
    ids=lambda value: f"{value!s:.60}",
)
def test_a_page_that_is_not_as_expected_is_named(change: dict[str, Any], path: str) -> None:
    """By its field."""
    assert refusal(without_dots({**LAST, **change})).startswith(path)
