"""Validates rows field by field, by the schema `SessionRow`. Repeated values are validated once."""

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Annotated, Any, Final

from pydantic import TypeAdapter, ValidationError

from metrics_graphql.ingestion.row_schema import SessionRow

Validate = Callable[[object], Any]

UNIQUE_FIELDS: Final = frozenset({"session_id", "created_at", "acus_consumed", "pull_requests"})
"""Fields whose values rarely repeat."""
MAX_CACHED_VALUES: Final = 10_000
"""Cached values of each field."""
MAX_CACHED_LENGTH: Final = 64
"""Characters of a text that is cached."""
CACHED_TYPES: Final = frozenset({str, bool, NoneType})
"""Types of the values that are cached. Numbers are not: `True` and 1 would be the same key."""


class ValidatedValues(dict[object, Any]):
    """A cache of the validated values of a field, by the given ones. Cleared when it is full."""

    def __init__(self, validate: Validate) -> None:
        super().__init__()
        self._validate = validate

    def __missing__(self, given: object) -> object:
        """Validate a value, and cache the result."""
        valid = self._validate(given)
        if not isinstance(given, str) or len(given) <= MAX_CACHED_LENGTH:
            if len(self) >= MAX_CACHED_VALUES:
                self.clear()
            self[given] = valid
        return valid


class RowValidator:
    """Validates rows as `SessionRow` does, in a fraction of its time."""

    def __init__(self) -> None:
        self._fields: dict[str, tuple[str, Validate, ValidatedValues | None]] = {}
        for name, info in SessionRow.model_fields.items():
            schema: Any = Annotated[info.annotation, *info.metadata]
            validate = TypeAdapter[Any](schema).validator.validate_python
            cache = None if name in UNIQUE_FIELDS else ValidatedValues(validate)
            self._fields["session_size" if name == "size" else name] = name, validate, cache

    def validate(self, row: Mapping[str, object]) -> dict[str, Any]:
        """Return the validated values of a row, by the fields of `SessionRow`.

        Raises:
            ValidationError: fields are invalid. The error names all of them.
        """
        values = {}
        try:
            for given_name, value in row.items():
                name, validate, cache = self._fields[given_name]
                if cache is not None and type(value) in CACHED_TYPES:
                    values[name] = cache[value]
                else:
                    values[name] = validate(value)
        except ValidationError:
            SessionRow.model_validate(row)  # Raises an error with all invalid fields.
            raise
        return values
