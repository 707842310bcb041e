"""What `sightwire pipelines` prints of runs."""

from typing import TYPE_CHECKING

from sightwire.cli.output import print_members, print_table, time_text

if TYPE_CHECKING:
    from sightwire.contracts.pipeline_control import RunReport, TaskReport


def print_run(report: "RunReport") -> None:
    """A run and its tasks."""
    print_members(
        {
            "run": report.run,
            "pipeline": f"{report.pipeline} {report.version}",
            "state": str(report.state),
            "failed task": report.failed_task,
            "error": report.error and f"{report.error.code}: {report.error.detail}",
            "started": time_text(report.started_at),
            "ended": time_text(report.ended_at),
            "results": report.results,
        }
    )
    print_table(("task", "type", "state", "attempts", "elements", "seconds", "error"), map(_row, report.tasks))


def _row(task: "TaskReport") -> list[object]:
    seconds = None
    if task.started_at is not None and task.ended_at is not None:
        seconds = f"{(task.ended_at - task.started_at).total_seconds():.2f}"
    return [
        task.name,
        task.type,
        task.state,
        task.attempts,
        task.elements,
        seconds,
        task.error and task.error.detail,
    ]
