"""Parsers of rows, which all formats share. They count unknown names and values."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from pydantic import ValidationError

from metrics_graphql.core.periods import DAY
from metrics_graphql.core.sessions import PUBLIC_SIZES, SessionUpdate
from metrics_graphql.ingestion.field_names import PAGE_FIELDS, FieldNames, normalize
from metrics_graphql.ingestion.row_schema import (
    KNOWN_ORIGINS,
    PULL_REQUEST_STATES,
    format_validation_error,
    to_update,
)
from metrics_graphql.ingestion.row_validator import RowValidator
from metrics_graphql.ingestion.rows import InvalidRow
from metrics_graphql.ingestion.unknown_input import UnknownInput

T = TypeVar("T")

EARLIEST_USUAL: Final = 946_684_800
"""The start of the year 2000. Earlier instants are probably days, or Unix time in another unit."""


class RowParser(ABC, Generic[T]):
    """Converts rows to updates: of sessions, or of names."""

    required: Sequence[str]
    """The fields that every row must have."""
    required_columns: str
    """Describes the `required` fields, for the error about a file that lacks them."""
    column_hint = ""
    """What to do, for the error about a header without the `required` fields."""
    expected_json: str
    """Describes the expected JSON, for the error about an object without any known field."""

    def __init__(self, names: FieldNames, unknown: UnknownInput) -> None:
        self.names = names
        self.unknown = unknown

    @property
    def ignores_input(self) -> bool:
        """Whether a column or a field was ignored, or a `--column` option matched no column."""
        return bool(self.unknown.names or self.names.unmatched)

    def report(self) -> Iterator[str]:
        """Yield a line for each name that was ignored, and each unknown value."""
        for name, field in self.names.unmatched.items():
            yield f"ignored: --column {name}={field} (there is no such column)"
        yield from self.unknown.report()

    def parse_object(self, value: object) -> T:
        """Return the update that a parsed JSON object describes.

        Raises:
            InvalidRow: the value is not an object, or does not match the schema.
        """
        if not isinstance(value, dict):
            raise InvalidRow("must be an object")
        fields, unknown = self.names.resolve(tuple(value))
        self.unknown.count_names("field", unknown)
        if missing := [field for field in self.required if field not in fields]:
            hint = "" if fields else f"; {self.expected_json}"
            raise InvalidRow(f"{missing[0]}: missing{hint}")
        return self.parse_values({field: value[name] for field, name in fields.items()})

    @abstractmethod
    def parse_values(self, values: dict[str, Any]) -> T:
        """Return the update that a row describes. `values` are its values by field.

        Raises:
            InvalidRow: the row does not match the schema.
        """

    def items_of_page(self, value: object) -> list[object] | None:
        """Return the items of a page of the API, and count its unknown fields.

        None if the value is not a page.
        """
        del value
        return None


class SessionParser(RowParser[SessionUpdate]):
    """Converts rows to updates of sessions.

    `default_org_id` is the organization of rows without an `org_id`. `columns` has the fields of
    columns whose names are not those of fields: see `FieldNames`.
    """

    required = ("session_id",)
    required_columns = "a column session_id"
    column_hint = "; if one has the ids, add --column NAME=session_id"
    expected_json = (
        'a JSON file has one session a line, an array of them, or a page {"items": [...]}'
    )

    def __init__(
        self, default_org_id: str | None, columns: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(FieldNames(columns=columns), UnknownInput())
        self._default_org_id = default_org_id
        self._latest_usual = time.time() + DAY
        self._validator = RowValidator()
        self._pull_request_names = FieldNames({"pr_state": "pr_state"}, unused=["pr_url"])

    def parse_values(self, values: dict[str, Any]) -> SessionUpdate:
        """Return the update that a row describes. `values` are its values by field.

        Raises:
            InvalidRow: the row does not match the schema.
        """
        if values.get("pull_requests"):
            values["pull_requests"] = self._parse_pull_requests(values["pull_requests"])
        try:
            valid = self._validator.validate(values)
        except ValidationError as error:
            raise InvalidRow(format_validation_error(error)) from None
        count_unknown_values(valid, self.unknown, self._latest_usual)
        return to_update(valid, self._default_org_id)

    def items_of_page(self, value: object) -> list[object] | None:
        """Return the items of a page of the v3 API, and count its unknown fields.

        None if the value is not a page. A session may have a field `items`, too. It differs from a
        page by its `session_id`, or, if that has an unknown name and `items` is empty, by its
        `created_at`.
        """
        items = value.get("items") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(items, list):
            return None
        fields = set(map(self.names.field, value))
        if "session_id" in fields or ("created_at" in fields and not items):
            return None
        unknown = [name for name in value if normalize(name) not in PAGE_FIELDS]
        self.unknown.count_names("page field", unknown, len(items))
        return items

    def _parse_pull_requests(self, value: object) -> object:
        """Return pull requests with the field names of the schema. In CSV, they are JSON."""
        if isinstance(value, str) and value.strip():
            try:
                value = json.loads(value, parse_float=Decimal)
            except (ValueError, RecursionError):
                raise InvalidRow(
                    'pull_requests: must be JSON, like [{"pr_state": "merged"}]'
                ) from None
        if not isinstance(value, list):
            return value
        renamed = []
        unknown: dict[str, None] = {}
        for item in value:
            if isinstance(item, dict):
                fields, names = self._pull_request_names.resolve(tuple(item))
                unknown |= dict.fromkeys(f"pull_requests.{name}" for name in names)
                renamed.append({field: item[name] for field, name in fields.items()})
            else:
                renamed.append(item)
        self.unknown.count_names("field", unknown)
        return renamed


def count_unknown_values(
    row: Mapping[str, Any], unknown: UnknownInput, latest_usual: float
) -> None:
    """Count the unknown values of a row: of its origin, its size, and the states of pull requests.

    A `created_at` before 2000 or after `latest_usual` is counted, too, because it is probably not
    in Unix seconds.
    """
    origin, size, created_at = row.get("origin"), row.get("size"), row.get("created_at")
    if origin is not None and origin not in KNOWN_ORIGINS:
        unknown.count_value("origin", origin)
    if size is not None and size not in PUBLIC_SIZES:
        unknown.count_value("session_size", size)
    if created_at is not None and created_at < EARLIEST_USUAL:
        unknown.early_rows += 1
    if created_at is not None and created_at > latest_usual:
        unknown.future_rows += 1
    states = dict.fromkeys(each.pr_state for each in row.get("pull_requests") or ())
    for state in states:
        if state is not None and state not in PULL_REQUEST_STATES:
            unknown.count_value("pr_state", state)
