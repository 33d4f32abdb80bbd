"""The schema of a page of sessions with their insights, as the v3 API documents it."""

import time
from typing import Annotated, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    StrictBool,
    StringConstraints,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from metrics_graphql.core.errors import shorten
from metrics_graphql.core.identifiers import check_id
from metrics_graphql.core.periods import DAY
from metrics_graphql.ingestion.field_names import UNUSED_FIELDS
from metrics_graphql.ingestion.row_parser import count_unknown_values
from metrics_graphql.ingestion.row_schema import (
    Acus,
    Id,
    Instant,
    ParseInstant,
    ParseNumber,
    PullRequest,
    SessionRow,
    Size,
    core_check,
    empty_to_none,
    pull_request_counts,
)
from metrics_graphql.ingestion.rows import InvalidRow
from metrics_graphql.ingestion.unknown_input import UnknownInput

MAX_CURSOR: Final = 4_096
"""Characters of a cursor, which is sent in a URL."""


def _check_organization(org_id: str, info: ValidationInfo[str]) -> str:
    """Refuse a session of another organization than the requested one, which is the context."""
    if org_id != info.context:
        names = {"expected": info.context, "actual": shorten(org_id)}
        raise PydanticCustomError("organization", "must be {expected}, not {actual}", names)
    return org_id


def _check_cursor_present(cursor: str | None, info: ValidationInfo[str]) -> str | None:
    if cursor is None and info.data.get("has_next_page"):
        raise PydanticCustomError("cursor", "is missing, though has_next_page is true")
    return cursor


class V3PullRequest(PullRequest):
    """A pull request. Unknown fields are kept for the report."""

    model_config = ConfigDict(extra="allow")


class V3Session(SessionRow):
    """A session. Fields that the API documents as always present are required.

    Unknown fields are kept for the report.
    """

    model_config = ConfigDict(extra="allow")

    org_id: Annotated[Id, AfterValidator(_check_organization)]
    created_at: Annotated[Instant, ParseInstant]
    updated_at: Annotated[Instant, ParseInstant]
    size: Annotated[Size, Field(min_length=1, validation_alias="session_size")]
    acus_consumed: Annotated[Acus, ParseNumber]
    pull_requests: list[V3PullRequest]  # type: ignore[assignment]

    @model_validator(mode="after")
    def _check_pull_requests(self) -> Self:
        """Refuse counts of pull requests that contradict each other."""
        try:
            pull_request_counts(self.given_values())
        except InvalidRow as error:
            raise PydanticCustomError("row", "{reason}", {"reason": str(error)}) from None
        return self


class SessionPage(BaseModel):
    """A page of sessions. The validation context is the id of the requested organization."""

    items: list[V3Session]
    has_next_page: StrictBool
    end_cursor: Annotated[
        Annotated[str, StringConstraints(max_length=MAX_CURSOR), core_check(check_id)] | None,
        Field(validate_default=True),
        BeforeValidator(empty_to_none),
        AfterValidator(_check_cursor_present),
    ] = None
    """The cursor of the next page."""
    total: NonNegativeInt | None = None
    """The number of sessions on all pages, if the API returns it."""


def count_unknown(page: SessionPage, unknown: UnknownInput) -> None:
    """Count the fields and values of a page that the v3 API does not document."""
    latest_usual = time.time() + DAY
    for session in page.items:
        names = dict.fromkeys(
            f"pull_requests.{name}"
            for pull_request in session.pull_requests
            for name in pull_request.model_extra or ()
            if name != "pr_url"
        )
        unknown.count_names("field", names)
        extra = session.model_extra or ()
        unknown.count_names("field", [name for name in extra if name not in UNUSED_FIELDS])
        count_unknown_values(session.given_values(), unknown, latest_usual)
