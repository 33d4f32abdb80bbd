"""Single-flight: which computations are joined, and for how long."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

from metrics_graphql.core.single_flight import SingleFlight
from tests.conftest import Advance


def run(scenario: Callable[[SingleFlight[str, asyncio.Future[int]]], Awaitable[None]]) -> None:
    """Run a scenario with flights that can be joined for 10 seconds."""

    async def start() -> None:
        await scenario(SingleFlight(10))

    asyncio.run(start())


def new_future() -> asyncio.Future[int]:
    """Return a future of the running loop."""
    return asyncio.get_running_loop().create_future()


def test_a_flight_is_joined_until_it_is_done() -> None:
    """By any of its keys, and by no other key."""

    async def scenario(flights: SingleFlight[str, asyncio.Future[int]]) -> None:
        future = new_future()
        flights.start(["a", "b"], future)
        assert flights.find("a") is flights.find("b") is future
        assert flights.find("c") is None
        future.set_result(1)
        await asyncio.sleep(0)
        assert flights.find("a") is flights.find("b") is None

    run(scenario)


def test_a_flight_older_than_the_maximum_age_is_not_joined(advance: Advance) -> None:
    """It may have read its value too long ago."""

    async def scenario(flights: SingleFlight[str, asyncio.Future[int]]) -> None:
        future = new_future()
        flights.start(["a"], future)
        advance(9)
        assert flights.find("a") is future
        advance(1)
        assert flights.find("a") is None

    run(scenario)


def test_a_maximum_age_of_zero_disables_joining() -> None:
    """Every caller computes for itself."""

    async def scenario() -> None:
        flights: SingleFlight[str, asyncio.Future[int]] = SingleFlight(0)
        flights.start(["a"], new_future())
        assert flights.find("a") is None

    asyncio.run(scenario())


def test_a_replaced_flight_does_not_end_its_replacement(advance: Advance) -> None:
    """The younger flight of a key can be joined after the older one is done."""

    async def scenario(flights: SingleFlight[str, asyncio.Future[int]]) -> None:
        older, younger = new_future(), new_future()
        flights.start(["a"], older)
        advance(10)
        flights.start(["a"], younger)
        older.set_result(1)
        await asyncio.sleep(0)
        assert flights.find("a") is younger

    run(scenario)


def test_an_error_reaches_each_caller_that_joined() -> None:
    """The flight can not be joined afterwards."""

    async def scenario(flights: SingleFlight[str, asyncio.Future[int]]) -> None:
        future = new_future()
        flights.start(["a"], future)
        joined = [asyncio.shield(flights.find("a") or new_future()) for _ in range(2)]
        error = RuntimeError()
        future.set_exception(error)
        assert await asyncio.gather(*joined, return_exceptions=True) == [error, error]
        assert flights.find("a") is None

    run(scenario)


def test_an_error_that_no_caller_joined_logs_nothing() -> None:
    """The caller that computes raises it; asyncio must not report the future again."""
    reported: list[dict[str, Any]] = []

    async def scenario(flights: SingleFlight[str, asyncio.Future[int]]) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context))
        for outcome in ("failed", "cancelled"):
            future = new_future()
            flights.start([outcome], future)
            if outcome == "failed":
                future.set_exception(RuntimeError())
            else:
                future.cancel()
            del future
            await asyncio.sleep(0)
            gc.collect()

    run(scenario)

    assert reported == []
