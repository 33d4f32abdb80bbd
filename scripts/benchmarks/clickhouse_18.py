"""Two servers of Debian's ClickHouse, 18.16 of 2018, and the product's SQL rewritten for them."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from metrics_graphql.core.measures import MEASURES
from metrics_graphql.core.queries import SessionMetricsQuery
from metrics_graphql.storage.clickhouse.tables import create_cluster_tables
from metrics_graphql.storage.dialects.clickhouse import ClickHouse
from metrics_graphql.storage.query_planner import plan_query
from metrics_graphql.storage.totals import session_sums, statement_parameters

CLUSTER: Final = "metrics"
PACKAGES: Final = "clickhouse-server clickhouse-client"
DIALECT: Final = ClickHouse()
START_TIMEOUT: Final = 20.0
STATEMENT_TIMEOUT: Final = 20.0

NOT_FORWARDED: Final = "18.16 forwards it to the other shard in a form that it cannot parse"
REWRITES: Final = (
    (f" ON CLUSTER `{CLUSTER}`", "", "needs Keeper: executed on each server instead"),
    (
        "ReplicatedReplacingMergeTree(version, is_deleted)",
        "ReplacingMergeTree(version)",
        "replicas need Keeper; 18.16 has no is_deleted",
    ),
    ("toDateTime64(`created_at`, 0, 'UTC')", "toDateTime(`created_at`, 'UTC')", "not in 18.16"),
    ("LowCardinality(String)", "String", "experimental in 18.16"),
    ("LowCardinality(Nullable(String))", "Nullable(String)", "experimental in 18.16"),
    (" Bool", " UInt8", "not in 18.16"),
    (
        "FROM `sessions` \nWHERE ",
        "FROM `sessions` FINAL \nWHERE is_deleted = 0 AND ",
        "18.16 has no setting for FINAL, and does not remove rows with is_deleted",
    ),
    (
        "arrayElement(tupleElement({raw:Array(Tuple(Int64, Int64))}, 1), 1)",
        "{start:Int64}",
        NOT_FORWARDED,
    ),
    (
        "arrayElement(tupleElement({raw:Array(Tuple(Int64, Int64))}, 2), -1)",
        "{end:Int64}",
        NOT_FORWARDED,
    ),
)
"""SQL of the product, its replacement, and the reason."""


class StatementFailed(Exception):
    """A server reported an error; `code` is ClickHouse's."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        match = re.search(r"Code: (\d+)", text)
        self.code = int(match[1]) if match else 0


class Shard:
    """A server that can be killed and started again."""

    def __init__(self, folder: Path, port: int, ports: Iterable[int]) -> None:
        self.port = port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        (folder / "config.xml").write_text(server_config(folder, port, ports))
        (folder / "users.xml").write_text(USERS_CONFIG)

    def start(self) -> None:
        """Start the server."""
        with (self._folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - an installed server
                [find_program("clickhouse-server"), f"--config-file={self._folder}/config.xml"],
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )

    def wait_until_ready(self) -> None:
        """Wait until the server executes statements."""
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            with suppress(StatementFailed):
                self.execute("SELECT 1")
                return
            time.sleep(0.1)
        raise StatementFailed((self._folder / "output.log").read_text()[-1_000:])

    def kill(self) -> None:
        """Kill the server."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def execute(self, statement: str, rows: Sequence[Sequence[object]] = ()) -> list[list[str]]:
        """Execute a statement with Debian's client, and return its rows.

        Raises:
            StatementFailed: the server reports an error, or cannot be reached.
        """
        finished = subprocess.run(  # noqa: S603 - an installed client
            [
                *(find_program("clickhouse-client"), "--host", "127.0.0.1"),
                *("--port", str(self.port), "--query", statement),
            ],
            input="".join("\t".join(map(tab_separated, row)) + "\n" for row in rows),
            capture_output=True,
            text=True,
            check=False,
            timeout=STATEMENT_TIMEOUT,
        )
        if finished.returncode:
            raise StatementFailed(finished.stderr)
        return [line.split("\t") for line in finished.stdout.splitlines()]


@contextmanager
def two_shards(folder: Path) -> Generator[tuple[Shard, Shard]]:
    """Run the two servers of a cluster until the block ends."""
    with ExitStack() as stack:
        ports = free_ports(2)
        first, second = shards = [Shard(folder / f"shard-{port}", port, ports) for port in ports]
        for shard in shards:
            stack.callback(shard.kill)
            shard.start()
        for shard in shards:
            shard.wait_until_ready()
        yield first, second


def free_ports(count: int) -> list[int]:
    """Return ports that are not in use."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def find_program(name: str) -> str:
    """Return the path of a program, also in /usr/sbin.

    Raises:
        FileNotFoundError: it is not installed.
    """
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        raise FileNotFoundError(f"{name} is not installed: apt-get install {PACKAGES}")
    return path


def table_definitions() -> list[str]:
    """Return the statements of `migrate --cluster`, for 18.16."""
    return [rewrite(statement) for statement in create_cluster_tables(CLUSTER, "default")]


def query_statement(query: SessionMetricsQuery) -> str:
    """Return the product's statement for a query, for 18.16 and with its values."""
    plan = plan_query(query, has_rollups=False)
    statement = session_sums(DIALECT, plan, MEASURES, single_query=True)
    ranges = plan.ranges([query.period])
    values = statement.bind_by_name(statement_parameters(query, ranges, DIALECT))
    values |= {"start": query.period.start, "end": query.period.end}
    return substitute(rewrite(statement.sql), values)


def rewrite(sql: str) -> str:
    """Return the product's SQL as 18.16 accepts it."""
    for original, replacement, _ in REWRITES:
        sql = sql.replace(original, replacement)
    return sql


def substitute(sql: str, values: dict[str, Any]) -> str:
    """Replace the parameters of a statement by literals: 18.16 has no parameters."""
    return re.sub(r"\{(\w+):[^}]*\}", lambda match: literal(values[match[1]]), sql)


def literal(value: int | str | list[str]) -> str:
    """Return a value as a literal, and a list as the operand of IN."""
    if isinstance(value, list):
        return f"({', '.join(map(literal, value))})"
    return str(value) if isinstance(value, int) else f"'{tab_separated(value)}'"


def tab_separated(value: object) -> str:
    """Return a value as a field of the format TabSeparated."""
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return str(int(value))
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return text.replace("\t", "\\t").replace("\n", "\\n")


def server_config(folder: Path, port: int, ports: Iterable[int]) -> str:
    """Return the configuration of a server on a port, in a cluster of those on some ports."""
    shards = "".join(
        "<shard><internal_replication>true</internal_replication>"
        f"<replica><host>127.0.0.1</host><port>{each}</port></replica></shard>"
        for each in ports
    )
    return f"""<yandex>
<logger><level>warning</level><log>{folder}/log</log><errorlog>{folder}/errors</errorlog></logger>
<tcp_port>{port}</tcp_port><listen_host>127.0.0.1</listen_host><timezone>UTC</timezone>
<path>{folder}/data/</path><tmp_path>{folder}/temporary/</tmp_path>
<users_config>{folder}/users.xml</users_config>
<default_profile>default</default_profile><default_database>default</default_database>
<mark_cache_size>100000000</mark_cache_size>
<remote_servers><{CLUSTER}>{shards}</{CLUSTER}></remote_servers>
</yandex>
"""


USERS_CONFIG: Final = """<yandex>
<profiles><default>
<insert_distributed_sync>1</insert_distributed_sync>
<skip_unavailable_shards>0</skip_unavailable_shards>
</default></profiles>
<users><default><password></password><networks><ip>127.0.0.1</ip></networks>
<profile>default</profile><quota>default</quota></default></users>
<quotas><default></default></quotas>
</yandex>
"""
"""The settings of the product's statements that 18.16 has, under its names for them."""
