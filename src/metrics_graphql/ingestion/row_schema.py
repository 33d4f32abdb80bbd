"""The schema of one row of a file, and its conversion to a `SessionUpdate`."""

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
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
from pydantic_core import ErrorDetails, PydanticCustomError

from metrics_graphql.core.errors import BadUserInput, FieldPath
from metrics_graphql.core.identifiers import check_id, check_new_id
from metrics_graphql.core.iso8601 import parse_iso8601
from metrics_graphql.core.periods import MAX_INSTANT
from metrics_graphql.core.sessions import (
    MAX_ACUS_PER_SESSION,
    MICROS_PER_ACU,
    PUBLIC_ORIGINS,
    PUBLIC_SIZES,
    SessionUpdate,
)
from metrics_graphql.ingestion.encoding import describe_undecoded
from metrics_graphql.ingestion.rows import InvalidRow

MAX_PULL_REQUESTS: Final = 100_000
"""Pull requests of one session."""
MAX_TEXT: Final = 256
"""Characters of an origin or a size."""
KNOWN_ORIGINS: Final = (
    *(stored for origins in PUBLIC_ORIGINS.values() for stored in origins),
    *("cli", "code_scan", "devin_spaces", "other", "vscode_extension"),
)
"""Origins that the v3 API documents, those without a public key last."""
PULL_REQUEST_STATES: Final = ("open", "merged", "closed", "draft")
KNOWN_VALUES: Final[Mapping[str, Sequence[str]]] = {
    "origin": KNOWN_ORIGINS,
    "session_size": PUBLIC_SIZES,
    "pr_state": PULL_REQUEST_STATES,
}
"""Known values, by field. Sessions with another origin or size count as `OTHER`. Pull requests in
another state count neither as open, nor as merged or closed."""
PULL_REQUEST_COUNTS: Final = ("pr_count", "open_pr_count", "merged_pr_count", "closed_pr_count")
NULLABLE_FIELDS: Final = ("origin", "size", "user_id", "service_user_id", "playbook_id")
"""Fields that null clears. In all others, which are never null in storage, null means absent."""
NOT_AN_OBJECT: Final = frozenset({"model_type", "model_attributes_type"})
"""Types of pydantic's errors for a value that is no JSON object."""
UNIX_SECONDS: Final = re.compile(r"([+-]?\d+)(?:\.\d*)?", re.ASCII)
MAX_DIGITS: Final = 20
"""Digits of an instant in Unix seconds. A longer number is beyond the year 9999."""
EXPECTED_INSTANT: Final = (
    "must be Unix seconds, or ISO 8601 with an offset, like 2025-01-31T00:00:00Z"
)


def core_check(check: Callable[[FieldPath, str], str]) -> AfterValidator:
    """Return a check of `core.identifiers` as a pydantic validator."""

    def validate(value: str) -> str:
        try:
            return check(("value",), value)
        except BadUserInput as error:
            raise PydanticCustomError("refused", "{reason}", {"reason": error.reason}) from None

    return AfterValidator(validate)


def normalizer(known: Collection[str]) -> AfterValidator:
    """Return a validator that corrects case and blanks of known values, and keeps all others."""
    values = frozenset(known)

    def normalize(value: str) -> str:
        if value in values:
            return value
        respelled = value.strip().lower()
        return respelled if respelled in values else value

    return AfterValidator(normalize)


def empty_to_none(value: object) -> object:
    """Return None for an empty or blank text, which is how CSV spells null."""
    return None if value == "" or (isinstance(value, str) and value.isspace()) else value


def _parse_number(value: object) -> object:
    """Refuse values that pydantic would convert to a number: `true` to 1, and `1_0` to 10."""
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        raise PydanticCustomError("number", "must be a number")
    return empty_to_none(value)


def _parse_instant(value: object) -> object:
    """Convert Unix seconds and ISO 8601 to whole seconds. A fraction is cut off."""
    if type(value) is int or value is None:
        return value
    if isinstance(value, str):
        text = value.strip()
        if number := UNIX_SECONDS.fullmatch(text):
            # `int` refuses thousands of digits.
            return int(number[1]) if len(number[1]) <= MAX_DIGITS else MAX_INSTANT
        if instant := parse_iso8601(text):
            return instant[0]
        if not text:
            return None
    elif isinstance(value, float | Decimal) and math.isfinite(value):
        return int(value)
    raise PydanticCustomError("instant", EXPECTED_INSTANT)


def _check_instant(value: int) -> int:
    if value >= MAX_INSTANT:
        # Unix milliseconds of 1978 and later are beyond the year 9999 if read as seconds.
        raise PydanticCustomError("instant", "Unix seconds are expected, not milliseconds")
    if value < 0:
        raise PydanticCustomError("instant", "must not be before 1970")
    return value


Text = Annotated[str, StringConstraints(max_length=MAX_TEXT), core_check(check_id)]
Origin = Annotated[Text, normalizer(KNOWN_ORIGINS)]
Size = Annotated[Text, normalizer(PUBLIC_SIZES)]
PullRequestState = Annotated[str, normalizer(PULL_REQUEST_STATES)]
Id = Annotated[str, StringConstraints(strip_whitespace=True), core_check(check_new_id)]
OptionalId = Annotated[Id | None, BeforeValidator(empty_to_none)]
Instant = Annotated[int, AfterValidator(_check_instant)]
Acus = Annotated[Decimal, Field(ge=0, le=MAX_ACUS_PER_SESSION, allow_inf_nan=False)]
ParseInstant = BeforeValidator(_parse_instant)
ParseNumber = BeforeValidator(_parse_number)
PullRequestCount = Annotated[Annotated[int, Field(ge=0, le=MAX_PULL_REQUESTS)] | None, ParseNumber]


class PullRequest(BaseModel):
    """A pull request. Only its state is used."""

    pr_state: Annotated[PullRequestState | None, BeforeValidator(empty_to_none)] = None


class SessionRow(BaseModel):
    """A session as a file gives it. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=False)

    session_id: Id
    org_id: OptionalId = None
    created_at: Annotated[Instant | None, ParseInstant] = None
    origin: Annotated[Origin | None, BeforeValidator(empty_to_none)] = None
    size: Annotated[
        Annotated[Size | None, BeforeValidator(empty_to_none)],
        Field(validation_alias=AliasChoices("session_size", "size")),
    ] = None
    user_id: OptionalId = None
    service_user_id: OptionalId = None
    playbook_id: OptionalId = None
    used_search: Annotated[bool | None, BeforeValidator(empty_to_none)] = None
    acus_consumed: Annotated[Acus | None, ParseNumber] = None
    pull_requests: Annotated[list[PullRequest] | None, BeforeValidator(empty_to_none)] = None
    pr_count: PullRequestCount = None
    open_pr_count: PullRequestCount = None
    merged_pr_count: PullRequestCount = None
    closed_pr_count: PullRequestCount = None

    def given_values(self) -> dict[str, Any]:
        """Return the values of the fields that the row gives."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    def to_update(self, default_org_id: str | None) -> SessionUpdate:
        """Return the update that the row describes: see `to_update`."""
        return to_update(self.given_values(), default_org_id)


def to_update(given: Mapping[str, Any], default_org_id: str | None) -> SessionUpdate:
    """Return the update that the valid values of a row describe. It has only the given fields.

    Raises:
        InvalidRow: the row has no `org_id`, and there is no default. Or its counts of pull requests
            contradict each other.
    """
    org_id = given.get("org_id") or default_org_id
    if org_id is None:
        raise InvalidRow("org_id: missing, and no --org is given")
    values = {name: given[name] for name in NULLABLE_FIELDS if name in given}
    for name in ("created_at", "used_search"):
        if given.get(name) is not None:
            values[name] = given[name]
    if given.get("acus_consumed") is not None:
        values["acus"] = to_micros(given["acus_consumed"])
    values.update(pull_request_counts(given))
    return SessionUpdate(org_id, given["session_id"], values)


def pull_request_counts(given: Mapping[str, Any]) -> dict[str, int | bool]:
    """Return the counts of pull requests: all of them if the row gives any, else none.

    Raises:
        InvalidRow: a count contradicts the list, or the other counts.
    """
    pull_requests: list[PullRequest] | None = given.get("pull_requests")
    given_counts = {
        name: given[name] for name in PULL_REQUEST_COUNTS if given.get(name) is not None
    }
    if pull_requests is not None:
        states = [each.pr_state for each in pull_requests]
        counts = {
            "pr_count": len(states),
            "open_pr_count": states.count("open") + states.count("draft"),
            "merged_pr_count": states.count("merged"),
            "closed_pr_count": states.count("closed"),
        }
    elif given_counts:
        counts = dict.fromkeys(PULL_REQUEST_COUNTS, 0) | given_counts
        if "pr_count" not in given_counts:
            counts["pr_count"] = sum(given_counts.values())
    else:
        return {}
    for name, count in given_counts.items():
        if count != counts[name]:
            raise InvalidRow(f"{name}: {count} contradicts pull_requests")
    by_state = sum(count for name, count in counts.items() if name != "pr_count")
    if counts["pr_count"] < by_state:
        raise InvalidRow("pr_count: must not be less than the sum of the other counts")
    return {"has_merged_pr": counts["merged_pr_count"] > 0, **counts}


def to_micros(acus: Decimal) -> int:
    """Return ACUs in whole millionths; a finer value rounds to the nearest, half to even."""
    return int(acus.quantize(Decimal(1) / MICROS_PER_ACU, ROUND_HALF_EVEN) * MICROS_PER_ACU)


def format_validation_error(error: ValidationError, max_fields: int | None = None) -> str:
    """Return one line with the path and the reason of each invalid field, or of the first few."""
    if any(details["type"] in NOT_AN_OBJECT and not details["loc"] for details in error.errors()):
        return "must be an object"
    return "; ".join(
        f"{'.'.join(map(str, details['loc']))}: {_reason_of(details)}".removeprefix(": ")
        for details in error.errors(include_url=False)[:max_fields]
    )


def _reason_of(details: ErrorDetails) -> str:
    """Return the reason of an error.

    Pydantic's own message names a class of Python, or not the encoding that the file has.
    """
    if details["type"] in NOT_AN_OBJECT:
        return "must be an object"
    if details["type"] != "string_unicode":
        return details["msg"]
    return describe_undecoded(str(details["input"])) or "must not contain unpaired surrogates"
