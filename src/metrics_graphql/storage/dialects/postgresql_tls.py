"""TLS of connections to PostgreSQL: libpq's parameters, as arguments of asyncpg."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from metrics_graphql.storage.dialects.postgresql_parameters import TLS, Sourced

MODES_REQUIRING_TLS: Final = frozenset({"require", "verify-ca", "verify-full"})


def tls_arguments(given: Mapping[str, Sourced], *, is_local: bool) -> dict[str, Any]:
    """Return the arguments of asyncpg for TLS.

    They are a `dsn`, because asyncpg reads the names of certificate files only from its query. The
    certificates of the operating system need other arguments.

    Raises:
        ValueError: a file does not exist, or parameters contradict each other.
    """
    root = given.get("sslrootcert")
    is_system = root is not None and root.value == "system"
    default = "verify-full" if is_system else "disable" if is_local else "prefer"
    mode = given.get("sslmode", Sourced(default, "sslmode"))
    if is_direct(given) and mode.value not in MODES_REQUIRING_TLS:
        raise ValueError(f"{given['sslnegotiation'].name}=direct needs sslmode=require or stricter")
    for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl") if mode.value != "disable" else ():
        if (
            name in given
            and given[name].value != "system"
            and not Path(given[name].value).is_file()
        ):
            raise ValueError(f"{given[name].name} names a file that does not exist")
    if is_system:
        return system_tls_arguments(given, mode)
    verifies = mode.value in {"verify-ca", "verify-full"}
    if verifies and root is None and not (home_directory() / ".postgresql" / "root.crt").is_file():
        raise ValueError(
            f"{mode.name}={mode.value} needs sslrootcert, a file of certificates;"
            " sslrootcert=system uses those of the operating system"
        )
    options = {"sslnegotiation": "postgres", "sslmode": mode.value}
    options |= {name: given[name].value for name in TLS if name in given}
    return {"dsn": f"postgresql://?{urlencode(options)}"}


def system_tls_arguments(given: Mapping[str, Sourced], mode: Sourced) -> dict[str, Any]:
    """Return arguments that verify the server by the certificates of the operating system.

    Raises:
        ValueError: a parameter of TLS cannot be combined with `sslrootcert=system`.
    """
    if mode.value != "verify-full":
        raise ValueError(f"{mode.name} must be verify-full with sslrootcert=system")
    for name in TLS:
        if name in given and name not in {"sslmode", "sslrootcert", "sslnegotiation"}:
            raise ValueError(f"{given[name].name} cannot be combined with sslrootcert=system")
    return {"ssl": True, "direct_tls": is_direct(given)}


def is_direct(given: Mapping[str, Sourced]) -> bool:
    """Return whether TLS begins without PostgreSQL's request for it."""
    return "sslnegotiation" in given and given["sslnegotiation"].value == "direct"


def home_directory() -> Path:
    """Return the home directory; `~` if there is none, as in some containers."""
    return Path(os.path.expanduser("~"))  # noqa: PTH111 - `Path.home` fails without one
