"""Roll-ups of organizations by quarter hours, on which the days of every time zone begin."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

rebuilds_rollups = True


def upgrade() -> None:
    """Change no table: `runner.migrate` rebuilds the roll-ups."""


def downgrade() -> None:
    op.execute("DELETE FROM rollups WHERE grain = 900")
