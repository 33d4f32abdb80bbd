"""Content negotiation (RFC 9110, section 12): the media type of a response."""

import re
from functools import lru_cache
from typing import Final

from starlette.requests import Request

RESPONSE_TYPE: Final = "application/graphql-response+json"
"""The media type of GraphQL over HTTP, for clients that name it."""
JSON_TYPE: Final = "application/json"
"""The media type for all other clients."""
WEIGHT: Final = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
"""A quality value as RFC 9110 spells it."""


def prefers_html(request: Request) -> bool:
    """Return whether a browser navigates to the address, rather than a client sends a document."""
    return (
        request.method == "GET"
        and "text/html" in request.headers.get("accept", "")
        and "query" not in request.query_params
    )


@lru_cache(maxsize=256)
def response_type(accept: str | None) -> str | None:
    """Return the media type to respond with; None if the client accepts neither.

    `RESPONSE_TYPE` is for clients that name it. A wildcard, or no preference, means JSON.
    """
    if accept is None or not accept.strip():
        return JSON_TYPE
    weights = media_range_weights(accept)
    response_weight = weights.get(RESPONSE_TYPE, 0.0)
    json_weight = next(
        (weights[name] for name in (JSON_TYPE, "application/*", "*/*") if name in weights), 0.0
    )
    if response_weight > 0 and response_weight >= json_weight:
        return RESPONSE_TYPE
    return JSON_TYPE if json_weight > 0 else None


def media_range_weights(accept: str) -> dict[str, float]:
    """Return the quality value of each media range, from 0 to 1; 1 if it has none that is valid."""
    weights = {}
    for entry in accept.lower().split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        values = [text[2:] for text in parameters if text.startswith("q=")]
        is_valid = values and WEIGHT.fullmatch(values[0])
        weights[name] = float(values[0]) if is_valid else 1.0
    return weights
