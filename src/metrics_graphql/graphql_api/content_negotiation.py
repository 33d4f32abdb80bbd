"""Content negotiation (RFC 9110, section 12): the media type of a response."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from starlette.requests import Request

RESPONSE_TYPE: Final = "application/graphql-response+json"
"""The media type of GraphQL over HTTP, for clients that name it."""
JSON_TYPE: Final = "application/json"
"""The media type for all other clients."""
HTML_TYPE: Final = "text/html"
"""The media type of GraphiQL."""
ANY_TYPE: Final = "*/*"
WEIGHT: Final = re.compile(r"0(\.\d{0,3})?|\.\d{1,3}|1(\.0{0,3})?")
"""A quality value as RFC 9110 spells it, or as Java does, without the leading zero."""
DOCUMENT_PARAMS: Final = frozenset({"query", "documentId", "extensions"})
"""The parameters that bring or name a document."""


class Preference(NamedTuple):
    """How much a client prefers a media type; greater is more."""

    weight: float
    """From 0, which is not acceptable, to 1."""
    specificity: int
    """2 if the client names the type, 1 for its `type/*`, 0 for `*/*`."""


def accept_field(request: Request) -> str:
    """Return the value of all `Accept` header fields together."""
    return ",".join(request.headers.getlist("accept"))


def is_navigation(request: Request, accept: str) -> bool:
    """Return whether a browser navigates to the address: it sends no document, and prefers HTML."""
    return (
        request.method == "GET"
        and DOCUMENT_PARAMS.isdisjoint(request.query_params)
        and prefers_html(accept)
    )


@lru_cache(maxsize=256)
def prefers_html(accept: str) -> bool:
    """Return whether a client prefers HTML to JSON. One that accepts anything does not."""
    weights = media_range_weights(accept)
    html = preference(HTML_TYPE, weights)
    return html.weight > 0 and html > max(
        preference(JSON_TYPE, weights), preference(RESPONSE_TYPE, weights)
    )


@lru_cache(maxsize=256)
def response_type(accept: str) -> str | None:
    """Return the media type to respond with; None if the client accepts neither.

    `RESPONSE_TYPE` is for clients that name it, or accept no other. A wildcard, or no preference,
    means JSON.
    """
    if not accept.strip(" ,"):
        return JSON_TYPE
    weights = media_range_weights(accept)
    response_weight = preference(RESPONSE_TYPE, weights).weight
    json_weight = preference(JSON_TYPE, weights).weight
    if RESPONSE_TYPE in weights and response_weight >= json_weight > 0:
        return RESPONSE_TYPE
    if json_weight > 0:
        return JSON_TYPE
    return RESPONSE_TYPE if response_weight > 0 else None


def preference(media_type: str, weights: Mapping[str, float]) -> Preference:
    """Return the preference for a media type. The most specific range that includes it counts."""
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", ANY_TYPE)
    return next(
        (
            Preference(weights[name], specificity)
            for specificity, name in zip((2, 1, 0), ranges, strict=True)
            if name in weights
        ),
        Preference(0.0, 0),
    )


def media_range_weights(accept: str) -> dict[str, float]:
    """Return the quality value of each media range, from 0 to 1; 1 if it has none that is valid.

    Parameters of a range are ignored; of equal ranges, the greatest value counts.
    """
    weights: dict[str, float] = {}
    for entry in accept.lower().split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        values = [text[2:] for text in parameters if text.startswith("q=")]
        is_valid = values and WEIGHT.fullmatch(values[0])
        name = ANY_TYPE if name == "*" else name  # Java's spelling
        weights[name] = max(float(values[0]) if is_valid else 1.0, weights.get(name, 0.0))
    return weights
