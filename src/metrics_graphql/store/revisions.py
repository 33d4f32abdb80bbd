"""Applies the revisions of the tables, with Alembic."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory


def upgrade(connection: sa.Connection, migrations: Path, before: str | None) -> bool:
    """Upgrade the tables from a revision; return whether the roll-ups are to be rebuilt."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    applied = ScriptDirectory.from_config(config).iterate_revisions("head", before)
    return any(getattr(revision.module, "rebuilds_rollups", False) for revision in applied)
