"""The documentation: its commands run and print what it shows, and its names exist."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from metrics_graphql import __version__
from metrics_graphql.cli import app
from metrics_graphql.core import errors
from metrics_graphql.graphql_api.errors import PersistedQueryNotFound, QueryTooExpensive
from metrics_graphql.server.http_errors import STATUS
from metrics_graphql.settings import Settings
from scripts.settings_page import page as settings_page
from tests.documents import ELSEWHERE, FENCED, PAGES, ROOT, blocks, shell

RUN = [
    "README.md",
    "docs/getting-started.md",
    "docs/graphql.md",
    "docs/loading.md",
    "docs/rest.md",
]
RUN_ELSEWHERE = ["docs/operating.md"]
"""Run by `test_newcomer.py`, on PostgreSQL."""
ERRORS = (ROOT / "docs" / "errors.md").read_text()
RENAMED = {
    *("METRICS_FRESHNESS", "METRICS_MAX_VALUES", "METRICS_METRICS", "METRICS_SLOW_SECONDS"),
    *("scripts/kills", "scripts/lock", "scripts/settings_page", "scripts/writers"),
}
"""Former names of settings and scripts, which the changelog has."""
COMMANDS = get_command(app)
NAMED = re.compile(
    r"(?<![\w/.-])metrics-graphql ((?:(?:names|service-user) )?[a-z][a-z-]*)([^\n|&]*)"
)
CODE = re.compile(r"^    .*$|`([^`\n]+)`", re.MULTILINE)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def options(command: str) -> set[str] | None:
    """Return the options of a command; None if there is no such command."""
    found = COMMANDS
    for name in command.split():
        commands = getattr(found, "commands", {})
        if name not in commands:
            return None
        found = commands[name]
    return {option for parameter in found.params for option in parameter.opts} | {"--help"}


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page: those that GitHub makes from its headings."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", RUN)
def test_the_commands_of_a_page_print_what_it_shows(name: str, tmp_path: Path) -> None:
    """Run in order, in one shell."""
    with shell(tmp_path) as reader:
        reader.follow(blocks(ROOT / name))


@each_page
def test_every_block_that_can_be_run_is_run(page: Path) -> None:
    """Unless it is marked as depending on the machine; each block has a known language."""
    is_run = str(page.relative_to(ROOT)) in RUN + RUN_ELSEWHERE

    for block in blocks(page):
        assert is_run or not (block.runs or block.language == "json"), block
        assert block.info in {"", ELSEWHERE}
        assert block.language in {
            *("sh", "graphql", "json", "text", "python", "sql"),
            *("nginx", "caddy", "ini", "xml", "yaml"),
        }


@each_page
def test_every_command_and_option_exists(page: Path) -> None:
    """In blocks, in indented lines and in the text."""
    code = [block.text for block in blocks(page)]
    code += [found[0].strip("`") for found in CODE.finditer(FENCED.sub("", page.read_text()))]

    for text in code:
        for command, rest in NAMED.findall(text.replace("\\\n", " ")):
            known = options(command)
            assert known is not None, command
            assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest)) <= known, (command, rest)


@each_page
def test_every_relative_link_has_a_target(page: Path) -> None:
    """A file or a directory, and a heading if it has a fragment."""
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", page.read_text())):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


@each_page
def test_every_setting_script_and_test_file_exists(page: Path) -> None:
    """Settings by their name, files by their path."""
    text = page.read_text()
    known = {f"METRICS_{name.upper()}" for name in Settings.model_fields}
    known |= {"METRICS_TEST_POSTGRES_URL", "METRICS_TEST_CLICKHOUSE_URL"}
    renamed = RENAMED if page.name == "CHANGELOG.md" else set()

    assert set(re.findall(r"\bMETRICS_[A-Z_]+[A-Z]", text)) <= known | renamed
    for path in re.findall(r"(?<![\w/.])(?:scripts|tests)/[\w./-]*\w", text):
        assert path in renamed or (ROOT / path).exists(), path


def test_the_index_lists_every_page() -> None:
    """The index of the decisions lists every decision."""
    for folder in (ROOT / "docs", ROOT / "docs" / "decisions"):
        index = (folder / "README.md").read_text()
        for page in folder.glob("*.md"):
            assert page.name == "README.md" or f"]({page.name})" in index, page


def test_the_page_of_settings_is_current() -> None:
    """`scripts/write-settings-page` generates it from the docstrings."""
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page()
    for name, field in Settings.model_fields.items():
        assert field.description, name


def subclasses(error: type[errors.MetricsError]) -> set[type[errors.MetricsError]]:
    """Return an error class and all its subclasses."""
    return {error}.union(*map(subclasses, error.__subclasses__()))


def status_of(error: type[errors.MetricsError]) -> int:
    """Return the HTTP status of a response that an error refuses as a whole."""
    if error in {QueryTooExpensive, PersistedQueryNotFound}:
        return 400
    return next(STATUS[kind] for kind in error.__mro__ if kind in STATUS)


def test_the_page_of_errors_has_every_code() -> None:
    """With its status; one that is always the error of a field has the status of the response."""
    for error in subclasses(errors.MetricsError):
        status = 200 if error is errors.TooManyBuckets else status_of(error)
        assert f"| `{error.code}` | {status:d} |" in ERRORS


def test_every_test_in_security_md_exists() -> None:
    """Every defence has a test."""
    named = set(re.findall(r"test_\w+(?=`)", (ROOT / "SECURITY.md").read_text()))
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }

    assert named
    assert named <= defined


def test_the_changelog_has_the_present_version() -> None:
    """As its newest release, with a date, below the section of unreleased changes."""
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert headings[0] == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d", headings[1])
