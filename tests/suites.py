"""The fast suite, which `scripts/test` runs, and what it leaves out.

The fast suite has every behavior once, on SQLite, and the contract of each engine. `--all` runs
every test on every engine; `--slow` runs only what the fast suite leaves out.
"""

from collections import Counter
from typing import Any, Final

import pytest

SLOW: Final = {
    "cli/test_copy.py::test_a_killed_copy": "kill processes",
    "faults/": "inject faults",
    "ingestion/test_sync.py::test_a_killed_pull": "kill processes",
    "server/test_shutdown.py": "start and stop servers",
    "server/test_supervisor.py": "start and stop servers",
    "storage/test_clickhouse_histories.py": "interrupt writers",
    "storage/test_clickhouse_migration.py": "run earlier versions",
    "storage/test_concurrent_writers.py": "start many writers",
    "storage/test_durability.py": "kill processes",
    "storage/test_upgrades.py": "run earlier versions",
    "test_docker.py::test_the_steps": "build and install packages",
    "test_docs.py::test_the_commands_of_a_page": "run the commands of the documentation",
    "test_fuzz.py": "generate requests",
    "test_generated_client.py": "install a client",
    "test_newcomer.py": "run the commands of the documentation",
    "test_packages.py": "build and install packages",
    "test_proxies.py": "start proxies",
    "test_schemathesis.py": "generate requests",
    "test_setup.py": "build and install packages",
    "test_typed_client.py": "install a client",
    "web/": "use a browser",
}
"""Tests that the fast suite leaves out, by the beginning of their ids, and what they do."""
SMOKE: Final = (
    "test_docs.py::test_the_commands_of_a_page_print_what_it_shows[README.md]",
    "web/test_dashboard.py::test_the_dashboard_shows_the_metrics_of_its_view",
    "web/test_pages.py",
)
"""Those of them that are in the fast suite all the same."""
CONTRACTS: Final = (
    "storage/test_clickhouse.py",
    "storage/test_ingest.py",
    "storage/test_plans.py",
    "storage/test_sql.py",
    "storage/test_totals.py",
    "test_oracle.py",
    "test_parity.py",
)
"""Tests that state the contract of an engine: in the fast suite, they run on all of them."""
EXAMPLES: Final = 15
"""Hypothesis examples of a test. `METRICS_TEST_EXAMPLES` sets more for some tests."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that select a suite."""
    group = parser.getgroup("suites")
    group.addoption("--all", action="store_true", help="Run every test, on every engine.")
    group.addoption("--slow", action="store_true", help="Run what the fast suite leaves out.")


def is_fast(config: pytest.Config) -> bool:
    """Return whether the fast suite is to run."""
    return not (config.getoption("--all") or config.getoption("--slow"))


def reason_for_leaving_out(item: pytest.Item) -> str:
    """Return why a test is not in the fast suite, or nothing."""
    test_id = item.nodeid.removeprefix("tests/")
    parameters = getattr(item, "callspec", None)
    engine = parameters.params.get("engine", "sqlite") if parameters else "sqlite"
    if test_id.startswith(SMOKE):
        return ""
    for prefix, what in SLOW.items():
        if test_id.startswith(prefix):
            return what
    runs_on_sqlite = "sqlite" in engines_of(item)
    if engine != "sqlite" and runs_on_sqlite and not test_id.startswith(CONTRACTS):
        return f"repeat a test on {engine}"
    return ""


def is_slow_file(item: pytest.Item) -> bool:
    """Return whether the fast suite leaves out tests of the file, whatever their engine."""
    file = item.nodeid.partition("::")[0].removeprefix("tests/")
    return file.startswith(tuple(prefix.partition("::")[0] for prefix in SLOW))


def engines_of(item: pytest.Item) -> tuple[Any, ...]:
    """Return the engines that a test runs on."""
    mark = item.get_closest_marker("engines")
    return mark.args if mark else ("sqlite", "postgresql")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the suite; those that are named by file and test always run."""
    if config.getoption("--all") or any("::" in argument for argument in config.args):
        return
    left_out = Counter[str]()
    selected: list[pytest.Item] = []
    deselected: list[pytest.Item] = []
    for item in items:
        reason = reason_for_leaving_out(item)
        if reason:
            left_out[reason] += 1
        is_selected = bool(reason) == config.getoption("--slow")
        (selected if is_selected else deselected).append(item)
    # A process takes a file at a time. The slowest first, so that all processes end together.
    items[:] = sorted(selected, key=lambda item: not is_slow_file(item))
    config.hook.pytest_deselected(items=deselected)
    if hasattr(config, "workeroutput"):
        config.workeroutput["left_out"] = dict(left_out)
    else:
        config.stash[LEFT_OUT] = dict(left_out)


LEFT_OUT: Final = pytest.StashKey[dict[str, int]]()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - pytest-xdist's
    """Take over from a process of pytest-xdist what it left out: all leave out the same."""
    output: dict[str, Any] = getattr(node, "workeroutput", {})
    if "left_out" in output:
        node.config.stash[LEFT_OUT] = output["left_out"]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:  # noqa: ANN401 - pytest's own
    """Print what the fast suite has left out, and how to run it."""
    left_out = config.stash.get(LEFT_OUT, {})
    if not is_fast(config) or not left_out:
        return
    terminalreporter.section("not in the fast suite; scripts/test --all runs them")
    for reason, count in sorted(left_out.items()):
        terminalreporter.line(f"{count} tests that {reason}")
