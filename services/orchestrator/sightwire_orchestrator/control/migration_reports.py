"""What is told of migrations; pure."""

from collections.abc import Iterable
from typing import Final

from sightwire.contracts.migration_control import MigrationGate, MigrationReport
from sightwire.contracts.migrations import Migration, MigrationState
from sightwire.contracts.pipeline_control import RunReport

#: Types of tasks that end a migration whose shadow does not do well.
_GATES: Final = frozenset({"validate_shadow", "compare_quality", "compare_answers", "canary"})


def migration_report(migration: Migration | None, run: RunReport) -> MigrationReport:
    """How a migration stands, by its record and its run."""
    is_filling = migration is not None and migration.state is MigrationState.RUNNING
    return MigrationReport(
        migration=migration,
        run=run,
        seconds_left=migration.filling.seconds_left if migration is not None and is_filling else None,
        gates=tuple(
            MigrationGate(
                task=task.name,
                type=task.type,
                state=task.state,
                report=task.output,
                error=None if task.error is None else task.error.detail,
            )
            for task in run.tasks
            if task.type in _GATES
        ),
    )


def of_run(migrations: Iterable[Migration], run: str) -> Migration | None:
    """The migration of a run, None if there is none (yet)."""
    return next((migration for migration in migrations if migration.run == run), None)
