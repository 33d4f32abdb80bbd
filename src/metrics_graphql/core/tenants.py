"""Whose sessions are meant: those of one organization, or those of the enterprise."""

from enum import Enum
from typing import Final, Literal


class Enterprise(Enum):
    """All organizations together. A type of its own, so that no `None` has to mean it."""

    ENTERPRISE = "enterprise"


ENTERPRISE: Final = Enterprise.ENTERPRISE

Tenant = str | Literal[Enterprise.ENTERPRISE]
"""The id of an organization, or `ENTERPRISE`. Permissions and data versions belong to a tenant."""
