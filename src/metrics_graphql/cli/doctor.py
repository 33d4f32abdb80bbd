"""`doctor`: checks an installation and suggests fixes."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from metrics_graphql.cli.options import JsonOption
from metrics_graphql.cli.output import one_line, print_json, print_line
from metrics_graphql.cli.runner import describe_error
from metrics_graphql.cli.settings_checks import validate_settings
from metrics_graphql.core.deadline import set_deadline
from metrics_graphql.core.errors import MetricsError, TimedOut
from metrics_graphql.core.tenants import ENTERPRISE
from metrics_graphql.settings import (
    InvalidSettings,
    Settings,
    read_settings,
    unknown_variables,
)
from metrics_graphql.storage.database import Database
from metrics_graphql.storage.repository import InvalidDatabaseURL, Storage, open_storage
from metrics_graphql.storage.session_store import SessionStore
from metrics_graphql.telemetry.logging import configure_logging
from metrics_graphql.web import pages

CHECK_TIMEOUT: Final = 15.0
"""Seconds that one check may take."""
MAX_CLOCK_SKEW: Final = 5.0
"""Seconds between two clocks. Tokens expire by the local one."""
SAMPLE_SIZE: Final = 5
"""Verification units that are sampled."""
FIX_SETTING: Final = "fix the value; see docs/settings.md"


class Check(NamedTuple):
    """The result of a check, and what to do about it."""

    level: Literal["ok", "warn", "fail"]
    subject: str
    result: str
    action: str = ""

    def __str__(self) -> str:
        action = f" -> {self.action}" if self.action else ""
        return f"{self.level:4}  {self.subject}: {self.result}{action}"


def doctor(*, as_json: JsonOption = False) -> None:
    """Check an installation, and suggest fixes.

    Checks settings, databases, clocks, pages and time zones. Changes no data. Exits with 1 if a
    check fails.
    """

    async def run() -> list[Check]:
        results = []
        # Closed at once, and the databases with it, also when the output is closed, as by `head`.
        async with aclosing(run_checks()) as checks:
            async for check in checks:
                results.append(check)
                if not as_json:
                    print_line(one_line(check))
        return results

    results = asyncio.run(run())
    failed = any(check.level == "fail" for check in results)
    if as_json:
        print_json({"ok": not failed, "checks": [check._asdict() for check in results]})
    if failed:
        raise typer.Exit(1)


async def run_checks() -> AsyncGenerator[Check]:
    """Run all checks whose preconditions hold."""
    try:
        settings = read_settings()
    except InvalidSettings as error:
        yield Check("fail", "settings", str(error), FIX_SETTING)
    else:
        configure_logging(settings.log_level, settings.log_format)
        for check in check_settings(settings):
            yield check
        try:
            storage = open_storage(settings.database_url, settings.sessions_url)
        except InvalidDatabaseURL as error:
            yield Check("fail", "database", str(error), FIX_SETTING)
        else:
            async with storage, aclosing(check_storage(storage)) as checks:
                async for check in checks:
                    yield check
    yield check_pages()
    yield check_time_zones()


def check_settings(settings: Settings) -> Iterator[Check]:
    """Check values that depend on files and packages, and look for unknown variables."""
    problems = validate_settings(settings)
    for problem in problems:
        yield Check("fail", "settings", problem, FIX_SETTING)
    unknown = unknown_variables()
    for warning in unknown:
        yield Check("warn", "settings", warning, "check the spelling")
    if not problems and not unknown:
        yield Check("ok", "settings", "valid")


async def check_storage(storage: Storage) -> AsyncGenerator[Check]:
    """Check each engine and its clock, then the tables, then a sample of the sessions."""
    if not storage.database.exists():
        action = "run metrics-graphql migrate, or correct METRICS_DATABASE_URL"
        yield Check("fail", "database", "the file does not exist", action)
        return
    all_respond = True
    for setting, engine in storage.engines.items():
        checks = await check_engine(setting, engine)
        for check in checks:
            yield check
            all_respond = all_respond and check.level != "fail"
    if all_respond:
        schema = await check_schema(storage)
        yield schema
        if schema.level == "ok":
            for check in await check_warnings(storage):
                yield check
            yield await check_sessions(storage)


async def check_engine(setting: str, engine: Database | SessionStore) -> list[Check]:
    """Check that an engine responds, and compare its clock with the local one."""
    name = engine.dialect.name
    try:
        with set_deadline(CHECK_TIMEOUT):
            clock = await engine.clock()
    except MetricsError as error:
        return [Check("fail", name, describe_error(error), f"start it, or correct {setting}")]
    responds = Check("ok", name, "responds")
    skew = abs(time.time() - clock)
    if skew > MAX_CLOCK_SKEW:
        result = f"{skew:.0f} seconds from that of {name}"
        return [responds, Check("warn", "clock", result, "synchronize both with NTP")]
    return [responds, Check("ok", "clock", f"agrees with that of {name}")]


async def check_schema(storage: Storage) -> Check:
    """Check that the tables are those of this version."""
    try:
        with set_deadline(CHECK_TIMEOUT):
            await storage.ensure_schema(upgrade_embedded=False)
    except MetricsError as error:
        return Check("fail", "schema", describe_error(error))
    return Check("ok", "schema", "current")


async def check_warnings(storage: Storage) -> list[Check]:
    """Check the configuration of the engine that has the sessions."""
    sessions = storage.sessions
    name = sessions.dialect.name
    try:
        with set_deadline(CHECK_TIMEOUT):
            warnings = await sessions.warnings()
    except MetricsError as error:
        return [Check("fail", name, describe_error(error), "check its privileges and settings")]
    return [Check("warn", name, result, action) for result, action in warnings]


async def check_sessions(storage: Storage) -> Check:
    """Check that there are sessions, that they can be read, and verify a sample of them."""
    sessions = storage.sessions
    subject, complete = "sessions", "metrics-graphql verify checks all of them"
    try:
        with set_deadline(CHECK_TIMEOUT):
            await sessions.ping()
            if not await storage.has_sessions(ENTERPRISE):
                action = "load sessions with metrics-graphql load or metrics-graphql sync"
                return Check("warn", subject, "the database is empty: it has no sessions", action)
            units = await sessions.sample_units(SAMPLE_SIZE)
            for unit in units:
                if await sessions.verify(unit):
                    result = f"{unit.org_id} has {sessions.inconsistencies}"
                    return Check("fail", subject, result, "run metrics-graphql verify --repair")
    except TimedOut:
        return Check("warn", subject, f"not verified in {CHECK_TIMEOUT:.0f} seconds", complete)
    except MetricsError as error:
        return Check("fail", subject, describe_error(error), "check every shard and replica")
    if not units:
        return Check("ok", subject, "readable, none verified", complete)
    result = f"no {sessions.inconsistencies} in the newest of {len(units)} organizations"
    return Check("ok", subject, result, complete)


def check_pages() -> Check:
    """Check that the dashboard was built."""
    if pages.BUILT.is_dir():
        return Check("ok", "pages", "built")
    action = "install a wheel, which includes them, or run scripts/setup where Node is installed"
    return Check("warn", "pages", "the dashboard was not built", action)


def check_time_zones() -> Check:
    """Check that there is a time zone database, which time series need."""
    try:
        ZoneInfo("America/Los_Angeles")
    except (ZoneInfoNotFoundError, OSError) as error:
        return Check("fail", "time zones", f"no database: {error}", "pip install tzdata")
    return Check("ok", "time zones", "available")
