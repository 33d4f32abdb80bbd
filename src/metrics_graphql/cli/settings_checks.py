"""Checks of settings that name files, directories and packages, before a command uses them."""

from metrics_graphql.settings import Settings
from metrics_graphql.telemetry.prometheus import check_directory
from metrics_graphql.telemetry.tracing import check_tracing


def validate_settings(settings: Settings) -> list[str]:
    """Return problems with files, directories, packages and other variables, by their names."""
    problems = []
    for check in (check_tracing, check_directory, check_trusted_documents):
        try:
            check(settings)
        except ValueError as error:
            problems.append(str(error))
    return problems


def check_trusted_documents(settings: Settings) -> None:
    """Check the file of trusted documents, if there is one.

    Raises:
        ValueError: the documents cannot be read, or one cannot be executed.
    """
    if settings.trusted_documents is None:
        return
    # This import takes longer than most commands.
    from metrics_graphql.graphql_api.document_store import DocumentStore  # noqa: PLC0415

    DocumentStore.from_settings(settings)
