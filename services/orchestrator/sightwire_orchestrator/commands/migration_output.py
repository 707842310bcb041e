"""What `sightwire models` prints of migrations."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import typer

from sightwire.cli.output import escaped, print_members, print_table, time_text
from sightwire.contracts.migration_control import MigrationReport
from sightwire.contracts.migrations import Filling, Migration
from sightwire.contracts.pipeline_control import RunReport
from sightwire.contracts.pipelines import TaskState
from sightwire_orchestrator.commands.pipeline_output import print_run, run_progress

MIGRATION_COLUMNS = ("collection", "model", "state", "items", "started", "ended", "kept until", "run", "reason")


def print_migration(report: MigrationReport) -> None:
    """A migration, its gates, and its run with all steps."""
    migration = report.migration
    if migration is not None:
        left = None if report.seconds_left is None else str(timedelta(seconds=round(report.seconds_left)))
        row = zip(MIGRATION_COLUMNS, migration_row(migration), strict=True)
        print_members({**dict(row), "time left": left})
        typer.echo()
    print_table(
        ("gate", "state", "what it saw"),
        ([gate.task, gate.state, escaped(gate.error or figures_text(gate.report))] for gate in report.gates),
    )
    typer.echo()
    print_run(report.run)


def figures_text(report: Any) -> str:
    """Figures of a gate in one line, those of its parts by their paths."""
    return ", ".join(f"{path} {value}" for path, value in _figures("", report))


def _figures(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    match value:
        case None:
            return
        case {"summary": str(summary)}:
            yield path, summary
        case dict():
            for name, member in value.items():
                yield from _figures(f"{path}.{name}" if path else name, member)
        case _:
            yield path, value


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
    if filling is None or filling.seconds_left is None:
        return steps, told
    return steps, f"{told}, {filling.rate:,.0f} a second, {timedelta(seconds=round(filling.seconds_left))} left"
