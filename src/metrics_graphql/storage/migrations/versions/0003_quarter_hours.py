"""Roll-ups of organizations by quarter hours, on which the days of every time zone begin."""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

rebuilds_rollups = True


def upgrade() -> None:
    """Change no table: `runner.migrate` rebuilds the roll-ups."""
