"""Makes plans: from the selection of an operation to what it asks and how its answer is written."""

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    OperationDefinitionNode,
)

from metrics_graphql.domain.measures import in_order
from metrics_graphql.graphql_api.budget import Ruler
from metrics_graphql.graphql_api.plans import BELOW, DIMENSIONS, Below, MetricsField, Plan
from metrics_graphql.graphql_api.selection import fields_named, selected_measures
from metrics_graphql.graphql_api.writers import (
    TOTALS,
    VIEWER,
    Collected,
    Field,
    Fragments,
    Object,
    OutOfTheOrdinary,
    Writer,
    collected,
    collected_in,
    writer_of,
)


def plan_of(document: DocumentNode, operation: OperationDefinitionNode) -> Plan | None:
    """Return the plan of a valid operation; None where it is out of the ordinary."""
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    try:
        return compiled(operation, fragments)
    except OutOfTheOrdinary:
        return None


def compiled(operation: OperationDefinitionNode, fragments: Fragments) -> Plan:
    """Return the plan of a valid operation.

    Raises:
        OutOfTheOrdinary: there is something in it that plans do not know.
    """
    if operation.directives:
        raise OutOfTheOrdinary
    metrics: list[MetricsField] = []
    fields: dict[str, Field] = {"viewer": Field(lambda root: root.caller, VIEWER)}
    selected = []
    for each in collected_in("Query", [operation.selection_set], fragments):
        name = each.name
        if name in TOTALS:
            name = str(len(metrics))
            fields[name] = Field(text_at(len(metrics)))
            metrics.append(metrics_field(each, fragments))
        selected.append(each._replace(name=name))
    write = writer_of(Object("Query", fields), selected, fragments)
    return Plan(operation, metrics, write)


def metrics_field(field: Collected, fragments: Fragments) -> MetricsField:
    """Return one question, selected in some places.

    Raises:
        OutOfTheOrdinary: there is something below it that plans do not know.
    """
    kind, nodes = TOTALS[field.name], field.nodes
    below: list[Below] = []
    fields = dict(kind.fields)
    selected = []
    for each in collected(kind.name, nodes, fragments):
        name = each.name
        if name in BELOW:
            name = str(len(below))
            fields[name] = Field(below_at(len(below)))
            below.append(below_of(each, fragments))
        selected.append(each._replace(name=name))
    write = writer_of(kind._replace(fields=fields), selected, fragments)
    return MetricsField(field.name, nodes[0], selected_measures(nodes, fragments), below, write)


def below_of(field: Collected, fragments: Fragments) -> Below:
    """Return a field under a question that asks on its own.

    Raises:
        OutOfTheOrdinary: there is something below it that plans do not know.
    """
    kind, nodes = BELOW[field.name], field.nodes
    counted = nodes
    if field.name in DIMENSIONS:
        counted = fields_named("nodes", nodes, fragments)
    measures = set(selected_measures(counted, fragments))
    if field.name == "previousPeriod":
        measures.update(selected_measures(fields_named("change", nodes, fragments), fragments))
    ruler = Ruler(fragments, {})
    return Below(
        field.name,
        nodes[0],
        in_order(measures),
        writer_of(kind, collected(kind.name, nodes, fragments), fragments),
        sum(ruler.selections(node.selection_set).fields for node in nodes),
    )


def text_at(position: int) -> Writer:
    """Return what takes the JSON of one question of the answer."""
    return lambda root: root.texts[position]


def below_at(position: int) -> Writer:
    """Return what takes the JSON of one field that asked on its own."""
    return lambda totals: totals.below[position]
