"""TLS of connections to PostgreSQL: libpq's parameters, as arguments of asyncpg."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from metrics_graphql.storage.dialects.postgresql_parameters import TLS, Sourced


def tls_arguments(given: Mapping[str, Sourced], *, is_local: bool) -> dict[str, Any]:
    """Return arguments of asyncpg for TLS; it reads certificates from the query of a `dsn` only.

    Raises:
        ValueError: a file does not exist, or parameters contradict each other.
    """
    root = given.get("sslrootcert")
    is_system = root is not None and root.value == "system"
    default = "verify-full" if is_system else "disable" if is_local else "prefer"
    mode = given.get("sslmode", Sourced(default, "sslmode"))
    if mode.value not in {"require", "verify-ca", "verify-full"} and (
        given.get("sslnegotiation", mode).value == "direct"
    ):
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
        ValueError: another parameter of TLS cannot be combined with it.
    """
    if mode.value != "verify-full":
        raise ValueError(f"{mode.name} must be verify-full with sslrootcert=system")
    for name in TLS:
        if name in given and name not in {"sslmode", "sslrootcert", "sslnegotiation"}:
            raise ValueError(f"{given[name].name} cannot be combined with sslrootcert=system")
    is_direct = "sslnegotiation" in given and given["sslnegotiation"].value == "direct"
    return {"ssl": True, "direct_tls": is_direct}


def home_directory() -> Path:
    """Return the home directory; `~` if there is none, as in some containers."""
    return Path(os.path.expanduser("~"))  # noqa: PTH111 - `Path.home` fails without one
