"""Reads a GraphQL request from an HTTP request. Errors name the parameter."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from metrics_graphql.core.errors import shorten

MAX_BODY_BYTES: Final = 100_000
"""1,000 user ids and 1,000 service user ids of 35 characters take about 80,000."""
MAX_NESTING: Final = 200
"""The parser's own limit to the nesting of JSON."""

CLOSE: Final = MappingProxyType({"Connection": "close"})
"""Closes the connection: the rest of the body is not read."""
EXPECTED: Final = {
    "query": "must be a GraphQL document, as a string",
    "variables": "must be an object",
    "operationName": "must be a string",
    "extensions": "must be an object",
    "documentId": "must be a string",
    "extensions.persistedQuery": "must have the version 1",
    "extensions.persistedQuery.version": "must be 1",
    "extensions.persistedQuery.sha256Hash": "must be a SHA-256, in hex",
}
"""What each parameter must be."""
JSON_PARAMS: Final = ("variables", "extensions")
"""The parameters that a query string has as JSON."""


class MalformedRequest(Exception):
    """An HTTP request that is not a GraphQL request, with its HTTP status."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


class PersistedQuery(BaseModel):
    """The extension of "automatic persisted queries"."""

    version: Literal[1]
    sha256_hash: Annotated[str, Field(alias="sha256Hash", pattern="^[0-9a-fA-F]{64}$")]


class Extensions(BaseModel):
    """The extensions that are supported. Others are ignored."""

    persisted_query: Annotated[PersistedQuery | None, Field(alias="persistedQuery")] = None


class RequestParams(BaseModel):
    """The parameters of a request, as GraphQL over HTTP names them. Nothing is converted."""

    model_config = ConfigDict(strict=True)

    query: str | None = None
    variables: dict[str, Any] | None = None
    operation_name: Annotated[str | None, Field(alias="operationName")] = None
    extensions: Extensions | None = None
    document_id: Annotated[str | None, Field(alias="documentId")] = None


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """A request whose document is not parsed yet. It has a `query`, a `sha256` or a `document_id`.

    `sha256` is the hash of a persisted query, `document_id` the id of a trusted document.
    """

    query: str | None
    variables: dict[str, Any] | None
    operation_name: str | None
    sha256: bytes | None = None
    document_id: str | None = None


def parse_request(request: Request, body: bytes) -> GraphQLRequest:
    """Return the GraphQL request in a POST with this body, or in the query string of a GET.

    Raises:
        MalformedRequest: with 400 or 415; the message names the parameter.
    """
    if request.method == "GET":
        params: dict[str, Any] = dict(request.query_params)
        refuse_brackets(params)
        for name in JSON_PARAMS:
            text = params.pop(name, "")
            params[name] = parse_json(text, f"`{name}`") if text else None
        return validate_params(params)
    if media_type(request.headers.get("content-type", "")) != "application/json":
        raise MalformedRequest(415, "The Content-Type must be application/json, in UTF-8.")
    parsed = parse_json(body, "The body")
    if not isinstance(parsed, dict):
        raise MalformedRequest(400, "The body must be a JSON object.")
    return validate_params(parsed)


def refuse_brackets(spellings: Iterable[str]) -> None:
    """Refuse `variables[user]`, which some clients send for objects; ignored, it would be null.

    Raises:
        MalformedRequest: 400, naming the parameter.
    """
    for spelling in spellings:
        name, bracket, _ = spelling.partition("[")
        if bracket and name in EXPECTED:
            expected = f"{EXPECTED[name]}, as JSON" if name in JSON_PARAMS else EXPECTED[name]
            reason = f"`{shorten(spelling)}` is not supported: `{name}` {expected}."
            raise MalformedRequest(400, reason)


@lru_cache(maxsize=64)
def media_type(content_type: str) -> str:
    """Return the media type of a body; an empty text if its charset is not UTF-8."""
    message = Message()
    message["content-type"] = content_type
    try:
        is_utf_8 = message.get_content_charset("utf-8") in {"utf-8", "utf8"}
    except ValueError:
        # A parameter continued in parts (RFC 2231) whose numbers are malformed.
        return ""
    # `Message.get_content_type` returns text/plain for anything that it cannot parse.
    return str(message["content-type"]).partition(";")[0].strip().lower() if is_utf_8 else ""


async def read_body(request: Request, timeout_seconds: float) -> bytes:
    """Return the body of a POST; of other methods, nothing.

    Raises:
        MalformedRequest: 413, as soon as more than `MAX_BODY_BYTES` have arrived; 408, when the
            body takes longer than `timeout_seconds` to arrive.
        ClientDisconnect: the client disconnected.
    """
    if request.method != "POST":
        return b""
    try:
        async with asyncio.timeout(timeout_seconds):
            message = await request.receive()
            body: bytes = message.get("body", b"")
            while message.get("more_body") and len(body) <= MAX_BODY_BYTES:
                message = await request.receive()
                body += message.get("body", b"")
    except TimeoutError:
        reason = f"The body must arrive in {timeout_seconds:g} seconds."
        raise MalformedRequest(408, reason, CLOSE) from None
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    if len(body) > MAX_BODY_BYTES:
        reason = f"The body must not be larger than {MAX_BODY_BYTES} bytes."
        raise MalformedRequest(413, reason, CLOSE)
    return body


def parse_json(text: bytes | str, name: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value (RFC 8259).

    Raises:
        MalformedRequest: 400, also for JSON that is nested deeper than `MAX_NESTING` or has an
            integer of more than 4,300 digits.
    """
    if isinstance(text, bytes):
        try:
            text.decode()
        except UnicodeError:
            raise MalformedRequest(400, f"{name} must be UTF-8.") from None
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        reason = str(error)
    if "recursion limit" in reason:
        raise MalformedRequest(400, f"{name} must not be nested more than {MAX_NESTING} deep.")
    if "hex escape" in reason:
        raise MalformedRequest(400, f"{name} must be JSON without unpaired surrogates.")
    raise MalformedRequest(400, f"{name} must be JSON: {reason}.")


def validate_params(params: dict[str, Any]) -> GraphQLRequest:
    """Return the request with these parameters.

    Raises:
        MalformedRequest: 400, naming a parameter of the wrong type.
    """
    try:
        valid = RequestParams.model_validate(params)
    except ValidationError as error:
        name = ".".join(map(str, error.errors()[0]["loc"]))
        raise MalformedRequest(400, f"`{name}` {expected(name)}.") from None
    persisted = valid.extensions.persisted_query if valid.extensions else None
    names_document = valid.document_id or persisted
    if valid.query == "" or (valid.query is None and not names_document):
        raise MalformedRequest(400, f"`query` {EXPECTED['query']}.")
    return GraphQLRequest(
        valid.query,
        valid.variables,
        valid.operation_name or None,
        bytes.fromhex(persisted.sha256_hash) if persisted else None,
        valid.document_id,
    )


def expected(name: str) -> str:
    """Return what a parameter must be, or what the parameter that contains it must be."""
    return EXPECTED.get(name) or EXPECTED[name.partition(".")[0]]
