"""The table of measures."""

from metrics_graphql.domain.measures import MEASURES
from metrics_graphql.domain.sessions import Session
from metrics_graphql.store.tables import sessions


def test_names_are_unique() -> None:
    """A name identifies a measure, and a column that holds it."""
    assert len({measure.name for measure in MEASURES}) == len(MEASURES) == 23


def test_conditions_speak_of_fields_of_a_session() -> None:
    """So a condition can be met by a row as by a `Session`."""
    fields = {field for measure in MEASURES for field in measure.condition}

    assert fields <= set(Session._fields)


def test_a_session_is_a_row_of_its_table() -> None:
    """The fields are the columns, in the same order: ingest writes sessions as plain tuples."""
    assert Session._fields == tuple(sessions.columns.keys())
