"""Reads a GraphQL request off an HTTP request, strictly: what can't be taken is named."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NoReturn

from starlette.requests import ClientDisconnect, Request

MAX_BODY_BYTES: Final = 100_000
"""A question with a thousand ids of each kind, of the usual 35 characters, takes 80,000."""
MAX_NESTING: Final = 64
"""How deep JSON may be nested; the deepest input of the schema is three deep."""
MAX_DIGITS: Final = 4_300
"""The longest integer that is read; the REST door has the same limit."""

BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""A string of JSON, or a bracket outside of one."""
SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
"""The escape of a half of a pair."""
SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
OPENING: Final = frozenset("[{")
CLOSING: Final = frozenset("]}")


HANG_UP: Final = MappingProxyType({"Connection": "close"})
"""For a client that goes on sending what is not read."""


class BadRequest(Exception):
    """A request that can't be read as GraphQL; `status` says in which way."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """One operation to run, not yet parsed: of the document that it brings or names.

    `sha256` is the hash of a document that the client hopes is known already ("automatic persisted
    queries"), `document_id` the id of a trusted one.
    """

    query: str | None
    variables: dict[str, Any] | None
    operation_name: str | None
    sha256: bytes | None = None
    document_id: str | None = None


def parse_request(request: Request, body: bytes) -> GraphQLRequest:
    """Return what a POST with this body, or a GET, asks.

    Raises:
        BadRequest: with 400 or 415, and a reason that names the part.
    """
    if request.method == "GET":
        parameters: dict[str, Any] = dict(request.query_params)
        for name in ("variables", "extensions"):
            text = parameters.pop(name, "")
            parameters[name] = parse_json(text, f"`{name}`") if text else None
        return request_of(parameters)
    if media_type(request.headers.get("content-type", "")) != "application/json":
        raise BadRequest(415, "The Content-Type must be application/json, in UTF-8.")
    parsed = parse_json(body, "The body")
    if not isinstance(parsed, dict):
        raise BadRequest(400, "The body must be a JSON object.")
    return request_of(parsed)


@lru_cache(maxsize=64)
def media_type(content_type: str) -> str:
    """Return the media type of a body; one in another charset than UTF-8 counts as none."""
    message = Message()
    message["content-type"] = content_type
    try:
        in_utf_8 = message.get_content_charset("utf-8") in {"utf-8", "utf8"}
    except ValueError:
        # A parameter in parts that are numbered beyond all numbers.
        return ""
    # Not Message's own reading of it, which takes text/plain for none.
    return str(message["content-type"]).partition(";")[0].strip().lower() if in_utf_8 else ""


async def read_body(request: Request, seconds: float) -> bytes:
    """Return the body of a POST.

    Raises:
        BadRequest: 413, as soon as there is more of it than `MAX_BODY_BYTES`; 408, when it takes
            longer than so many seconds to arrive.
        ClientDisconnect: the client went away.
    """
    if request.method != "POST":
        return b""
    try:
        async with asyncio.timeout(seconds):
            message = await request.receive()
            body: bytes = message.get("body", b"")
            while message.get("more_body") and len(body) <= MAX_BODY_BYTES:
                message = await request.receive()
                body += message.get("body", b"")
    except TimeoutError:
        reason = f"The body must arrive in {seconds:g} seconds."
        raise BadRequest(408, reason, HANG_UP) from None
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    if len(body) > MAX_BODY_BYTES:
        reason = f"The body must not be larger than {MAX_BODY_BYTES} bytes."
        raise BadRequest(413, reason, HANG_UP)
    return body


def parse_json(text: bytes | str, name: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value.

    Raises:
        BadRequest: 400, for anything that RFC 8259 does not allow, and for what would overflow a
            parser: it is nested too deep, or a number has thousands of digits.
    """
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        decoded.encode()
    except UnicodeError:
        raise BadRequest(400, f"{name} must be UTF-8.") from None
    opened = decoded.count("[") + decoded.count("{")
    if opened > MAX_NESTING and nesting(decoded) > MAX_NESTING:
        raise BadRequest(400, f"{name} must not be nested more than {MAX_NESTING} deep.")
    try:
        parsed = STRICT_JSON.decode(decoded)
    except json.JSONDecodeError as error:
        raise BadRequest(400, f"{name} must be JSON: {error.msg}.") from None
    except ValueError as error:
        raise BadRequest(400, f"{name} must be JSON without {error}.") from None
    if SURROGATE.search(decoded) and has_unpaired_surrogate(parsed):
        raise BadRequest(400, f"{name} must be JSON without unpaired surrogates.")
    return parsed


def has_unpaired_surrogate(parsed: object) -> bool:
    """Return whether a string of a JSON value, or a name in it, is not a text."""
    try:
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def nesting(text: str) -> int:
    """Return how deep brackets are nested at most, those inside strings left out."""
    depth = deepest = 0
    for bracket in BRACKET.findall(text):
        if bracket in OPENING:
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in CLOSING:
            depth -= 1
    return deepest


def read_integer(digits: str) -> int:
    """Return an integer of JSON; Python's own complaint about too long a one names its settings."""
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"numbers of more than {MAX_DIGITS} digits")
    return int(digits)


def refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python would read."""
    raise ValueError(name)


STRICT_JSON: Final = json.JSONDecoder(parse_int=read_integer, parse_constant=refuse_constant)


def request_of(parameters: dict[str, Any]) -> GraphQLRequest:
    """Return the request that these parameters make.

    Raises:
        BadRequest: 400, naming a parameter of the wrong type.
    """
    query = parameters.get("query")
    document_id = parameters.get("documentId")
    variables = parameters.get("variables")
    operation_name = parameters.get("operationName")
    extensions = parameters.get("extensions")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest(400, "`variables` must be an object.")
    if operation_name is not None and not isinstance(operation_name, str):
        raise BadRequest(400, "`operationName` must be a string.")
    if extensions is not None and not isinstance(extensions, dict):
        raise BadRequest(400, "`extensions` must be an object.")
    if document_id is not None and not isinstance(document_id, str):
        raise BadRequest(400, "`documentId` must be a string.")
    sha256 = persisted_hash((extensions or {}).get("persistedQuery"))
    if (query is not None or not (document_id or sha256)) and not (
        query and isinstance(query, str)
    ):
        raise BadRequest(400, "`query` must be a GraphQL document, as a string.")
    return GraphQLRequest(query, variables, operation_name or None, sha256, document_id)


def persisted_hash(persisted_query: object) -> bytes | None:
    """Return the SHA-256 by which a document is asked for, if it is.

    Raises:
        BadRequest: 400, for another version of that extension, and for what is no such hash.
    """
    if persisted_query is None:
        return None
    if not isinstance(persisted_query, dict) or persisted_query.get("version") != 1:
        raise BadRequest(400, "`extensions.persistedQuery` must have the version 1.")
    text = persisted_query.get("sha256Hash")
    if not isinstance(text, str) or not SHA256.fullmatch(text):
        raise BadRequest(400, "`extensions.persistedQuery.sha256Hash` must be a SHA-256, in hex.")
    return bytes.fromhex(text)
