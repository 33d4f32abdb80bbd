"""A v3 API over a real socket: sessions in pages, and whatever can go wrong with them."""

import base64
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from metrics_graphql.domain.sessions import Session

TOKEN = "cog_0123456789abcdefghijABCDEFGHIJ01abcdef"
START = 1_735_689_600
ORDERS: dict[str, Callable[[dict[str, Any]], list[Any]]] = {
    "by id": lambda item: [item["session_id"]],
    "oldest change first": lambda item: [item["updated_at"], item["session_id"]],
    "newest change first": lambda item: [-item["updated_at"], item["session_id"]],
}


class V3Server:
    """One organization's sessions, and how they are handed out.

    A cursor is the last session's place in the order, as of a database that is asked for what
    comes after it.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.reset()

    def reset(self) -> None:
        """Be a server that does as documented, and has no sessions."""
        self.chance = random.Random(0)  # noqa: S311 - data
        self.org_id = "org-1"
        self.sessions: dict[str, dict[str, Any]] = {}
        self.now: float | None = None
        """What its clock says, if not the time."""
        self.order = ORDERS["by id"]
        self.repeats = 0
        """How many sessions of a page come again on the next one."""
        self.shuffles = False
        self.faults: list[Response | None] = []
        """Answers to the next requests; None is as usual."""
        self.before: Callable[[int], None] = lambda _number: None
        """Told the number of each request before it is answered."""
        self.tamper: Callable[[dict[str, Any]], Any] = lambda page: page
        """What becomes of a page."""
        self.asked: list[Request] = []

    @property
    def queries(self) -> list[dict[str, str]]:
        """What was asked for."""
        return [dict(request.query_params) for request in self.asked]

    def add(self, count: int) -> None:
        """Make up more sessions, changed at various times in the past."""
        for number in range(len(self.sessions), len(self.sessions) + count):
            created_at = START + self.chance.randrange(30 * 86_400)
            self.put(f"s{number:05}", created_at=created_at, updated_at=created_at + 60)

    def put(self, session_id: str, **values: Any) -> None:  # noqa: ANN401 - any field
        """Add a session, or change one; what is not given is made up."""
        merged = self.chance.random() < 0.3
        self.sessions[session_id] = {
            "session_id": session_id,
            "org_id": self.org_id,
            "url": f"https://app.example.com/sessions/{session_id}",
            "status": "exit",
            "tags": [],
            "created_at": START,
            "title": "a title",
            "origin": self.chance.choice(["slack", "api", "cli", "scheduled"]),
            "user_id": self.chance.choice([None, "email|1", "email|2"]),
            "service_user_id": None,
            "playbook_id": self.chance.choice([None, "playbook-1"]),
            "session_size": self.chance.choice(["xs", "s", "m", "l", "xl"]),
            "acus_consumed": self.chance.randrange(1_000) / 8,
            "num_user_messages": 1,
            "num_devin_messages": 2,
            "analysis": None,
            "pull_requests": [
                {"pr_url": "https://example.com/1", "pr_state": "merged" if merged else None}
            ],
            **self.sessions.get(session_id, {"updated_at": int(self.clock())}),
            **values,
        }

    def change(self, *, count: int = 1) -> None:
        """Change some sessions, now, and add as many."""
        for _ in range(count):
            changed = self.chance.choice(list(self.sessions))
            self.put(
                changed,
                updated_at=int(self.clock()),
                acus_consumed=self.chance.randrange(1_000) / 8,
                session_size="xl",
            )
            self.put(f"{self.chance.randrange(10**9):09}")

    def clock(self) -> float:
        """Return its time."""
        return time.time() if self.now is None else self.now

    def expected(self) -> list[Session]:
        """Return the sessions as they are to be stored, by id."""
        return [
            Session(
                *(item["org_id"], item["session_id"], item["created_at"], item["origin"]),
                *(item["session_size"], item["user_id"], item["service_user_id"]),
                item["playbook_id"],
                has_merged_pr=any(pr["pr_state"] == "merged" for pr in item["pull_requests"]),
                acus=round(item["acus_consumed"] * 1_000_000),
            )
            for _, item in sorted(self.sessions.items())
        ]

    async def answer(self, request: Request) -> Response:
        """Answer a request."""
        self.before(len(self.asked))
        self.asked.append(request)
        answer = self.faults.pop(0) if self.faults else None
        if answer is None:
            answer = self.page(request)
        answer.headers["Date"] = formatdate(self.clock(), usegmt=True)
        return answer

    def page(self, request: Request) -> Response:
        """Answer as documented, but for how it is told to misbehave."""
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return problem(401, "Not authenticated")
        query = request.query_params
        first = int(query.get("first", 100))
        if not 1 <= first <= 200:
            return problem(422, "first")
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
        end = None if is_last else self.cursor(items[max(len(items) - 1 - self.repeats, 0)])
        if self.shuffles:
            self.chance.shuffle(items)
        page = {"items": items, "has_next_page": not is_last, "end_cursor": end}
        return JSONResponse(self.tamper({**page, "total": len(self.sessions)}))

    def cursor(self, item: dict[str, Any]) -> str:
        """Return what asks for the sessions after one."""
        return base64.urlsafe_b64encode(json.dumps(self.order(item)).encode()).decode()


def problem(status: int, detail: str = "", **headers: str) -> Response:
    """Return an error as the API tells it."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse({"title": "Error", "detail": detail}, status, headers)


def cut_off() -> Response:
    """Return an answer whose connection ends before it does."""
    return Response(b'{"items": [', headers={"Content-Length": "1000"})


@contextmanager
def v3_server(prefix: str = "") -> Generator[V3Server]:
    """Serve until the block ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = V3Server(f"http://127.0.0.1:{listener.getsockname()[1]}{prefix}")

        async def answer(request: Request) -> Response:
            return await server.answer(request)

        route = Route(prefix + "/v3/organizations/{org_id}/sessions/insights", answer)
        config = uvicorn.Config(
            Starlette(routes=[route, Route("/elsewhere", answer)]),
            log_config=None,
            log_level="critical",
            date_header=False,
            lifespan="off",
        )
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield server
        finally:
            running.should_exit = True
            thread.join()
