"""Alembic's environment: runs migrations on the connection of `runner.migrate`."""

from alembic import context

from metrics_graphql.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite alters a table by copying it.
    render_as_batch=True,
    # The connection is already in a transaction, which excludes other migrations.
    transactional_ddl=False,
)
context.run_migrations()
