"""Rows of names: which are valid, and what they become."""

from typing import Any

import pytest

from metrics_graphql.core.names import NamedKind, NameUpdate
from metrics_graphql.ingestion.name_rows import NameParser
from metrics_graphql.ingestion.rows import InvalidRow

ROW: dict[str, Any] = {"kind": "user", "id": "u", "name": "Ada"}
KINDS = "must be user, service_user, playbook or organization"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *((kind.value, kind) for kind in NamedKind),
        ("User", NamedKind.USER),
        (" ORGANIZATION ", NamedKind.ORGANIZATION),
        *(
            (each, NamedKind.SERVICE_USER)
            for each in ("Service User", "service-user", "serviceUser")
        ),
    ],
)
def test_kinds_match_without_case_blanks_and_hyphens(kind: str, expected: NamedKind) -> None:
    """As the names of fields do."""
    assert NameParser().parse_object({**ROW, "kind": kind}).kind is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("  Ada Lovelace\t", "Ada Lovelace"),
        ("Zoë 🤖", "Zoë 🤖"),
        ("n" * 256, "n" * 256),
        ("", None),
        ("  ", None),
        (None, None),
    ],
)
def test_names(name: str | None, expected: str | None) -> None:
    """Outer blanks are stripped; an empty, blank or null name is None, which removes it."""
    update = NameParser().parse_object({"Kind": "user", "ID": " u ", "name": name})

    assert update == NameUpdate(NamedKind.USER, "u", expected)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": "team"}, f"kind: {KINDS}"),
        ({"kind": "users"}, f"kind: {KINDS}"),
        ({"kind": ""}, f"kind: {KINDS}"),
        ({"kind": None}, f"kind: {KINDS}"),
        ({"kind": ["user"]}, f"kind: {KINDS}"),
        ({"id": ""}, "id: must not be empty"),
        ({"id": "a,b"}, "id: must not contain a comma"),
        ({"id": "i" * 257}, "id: must have at most 256 characters"),
        ({"id": "a\0b"}, "id: must not contain control characters"),
        ({"id": 5}, "id: Input should be a valid string"),
        ({"name": "n" * 257}, "name: String should have at most 256 characters"),
        ({"name": "a\nb"}, "name: must not contain control characters"),
        ({"name": "a\x7fb"}, "name: must not contain control characters"),
        ({"name": "a\ud800"}, "name: must not contain unpaired surrogates"),
        ({"name": 5}, "name: Input should be a valid string"),
        ({"ID": "v"}, "id: given twice, by 'id' and 'ID'"),
    ],
)
def test_invalid_rows(changes: dict[str, Any], reason: str) -> None:
    """The reason names the field."""
    with pytest.raises(InvalidRow) as error:
        NameParser().parse_object({**ROW, **changes})

    assert str(error.value) == reason


@pytest.mark.parametrize("field", ROW)
def test_every_field_is_required(field: str) -> None:
    """A row without a name removes nothing."""
    with pytest.raises(InvalidRow, match=f"^{field}: missing$"):
        NameParser().parse_object({name: value for name, value in ROW.items() if name != field})


@pytest.mark.parametrize("value", [{}, {"user-1": "Ada"}, {"items": [ROW]}])
def test_objects_without_any_field(value: dict[str, Any]) -> None:
    """The reason has an example of a row."""
    with pytest.raises(InvalidRow, match=r'^kind: missing; .* \{"kind": "user", "id": '):
        NameParser().parse_object(value)
