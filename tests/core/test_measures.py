"""The table of measures."""

from metrics_graphql.core.measures import MEASURES, SESSIONS_CREATED, summed_measures
from metrics_graphql.core.results import SessionMetrics
from metrics_graphql.core.sessions import Session
from metrics_graphql.storage.tables import sessions


def test_names_are_unique() -> None:
    """A name identifies a measure, and a column that holds it."""
    assert len({measure.name for measure in MEASURES}) == len(MEASURES) == 30


def test_conditions_refer_to_fields_of_a_session() -> None:
    """A condition, or the values that are added up, of a row of the table as of a `Session`."""
    fields = {field for measure in MEASURES for field in measure.condition}
    fields |= {measure.adds for measure in MEASURES if measure.adds is not None}

    assert fields <= set(Session._fields)


def test_the_fields_of_a_session_are_the_columns_of_its_table() -> None:
    """In the same order: ingest writes sessions as plain tuples."""
    assert Session._fields == tuple(sessions.columns.keys())


def test_a_remainder_is_the_whole_without_its_parts() -> None:
    """Nothing sums it: its whole and its parts are summed instead."""
    (other,) = (each for each in MEASURES if each.name == "sessions_with_merged_prs_by_size_other")
    names = [each.name for each in summed_measures([SESSIONS_CREATED, other])]

    assert names == [
        "sessions_created_count",
        "sessions_with_merged_prs_count",
        *(f"sessions_with_merged_prs_by_size_{size}" for size in ("xs", "s", "m", "l", "xl")),
    ]
    assert SessionMetrics.from_sums(names, [20, 9, 1, 1, 1, 1, 1], [other])[other] == 4
