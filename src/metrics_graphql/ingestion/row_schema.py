"""The schema of one row of a file, and its conversion to a `SessionUpdate`."""

from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from metrics_graphql.core.errors import BadUserInput, FieldPath
from metrics_graphql.core.identifiers import check_id, check_new_id
from metrics_graphql.core.periods import MAX_INSTANT
from metrics_graphql.core.sessions import MAX_ACUS_PER_SESSION, MICROS_PER_ACU, SessionUpdate

MAX_TEXT: Final = 256
"""Characters of an origin or a size."""
NULLABLE_FIELDS: Final = ("origin", "size", "user_id", "service_user_id", "playbook_id")
"""Fields that null clears. In the others, which are never null in storage, null means absent."""
NOT_AN_OBJECT: Final = frozenset({"model_type", "model_attributes_type"})
"""Types of pydantic's errors for a value that is no JSON object."""


class InvalidRow(Exception):
    """A row cannot be loaded. The message names the fields at fault."""


def core_check(check: Callable[[FieldPath, str], str]) -> AfterValidator:
    """Return a check of `core.identifiers` as a pydantic validator."""

    def validate(value: str) -> str:
        try:
            return check(("value",), value)
        except BadUserInput as error:
            raise PydanticCustomError("refused", "{reason}", {"reason": error.reason}) from None

    return AfterValidator(validate)


def empty_to_none(value: object) -> object:
    """Return None for an empty text, which is how CSV spells null."""
    return None if value == "" else value


def _parse_number(value: object) -> object:
    """Refuse what pydantic would convert to a number: it takes true for 1 and 1_0 for 10."""
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        raise PydanticCustomError("number", "must be a number")
    return empty_to_none(value)


def _parse_instant(value: object) -> object:
    """Convert ISO 8601 with an offset to Unix seconds; leave everything else to pydantic."""
    if not isinstance(value, str) or "-" not in value[1:]:
        return _parse_number(value)
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("instant", "must be Unix seconds or ISO 8601") from None
    if instant.tzinfo is None:
        raise PydanticCustomError("instant", "must have an offset, like 2025-01-31T00:00:00Z")
    return int(instant.timestamp())


def _check_instant(value: int) -> int:
    if not 0 <= value < MAX_INSTANT:
        # Milliseconds since 1978 are beyond the year 9999 when they are read as seconds.
        raise PydanticCustomError("instant", "must be seconds from 1970 to 9999, not milliseconds")
    return value


Text = Annotated[str, StringConstraints(max_length=MAX_TEXT), core_check(check_id)]
OptionalText = Annotated[Text | None, BeforeValidator(empty_to_none)]
Id = Annotated[str, core_check(check_new_id)]
OptionalId = Annotated[Id | None, BeforeValidator(empty_to_none)]
Instant = Annotated[int, AfterValidator(_check_instant)]
Acus = Annotated[Decimal, Field(ge=0, le=MAX_ACUS_PER_SESSION, allow_inf_nan=False)]
ParseInstant = BeforeValidator(_parse_instant)
ParseNumber = BeforeValidator(_parse_number)


class PullRequest(BaseModel):
    """A pull request. Only its state is used."""

    pr_state: str | None = None


class SessionRow(BaseModel):
    """A session as a file gives it. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=False)

    session_id: Id
    org_id: OptionalId = None
    created_at: Annotated[Instant | None, ParseInstant] = None
    origin: OptionalText = None
    size: Annotated[OptionalText, Field(validation_alias=AliasChoices("session_size", "size"))] = (
        None
    )
    user_id: OptionalId = None
    service_user_id: OptionalId = None
    playbook_id: OptionalId = None
    used_search: Annotated[bool | None, BeforeValidator(empty_to_none)] = None
    acus_consumed: Annotated[Acus | None, ParseNumber] = None
    pull_requests: Annotated[list[PullRequest] | None, BeforeValidator(empty_to_none)] = None
    merged_pr_count: Annotated[int | None, Field(ge=0), ParseNumber] = None

    def to_update(self, default_org_id: str | None) -> SessionUpdate:
        """Return the update that the row describes. Only fields that it gives are in it.

        Raises:
            InvalidRow: the row has no `org_id`, and there is no default.
        """
        org_id = self.org_id or default_org_id
        if org_id is None:
            raise InvalidRow("org_id: missing, and no --org is given")
        return SessionUpdate(org_id, self.session_id, self._values())

    def _values(self) -> dict[str, Any]:
        given = self.model_fields_set
        values: dict[str, Any] = {
            name: getattr(self, name) for name in NULLABLE_FIELDS if name in given
        }
        if self.created_at is not None:
            values["created_at"] = self.created_at
        if self.used_search is not None:
            values["used_search"] = self.used_search
        if self.acus_consumed is not None:
            values["acus"] = to_micros(self.acus_consumed)
        if self.pull_requests is not None or self.merged_pr_count is not None:
            values["has_merged_pr"] = bool(self.merged_pr_count) or any(
                pull_request.pr_state == "merged" for pull_request in self.pull_requests or ()
            )
        return values


def to_micros(acus: Decimal) -> int:
    """Return ACUs in whole millionths; a finer value rounds to the nearest, half to even."""
    return int(acus.quantize(Decimal(1) / MICROS_PER_ACU, ROUND_HALF_EVEN) * MICROS_PER_ACU)


def parse_json_row(text: str | bytes, default_org_id: str | None) -> SessionUpdate:
    """Return the update that a JSON object describes.

    Raises:
        InvalidRow: it is not JSON, or does not match the schema.
    """
    try:
        return SessionRow.model_validate_json(text).to_update(default_org_id)
    except ValidationError as error:
        raise InvalidRow(format_validation_error(error)) from None


def parse_row(values: object, default_org_id: str | None) -> SessionUpdate:
    """Return the update that a parsed JSON object, or a row of CSV, describes.

    Raises:
        InvalidRow: it does not match the schema.
    """
    try:
        return SessionRow.model_validate(values).to_update(default_org_id)
    except ValidationError as error:
        raise InvalidRow(format_validation_error(error)) from None


def format_validation_error(error: ValidationError, max_fields: int | None = None) -> str:
    """Return one line with the path and the reason of each field at fault, or of the first few."""
    if any(details["type"] in NOT_AN_OBJECT and not details["loc"] for details in error.errors()):
        return "must be an object"
    return "; ".join(
        f"{'.'.join(map(str, details['loc']))}: {details['msg']}".removeprefix(": ")
        for details in error.errors(include_url=False, include_input=False)[:max_fields]
    )
