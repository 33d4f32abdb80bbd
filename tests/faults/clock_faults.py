"""Clock faults: the clock of a server jumps ahead and back."""

import asyncio
import os
import time
from pathlib import Path
from typing import Final
from unittest.mock import patch

import httpx

from metrics_graphql.core.periods import DAY
from metrics_graphql.storage.service_users import create_service_user
from tests.faults.numbered_sessions import ORG
from tests.faults.observer import Observer, observe

SITECUSTOMIZE: Final = """
import os
import time
from pathlib import Path

original_time = time.time
offset = Path(os.environ["CLOCK_OFFSET"])
time.time = lambda: original_time() + float(offset.read_text())
"""
"""Adds the offset in a file to the clock of a Python process."""
EXPIRY_TIMEOUT: Final = 60.0
"""Seconds within which an expiry must take effect; `METRICS_CACHE_TTL` allows for less."""


async def clock_jumps(url: str, folder: Path, *, seconds: float) -> Observer:
    """Set a server's clock two days ahead, then two days back, while sessions are stored.

    A token that lasts a day must be refused while the clock is ahead. New sessions must appear in
    time whatever the clock shows, which the observer checks.
    """
    offset = folder / "offset"
    offset.write_text("0")
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    environment = {"PYTHONPATH": str(folder), "CLOCK_OFFSET": str(offset)}
    with patch.dict(os.environ, environment):
        async with observe(url, folder) as observer:
            issued = await create_service_user(
                observer.storage.database, "a day", tenant=ORG, expires_in_days=1
            )
            with observer.injecting(
                f"the server's clock set 2 days ahead for {seconds:g} s, then 2 days back for"
                f" {seconds:g} s, then right; requests with a token that lasts a day"
            ):
                await expect_status(observer, issued.token, 200)
                for days, status in ((2, 401), (-2, 200), (0, 200)):
                    set_clock(offset, days)
                    await expect_status(observer, issued.token, status)
                    await asyncio.sleep(seconds if days else 0)
    return observer


def set_clock(offset: Path, days: int) -> None:
    """Write the offset of a clock in one step."""
    new = offset.with_suffix(".new")
    new.write_text(str(days * DAY))
    new.replace(offset)


async def expect_status(observer: Observer, token: str, status: int) -> None:
    """Send requests with a token until the response has the expected status."""
    give_up_at = time.monotonic() + EXPIRY_TIMEOUT
    url = f"{observer.servers[0].url}/v3/organizations/{ORG}/metrics/sessions"
    parameters = {"time_after": 0, "time_before": 1}
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(headers=headers, timeout=60) as client:
        while time.monotonic() < give_up_at:
            response = await client.get(url, params=parameters)
            if response.status_code == status:
                return
            await asyncio.sleep(0.05)
    observer.violations.append(f"status {response.status_code} with a token that lasts a day")
