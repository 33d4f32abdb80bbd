"""The schema of a page of the v3 API: accepted values, and errors that name the field by path."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from metrics_graphql.ingestion.row_schema import format_validation_error
from metrics_graphql.ingestion.v3_schema import MAX_CURSOR, SessionPage

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


def read(page: dict[str, Any]) -> SessionPage:
    """Validate a page of org-1."""
    return SessionPage.model_validate_json(json.dumps(page), context="org-1")


def validation_error(page: dict[str, Any]) -> str:
    """Return the error of an invalid page."""
    with pytest.raises(ValidationError) as refused:
        read(page)
    return format_validation_error(refused.value)


def without_ellipsis(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values that are not `...`, which stands for a missing field."""
    return {name: value for name, value in values.items() if value is not ...}


def test_decimals_are_exact() -> None:
    """Unknown fields are ignored."""
    (item,) = read({**LAST, "items": [{**ITEM, "new": {}}], "new": 1}).items

    assert str(item.acus_consumed) == "0.1"
    assert item.to_update("org-1").values["acus"] == 100_000


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
def test_invalid_sessions(change: dict[str, Any], path: str) -> None:
    """The error begins with the path of the field in the page."""
    page = {**LAST, "items": [ITEM, without_ellipsis({**ITEM, **change})]}

    assert validation_error(page).startswith(path)


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
def test_invalid_pages(change: dict[str, Any], path: str) -> None:
    """The error begins with the field."""
    assert validation_error(without_ellipsis({**LAST, **change})).startswith(path)
