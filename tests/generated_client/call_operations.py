"""Calls operations of the generated client, in its own environment.

Calls are read from standard input, and results written to standard output, both as JSON. The script
knows neither the product nor its tests.
"""

import json
import sys
from importlib import import_module
from typing import Any


def call_operation(url: str, call: dict[str, Any]) -> dict[str, Any]:
    """Return the status of a response, and the object that the client made of its body."""
    client = import_module("client").AuthenticatedClient(
        base_url=url, token=call["token"], raise_on_unexpected_status=True
    )
    operation = import_module(f"client.api.{call['operation']}")
    with client:
        response = operation.sync_detailed(client=client, **call["arguments"])
    return {
        "status": response.status_code,
        "type": type(response.parsed).__name__,
        "body": response.parsed.to_dict(),
        "unknown": sorted(response.parsed.additional_keys),
    }


if __name__ == "__main__":
    given = json.load(sys.stdin)
    json.dump([call_operation(given["url"], call) for call in given["calls"]], sys.stdout)
