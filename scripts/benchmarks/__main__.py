"""The command line of the benchmarks."""

import json
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from scripts.benchmarks import (
    billion,
    clickhouse,
    cluster,
    core,
    document_limits,
    http,
    load,
    overload,
    repeated,
    series,
)
from tests import engines
from tests.faults import fault_suite

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
Json = Annotated[Path | None, typer.Option("--json", help="Write the results to a JSON file.")]
Sizes = Annotated[str, typer.Option(help="Numbers of sessions, separated by commas.")]
Size = Annotated[int, typer.Option(help="Number of sessions.")]
Folder = Annotated[
    Path | None, typer.Option(help="Folder for the databases, which later runs use again.")
]
OnPostgres = Annotated[
    bool,
    typer.Option(
        "--postgres",
        help="Run on PostgreSQL instead of SQLite. METRICS_TEST_POSTGRES_URL names a server.",
    ),
]
Row = dict[str, Any]
Measure = Callable[[Path, int], Coroutine[Any, Any, list[Row]]]
MeasureServed = Callable[[Path, str, int], Coroutine[Any, Any, list[Row]]]


@app.command("core")
def run_core(
    sizes: Sizes = "100000,1000000,10000000",
    folder: Folder = None,
    json_file: Json = None,
    *,
    on_postgres: OnPostgres = False,
    on_clickhouse: Annotated[
        bool, typer.Option("--clickhouse", help="Compare ClickHouse with SQLite.")
    ] = False,
) -> None:
    """Query time in storage: roll-ups, raw sessions, and the bare driver."""
    if on_clickhouse:
        compare_clickhouse(sizes, folder, json_file)
        return
    with databases(folder, on_postgres=on_postgres) as (_, url_of):
        rows = [
            row
            for size in parse_sizes(sizes)
            for row in uvloop.run(core.measure(url_of(size), size))
        ]
    show(rows, json_file)
    print_lines(core.conclusions(rows))


def compare_clickhouse(sizes: str, folder: Path | None, json_file: Path | None) -> None:
    """Compare sessions in a new ClickHouse with the same in SQLite."""
    tables: clickhouse.Tables = {}
    with databases(folder, on_postgres=False) as (where, _), engines.clickhouse() as server:
        for size in parse_sizes(sizes):
            file = where / f"benchmark-{size}.db"
            measured = uvloop.run(clickhouse.measure(file, server.new_sessions(), size))
            for title, rows in measured.items():
                tables.setdefault(title, []).extend(rows)
    for title, rows in tables.items():
        typer.echo(f"\n{title}")
        show(rows, None)
    print_lines(clickhouse.conclusions(tables))
    write_json(tables, json_file)


@app.command("billion")
def run_billion(json_file: Json = None) -> None:
    """Query time in ClickHouse: a synthetic billion sessions compared with a loaded million."""
    with databases(None, on_postgres=False) as (_, url_of), engines.clickhouse() as server:
        urls = server.new_sessions(), server.new_sessions()
        show(uvloop.run(billion.measure(url_of(billion.LOADED), *urls)), json_file)


@app.command("series")
def run_series(
    sizes: Sizes = "1000000,10000000", folder: Folder = None, json_file: Json = None
) -> None:
    """Query time of a year by day and by user, against a raw GROUP BY."""
    show(measure_each(series.measure, sizes, folder), json_file)


@app.command("load")
def run_load(
    sessions: Annotated[int, typer.Option(help="New rows for each batch size.")] = 100_000,
    json_file: Json = None,
    *,
    on_postgres: OnPostgres = False,
) -> None:
    """Rows per second of ingest, with and without roll-ups, and of the bare driver."""
    with databases(None, on_postgres=on_postgres) as (_, url_of):
        urls = [url_of(number) for number in range(load.DATABASES)]
        show(uvloop.run(load.measure(sessions, urls)), json_file)


@app.command("overload")
def run_overload(
    size: Size = 100_000,
    folder: Folder = None,
    json_file: Json = None,
    *,
    on_postgres: OnPostgres = False,
) -> None:
    """Goodput, latencies and refusals in closed loops, and in open ones up to 5 x capacity."""
    rows = measure_served(overload.measure, size, folder, on_postgres=on_postgres)
    show(rows, json_file)
    print_lines(overload.conclusions(rows))


@app.command("http")
def run_http(
    size: Size = 1_000_000,
    folder: Folder = None,
    only: Annotated[str, typer.Option(help="Measure cells whose name contains this.")] = "",
    json_file: Json = None,
    *,
    on_postgres: OnPostgres = False,
) -> None:
    """Requests per second of both APIs, against FastAPI, Strawberry and bare ASGI."""
    measure = partial(http.measure, only=only)
    show(measure_served(measure, size, folder, on_postgres=on_postgres), json_file)


@app.command("repeated")
def run_repeated(
    size: Size = 1_000_000, json_file: Json = None, *, on_postgres: OnPostgres = False
) -> None:
    """Latency of a repeated dashboard while another process loads sessions."""
    show(measure_served(repeated.measure, size, None, on_postgres=on_postgres), json_file)


@app.command("faults")
def run_faults(
    minutes: Annotated[float, typer.Option(help="Duration of each mixed load.")] = 1.0,
    sessions: Annotated[int, typer.Option(help="Sessions of each load.")] = 100_000,
    json_file: Json = None,
) -> None:
    """Responses under each fault, in Markdown; exit with 1 if data is lost or a result wrong."""
    rows: list[Row] = []
    for row in fault_suite.run(minutes, sessions):
        if not rows:
            typer.echo(fault_suite.markdown_heading(row))
        typer.echo(fault_suite.markdown(row))
        rows.append(row)
    write_json(rows, json_file)
    if any(row["violations"] != "none" for row in rows):
        raise typer.Exit(1)


@app.command("cluster")
def run_cluster(json_file: Json = None) -> None:
    """Queries and upserts on clusters of chdb, also while a shard cannot be reached."""
    rows = cluster.measure()
    show(rows, json_file)
    print_lines(cluster.conclusions(rows))


@app.command("document-limits")
def run_document_limits(json_file: Json = None) -> None:
    """Time until hostile documents are refused or valid, in process."""
    show(document_limits.measure(), json_file)


@contextmanager
def databases(
    folder: Path | None, *, on_postgres: bool
) -> Generator[tuple[Path, Callable[[int], str]]]:
    """Open a folder, and return a function from a size to the URL of a database.

    Without a folder, files are removed when the block ends. Databases of PostgreSQL are always new.
    """
    with ExitStack() as stack:
        where = folder or Path(stack.enter_context(TemporaryDirectory()))
        if on_postgres:
            server = stack.enter_context(engines.postgresql())
            yield where, lambda _size: server.new_database(where, migrated=False)
        else:
            yield where, lambda size: f"sqlite:///{where / f'benchmark-{size}.db'}"


def measure_served(
    measure: MeasureServed, size: int, folder: Path | None, *, on_postgres: bool
) -> list[Row]:
    """Return the rows for one database with `size` sessions."""
    with databases(folder, on_postgres=on_postgres) as (where, url_of):
        return uvloop.run(measure(where, url_of(size), size))


def measure_each(measure: Measure, sizes: str, folder: Path | None) -> list[Row]:
    """Return the rows for all sizes, on SQLite."""
    with databases(folder, on_postgres=False) as (where, _):
        return [row for size in parse_sizes(sizes) for row in uvloop.run(measure(where, size))]


def parse_sizes(sizes: str) -> list[int]:
    """Return the numbers of sessions in an option."""
    return [int(size) for size in sizes.split(",")]


def show(rows: list[Row], json_file: Path | None) -> None:
    """Print rows as a table, and write them to the JSON file if there is one."""
    table = Table(*rows[0])
    for row in rows:
        table.add_row(
            *(
                f"{v:,.3f}" if isinstance(v, float) else f"{v:,}" if isinstance(v, int) else v
                for v in row.values()
            )
        )
    Console(width=200).print(table)
    write_json(rows, json_file)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines."""
    for line in lines:
        typer.echo(line)


def write_json(results: object, json_file: Path | None) -> None:
    """Write results to the JSON file if there is one."""
    if json_file:
        json_file.write_text(json.dumps(results, indent=2) + "\n")


app()
