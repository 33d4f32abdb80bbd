"""Two servers of Debian's old clickhouse-server, and how the product's SQL is spelled for them."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from metrics_graphql.domain.measures import MEASURES
from metrics_graphql.domain.metrics import SessionMetricsQuery
from metrics_graphql.store.dialects.clickhouse import ClickHouse
from metrics_graphql.store.planner import plan_for
from metrics_graphql.store.questions import parameters_of
from metrics_graphql.store.statements import session_sums

CLUSTER: Final = "metrics"
PACKAGES: Final = "clickhouse-server clickhouse-client"
DIALECT: Final = ClickHouse()
START_SECONDS: Final = 20.0
CALL_SECONDS: Final = 20.0

MISREAD: Final = "18.16 passes it on to the other shard in a spelling that it can't read itself"
SPELLINGS: Final = (
    (f" ON CLUSTER `{CLUSTER}`", "", "run on each server by itself: it goes through Keeper"),
    (
        "ReplicatedReplacingMergeTree(version, is_deleted)",
        "ReplacingMergeTree(version)",
        "no replicas: they need Keeper; 18.16 has no is_deleted",
    ),
    ("toDateTime64(`created_at`, 0, 'UTC')", "toDateTime(`created_at`, 'UTC')", "not in 18.16"),
    ("LowCardinality(String)", "String", "behind a switch in 18.16"),
    ("LowCardinality(Nullable(String))", "Nullable(String)", "behind a switch in 18.16"),
    (" Bool", " UInt8", "not in 18.16"),
    (
        "FROM `sessions` \nWHERE ",
        "FROM `sessions` FINAL \nWHERE is_deleted = 0 AND ",
        "18.16 has no setting for FINAL, and leaves is_deleted to the statement",
    ),
    (
        "arrayElement(tupleElement({raw:Array(Tuple(Int64, Int64))}, 1), 1)",
        "{start:Int64}",
        MISREAD,
    ),
    ("arrayElement(tupleElement({raw:Array(Tuple(Int64, Int64))}, 2), -1)", "{end:Int64}", MISREAD),
)
"""What of the product's SQL is spelled in another way, and why."""


class CallFailed(Exception):
    """A server did not do what it was told; `code` is ClickHouse's."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        found = re.search(r"Code: (\d+)", text)
        self.code = int(found[1]) if found else 0


class Shard:
    """A server of our own, which can be taken away."""

    def __init__(self, folder: Path, port: int, ports: Iterable[int]) -> None:
        self.port = port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        (folder / "config.xml").write_text(config(folder, port, ports))
        (folder / "users.xml").write_text(USERS)

    def start(self) -> None:
        """Start it."""
        with (self._folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the server that is to be started
                [program("clickhouse-server"), f"--config-file={self._folder / 'config.xml'}"],
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(CallFailed):
                self.call("SELECT 1")
                return
            time.sleep(0.1)
        raise CallFailed((self._folder / "output.log").read_text()[-1_000:])

    def stop(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def call(self, statement: str, rows: Sequence[Sequence[object]] = ()) -> list[list[str]]:
        """Run a statement with Debian's own client, and return its rows.

        Raises:
            CallFailed: the server says so.
        """
        finished = subprocess.run(  # noqa: S603 - the client of the server above
            [
                *(program("clickhouse-client"), "--host", "127.0.0.1"),
                *("--port", str(self.port), "--query", statement),
            ],
            input="".join("\t".join(map(written, row)) + "\n" for row in rows),
            capture_output=True,
            text=True,
            check=False,
            timeout=CALL_SECONDS,
        )
        if finished.returncode:
            raise CallFailed(finished.stderr)
        return [line.split("\t") for line in finished.stdout.splitlines()]


@contextmanager
def two_shards(folder: Path) -> Generator[tuple[Shard, Shard]]:
    """Start two servers that know each other, until the block ends."""
    with ExitStack() as stack:
        ports = free_ports(2)
        shards = [Shard(folder / f"shard-{port}", port, ports) for port in ports]
        for shard in shards:
            stack.callback(shard.stop)
            shard.start()
        for shard in shards:
            shard.wait()
        first, second = shards
        yield first, second


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def program(name: str) -> str:
    """Return where a program is; servers are not in everybody's PATH.

    Raises:
        FileNotFoundError: it is not installed.
    """
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: apt-get install {PACKAGES}")
    return found


def definitions(folder: Path) -> list[str]:
    """Return what `migrate --cluster --print` prints, as 18.16 spells it."""
    command = Path(sys.executable).with_name("metrics-graphql")
    printed = subprocess.run(  # noqa: S603 - the product's own command
        [command, "migrate", "--cluster", CLUSTER, "--print"],
        env={**os.environ, "METRICS_SESSIONS_URL": "clickhousedb://127.0.0.1/default"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [spelled(statement) for statement in printed.split(";\n") if statement]


def question(query: SessionMetricsQuery) -> str:
    """Return the product's statement for a question, as 18.16 spells it, values written into it."""
    plan = plan_for(query, rolled_up=False)
    prepared = session_sums(DIALECT, plan, MEASURES, one_question=True)
    values = prepared.named(parameters_of(query, plan.runs(0, query.period), DIALECT))
    values |= {"start": query.period.start, "end": query.period.end}
    return with_values(spelled(prepared.sql), values)


def spelled(sql: str) -> str:
    """Return the product's SQL as 18.16 spells it."""
    for ours, theirs, _ in SPELLINGS:
        sql = sql.replace(ours, theirs)
    return sql


def with_values(sql: str, values: dict[str, Any]) -> str:
    """Write the values into a statement: 18.16 takes none beside it."""
    return re.sub(r"\{(\w+):[^}]*\}", lambda place: literal(values[place[1]]), sql)


def literal(value: int | str | list[str]) -> str:
    """Return a value in SQL; a list is what IN takes."""
    if isinstance(value, list):
        return f"({', '.join(map(literal, value))})"
    return str(value) if isinstance(value, int) else f"'{written(value)}'"


def written(value: object) -> str:
    r"""Return a value as a field of `TabSeparated`: \N is a null, a truth is a number."""
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return str(int(value))
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return text.replace("\t", "\\t").replace("\n", "\\n")


def config(folder: Path, port: int, ports: Iterable[int]) -> str:
    """Return the settings of a server, in the words of 18.16."""
    shards = "".join(
        "<shard><internal_replication>true</internal_replication>"
        f"<replica><host>127.0.0.1</host><port>{of}</port></replica></shard>"
        for of in ports
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


USERS: Final = """<yandex>
<profiles><default>
<insert_distributed_sync>1</insert_distributed_sync>
<skip_unavailable_shards>0</skip_unavailable_shards>
</default></profiles>
<users><default><password></password><networks><ip>127.0.0.1</ip></networks>
<profile>default</profile><quota>default</quota></default></users>
<quotas><default></default></quotas>
</yandex>
"""
"""The product's own settings of a statement, as far as 18.16 knows them; with others' names."""
