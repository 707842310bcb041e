"""What `sightwire models` prints of migrations."""

from datetime import timedelta
from typing import Any

from sightwire.cli.output import time_text
from sightwire.contracts.migrations import Filling, Migration
from sightwire.contracts.pipeline_control import RunReport
from sightwire.contracts.pipelines import TaskState
from sightwire_orchestrator.commands.pipeline_output import run_progress

MIGRATION_COLUMNS = ("collection", "model", "state", "items", "started", "ended", "kept until", "run", "reason")


def migration_row(migration: Migration) -> list[Any]:
    """A migration in a list."""
    filling = migration.filling
    embedded = filling.sent if filling.is_done else filling.sent - filling.waiting
    return [
        migration.collection,
        str(migration.model),
        migration.state.value,
        None if not filling.total else f"{embedded:,} of {filling.total:,}",
        time_text(migration.started_at),
        time_text(migration.ended_at),
        time_text(migration.keep_until) if migration.spare is not None else None,
        migration.run,
        migration.reason,
    ]


def progress_of(report: RunReport, filling: Filling | None) -> tuple[str, str]:
    """The steps that a run of a migration is at, and how far it is; while it fills, how long that will take, too."""
    steps, told = run_progress(report)
    reviewed = [task.name for task in report.tasks if task.state is TaskState.IN_REVIEW]
    if reviewed:
        return f"{steps} {' '.join(reviewed)}".strip(), f"{told}; {', '.join(reviewed)}: waiting for a reviewer"
    if filling is None or filling.is_done or not filling.rate:
        return steps, told
    seconds = round((filling.total - filling.sent + filling.waiting) / filling.rate)
    return steps, f"{told}, {filling.rate:,.0f} a second, {timedelta(seconds=seconds)} left"
