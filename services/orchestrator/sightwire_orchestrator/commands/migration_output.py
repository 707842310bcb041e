"""What `sightwire models` prints of migrations."""

from datetime import timedelta
from typing import Any

from sightwire.cli.operation_output import progress_text
from sightwire.cli.output import time_text
from sightwire.contracts.migrations import Filling, Migration
from sightwire.contracts.operations import Progress
from sightwire.contracts.pipeline_control import RunReport
from sightwire.contracts.pipelines import TaskState

MIGRATION_COLUMNS = ("collection", "model", "state", "items", "started", "ended", "kept until", "run", "reason")

_UNDER_WAY = frozenset({TaskState.RUNNING, TaskState.RETRYING, TaskState.IN_REVIEW})


def migration_row(migration: Migration) -> list[Any]:
    """A migration in a list."""
    filling = migration.filling
    return [
        migration.collection,
        str(migration.model),
        migration.state.value,
        None if not filling.total else f"{filling.sent - filling.waiting:,} of {filling.total:,}",
        time_text(migration.started_at),
        time_text(migration.ended_at),
        time_text(migration.keep_until) if migration.spare is not None else None,
        migration.run,
        migration.reason,
    ]


def steps_text(report: RunReport) -> str:
    """The steps of a run that are under way."""
    under_way = [task for task in report.tasks if task.state in _UNDER_WAY]
    steps = (task.name if task.state is TaskState.RUNNING else f"{task.name} ({task.state})" for task in under_way)
    return ", ".join(steps) or report.state.value


def progress_of(report: RunReport, filling: Filling | None) -> str:
    """Where a run of a migration stands, and while it fills how far it is and how long that will take."""
    steps = steps_text(report)
    if filling is None or filling.is_done or not filling.total:
        return steps
    done = filling.sent - filling.waiting
    told = progress_text(Progress(stage=steps, done=done, total=filling.total, unit="items"))
    return f"{told}, {filling.rate:,.0f} a second{_time_left(filling, done)}"


def _time_left(filling: Filling, done: int) -> str:
    if not filling.rate:
        return ""
    return f", {timedelta(seconds=round((filling.total - done) / filling.rate))} left"
