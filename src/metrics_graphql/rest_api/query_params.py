"""Query parameters of the v3 API, validated with the errors that FastAPI would give."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from starlette.datastructures import QueryParams

from metrics_graphql.core.callers import ServiceUser
from metrics_graphql.core.errors import BadUserInput, shorten
from metrics_graphql.core.identifiers import check_id
from metrics_graphql.core.queries import MAX_FILTER_IDS, SessionMetricsQuery
from metrics_graphql.core.tenants import ENTERPRISE, Tenant


class InvalidParameters(Exception):
    """Parameters were refused. `detail` is that of the document's `HTTPValidationError`."""

    def __init__(self, detail: list[dict[str, Any]]) -> None:
        super().__init__(detail)
        self.detail = detail


def _storable(value: str) -> str:
    try:
        return check_id(("value",), value)
    except BadUserInput as error:
        raise PydanticCustomError(
            "id_characters", "Value {reason}", {"reason": error.reason}
        ) from None


def _split(values: list[str] | None) -> list[str] | None:
    """Accept repeated ids, ids joined by commas, and both; `user_ids=` is an empty list."""
    if values is None:
        return None
    return [part for value in values for part in value.split(",") if part]


Id = Annotated[str, AfterValidator(_storable)]
Ids = Annotated[list[Id] | None, BeforeValidator(_split)]


class Parameters(BaseModel):
    """The parameters of the document, in the order in which it reports errors."""

    user_ids: Ids = Field(None, max_length=MAX_FILTER_IDS)
    service_user_ids: Ids = Field(None, max_length=MAX_FILTER_IDS)
    time_before: int
    time_after: int
    playbook_id: Id | None = None


class EnterpriseParameters(Parameters):
    """The parameters of the enterprise's metrics."""

    org_ids: Ids = Field(None, max_length=MAX_FILTER_IDS)


def parse_query(tenant: Tenant, params: QueryParams) -> SessionMetricsQuery:
    """Return the query of a tenant with these parameters.

    The last one of a repeated value counts. Unknown parameters are ignored, except for known ones
    in brackets: without the filter of `user_ids[]=a`, the response would be about everybody.

    Raises:
        InvalidParameters: with one entry for each parameter at fault.
    """
    model = EnterpriseParameters if tenant is ENTERPRISE else Parameters
    if spellings := bracketed(model, params):
        raise InvalidParameters(
            [_bracket_entry(name, each, params[each]) for name, each in spellings.items()]
        )
    values: dict[str, Any] = {
        name: params.getlist(name) if is_list(name) else params[name]
        for name in model.model_fields
        if name in params
    }
    try:
        parameters = model.model_validate(values)
        arguments = dict(parameters)
        playbook_id = arguments.pop("playbook_id")
        return SessionMetricsQuery.from_params(
            tenant=tenant,
            playbook_ids=None if playbook_id is None else [playbook_id],
            **arguments,
        )
    except ValidationError as error:
        raise InvalidParameters([_pydantic_entry(each) for each in error.errors()]) from None
    except BadUserInput as error:
        raise InvalidParameters([_core_entry(error, values)]) from None


def is_list(name: str) -> bool:
    """Return whether a parameter has several values."""
    return name.endswith("_ids")


def bracketed(model: type[BaseModel], params: QueryParams) -> dict[str, str]:
    """Return how parameters are spelled with brackets, like `user_ids[]` or `user_ids[0]`."""
    spellings: dict[str, str] = {}
    for spelling in params:
        name, bracket, _ = spelling.partition("[")
        if bracket and name in model.model_fields:
            spellings.setdefault(name, spelling)
    return spellings


def own_organization(caller: ServiceUser) -> Tenant:
    """Return the organization of a caller who leaves it out of the path.

    Raises:
        InvalidParameters: the caller belongs to the enterprise.
    """
    if caller.tenant is ENTERPRISE:
        missing = {"type": "missing", "loc": ["path", "org_id"], "msg": "Field required"}
        raise InvalidParameters([{**missing, "input": None}])
    return caller.tenant


def _pydantic_entry(details: ErrorDetails) -> dict[str, Any]:
    is_missing = details["type"] == "missing"
    return {
        "type": details["type"],
        "loc": ["query", *details["loc"]],
        "msg": details["msg"],
        "input": None if is_missing else _echo(details["input"]),
    }


def _bracket_entry(name: str, spelling: str, value: str) -> dict[str, Any]:
    spelling = shorten(spelling)
    right = f"`{name}=a&{name}=b` or `{name}=a,b`" if is_list(name) else f"`{name}`"
    return {
        "type": "parameter_name",
        "loc": ["query", spelling],
        "msg": f"Parameter `{spelling}` is not supported: use {right}",
        "input": _echo(value),
    }


def _core_entry(error: BadUserInput, values: dict[str, Any]) -> dict[str, Any]:
    """Return the entry of an error of the core, whose path is flat in a query string."""
    name = error.path[-1]
    return {
        "type": "value_error",
        "loc": ["query" if name in EnterpriseParameters.model_fields else "path", name],
        "msg": f"Value {error.reason}",
        "input": _echo(values.get(name)),
    }


def _echo(value: object) -> str | None:
    return shorten(value) if isinstance(value, str) else None
