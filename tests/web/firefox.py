"""Drives Debian's Firefox through its remote protocol, Marionette."""

import itertools
import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from io import BufferedRWPair
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import pytest

from metrics_graphql.web.pages import BUILT

FIREFOX: Final = shutil.which("firefox-esr") or ""
needs_firefox = pytest.mark.skipif(
    not FIREFOX or not BUILT.is_dir(),
    reason="needs Debian's firefox-esr, and Node to build the pages",
)
OPTIONS: Final = ("--no-remote", "--remote-allow-system-access")
"""The second permits tests to read the browser's console and to change its preferences."""
TIMEOUT: Final = 60
"""Seconds for the browser to start, and for a page to show something."""


class Firefox:
    """A browser with one tab.

    Playwright drives its own build of Firefox, or those that emulate media features over WebDriver
    BiDi, which the extended support release does not.
    """

    def __init__(self, stream: BufferedRWPair) -> None:
        """Begin a session over a connection."""
        self._stream = stream
        self._ids = itertools.count(1)
        self._receive()
        self.send("WebDriver:NewSession")

    def send(self, command: str, **parameters: Any) -> Any:  # noqa: ANN401 - any JSON
        """Execute a command of the protocol; return its value."""
        message = json.dumps([0, next(self._ids), command, parameters])
        self._stream.write(f"{len(message)}:{message}".encode())
        self._stream.flush()
        _, _, error, result = self._receive()
        assert error is None, error
        return result.get("value", result)

    def _receive(self) -> Any:  # noqa: ANN401 - any JSON
        """Return the next message, which has its length before it."""
        digits = iter(lambda: self._stream.read(1), b":")
        return json.loads(self._stream.read(int(b"".join(digits))))

    def open(self, url: str) -> None:
        """Open a page."""
        self.send("WebDriver:Navigate", url=url)

    def evaluate(self, script: str) -> Any:  # noqa: ANN401 - any JSON
        """Run a script in the page; return its value."""
        return self.send("WebDriver:ExecuteScript", script=script, args=[])

    def evaluate_in_browser(self, script: str) -> Any:  # noqa: ANN401 - any JSON
        """Run a script that may use the browser's own services; return its value."""
        self.send("Marionette:SetContext", value="chrome")
        value = self.evaluate(script)
        self.send("Marionette:SetContext", value="content")
        return value

    def find(self, xpath: str) -> str:
        """Return the id of an element, once there is one."""
        self.wait(
            f"return document.evaluate({json.dumps(xpath)}, document, null, 9).singleNodeValue"
        )
        element = self.send("WebDriver:FindElement", using="xpath", value=xpath)
        return str(next(iter(element.values())))

    def click(self, xpath: str) -> None:
        """Click an element."""
        self.send("WebDriver:ElementClick", id=self.find(xpath))

    def write(self, xpath: str, text: str) -> None:
        """Type a text into an element."""
        self.send("WebDriver:ElementSendKeys", id=self.find(xpath), text=text)

    def wait(self, script: str) -> Any:  # noqa: ANN401 - any JSON
        """Run a script until its value is true; return the value."""
        return wait_for(lambda: self.evaluate(script))


def wait_for(condition: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the condition returns
    """Return the value of a condition, once it is true."""
    give_up_at = monotonic() + TIMEOUT
    while not (value := condition()):
        assert monotonic() < give_up_at
        sleep(0.1)
    return value


@contextmanager
def firefox(profile: Path, preferences: dict[str, int]) -> Generator[Firefox]:
    """Run Firefox until the block ends."""
    lines = [f"user_pref({json.dumps(name)}, {value});\n" for name, value in preferences.items()]
    (profile / "user.js").write_text("".join(lines), "utf-8")
    process = subprocess.Popen(
        [FIREFOX, "--headless", "--marionette", *OPTIONS, "--profile", profile],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        file = profile / "MarionetteActivePort"
        port = wait_for(lambda: file.is_file() and file.read_text("utf-8"))
        with (
            socket.create_connection(("127.0.0.1", int(port)), TIMEOUT) as connection,
            connection.makefile("rwb") as stream,
        ):
            yield Firefox(stream)
    finally:
        process.terminate()
        process.wait(TIMEOUT)
