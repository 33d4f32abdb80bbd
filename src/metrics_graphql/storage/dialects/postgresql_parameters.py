"""The connection parameters of libpq: which of them the driver supports, and why not the others."""

from collections.abc import Mapping
from typing import Final, NamedTuple

TLS: Final = (
    *("sslmode", "sslnegotiation", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
)
SUPPORTED: Final[Mapping[str, str]] = {
    "host": "PGHOST",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "servicefile": "PGSERVICEFILE",
    "options": "PGOPTIONS",
    "application_name": "PGAPPNAME",
    "fallback_application_name": "",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "client_encoding": "PGCLIENTENCODING",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
    "krbsrvname": "PGKRBSRVNAME",
    "gsslib": "PGGSSLIB",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslpassword": "",
    "sslcrl": "PGSSLCRL",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
}
"""The supported parameters, and their variables."""
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "gsslib": ("gssapi", "sspi"),
    "load_balance_hosts": ("disable", "random"),
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "ssl_max_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "target_session_attrs": (
        *("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    ),
}
SESSION_VARIABLES: Final = {"PGDATESTYLE": "datestyle", "PGGEQO": "geqo", "PGTZ": "timezone"}
"""Variables that set a setting of the session."""


class Sourced(NamedTuple):
    """The value of a parameter, and the name under which it was given."""

    value: str
    name: str


class Unsupported(NamedTuple):
    """A parameter that the driver does not have."""

    reason: str
    variable: str = ""
    harmless: frozenset[str] = frozenset()
    """Values that describe what the driver does anyway."""


KEEPALIVES: Final = Unsupported(
    "the driver has no keepalives; those of the server are set by"
    " options=-c%20tcp_keepalives_idle%3D60"
)
SCRAM_KEYS: Final = Unsupported("the driver has no SCRAM keys; use password")
OAUTH: Final = Unsupported("the driver has no OAuth")
UNSUPPORTED: Final[Mapping[str, Unsupported]] = {
    "channel_binding": Unsupported(
        "the driver has no channel binding; remove it, and use sslmode=verify-full, which"
        " authenticates the server",
        "PGCHANNELBINDING",
        frozenset({"disable", "prefer"}),
    ),
    "gssencmode": Unsupported(
        "the driver has no GSSAPI encryption; use sslmode",
        "PGGSSENCMODE",
        frozenset({"disable", "prefer"}),
    ),
    "gssdelegation": Unsupported(
        "the driver has no delegation of credentials", "PGGSSDELEGATION", frozenset({"0"})
    ),
    "hostaddr": Unsupported(
        "the driver resolves names itself; give the address as host", "PGHOSTADDR"
    ),
    "keepalives": KEEPALIVES._replace(harmless=frozenset({"0"})),
    "keepalives_idle": KEEPALIVES,
    "keepalives_interval": KEEPALIVES,
    "keepalives_count": KEEPALIVES,
    "tcp_user_timeout": Unsupported(
        "the driver has no timeout of TCP; a request ends by METRICS_TIMEOUT",
        harmless=frozenset({"0"}),
    ),
    "min_protocol_version": Unsupported(
        "the driver has version 3.0 of the protocol", "PGMINPROTOCOLVERSION", frozenset({"3.0"})
    ),
    "max_protocol_version": Unsupported(
        "the driver has version 3.0 of the protocol",
        "PGMAXPROTOCOLVERSION",
        frozenset({"3.0", "3.2", "latest"}),
    ),
    "oauth_issuer": OAUTH,
    "oauth_client_id": OAUTH,
    "oauth_client_secret": OAUTH,
    "oauth_scope": OAUTH,
    "replication": Unsupported(
        "the program does not replicate", harmless=frozenset({"0", "false", "no", "off"})
    ),
    "require_auth": Unsupported(
        "the driver has no choice of the authentication method; use sslmode=verify-full",
        "PGREQUIREAUTH",
    ),
    "requirepeer": Unsupported(
        "the driver has no check of the server's user; use sslmode=verify-full", "PGREQUIREPEER"
    ),
    "scram_client_key": SCRAM_KEYS,
    "scram_server_key": SCRAM_KEYS,
    "sslcertmode": Unsupported(
        "the driver sends sslcert if the server requests it",
        "PGSSLCERTMODE",
        frozenset({"allow"}),
    ),
    "sslcompression": Unsupported(
        "the driver has no compression", "PGSSLCOMPRESSION", frozenset({"0"})
    ),
    "sslcrldir": Unsupported("the driver has no directories of lists; use sslcrl", "PGSSLCRLDIR"),
    "sslkeylogfile": Unsupported("the driver has no log of keys"),
    "sslsni": Unsupported("the driver always sends the host", "PGSSLSNI", frozenset({"1"})),
}
"""The other parameters of libpq."""
