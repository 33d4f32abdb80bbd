"""Asks through the generated client, in its own environment: questions come in, answers go out.

Both are JSON, by standard input and output. It knows nothing of the product, nor of its tests.
"""

import json
import sys
from importlib import import_module
from typing import Any


def ask(url: str, question: dict[str, Any]) -> dict[str, Any]:
    """Return what the client makes of the answer to one question."""
    client = import_module("client").AuthenticatedClient(
        base_url=url, token=question["token"], raise_on_unexpected_status=True
    )
    operation = import_module(f"client.api.{question['operation']}")
    with client:
        response = operation.sync_detailed(client=client, **question["arguments"])
    return {
        "status": response.status_code,
        "type": type(response.parsed).__name__,
        "body": response.parsed.to_dict(),
        "unknown": sorted(response.parsed.additional_keys),
    }


if __name__ == "__main__":
    given = json.load(sys.stdin)
    json.dump([ask(given["url"], question) for question in given["questions"]], sys.stdout)
