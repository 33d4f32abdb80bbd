"""A field added to `SessionAggregates` is a field of every type, in both ways of execution.

The tests import a copy of the GraphQL API whose class has two more fields, and nothing else.
"""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from graphql import GraphQLInterfaceType, build_schema

import metrics_graphql
import tests.graphql_api
from tests.conftest import Gateway
from tests.graphql_api.selections import METRICS

PACKAGE = "metrics_graphql.graphql_api"
ADDED = '''
    micro_acus_consumed = measure_field(ACUS_CONSUMED)

    @strawberry.field(
        description="The share of sessions with a playbook.",
        metadata={READS: (SESSIONS_CREATED, SESSIONS_WITH_PLAYBOOK)},
    )
    def playbook_share(self) -> float | None:
        """Divide the counts."""
        created = self.sums[SESSIONS_CREATED]
        return self.sums[SESSIONS_WITH_PLAYBOOK] / created if created else None
'''
"""The end of `aggregates.py` is the end of the class `SessionAggregates`."""


@pytest.fixture
def extended(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the module of the schema of a copy with the added fields, and serve it."""
    copied = (PACKAGE, "metrics_graphql.app", "tests.graphql_api.both_ways")
    for name in list(sys.modules):
        if name.startswith(copied):
            monkeypatch.delitem(sys.modules, name)
    # Importing a module again also sets it in its package.
    for package, name in (
        (metrics_graphql, "graphql_api"),
        (metrics_graphql, "app"),
        (tests.graphql_api, "both_ways"),
    ):
        monkeypatch.setattr(package, name, getattr(package, name))
    import_module(PACKAGE)
    import_extended(f"{PACKAGE}.aggregates", ADDED)
    monkeypatch.setattr(
        "tests.conftest.create_app", import_module("metrics_graphql.app").create_app
    )
    return import_module(f"{PACKAGE}.schema")


def import_extended(name: str, added: str) -> None:
    """Import a module with lines added to its end."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    module = sys.modules[name] = module_from_spec(spec)
    source = Path(spec.origin).read_text() + added
    exec(compile(source, spec.origin, "exec"), vars(module))  # noqa: S102 - as an import does


def test_an_added_field_is_a_field_of_every_type(extended: ModuleType) -> None:
    """Totals, buckets, previous periods, and the rows of each breakdown."""
    schema = build_schema(extended.schema.as_str())
    interface = schema.type_map["SessionAggregates"]
    assert isinstance(interface, GraphQLInterfaceType)

    types = schema.get_implementations(interface).objects
    assert len(types) == 10
    for each in types:
        assert str(each.fields["microAcusConsumed"].type) == "Int!"
        assert str(each.fields["playbookShare"].type) == "Float"


FIELDS = "microAcusConsumed playbookShare"
QUERY = f"""{{
  sessions: {METRICS} {{
    ... on SessionAggregates {{ {FIELDS} }}
    share: playbookShare
    timeSeries(interval: DAY) {{ {FIELDS} }}
    previousPeriod {{ {FIELDS} }}
    byUser {{ nodes {{ ...Added }} }}
    byServiceUser {{ nodes {{ ...Added }} }}
    byOrigin {{ nodes {{ ...Added }} }}
    byPlaybook {{ nodes {{ ...Added }} }}
  }}
  enterpriseSessionMetrics(filters: {{timeAfter: 0, timeBefore: 10}}) {{
    ...Added
    byOrganization {{ nodes {{ ...Added }} }}
  }}
}}
fragment Added on SessionAggregates {{ {FIELDS} }}
"""


def added(acus: int, share: float | None) -> dict[str, Any]:
    """Return the added fields of some sessions."""
    return {"microAcusConsumed": acus, "playbookShare": share}


def test_an_added_field_has_its_value_in_both_ways(
    extended: ModuleType, shared: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten sessions of org-1, of which three have a playbook, and one of org-2 without."""
    both_ways = import_module("tests.graphql_api.both_ways").BothWays
    with shared.configured(cache_bytes=0) as gateway:
        responses = both_ways(gateway, gateway.token(), monkeypatch).execute(QUERY)

    assert responses.is_compiled
    assert responses.fast_path == responses.graphql_core
    assert responses.fast_path.body == {
        "data": {
            "sessions": {
                **added(1_500_000, 0.3),
                "share": 0.3,
                "timeSeries": [added(1_500_000, 0.3)],
                "previousPeriod": added(0, None),
                "byUser": {"nodes": [added(1_000_000, 0.4)]},
                "byServiceUser": {"nodes": [added(500_000, 0.2)]},
                "byOrigin": {"nodes": [added(0, 0.0), added(1_500_000, 1.0)]},
                "byPlaybook": {"nodes": [added(1_500_000, 1.0)]},
            },
            "enterpriseSessionMetrics": {
                **added(1_500_000, 3 / 11),
                "byOrganization": {"nodes": [added(1_500_000, 0.3), added(0, 0.0)]},
            },
        }
    }
