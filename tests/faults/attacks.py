"""Hostile HTTP requests: those of the tests of attacks and of fuzzing."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlencode

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from metrics_graphql.core.tokens import generate_token
from tests.faults.numbered_sessions import ORG
from tests.server.test_attacks import ENDLESS, FORMS, OVERLOADED, THEIRS
from tests.test_fuzz import bodies, documents, parameters, requests

T = TypeVar("T")

EXAMPLES: Final = 100
"""Generated requests of each kind."""
INCOMPLETE: Final = 20
"""Requests whose body never ends."""
REST: Final = f"/v3/organizations/{ORG}/metrics/sessions"
JSON_TYPE: Final = "application/json"


class Attack(NamedTuple):
    """A hostile request."""

    method: str
    target: str
    body: bytes = b""
    content_type: str = JSON_TYPE
    token: str = ""
    """A token that is not valid. Without one, the attacker has a valid token."""
    is_incomplete: bool = False
    """Whether the body is shorter than its announced length."""

    def head(self, token: str) -> bytes:
        """Return the request line and the header."""
        length = len(self.body) + self.is_incomplete
        return (
            f"{self.method} {self.target} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n"
            f"Authorization: Bearer {self.token or token}\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Length: {length}\r\n\r\n"
        ).encode()


def attacks() -> list[Attack]:
    """Return attacks of every kind in a random order, the same each time."""
    all_attacks = [*known_attacks(), *generated_attacks()]
    Random(1).shuffle(all_attacks)  # noqa: S311 - an order
    return all_attacks


def known_attacks() -> Iterator[Attack]:
    """Yield attacks that are tested one by one elsewhere, and bodies that never end."""
    for document in (*OVERLOADED.values(), *ENDLESS, f"{{ {THEIRS} }}", f"{{ {'x' * 50_000} }}"):
        yield graphql({"query": document})
    valid = {"query": "{ __typename }"}
    yield graphql([valid, valid])
    yield graphql({"query": "{ __typename }" + " " * 200_000})
    yield graphql(valid)._replace(token=generate_token())
    yield Attack("GET", f"/graphql?{urlencode(valid)}", token=generate_token())
    yield Attack("GET", "/v3/organizations/org-2/metrics/sessions?time_after=0&time_before=1")
    for form in FORMS:
        yield graphql(valid)._replace(content_type=form)
    for _ in range(INCOMPLETE):
        yield Attack("POST", "/graphql", b"{", is_incomplete=True)


def generated_attacks() -> Iterator[Attack]:
    """Yield attacks from the strategies of the fuzz tests."""
    for body in examples(bodies):
        yield Attack("POST", "/graphql", body)
    for request in examples(requests):
        yield graphql(request)
    for document in examples(documents):
        yield graphql({"query": document})
    for params in examples(parameters):
        yield Attack("GET", f"{REST}?{urlencode(params, doseq=True, errors='replace')}")


def graphql(content: object) -> Attack:
    """Return a POST to the GraphQL API."""
    return Attack("POST", "/graphql", json.dumps(content).encode())


def examples(strategy: SearchStrategy[T]) -> list[T]:
    """Return examples of a strategy, the same each time."""
    drawn: list[T] = []

    @seed(1)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(example: Any) -> None:  # noqa: ANN401 - an example of any strategy
        drawn.append(example)

    draw()
    return drawn


async def send(port: int, attack: Attack, token: str) -> str:
    """Send an attack; return the status of the response, or that there was none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    response = b""
    with suppress(ConnectionError):
        writer.write(attack.head(token) + attack.body)
        await writer.drain()
        response = await reader.read()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return response[9:12].decode() or "disconnected"
