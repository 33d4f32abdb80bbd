"""What is written is true: pages are run in order, and compared with the code."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from metrics_graphql import __version__, errors
from metrics_graphql.cli import app
from metrics_graphql.settings import Settings
from scripts.settings_page import page as settings_page
from tests.documents import ELSEWHERE, FENCED, PAGES, ROOT, blocks, shell
from tests.engines import PostgreSQLServer

RUN = ["README.md", "docs/graphql.md", "docs/loading.md"]
ALONE = ["docs/operating.md"]
"""Run by `test_newcomer.py`, on a machine of its own, so to say."""
README = (ROOT / "README.md").read_text()
COMMANDS = get_command(app)
NAMED = re.compile(r"(?<![\w/.-])metrics-graphql ((?:service-user )?[a-z][a-z-]*)([^\n|&]*)")
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
    """Return what a link may name of a page: its headings, as GitHub spells them."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", RUN)
def test_a_page_does_what_it_says(name: str, tmp_path: Path) -> None:
    """Its commands, run by a shell in their order, print the answers that it shows."""
    with shell(tmp_path) as reader:
        reader.follow(blocks(ROOT / name))


@each_page
def test_what_can_be_run_is_run(page: Path) -> None:
    """Or marked as being for another machine; nothing is shown that was not asked for."""
    is_run = str(page.relative_to(ROOT)) in RUN + ALONE

    for block in blocks(page):
        assert is_run or not (block.runs or block.language == "json"), block
        assert block.info in {"", ELSEWHERE}
        assert block.language in {
            *("sh", "graphql", "json", "text", "python", "sql"),
            *("nginx", "caddy", "ini", "xml", "yaml"),
        }


@each_page
def test_every_command_and_option_is_one_of_ours(page: Path) -> None:
    """In blocks, in indented lines and in the text."""
    code = [block.text for block in blocks(page)]
    code += [found[0].strip("`") for found in CODE.finditer(FENCED.sub("", page.read_text()))]

    for text in code:
        for command, rest in NAMED.findall(text.replace("\\\n", " ")):
            known = options(command)
            assert known is not None, command
            assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest)) <= known, (command, rest)


@each_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """To a file or a folder, and to a heading where one is named."""
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", page.read_text())):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


@each_page
def test_every_setting_and_script_that_is_named_exists(page: Path) -> None:
    """Names of settings, and scripts by their path."""
    text = page.read_text()
    known = {f"METRICS_{name.upper()}" for name in Settings.model_fields}
    known |= {"METRICS_TEST_POSTGRES_URL", "METRICS_TEST_CLICKHOUSE_URL"}

    assert set(re.findall(r"\bMETRICS_[A-Z_]+[A-Z]", text)) <= known
    for script in re.findall(r"(?<![\w/.])scripts/[a-z_]+", text):
        assert (ROOT / script).exists(), script


def test_the_index_has_every_page() -> None:
    """And that of the decisions every decision."""
    for folder in (ROOT / "docs", ROOT / "docs" / "decisions"):
        index = (folder / "README.md").read_text()
        for page in folder.glob("*.md"):
            assert page.name == "README.md" or f"]({page.name})" in index, page


def test_the_commands_for_postgresql_work(postgresql: PostgreSQLServer, tmp_path: Path) -> None:
    """From an empty database to loaded sessions; what serves them is the same as elsewhere."""
    section = README.partition("## For a company")[2].partition("\n## ")[0]
    commands = re.findall(r"^    ((?:export|metrics-graphql) .*)$", section, re.MULTILINE)
    url = postgresql.new_database(tmp_path, template="template0")
    script = "\n".join(command for command in commands if " serve " not in command)
    script, found = re.subn(r"(?<=METRICS_DATABASE_URL=)\S+", f"'{url}'", script)

    with shell(tmp_path) as reader:
        reader.run("""echo '{"session_id": "s1", "created_at": 1735689600}' > sessions.ndjson""")
        printed = reader.run(script)
    assert (found, len(commands)) == (1, 5)
    assert "1 rows read: 1 inserted" in printed
    assert printed.endswith("All roll-ups agree.")


def test_the_page_of_settings_is_made_from_them() -> None:
    """`scripts/settings_page > docs/settings.md` brings it up to date."""
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page()
    for name, field in Settings.model_fields.items():
        assert field.description, name


def test_every_error_code_is_in_the_readme() -> None:
    """With its status."""
    known: list[type[errors.MetricsError]] = [errors.MetricsError]
    for error in known + errors.MetricsError.__subclasses__() + [errors.TooManyBuckets]:
        assert f"| `{error.code}` | {error.status} |" in README


def test_every_test_that_security_names_exists() -> None:
    """A defence without its test would be a promise only."""
    named = set(re.findall(r"test_\w+(?=`)", (ROOT / "SECURITY.md").read_text()))
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }

    assert named
    assert named <= defined


def test_the_changelog_has_the_version_that_this_is() -> None:
    """As its newest release, with a day, below what is not released yet."""
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert headings[0] == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d", headings[1])
