"""The counts of pull requests that a row is stored with."""

from typing import Any


def pull_requests(
    total: int = 0, *, is_open: int = 0, merged: int = 0, closed: int = 0
) -> dict[str, Any]:
    """Return the values of a session with this number of pull requests, and those of each state."""
    return {
        "has_merged_pr": merged > 0,
        "pr_count": total,
        "open_pr_count": is_open,
        "merged_pr_count": merged,
        "closed_pr_count": closed,
    }
