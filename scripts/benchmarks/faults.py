"""What clients see when the PostgreSQL server crashes under load and comes back."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx
import uvloop

from metrics_graphql.auth import create_service_user
from metrics_graphql.domain.sessions import SessionUpdate
from metrics_graphql.errors import Unavailable
from metrics_graphql.store.engine import Database
from metrics_graphql.store.ingest import write_sessions
from metrics_graphql.store.verification import chunks, verify
from tests.engines import OwnPostgreSQL, postgresql
from tests.serving import Server, served

Row = dict[str, Any]
CLIENTS: Final = 8
ORG: Final = "org-faults"
BATCH: Final = 200
BEFORE_SECONDS, AWAY_SECONDS, AFTER_SECONDS = 3.0, 3.0, 4.0


class Run:
    """One crash: what was asked and answered, and when."""

    def __init__(self, server: OwnPostgreSQL, gateway: Server, database: Database) -> None:
        self.server = server
        self.gateway = gateway
        self.database = database
        self.answers: list[tuple[float, float, int]] = []
        """When each question was asked, when it was answered, and with which status."""
        self.acknowledged = 0
        self.failures: list[str] = []
        """What writers met that is not `Unavailable`."""
        self.away = self.back = 0.0
        self.ended = False

    async def crash(self) -> None:
        """Take the server away under load, and bring it back."""
        await asyncio.sleep(BEFORE_SECONDS)
        self.away = time.monotonic()
        await asyncio.to_thread(self.server.stop)
        await asyncio.sleep(AWAY_SECONDS)
        await asyncio.to_thread(self.server.start)
        self.back = time.monotonic()
        await asyncio.sleep(AFTER_SECONDS)
        self.ended = True

    async def ask(self, token: str, seed: int) -> None:
        """Ask questions that were not asked before, one after the other."""
        headers = {"Authorization": f"Bearer {token}"}
        path = f"/v3/organizations/{ORG}/metrics/sessions"
        number = seed
        async with httpx.AsyncClient(base_url=self.gateway.url, headers=headers) as client:
            while not self.ended:
                number += CLIENTS
                asked = time.monotonic()
                parameters = {"time_after": number, "time_before": 2**31}
                response = await client.get(path, params=parameters, timeout=60)
                self.answers.append((asked, time.monotonic(), response.status_code))
                if response.is_error:
                    await asyncio.sleep(0.02)

    async def write(self) -> None:
        """Write new sessions, batch by batch; one counts as acknowledged once it is committed."""
        number = 0
        while not self.ended:
            batch = [
                SessionUpdate(ORG, f"s{number + at}", {"created_at": number + at})
                for at in range(BATCH)
            ]
            try:
                async with self.database.writing() as connection:
                    await write_sessions(connection, self.database.dialect, batch)
            except Unavailable:
                await asyncio.sleep(0.05)
                continue
            except Exception as error:  # noqa: BLE001 - it is what is measured
                self.failures.append(repr(error))
                continue
            number += BATCH
            self.acknowledged = number

    async def stored(self) -> int:
        """Return how many sessions there are."""
        async with self.database.reading() as connection:
            found = await connection.exec_driver_sql("SELECT count(*) FROM sessions")
            return int(found.scalar_one())


async def crash(server: OwnPostgreSQL, url: str, folder: Path) -> Run:
    """Load a gateway on a database whose server crashes and comes back; return what was seen."""
    async with Database(url) as database:
        token = (await create_service_user(database, "faults", org_id=ORG)).token
        with served(url, folder / "faults.log", rate_limit="") as gateway:
            run = Run(server, gateway, database)
            clients = (run.ask(token, seed) for seed in range(CLIENTS))
            await asyncio.gather(run.crash(), run.write(), *clients)
        differences = [
            difference
            for chunk in await chunks(database)
            for difference in await verify(database, chunk)
        ]
        run.failures += map(str, differences)
        lost = run.acknowledged - await run.stored()
        if lost > 0:
            run.failures.append(f"{lost} acknowledged sessions are lost")
    return run


def measure() -> list[Row]:
    """Return a row for each phase: before the crash, while the server is away, after."""
    with postgresql() as server, TemporaryDirectory() as folder:
        url = server.new_database(Path(folder))
        run = uvloop.run(crash(server, url, Path(folder)))
    phases = {
        "before": (0.0, run.away),
        "away": (run.away, run.back),
        "after": (run.back, float("inf")),
    }
    rows = []
    for name, (start, end) in phases.items():
        asked = [each for each in run.answers if start <= each[0] < end]
        statuses = Counter(status for *_, status in asked)
        slowest = max((answered - began for began, answered, _ in asked), default=0.0)
        rows.append(
            {
                "phase": name,
                "questions": len(asked),
                "answers": ", ".join(
                    f"{count} x {status}" for status, count in sorted(statuses.items())
                ),
                "slowest s": slowest,
                "first 200 after s": recovery(run) if name == "after" else "",
                "acknowledged sessions": run.acknowledged if name == "after" else "",
                "faults": "; ".join(run.failures) if name == "after" else "",
            }
        )
    return rows


def recovery(run: Run) -> float:
    """Return how long after the server's return the first question was answered."""
    answered = (at for _, at, status in run.answers if status == httpx.codes.OK and at > run.back)
    return min(answered) - run.back


def conclusions(rows: list[Row]) -> Iterator[str]:
    """Yield what matters of it."""
    answers = " ".join(row["answers"] for row in rows)
    yield f"any 500: {'yes' if ' 500' in answers else 'no'}; faults: {rows[-1]['faults'] or 'none'}"
