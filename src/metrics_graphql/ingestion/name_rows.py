"""The schema of a row that names an id, and its conversion to a `NameUpdate`."""

from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from metrics_graphql.core.identifiers import CONTROL_CHARACTER
from metrics_graphql.core.names import MAX_NAME_LENGTH, NamedKind, NameUpdate
from metrics_graphql.ingestion.field_names import FieldNames, normalize
from metrics_graphql.ingestion.row_parser import RowParser
from metrics_graphql.ingestion.row_schema import Id, empty_to_none, format_validation_error
from metrics_graphql.ingestion.rows import InvalidRow
from metrics_graphql.ingestion.unknown_input import UnknownInput

NAME_FIELDS: Final = ("kind", "id", "name")
KINDS: Final = {normalize(kind.value): kind for kind in NamedKind}
"""The kinds, by their values as `normalize` returns them."""
EXPECTED_KIND: Final = "must be user, service_user, playbook or organization"


def kind_of(text: str) -> NamedKind | None:
    """Return the kind that a text names, regardless of case, blanks, `-` and `_`."""
    return KINDS.get(normalize(text))


def _parse_kind(value: object) -> NamedKind:
    kind = kind_of(value) if isinstance(value, str) else None
    if kind is None:
        raise PydanticCustomError("kind", EXPECTED_KIND)
    return kind


def _check_name(value: str) -> str:
    if CONTROL_CHARACTER.search(value):
        raise PydanticCustomError("name", "must not contain control characters")
    return value


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=MAX_NAME_LENGTH),
    AfterValidator(_check_name),
]


class NameRow(BaseModel):
    """A name as a file gives it. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=False)

    kind: Annotated[NamedKind, BeforeValidator(_parse_kind)]
    id: Id
    name: Annotated[Name | None, BeforeValidator(empty_to_none)]


class NameParser(RowParser[NameUpdate]):
    """Converts rows to updates of names."""

    required = NAME_FIELDS
    required_columns = f"the columns {', '.join(NAME_FIELDS)}"
    expected_json = (
        'a JSON file has one name a line, like {"kind": "user", "id": "user-1", "name": "Ada"},'
        " or an array of them"
    )

    def __init__(self) -> None:
        fields = dict(zip(NAME_FIELDS, NAME_FIELDS, strict=True))
        super().__init__(FieldNames(fields, unused=()), UnknownInput(NAME_FIELDS))

    def parse_values(self, values: dict[str, Any]) -> NameUpdate:
        """Return the update that a row describes. `values` are its values by field.

        Raises:
            InvalidRow: the row does not match the schema.
        """
        try:
            row = NameRow.model_validate(values)
        except ValidationError as error:
            raise InvalidRow(format_validation_error(error)) from None
        return NameUpdate(row.kind, row.id, row.name)
