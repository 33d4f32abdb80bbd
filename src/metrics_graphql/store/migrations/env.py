"""Runs the revisions on the connection that `migrate` lends."""

from alembic import context

from metrics_graphql.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite alters a table by copying it.
    render_as_batch=True,
    # The connection is in a transaction already, which locks out other migrations.
    transactional_ddl=False,
)
context.run_migrations()
