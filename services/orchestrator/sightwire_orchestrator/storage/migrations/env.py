"""What Alembic runs to migrate: on the connection that `sightwire_orchestrator.storage.migrating` hands over."""

from alembic import context

from sightwire_orchestrator.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    # Names the constraints that migrations create.
    target_metadata=metadata,
    # SQLite changes tables by copying them.
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
