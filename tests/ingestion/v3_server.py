"""A v3 API on a real socket, which serves sessions in pages and injects faults."""

import base64
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from metrics_graphql.core.sessions import Session
from tests.ingestion.counts import pull_requests

TOKEN = "cog_0123456789abcdefghijABCDEFGHIJ01abcdef"
START = 1_735_689_600
ORDERS: dict[str, Callable[[dict[str, Any]], list[Any]]] = {
    "by id": lambda item: [item["session_id"]],
    "oldest change first": lambda item: [item["updated_at"], item["session_id"]],
    "newest change first": lambda item: [-item["updated_at"], item["session_id"]],
}


def as_stored(item: dict[str, Any]) -> Session:
    """Return the session that an item of a page is stored as."""
    states = [each["pr_state"] for each in item["pull_requests"]]
    return Session(
        *(item["org_id"], item["session_id"], item["created_at"], item["origin"]),
        *(item["session_size"], item["user_id"], item["service_user_id"]),
        item["playbook_id"],
        acus=round(item["acus_consumed"] * 1_000_000),
        **pull_requests(
            len(states),
            is_open=states.count("open") + states.count("draft"),
            merged=states.count("merged"),
            closed=states.count("closed"),
        ),
    )


class V3Server:
    """The sessions of one organization, and the faults of the API that serves them.

    A cursor encodes the sort key of a session; the next page has the sessions after that key.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.reset()

    def reset(self) -> None:
        """Remove all sessions and faults."""
        self.random = random.Random(0)  # noqa: S311 - test data
        self.org_id = "org-1"
        self.sessions: dict[str, dict[str, Any]] = {}
        self.now: float | None = None
        """The server's clock, in Unix seconds; None: the system's clock."""
        self.order = ORDERS["by id"]
        self.overlap = 0
        """Sessions of a page that the next page repeats."""
        self.shuffle = False
        self.faults: list[Response | None] = []
        """Responses to the next requests; None: the regular one."""
        self.before_request: Callable[[int], None] = lambda _number: None
        """Called with the number of each request, from 0."""
        self.transform_page: Callable[[dict[str, Any]], Any] = lambda page: page
        """Changes the body of a page before it is sent."""
        self.requests: list[Request] = []

    @property
    def queries(self) -> list[dict[str, str]]:
        """The query parameters of each request."""
        return [dict(request.query_params) for request in self.requests]

    def add(self, count: int) -> None:
        """Add random sessions, changed at various times in the past."""
        for number in range(len(self.sessions), len(self.sessions) + count):
            created_at = START + self.random.randrange(30 * 86_400)
            self.put(f"s{number:05}", created_at=created_at, updated_at=created_at + 60)

    def put(self, session_id: str, **values: Any) -> None:  # noqa: ANN401 - any field
        """Add or change a session; the other fields of a new one are random."""
        states = [None, "open", "draft", "merged", "merged", "closed"]
        self.sessions[session_id] = {
            "session_id": session_id,
            "org_id": self.org_id,
            "url": f"https://app.example.com/sessions/{session_id}",
            "status": "exit",
            "tags": [],
            "created_at": START,
            "title": "a title",
            "origin": self.random.choice(["slack", "api", "cli", "scheduled"]),
            "user_id": self.random.choice([None, "email|1", "email|2"]),
            "service_user_id": None,
            "playbook_id": self.random.choice([None, "playbook-1"]),
            "session_size": self.random.choice(["xs", "s", "m", "l", "xl"]),
            "acus_consumed": self.random.randrange(1_000) / 8,
            "num_user_messages": 1,
            "num_devin_messages": 2,
            "analysis": None,
            "pull_requests": [
                {"pr_url": "https://example.com/1", "pr_state": self.random.choice(states)}
                for _ in range(self.random.randrange(3))
            ],
            **self.sessions.get(session_id, {"updated_at": int(self.clock())}),
            **values,
        }

    def change(self, *, count: int = 1) -> None:
        """Change some sessions now, and add as many."""
        for _ in range(count):
            changed = self.random.choice(list(self.sessions))
            self.put(
                changed,
                updated_at=int(self.clock()),
                acus_consumed=self.random.randrange(1_000) / 8,
                session_size="xl",
            )
            self.put(f"{self.random.randrange(10**9):09}")

    def clock(self) -> float:
        """Return the server's time in Unix seconds."""
        return time.time() if self.now is None else self.now

    def expected(self) -> list[Session]:
        """Return the sessions as storage should have them, by id."""
        return [as_stored(item) for _, item in sorted(self.sessions.items())]

    async def respond(self, request: Request) -> Response:
        """Return the next fault, or a page."""
        self.before_request(len(self.requests))
        self.requests.append(request)
        response = self.faults.pop(0) if self.faults else None
        if response is None:
            response = self.page(request)
        response.headers["Date"] = formatdate(self.clock(), usegmt=True)
        return response

    def page(self, request: Request) -> Response:
        """Return a page as the API documents it, with the configured deviations."""
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return error_response(401, "Not authenticated")
        query = request.query_params
        first = int(query.get("first", 100))
        if not 1 <= first <= 200:
            return error_response(422, "first")
        since = int(query.get("updated_after", 0))
        after = json.loads(base64.urlsafe_b64decode(query["after"])) if "after" in query else []
        rest = sorted(
            (
                item
                for item in self.sessions.values()
                if item["updated_at"] >= since and self.order(item) > after
            ),
            key=self.order,
        )
        items = rest[:first]
        is_last = len(rest) <= first
        end = None if is_last else self.cursor(items[max(len(items) - 1 - self.overlap, 0)])
        if self.shuffle:
            self.random.shuffle(items)
        page = {"items": items, "has_next_page": not is_last, "end_cursor": end}
        return JSONResponse(self.transform_page({**page, "total": len(self.sessions)}))

    def cursor(self, item: dict[str, Any]) -> str:
        """Return the cursor of the page after a session."""
        return base64.urlsafe_b64encode(json.dumps(self.order(item)).encode()).decode()


def error_response(status: int, detail: str = "", **headers: str) -> Response:
    """Return an error as the API documents it."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse({"title": "Error", "detail": detail}, status, headers)


def truncated_response() -> Response:
    """Return a response whose connection is closed before the end of the body."""
    return Response(b'{"items": [', headers={"Content-Length": "1000"})


@contextmanager
def v3_server(
    prefix: str = "", certificate: Path | None = None, key: Path | None = None
) -> Generator[V3Server]:
    """Run a server below a path prefix for the duration of the block; over TLS with a key."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # Clients connect before the thread has started the server.
        listener.listen()
        origin = "https://localhost" if key else "http://127.0.0.1"
        server = V3Server(f"{origin}:{listener.getsockname()[1]}{prefix}")

        async def endpoint(request: Request) -> Response:
            return await server.respond(request)

        route = Route(prefix + "/v3/organizations/{org_id}/sessions/insights", endpoint)
        config = uvicorn.Config(
            Starlette(routes=[route, Route("/elsewhere", endpoint)]),
            log_config=None,
            log_level="critical",
            date_header=False,
            lifespan="off",
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield server
        finally:
            running.should_exit = True
            thread.join()
