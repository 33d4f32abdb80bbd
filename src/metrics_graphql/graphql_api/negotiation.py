"""Which media type a client wants its answer in."""

import re
from functools import lru_cache
from typing import Final

from starlette.requests import Request

RESPONSE_TYPE: Final = "application/graphql-response+json"
"""What a client that knows GraphQL over HTTP asks for."""
JSON_TYPE: Final = "application/json"
"""What everyone else gets."""
WEIGHT: Final = re.compile(r"[01](\.\d{0,3})?")
"""How much a client likes a media type, as RFC 9110 spells it."""


def wants_page(request: Request) -> bool:
    """Return whether a browser opened the address, rather than a client asked something."""
    return (
        request.method == "GET"
        and "text/html" in request.headers.get("accept", "")
        and "query" not in request.query_params
    )


@lru_cache(maxsize=256)
def response_type(accept: str | None) -> str | None:
    """Return the media type to answer in, or None where the client takes neither.

    The newer one is for clients that name it; a wildcard, or no wish at all, means JSON.
    """
    if accept is None or not accept.strip():
        return JSON_TYPE
    weights = weights_of(accept)
    newer = weights.get(RESPONSE_TYPE, 0.0)
    older = next(
        (weights[name] for name in (JSON_TYPE, "application/*", "*/*") if name in weights), 0.0
    )
    if newer > 0 and newer >= older:
        return RESPONSE_TYPE
    return JSON_TYPE if older > 0 else None


def weights_of(accept: str) -> dict[str, float]:
    """Return how much a client likes each media range that it names, from 0 to 1."""
    weights = {}
    for entry in accept.lower().split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        given = [text[2:] for text in parameters if text.startswith("q=")]
        understood = given and WEIGHT.fullmatch(given[0])
        weights[name] = float(given[0]) if understood else 1.0
    return weights
