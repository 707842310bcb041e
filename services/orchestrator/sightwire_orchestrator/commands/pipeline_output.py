"""What `sightwire pipelines` prints of runs."""

from typing import TYPE_CHECKING

from sightwire.cli.operation_output import progress_text
from sightwire.cli.output import print_members, print_table, time_text
from sightwire.contracts.pipelines import TaskState

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
    columns = ("task", "type", "state", "attempts", "elements", "seconds", "progress", "error")
    print_table(columns, map(_row, report.tasks))


def run_progress(report: "RunReport") -> tuple[str, str]:
    """What a run has come to, by the names of the tasks that run, and all of it in one line."""
    running = [task for task in report.tasks if task.state is TaskState.RUNNING]
    told = [f"{task.name}: {progress_text(task.progress)}" if task.progress else task.name for task in running]
    whole = [progress_text(report.progress)] if report.progress is not None else []
    return " ".join(task.name for task in running), "; ".join([*whole, *told])


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
        task.cached or None,
        seconds,
        task.progress and progress_text(task.progress),
        task.error and task.error.detail,
    ]
