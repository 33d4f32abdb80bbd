"""Fields that fetch: what they need from storage, and the value that is made of it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

from metrics_graphql.core.breakdowns import BreakdownQuery
from metrics_graphql.core.queries import MetricsRequest

FETCH_SPEC: Final = "fetch_spec"
"""The key in a field's metadata of its `FetchSpec` class."""

Fetched = Sequence[Any]
"""The results of a spec's requests, then those of its breakdowns."""


class FetchSpec(ABC):
    """A field that fetches, with its arguments bound: its meaning in both ways of execution.

    Each class has a class method `bind(parent, lookahead, **arguments)`, which may raise
    `BadUserInput`. `parent` is the query that the field is below, None for a root field.
    """

    requests: Sequence[MetricsRequest] = ()
    breakdowns: Sequence[BreakdownQuery] = ()
    response_fields: int = 0
    """Fields in the rows of the response, if the number of rows is known before fetching."""

    def fetched_fields(self, fetched: Fetched) -> int:
        """Return the fields in the rows of the response that are known only after fetching."""
        del fetched
        return 0

    @abstractmethod
    def render(self, fetched: Fetched) -> object:
        """Return the field's value, an object of the schema's types."""
