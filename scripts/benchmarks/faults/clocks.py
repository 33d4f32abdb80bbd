"""Faults of a clock: it jumps ahead and back, under a server that is asked meanwhile."""

import asyncio
import os
import time
from pathlib import Path
from typing import Final
from unittest.mock import patch

import httpx

from metrics_graphql.auth import create_service_user
from metrics_graphql.domain.periods import DAY
from scripts.benchmarks.faults.numbered import ORG
from scripts.benchmarks.faults.watching import Watch, watching

JUMPING: Final = """
import os
import time
from pathlib import Path

set_at = time.time
jump = Path(os.environ["CLOCK_JUMP"])
time.time = lambda: set_at() + float(jump.read_text())
"""
"""A `sitecustomize` by which a process reads off a file how far its clock has jumped."""
PATIENCE_SECONDS: Final = 30.0
"""How long an expiry may take to show before it counts as never; it is bound to `FRESHNESS`."""


async def clock_jumps(url: str, folder: Path, *, seconds: float) -> Watch:
    """Set a server's clock two days ahead, then two days back, while sessions arrive.

    A token that expires in a day opens nothing while the clock is ahead. Whatever the clock says,
    new sessions show in time: that is checked of every answer.
    """
    jump = folder / "jump"
    jump.write_text("0")
    (folder / "sitecustomize.py").write_text(JUMPING)
    environment = {"PYTHONPATH": str(folder), "CLOCK_JUMP": str(jump)}
    with patch.dict(os.environ, environment):
        return await watched(url, folder, jump, seconds)


async def watched(url: str, folder: Path, jump: Path, seconds: float) -> Watch:
    """Do so with a server whose clock is set by a file."""
    async with watching(url, folder) as watch:
        created = await create_service_user(watch.database, "a day", org_id=ORG, expires_in_days=1)
        with watch.fault(
            f"the server's clock set 2 days ahead for {seconds:g} s, then 2 days back for"
            f" {seconds:g} s, then right; a token that lasts a day is asked with"
        ):
            await expect(watch, created.token, 200)
            for days, status in ((2, 401), (-2, 200), (0, 200)):
                set_clock(jump, days)
                await expect(watch, created.token, status)
                await asyncio.sleep(seconds if days else 0)
    return watch


def set_clock(jump: Path, days: int) -> None:
    """Let a clock jump to so many days from what is right, in one step."""
    new = jump.with_suffix(".new")
    new.write_text(str(days * DAY))
    new.replace(jump)


async def expect(watch: Watch, token: str, status: int) -> None:
    """Ask with a token until the status is the one that is right by now."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    url = f"{watch.servers[0].url}/v3/organizations/{ORG}/metrics/sessions"
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(headers=headers) as client:
        while time.monotonic() < give_up:
            answer = await client.get(url, params={"time_after": 0, "time_before": 1}, timeout=60)
            if answer.status_code == status:
                return
            await asyncio.sleep(0.05)
    watch.wrong.append(f"a token that lasts a day gets {answer.status_code}, not {status}")
