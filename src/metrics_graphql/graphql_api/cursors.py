"""Cursors of keyset pagination: opaque texts of a row's position, its query and data version."""

import base64
import hashlib
import json
from fractions import Fraction
from typing import Annotated, Final, NamedTuple

from pydantic import Field, TypeAdapter

from metrics_graphql.core.breakdowns import Dimension, OrderDirection, Position
from metrics_graphql.core.errors import BadUserInput
from metrics_graphql.core.identifiers import check_id
from metrics_graphql.core.queries import SessionMetricsQuery

Bigint = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
PARTS: Final = TypeAdapter(
    tuple[str, Bigint, Annotated[Bigint, Field(gt=0)], Annotated[str, Field(strict=True)], Bigint]
)
"""The parts of a cursor: digest, value as a fraction, id and data version."""


class RankedQuery(NamedTuple):
    """What all pages of a breakdown have in common."""

    query: SessionMetricsQuery
    dimension: Dimension
    field: str
    direction: OrderDirection

    def digest(self) -> str:
        """Return a hash, by which a cursor is recognized as one of this query."""
        filters = self.query.filters
        parts = (
            str(self.query.tenant),
            self.query.period.start,
            self.query.period.end,
            *(sorted(value) if isinstance(value, frozenset) else value for value in filters),
            self.dimension.value,
            self.field,
            self.direction.value,
        )
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=9).hexdigest()


class Cursor(NamedTuple):
    """The position of a row in a ranking, and the data version that the ranking was read from."""

    position: Position
    data_version: int

    def encode(self, query: RankedQuery) -> str:
        """Return the text that clients pass as `after`."""
        value = self.position.value
        parts = (
            query.digest(),
            value.numerator,
            value.denominator,
            self.position.id,
            self.data_version,
        )
        return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, query: RankedQuery) -> "Cursor":
        """Return the cursor that was encoded for the same query.

        Raises:
            BadUserInput: it is not a cursor, or one of another query.
        """
        try:
            encoded = base64.b64decode(
                text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True
            )
            digest, numerator, denominator, row_id, version = PARTS.validate_json(encoded)
        except ValueError:
            raise BadUserInput(("after",), "must be an `endCursor` of this breakdown") from None
        if digest != query.digest():
            raise BadUserInput(
                ("after",),
                "must be an `endCursor` of the same period, filters and order; request the first"
                " page again",
            )
        row_id = check_id(("after",), row_id)
        return cls(Position(Fraction(numerator, denominator), row_id), version)
