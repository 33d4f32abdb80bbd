"""Applies migrations with Alembic. A module of its own, because importing Alembic is expensive."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory


def upgrade(connection: sa.Connection, migrations: Path, revision: str | None) -> bool:
    """Upgrade tables from a revision to the head; return whether to rebuild the roll-ups."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    applied = ScriptDirectory.from_config(config).iterate_revisions("head", revision)
    return any(getattr(script.module, "rebuilds_rollups", False) for script in applied)
