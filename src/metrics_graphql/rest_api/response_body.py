"""The response bodies of the v3 API, and its OpenAPI document."""

import json
import re
from importlib.resources import files
from typing import Any, Final

from metrics_graphql.core.callers import ServiceUser
from metrics_graphql.core.measures import (
    AVERAGE_ACUS,
    PULL_REQUEST_MEASURES,
    SESSION_MEASURES,
)
from metrics_graphql.core.results import SessionMetrics


def openapi_document(path_prefix: str = "") -> dict[str, Any]:
    """Return the OpenAPI document; with a prefix, `servers` has it."""
    document: dict[str, Any] = json.loads(files(__package__).joinpath("openapi.json").read_bytes())
    if path_prefix:
        document["servers"] = [{"url": path_prefix}]
    return document


def sessions_body(metrics: SessionMetrics) -> bytes:
    """Return metrics as the document's `SessionMetricsResponse`."""
    counts = [metrics.sums[measure.name] for measure in SESSION_MEASURES]
    return (SESSIONS_TEMPLATE % (*counts, metrics.avg_acus_per_session)).encode()


def pull_requests_body(metrics: SessionMetrics) -> bytes:
    """Return metrics as the document's `PrMetricsResponse`."""
    counts = {each.name: metrics[each] for each in PULL_REQUEST_MEASURES}
    return json.dumps(counts, separators=(",", ":")).encode()


def service_user_body(caller: ServiceUser) -> dict[str, str | None]:
    """Return a caller as the document's `ServiceUserSelf`."""
    return {
        "principal_type": "service_user",
        "service_user_id": caller.service_user_id,
        "service_user_name": caller.name,
        "org_id": caller.org_id,
    }


def sessions_template() -> str:
    """Return `SessionMetricsResponse` in JSON, with a placeholder for each measure."""
    body: dict[str, Any] = {}
    for measure in SESSION_MEASURES:
        if measure.member is None:
            body[measure.response_key] = "%d"
        else:
            body.setdefault(measure.response_key, {})[measure.member] = "%d"
    body[AVERAGE_ACUS] = "%r"
    return re.sub(r'"(%[dr])"', r"\1", json.dumps(body, separators=(",", ":")))


SESSIONS_TEMPLATE: Final = sessions_template()
