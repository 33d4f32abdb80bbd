"""Requests that no client sends: those of the tests of attacks, and of fuzzing."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlencode

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from metrics_graphql.auth import generate_token
from scripts.benchmarks.faults.numbered import ORG
from tests.test_attacks import ENDLESS, FORMS, OVERLOADED, THEIRS
from tests.test_fuzz import bodies, documents, parameters, requests

T = TypeVar("T")

EXAMPLES: Final = 100
"""How many are made up of each kind."""
REST: Final = f"/v3/organizations/{ORG}/metrics/sessions"
JSON_TYPE: Final = "application/json"


class Attack(NamedTuple):
    """A request; the body of one that is `slow` never ends."""

    method: str
    target: str
    body: bytes = b""
    content_type: str = JSON_TYPE
    token: str = ""
    """One that opens nothing; else the attacker has a good one."""
    slow: bool = False

    def head(self, token: str) -> bytes:
        """Return what is sent before the body."""
        length = len(self.body) + self.slow
        return (
            f"{self.method} {self.target} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n"
            f"Authorization: Bearer {self.token or token}\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Length: {length}\r\n\r\n"
        ).encode()


def attacks() -> list[Attack]:
    """Return requests of every kind, in any order; the same each time."""
    found = [*written(), *made_up()]
    Random(1).shuffle(found)  # noqa: S311 - an order
    return found


def written() -> Iterator[Attack]:
    """Yield those that somebody has thought of."""
    documents = [*OVERLOADED.values(), *ENDLESS, f"{{ {THEIRS} }}", "{ " + "x" * 50_000 + " }"]
    for document in documents:
        yield graphql({"query": document})
    question = {"query": "{ __typename }"}
    yield graphql([question, question])
    yield graphql({"query": "{ __typename }" + " " * 200_000})
    yield graphql(question)._replace(token=generate_token())
    yield Attack("GET", f"/graphql?{urlencode(question)}", token=generate_token())
    yield Attack("GET", "/v3/organizations/org-2/metrics/sessions?time_after=0&time_before=1")
    for form in FORMS:
        yield Attack("POST", "/graphql", json.dumps(question).encode(), form)
    for _ in range(20):
        yield Attack("POST", "/graphql", b"{", slow=True)


def made_up() -> Iterator[Attack]:
    """Yield those that nobody has thought of."""
    for body in examples(bodies):
        yield Attack("POST", "/graphql", body)
    for request in examples(requests):
        yield graphql(request)
    for document in examples(documents):
        yield graphql({"query": document})
    for given_parameters in examples(parameters):
        query = urlencode(given_parameters, doseq=True, errors="replace")
        yield Attack("GET", f"{REST}?{query}")


def graphql(request: object) -> Attack:
    """Return a request of the GraphQL door."""
    return Attack("POST", "/graphql", json.dumps(request).encode())


def examples(strategy: SearchStrategy[T]) -> list[T]:
    """Return what a strategy makes up, the same each time."""
    found: list[T] = []

    @seed(1)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def note(example: Any) -> None:  # noqa: ANN401 - whatever it makes up
        found.append(example)

    note()
    return found


async def send(port: int, attack: Attack, token: str) -> str:
    """Send one; return the status of its answer, or that it was hung up on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    with suppress(ConnectionError):
        writer.write(attack.head(token) + attack.body)
        await writer.drain()
        answer = await reader.read()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return answer[9:12].decode() or "hung up"
