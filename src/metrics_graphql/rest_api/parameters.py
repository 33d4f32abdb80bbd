"""Reads a question off a query string, with the errors that FastAPI would give."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from starlette.datastructures import QueryParams

from metrics_graphql.domain.metrics import MAX_FILTER_IDS, SessionMetricsQuery, check_id
from metrics_graphql.errors import BadUserInput, shortened
from metrics_graphql.store.accounts import ServiceUser


class InvalidParameters(Exception):
    """Parameters that can't be taken: `detail` is that of the document's HTTPValidationError."""

    def __init__(self, detail: list[dict[str, Any]]) -> None:
        super().__init__(detail)
        self.detail = detail


def _storable(value: str) -> str:
    try:
        return check_id("value", value)
    except BadUserInput as error:
        raise PydanticCustomError(
            "id_characters", "Value {reason}", {"reason": error.reason}
        ) from None


def _split(values: list[str] | None) -> list[str] | None:
    """Take ids repeated, joined by commas, or both; `user_ids=` names none."""
    if values is None:
        return None
    return [part for value in values for part in value.split(",") if part]


Id = Annotated[str, AfterValidator(_storable)]
Ids = Annotated[list[Id] | None, BeforeValidator(_split)]


class Parameters(BaseModel):
    """The parameters of the document that hold values, in the order in which it reports errors."""

    user_ids: Ids = Field(None, max_length=MAX_FILTER_IDS)
    service_user_ids: Ids = Field(None, max_length=MAX_FILTER_IDS)
    time_before: int
    time_after: int
    playbook_id: Id | None = None


class EnterpriseParameters(Parameters):
    """Those of the enterprise's question."""

    org_ids: Ids = Field(None, max_length=MAX_FILTER_IDS)


def read_query(org_id: str | None, query: QueryParams) -> SessionMetricsQuery:
    """Return the question that a path and a query string ask; without an organization, of all.

    Of a repeated value the last one counts; unknown parameters are ignored.

    Raises:
        InvalidParameters: with one entry for each parameter at fault.
    """
    model = EnterpriseParameters if org_id is None else Parameters
    values: dict[str, Any] = {
        name: query.getlist(name) if name.endswith("_ids") else query[name]
        for name in model.model_fields
        if name in query
    }
    try:
        parameters = model.model_validate(values)
        return SessionMetricsQuery.asked(org_id=org_id, **dict(parameters))
    except ValidationError as error:
        raise InvalidParameters([_entry(details) for details in error.errors()]) from None
    except BadUserInput as error:
        raise InvalidParameters([_refused(error, values)]) from None


def own_organization(caller: ServiceUser) -> str:
    """Return the organization of a caller who leaves it out of the path.

    Raises:
        InvalidParameters: it has none, for it is of the enterprise.
    """
    if caller.org_id is None:
        missing = {"type": "missing", "loc": ["path", "org_id"], "msg": "Field required"}
        raise InvalidParameters([{**missing, "input": None}])
    return caller.org_id


def _entry(details: ErrorDetails) -> dict[str, Any]:
    missing = details["type"] == "missing"
    return {
        "type": details["type"],
        "loc": ["query", *details["loc"]],
        "msg": details["msg"],
        "input": None if missing else _echo(details["input"]),
    }


def _refused(error: BadUserInput, values: dict[str, Any]) -> dict[str, Any]:
    place = "query" if error.argument in Parameters.model_fields else "path"
    return {
        "type": "value_error",
        "loc": [place, error.argument],
        "msg": f"Value {error.reason}",
        "input": _echo(values.get(error.argument)),
    }


def _echo(value: object) -> str | None:
    return shortened(value) if isinstance(value, str) else None
