"""One row of a source: validated by pydantic, turned into an update of a session."""

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

from metrics_graphql.domain.metrics import check_id, check_new_id
from metrics_graphql.domain.periods import MAX_INSTANT
from metrics_graphql.domain.sessions import MAX_ACUS_PER_SESSION, MICROS_PER_ACU, SessionUpdate
from metrics_graphql.errors import BadUserInput

MAX_TEXT: Final = 256
"""Characters of an origin or a size."""


class BadRow(Exception):
    """A row that can't be loaded; its text is the reason, which names the field."""


def checked(check: Callable[[str, str], str]) -> AfterValidator:
    """Return a check of the domain as pydantic takes it."""

    def validate(value: str) -> str:
        try:
            return check("value", value)
        except BadUserInput as error:
            raise PydanticCustomError("refused", "{reason}", {"reason": error.reason}) from None

    return AfterValidator(validate)


def empty_is_none(value: object) -> object:
    """Take an empty text for none at all."""
    return None if value == "" else value


def _number(value: object) -> object:
    """Leave to pydantic what is a number; it would take true for 1 and 1_0 for 10."""
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        raise PydanticCustomError("number", "must be a number")
    return empty_is_none(value)


def _instant(value: object) -> object:
    """Let ISO 8601 with an offset stand for Unix seconds."""
    if not isinstance(value, str) or "-" not in value[1:]:
        return _number(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("instant", "must be Unix seconds or ISO 8601") from None
    if moment.tzinfo is None:
        raise PydanticCustomError("instant", "must have an offset, like 2025-01-31T00:00:00Z")
    return int(moment.timestamp())


def _stored_instant(value: int) -> int:
    if not 0 <= value < MAX_INSTANT:
        # Milliseconds since 1978 lie beyond the year 9999 when they are taken for seconds.
        raise PydanticCustomError("instant", "must be seconds from 1970 to 9999, not milliseconds")
    return value


Text = Annotated[str, StringConstraints(max_length=MAX_TEXT), checked(check_id)]
OptionalText = Annotated[Text | None, BeforeValidator(empty_is_none)]
Id = Annotated[str, checked(check_new_id)]
OptionalId = Annotated[Id | None, BeforeValidator(empty_is_none)]
Instant = Annotated[int, AfterValidator(_stored_instant)]
Acus = Annotated[Decimal, Field(ge=0, le=MAX_ACUS_PER_SESSION, allow_inf_nan=False)]
AsInstant = BeforeValidator(_instant)
AsNumber = BeforeValidator(_number)


class PullRequest(BaseModel):
    """A pull request, as far as it matters here."""

    pr_state: str | None = None


class Row(BaseModel):
    """The fields that a source may give; others are ignored."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=False)

    session_id: Id
    org_id: OptionalId = None
    created_at: Annotated[Instant | None, AsInstant] = None
    origin: OptionalText = None
    size: Annotated[OptionalText, Field(validation_alias=AliasChoices("session_size", "size"))] = (
        None
    )
    user_id: OptionalId = None
    service_user_id: OptionalId = None
    playbook_id: OptionalId = None
    used_search: Annotated[bool | None, BeforeValidator(empty_is_none)] = None
    acus_consumed: Annotated[Acus | None, AsNumber] = None
    pull_requests: Annotated[list[PullRequest] | None, BeforeValidator(empty_is_none)] = None
    merged_pr_count: Annotated[int | None, Field(ge=0), AsNumber] = None

    def update(self, org_id: str | None) -> SessionUpdate:
        """Return what the row says; `org_id` is that of a row that names none.

        Raises:
            BadRow: no organization is named at all.
        """
        organization = self.org_id or org_id
        if organization is None:
            raise BadRow("org_id: missing, and no --org is given")
        return SessionUpdate(organization, self.session_id, self._values())

    def _values(self) -> dict[str, Any]:
        given = self.model_fields_set
        values: dict[str, Any] = {name: getattr(self, name) for name in NULLABLE if name in given}
        # These are never null in the store, so a null says no more than a field left out.
        if self.created_at is not None:
            values["created_at"] = self.created_at
        if self.used_search is not None:
            values["used_search"] = self.used_search
        if self.acus_consumed is not None:
            values["acus"] = micros(self.acus_consumed)
        if self.pull_requests is not None or self.merged_pr_count is not None:
            values["has_merged_pr"] = bool(self.merged_pr_count) or any(
                pull_request.pr_state == "merged" for pull_request in self.pull_requests or ()
            )
        return values


NULLABLE: Final = ("origin", "size", "user_id", "service_user_id", "playbook_id")


NOT_AN_OBJECT: Final = frozenset({"model_type", "model_attributes_type"})


def micros(acus: Decimal) -> int:
    """Return ACUs in whole millionths; a finer value rounds to the nearest, half to even."""
    return int(acus.quantize(Decimal(1) / MICROS_PER_ACU, ROUND_HALF_EVEN) * MICROS_PER_ACU)


def parse_json_row(text: str | bytes, org_id: str | None) -> SessionUpdate:
    """Return the update of a row in JSON.

    Raises:
        BadRow: with the reason.
    """
    try:
        return Row.model_validate_json(text).update(org_id)
    except ValidationError as error:
        raise BadRow(reason(error)) from None


def parse_row(values: object, org_id: str | None) -> SessionUpdate:
    """Return the update of a row whose JSON or CSV is parsed already.

    Raises:
        BadRow: with the reason.
    """
    try:
        return Row.model_validate(values).update(org_id)
    except ValidationError as error:
        raise BadRow(reason(error)) from None


def reason(error: ValidationError, at_most: int | None = None) -> str:
    """Return what is wrong with a row, field by field or `at_most` so many, in one line."""
    if any(details["type"] in NOT_AN_OBJECT and not details["loc"] for details in error.errors()):
        return "must be an object"
    return "; ".join(
        f"{'.'.join(map(str, details['loc']))}: {details['msg']}".removeprefix(": ")
        for details in error.errors(include_url=False, include_input=False)[:at_most]
    )
