"""The command line of the benchmarks."""

import json
from collections.abc import Callable, Coroutine, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from scripts.benchmarks import budget, clickhouse, cluster, core, http, load, overload, series
from scripts.benchmarks.faults import suite
from tests import engines
from tests.engines import postgresql

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
Json = Annotated[Path | None, typer.Option("--json", help="Write the figures to a file.")]
OnPostgres = Annotated[
    bool, typer.Option("--postgres", help="On a PostgreSQL server of its own instead of SQLite.")
]
Row = dict[str, Any]
Measure = Callable[[Path, int], Coroutine[Any, Any, list[Row]]]


@app.command("core")
def run_core(
    sizes: Annotated[str, typer.Option(help="Sessions, by commas.")] = "100000,1000000,10000000",
    folder: Annotated[Path | None, typer.Option(help="Where to keep the databases.")] = None,
    json_file: Json = None,
    *,
    on_postgres: OnPostgres = False,
    on_clickhouse: Annotated[
        bool, typer.Option("--clickhouse", help="In ClickHouse, beside SQLite; its size, too.")
    ] = False,
) -> None:
    """Time of the store's answer, roll-up against raw and against the bare driver."""
    if on_clickhouse:
        beside_clickhouse(sizes, folder, json_file)
        return
    with databases(folder, on_postgres=on_postgres) as (_, url_of):
        rows = [
            row
            for size in map(int, sizes.split(","))
            for row in uvloop.run(core.measure(url_of(size), size))
        ]
    show(rows, json_file)
    for line in core.conclusions(rows):
        typer.echo(line)


def beside_clickhouse(sizes: str, folder: Path | None, json_file: Path | None) -> None:
    """Compare sessions in a ClickHouse of its own with those in SQLite, which alone is kept."""
    tables: clickhouse.Tables = {}
    with databases(folder, on_postgres=False) as (where, _), engines.clickhouse() as server:
        for size in map(int, sizes.split(",")):
            file = where / f"benchmark-{size}.db"
            measured_here = uvloop.run(clickhouse.measure(file, server.new_sessions(), size))
            for title, rows in measured_here.items():
                tables.setdefault(title, []).extend(rows)
    for title, rows in tables.items():
        typer.echo(f"\n{title}")
        show(rows, None)
    for line in clickhouse.conclusions(tables):
        typer.echo(line)
    if json_file:
        json_file.write_text(json.dumps(tables, indent=2) + "\n")


@app.command("series")
def run_series(
    sizes: Annotated[str, typer.Option(help="Sessions, by commas.")] = "1000000,10000000",
    folder: Annotated[Path | None, typer.Option(help="Where to keep the databases.")] = None,
    json_file: Json = None,
) -> None:
    """Daily buckets of a year and the top users, against a raw GROUP BY."""
    show(measured(series.measure, sizes, folder), json_file)


@app.command("load")
def run_load(
    sessions: Annotated[int, typer.Option(help="New rows for each batch size.")] = 100_000,
    json_file: Json = None,
) -> None:
    """Rows per second of ingest, with and without roll-ups."""
    show(uvloop.run(load.measure(sessions)), json_file)


@app.command("overload")
def run_overload(
    size: Annotated[int, typer.Option(help="Sessions.")] = 100_000,
    folder: Annotated[Path | None, typer.Option(help="Where to keep the database.")] = None,
    json_file: Json = None,
) -> None:
    """Dashboards answered by one process when three times as many are asked as it can answer."""
    rows = measured(overload.measure, str(size), folder)
    show(rows, json_file)
    for line in overload.conclusions(rows):
        typer.echo(line)


@app.command("http")
def run_http(
    size: Annotated[int, typer.Option(help="Sessions.")] = 1_000_000,
    folder: Annotated[Path | None, typer.Option(help="Where to keep the database.")] = None,
    json_file: Json = None,
    *,
    on_postgres: OnPostgres = False,
) -> None:
    """Requests per second of both doors, against FastAPI, Strawberry and a bare application."""
    with databases(folder, on_postgres=on_postgres) as (where, url_of):
        rows = uvloop.run(http.measure(where, url_of(size), size))
    show(rows, json_file)


@app.command("faults")
def run_faults(
    minutes: Annotated[float, typer.Option(help="How long each mixed load takes.")] = 1.0,
    json_file: Json = None,
) -> None:
    """What clients see of each fault, in Markdown; exit with 1 if anything is lost or wrong."""
    rows: list[Row] = []
    for row in suite.measure(minutes):
        if not rows:
            typer.echo(suite.heading(row))
        typer.echo(suite.markdown(row))
        rows.append(row)
    if json_file:
        json_file.write_text(json.dumps(rows, indent=2) + "\n")
    if any(row["lost or wrong"] != "nothing" for row in rows):
        raise typer.Exit(1)


@app.command("cluster")
def run_cluster(json_file: Json = None) -> None:
    """What two shards answer, also when one is away; needs Debian's clickhouse-server."""
    try:
        rows = cluster.measure()
    except FileNotFoundError as missing:
        typer.echo(missing, err=True)
        raise typer.Exit(1) from None
    show(rows, json_file)
    for line in cluster.conclusions(rows):
        typer.echo(line)


@app.command("budget")
def run_budget(json_file: Json = None) -> None:
    """Time until hostile documents are refused, or valid, in process."""
    show(budget.measure(), json_file)


@contextmanager
def databases(
    folder: Path | None, *, on_postgres: bool
) -> Generator[tuple[Path, Callable[[int], str]]]:
    """Lend a folder, and a way to name the database for so many sessions.

    Files are kept if a folder is given; a PostgreSQL server is a new one.
    """
    with ExitStack() as stack:
        where = folder or Path(stack.enter_context(TemporaryDirectory()))
        if on_postgres:
            server = stack.enter_context(postgresql())
            yield where, lambda _size: server.new_database(where)
        else:
            yield where, lambda size: f"sqlite:///{where / f'benchmark-{size}.db'}"


def measured(measure: Measure, sizes: str, folder: Path | None) -> list[Row]:
    """Return the rows for each size, over databases that are kept if a folder is given."""
    with TemporaryDirectory() as temporary:
        where = folder or Path(temporary)
        return [
            row for size in map(int, sizes.split(",")) for row in uvloop.run(measure(where, size))
        ]


def show(rows: list[Row], json_file: Path | None) -> None:
    """Print figures as a table, and write them as JSON where that is wanted."""
    table = Table(*rows[0])
    for row in rows:
        table.add_row(
            *(
                f"{v:,.3f}" if isinstance(v, float) else f"{v:,}" if isinstance(v, int) else v
                for v in row.values()
            )
        )
    Console(width=200).print(table)
    if json_file:
        json_file.write_text(json.dumps(rows, indent=2) + "\n")


app()
