"""A page of sessions with their insights, as the v3 API documents it."""

from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    NonNegativeInt,
    StrictBool,
    StringConstraints,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from metrics_graphql.domain.metrics import check_id
from metrics_graphql.errors import shortened
from metrics_graphql.loading.rows import (
    Acus,
    AsInstant,
    AsNumber,
    Id,
    Instant,
    PullRequest,
    Row,
    Text,
    checked,
    empty_is_none,
)

MAX_CURSOR: Final = 4_096
"""Characters of a cursor: it is sent in an address."""


def _asked_for(org_id: str, info: ValidationInfo[str]) -> str:
    """Check that a session is of the organization that was asked for: the context."""
    if org_id != info.context:
        names = {"asked": info.context, "given": shortened(org_id)}
        raise PydanticCustomError("organization", "must be {asked}, not {given}", names)
    return org_id


def _there_if_needed(cursor: str | None, info: ValidationInfo[str]) -> str | None:
    if cursor is None and info.data.get("has_next_page"):
        raise PydanticCustomError("cursor", "is missing, though has_next_page is true")
    return cursor


class Item(Row):
    """A session. What is documented to be always there has to be; the others are as in a file."""

    org_id: Annotated[Id, AfterValidator(_asked_for)]
    created_at: Annotated[Instant, AsInstant]
    updated_at: Annotated[Instant, AsInstant]
    size: Annotated[Text, Field(min_length=1, validation_alias="session_size")]
    acus_consumed: Annotated[Acus, AsNumber]
    pull_requests: list[PullRequest]


class Page(BaseModel):
    """A page of sessions, validated with the organization that was asked for as the context."""

    items: list[Item]
    has_next_page: StrictBool
    end_cursor: Annotated[
        Annotated[str, StringConstraints(max_length=MAX_CURSOR), checked(check_id)] | None,
        Field(validate_default=True),
        BeforeValidator(empty_is_none),
        AfterValidator(_there_if_needed),
    ] = None
    """Asks for the page after this one."""
    total: NonNegativeInt | None = None
    """How many sessions all pages have, as far as the source knows."""
