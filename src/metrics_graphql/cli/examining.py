"""`doctor`: whether all that serving needs is there, and what to do where it is not."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Generator
from importlib.util import find_spec
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from metrics_graphql.app import create_app
from metrics_graphql.cli.running import settings_or_problem, with_reason
from metrics_graphql.deadlines import deadline_in
from metrics_graphql.errors import MetricsError, TimedOut
from metrics_graphql.settings import Settings
from metrics_graphql.store import verification
from metrics_graphql.store.store import Store, UnusableURL, open_store
from metrics_graphql.web import pages

CHECK_SECONDS: Final = 15.0
"""How long one check may take."""
MAX_LEAP: Final = 5.0
"""Seconds that two clocks may differ: nobody's token ends by the second."""
SAMPLE: Final = 5
"""Organizations whose newest roll-ups are recounted."""


class Finding(NamedTuple):
    """What a check found, and what to do about it."""

    level: Literal["ok", "warn", "fail"]
    what: str
    found: str
    to_do: str = ""

    def __str__(self) -> str:
        return f"{self.level:4}  {self.what}: {self.found}{self.to_do and f' -> {self.to_do}'}"


def doctor() -> None:
    """Check the settings, the database and what belongs to them; it changes nothing.

    Exits with 1 if something fails.
    """

    async def examine() -> bool:
        well = True
        async for finding in findings():
            typer.echo(finding)
            well = well and finding.level != "fail"
        return well

    if not asyncio.run(examine()):
        raise typer.Exit(1)


async def findings() -> AsyncGenerator[Finding]:
    """Check one thing after the other, as far as the ones before allow."""
    settings = settings_or_problem()
    if isinstance(settings, str):
        yield Finding(
            "fail", "settings", settings, "mend it; docs/settings.md has what each may be"
        )
    else:
        for finding in about_settings(settings):
            yield finding
        try:
            store = open_store(settings.database_url, settings.sessions_url)
        except UnusableURL as error:
            yield Finding("fail", "database", str(error), "mend the setting")
        else:
            async with store:
                async for finding in about_store(store):
                    yield finding
    yield about_pages()
    yield about_time_zones()


def about_settings(settings: Settings) -> Generator[Finding]:
    """Look for settings that could not work, and for names that nothing reads."""
    problem = ""
    if settings.otel and find_spec("opentelemetry.sdk") is None:
        problem = "METRICS_OTEL needs pip install 'metrics-graphql[otel]'"
    try:
        # It opens nothing yet.
        create_app(settings.model_copy(update={"otel": False}))
    except UnusableURL:
        pass  # Said of the database.
    except ValueError as error:
        problem = str(error)
    if problem:
        yield Finding("fail", "settings", problem, "mend the setting")
    known = {f"METRICS_{name}".upper() for name in Settings.model_fields}
    unknown = sorted(
        name for name in os.environ if name.startswith("METRICS_") and name not in known
    )
    if unknown:
        yield Finding("warn", "settings", f"nothing reads {', '.join(unknown)}", "is it mistyped?")
    if not problem and not unknown:
        yield Finding("ok", "settings", "all can be read")


async def about_store(store: Store) -> AsyncGenerator[Finding]:
    """Look at the database, its tables, its roll-ups and its clock; and at ClickHouse."""
    if not store.database.exists():
        to_do = "metrics-graphql migrate makes it; or is METRICS_DATABASE_URL another?"
        yield Finding("fail", "database", "there is none yet", to_do)
        return
    try:
        with deadline_in(CHECK_SECONDS):
            there = await store.database.clock()
    except MetricsError as error:
        yield Finding(
            "fail", "database", with_reason(error), "is it running, and METRICS_DATABASE_URL right?"
        )
    else:
        yield Finding("ok", "database", f"{store.database.dialect.name} answers")
        yield about_clock("database", there)
        async for finding in about_tables(store):
            yield finding
    if store.clickhouse:
        try:
            with deadline_in(CHECK_SECONDS):
                there = await store.clickhouse.clock()
                await store.clickhouse.ping()
        except MetricsError as error:
            to_do = "is it running, are all its shards, and METRICS_SESSIONS_URL right?"
            yield Finding("fail", "ClickHouse", with_reason(error), to_do)
        else:
            yield Finding("ok", "ClickHouse", "answers")
            yield about_clock("ClickHouse", there)


async def about_tables(store: Store) -> AsyncGenerator[Finding]:
    """Look whether the tables are those of this program, and then at some roll-ups."""
    try:
        with deadline_in(CHECK_SECONDS):
            age = await store.age_of_tables()
    except MetricsError as error:
        yield Finding("fail", "tables", with_reason(error), "metrics-graphql migrate")
        return
    if age == "older":
        found = "those of an older version"
        yield Finding("fail", "tables", found, "metrics-graphql migrate")
    elif age == "newer":
        found = "those of a newer version"
        yield Finding("fail", "tables", found, "install the version that made them")
    else:
        yield Finding("ok", "tables", "up to date")
        yield await about_rollups(store)


async def about_rollups(store: Store) -> Finding:
    """Recount some."""
    all_of_them = "metrics-graphql verify looks at all"
    if store.clickhouse:
        return Finding("ok", "roll-ups", f"ClickHouse needs none; {all_of_them} sessions")
    database = store.database
    try:
        with deadline_in(CHECK_SECONDS):
            sample = verification.newest_of(await verification.chunks(database), SAMPLE)
            for chunk in sample:
                if await verification.verify(database, chunk):
                    found = f"the newest of {chunk.org_id} differ from their sessions"
                    return Finding("fail", "roll-ups", found, "metrics-graphql verify --repair")
    except TimedOut:
        return Finding("warn", "roll-ups", "recounting takes its time", all_of_them)
    except MetricsError as error:
        return Finding("fail", "roll-ups", with_reason(error), all_of_them)
    found = f"the newest of {len(sample)} organizations agree with their sessions; {all_of_them}"
    return Finding("ok", "roll-ups", found)


def about_clock(whose: str, there: float) -> Finding:
    """Compare a clock with ours, by which tokens end."""
    leap = abs(time.time() - there)
    if leap > MAX_LEAP:
        found = f"{leap:.0f} seconds from that of the {whose}"
        return Finding("warn", "clock", found, "have both follow a time server")
    return Finding("ok", "clock", f"that of the {whose} agrees")


def about_pages() -> Finding:
    """Look for the pages."""
    if pages.BUILT.is_dir():
        return Finding("ok", "pages", "built")
    to_do = "scripts/setup builds them where Node is, a wheel has them"
    return Finding("warn", "pages", "the dashboard was not built", to_do)


def about_time_zones() -> Finding:
    """Look for the database of time zones, which series need."""
    try:
        ZoneInfo("America/Los_Angeles")
    except (ZoneInfoNotFoundError, OSError) as error:
        return Finding("fail", "time zones", f"there are none: {error}", "pip install tzdata")
    return Finding("ok", "time zones", "known")
