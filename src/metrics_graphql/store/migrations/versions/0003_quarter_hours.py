"""Roll-ups of an organization by quarter hours: what each time zone's days and hours begin with."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

rebuilds_rollups = True


def upgrade() -> None:
    """Change no table: `migrate` fills in the new roll-ups."""


def downgrade() -> None:
    op.execute("DELETE FROM rollups WHERE grain = 900")
