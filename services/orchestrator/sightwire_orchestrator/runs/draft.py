"""A run while something happens to it: how units and tasks go from state to state."""

from bisect import bisect_left, insort
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from sightwire.contracts.pipelines import PipelineRunState, TaskDefinition, TaskError, TaskName, TaskState
from sightwire_orchestrator.runs.agenda import Due, with_due, without_due
from sightwire_orchestrator.runs.backoff import wait_before_retry
from sightwire_orchestrator.runs.pages import length_of, paged, value_at, values_in
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Ending, ReviewRecord, Run, TaskRecord, Unit


class Draft:
    """Changes to one run at one time. `finished` gives the run that they make."""

    def __init__(self, plan: Plan, run: Run, now: datetime) -> None:
        self.plan = plan
        self.now = now
        self._run = run
        self.id = run.id
        self.tasks = dict(run.tasks)
        self.ready = run.ready
        self.deadlines = run.deadlines
        self.retries = run.retries
        self.reviews_due = run.reviews_due
        self.unfinished = run.unfinished
        self.state = run.state
        self.deadline = run.deadline
        self.paused_at = run.paused_at
        self.ended_at = run.ended_at
        self.ending = run.ending
        self.results = run.results

    def finished(self) -> Run:
        """The run with the changes."""
        return self._run.model_copy(
            update={
                "sequence": self._run.sequence + 1,
                "tasks": self.tasks,
                "ready": self.ready,
                "deadlines": self.deadlines,
                "retries": self.retries,
                "reviews_due": self.reviews_due,
                "unfinished": self.unfinished,
                "state": self.state,
                "deadline": self.deadline,
                "paused_at": self.paused_at,
                "ended_at": self.ended_at,
                "ending": self.ending,
                "results": self.results,
            }
        )

    # Units

    def start_attempt(self, name: TaskName, index: int, deadline: datetime) -> None:
        """The unit's next attempt begins."""
        record = self.tasks[name]
        unit = record.unit(index)
        self._drop_from_agenda(name, index, unit)
        self.deadlines = with_due(self.deadlines, Due(deadline, name, index))
        unit = replace(
            unit,
            state=TaskState.RUNNING,
            attempt=unit.attempt + 1,
            due=deadline,
            started_at=self.now,
            ended_at=None,
            cached=False,
        )
        self.tasks[name] = record.with_unit(
            index, unit, state=TaskState.RUNNING, started_at=record.started_at or self.now
        )
        self._move_past(name, index)

    def succeed(self, name: TaskName, index: int, output: JsonValue, *, cached: bool) -> None:
        """The unit's running attempt succeeded, perhaps by the cache."""
        record = self.tasks[name]
        unit = record.unit(index)
        self._drop_from_agenda(name, index, unit)
        unit = replace(
            unit,
            state=TaskState.SUCCEEDED,
            due=None,
            ended_at=self.now,
            error=None,
            output=output,
            cached=cached,
        )
        self.tasks[name] = record.with_unit(index, unit, open_units=record.open_units - 1)
        self._complete_if_done(name)

    def fail(self, name: TaskName, index: int, error: TaskError) -> None:
        """The unit's running attempt failed; perhaps another one follows."""
        task, record = self.plan.tasks[name], self.tasks[name]
        unit = record.unit(index)
        if not error.transient or unit.attempts_made >= task.retry.max_attempts:
            self.fail_for_good(name, index, error)
            return
        self._drop_from_agenda(name, index, unit)
        seed = f"{self.id}/{name}/{index}/{unit.attempt}"
        retry_at = self.now + wait_before_retry(task.retry, unit.attempts_made, seed)
        self.retries = with_due(self.retries, Due(retry_at, name, index))
        unit = replace(unit, state=TaskState.RETRYING, due=retry_at, ended_at=self.now, error=error)
        # A mapped task is running as long as any of its elements may be.
        state = record.state if task.map is not None else TaskState.RETRYING
        self.tasks[name] = record.with_unit(index, unit, state=state)

    def fail_for_good(self, name: TaskName, index: int, error: TaskError) -> None:
        """The unit gets no other attempt. An optional mapped task goes on without it."""
        task, record = self.plan.tasks[name], self.tasks[name]
        unit = record.unit(index)
        self._drop_from_agenda(name, index, unit)
        unit = replace(unit, state=TaskState.FAILED, due=None, ended_at=self.now, error=error)
        self.tasks[name] = record.with_unit(
            index, unit, open_units=record.open_units - 1, failed_units=record.failed_units + 1
        )
        self._move_past(name, index)
        error_of_task = _error_of_element(index, error) if task.map is not None else error
        if task.optional and task.map is not None:
            self._complete_if_done(name, error_of_task)
        else:
            self.fail_task(name, error_of_task)

    # Tasks

    def put(self, name: TaskName, **changes: Any) -> None:
        """Other values for fields of the task's record."""
        self.tasks[name] = replace(self.tasks[name], **changes)

    def expand(self, name: TaskName, size: int) -> None:
        """The mapped task has so many elements."""
        self.tasks[name] = replace(
            self.tasks[name], state=TaskState.RUNNING, size=size, open_units=size, started_at=self.now
        )
        if not size:
            self._leave_ready(name)
            self._complete_if_done(name)

    def skip(self, name: TaskName) -> None:
        """The task's condition is false."""
        self._leave_ready(name)
        self._end_task(name, TaskState.SKIPPED)

    def accept(self, name: TaskName, output: JsonValue) -> None:
        """The task has succeeded with this output."""
        self._end_task(name, TaskState.SUCCEEDED, output=output)

    def fail_task(self, name: TaskName, error: TaskError) -> None:
        """The task has failed, and with it the run, unless it can do without."""
        self._leave_ready(name)
        if self.plan.tasks[name].optional:
            self._end_task(name, TaskState.FAILED, error=error)
            return
        self.put(name, state=TaskState.FAILED, error=error, output=None, ended_at=self.now)
        self.unfinished -= 1
        self.end(Ending(state=PipelineRunState.FAILED, task=name, error=error))

    def begin_anew(self, name: TaskName, *, keep_succeeded: bool) -> None:
        """Units wait again, as if they had made no attempt yet."""
        record = self.tasks[name]
        units = tuple(
            unit if keep_succeeded and unit.state is TaskState.SUCCEEDED else unit.begun_anew()
            for unit in values_in(record.units)
        )
        kept = sum(unit.state is TaskState.SUCCEEDED for unit in units)
        self.tasks[name] = replace(
            record,
            state=TaskState.WAITING,
            units=paged(units),
            # A list without elements is looked at again: nothing of it could begin.
            size=record.size or None,
            open_units=0 if record.size is None else record.size - kept,
            failed_units=0,
            ended_at=None,
            error=None,
            output=None,
        )
        self.put(name, next_unit=self._next_waiting(name, 0))

    def ask_for_review(self, name: TaskName, review: ReviewRecord, output: JsonValue) -> None:
        """A person is to decide about the output."""
        self.put(name, state=TaskState.IN_REVIEW, review=review, output=output)
        self.reviews_due = (*self.reviews_due, name)

    def join_ready(self, name: TaskName) -> None:
        """The task waits for no other one."""
        ready = list(self.ready)
        insort(ready, self.plan.positions[name])
        self.ready = tuple(ready)

    # The run

    def end(self, ending: Ending) -> None:
        """It is clear how the run ends, if it was not before."""
        self.ending = self.ending or ending

    # Steps of these

    def _drop_from_agenda(self, name: TaskName, index: int, unit: Unit) -> None:
        if unit.due is None:
            return
        due = Due(unit.due, name, index)
        if unit.state is TaskState.RUNNING:
            self.deadlines = without_due(self.deadlines, due)
        else:
            self.retries = without_due(self.retries, due)

    def _move_past(self, name: TaskName, index: int) -> None:
        record = self.tasks[name]
        if index != record.next_unit:
            return
        following = self._next_waiting(name, index + 1)
        self.put(name, next_unit=following)
        assert record.size is not None
        if following >= record.size:
            self._leave_ready(name)

    def _next_waiting(self, name: TaskName, start: int) -> int:
        units = self.tasks[name].units
        for index in range(start, length_of(units)):
            if value_at(units, index).state is TaskState.WAITING:
                return index
        return max(start, length_of(units))

    def _leave_ready(self, name: TaskName) -> None:
        position = self.plan.positions[name]
        place = bisect_left(self.ready, position)
        if self.ready[place : place + 1] == (position,):
            self.ready = self.ready[:place] + self.ready[place + 1 :]

    def _complete_if_done(self, name: TaskName, last_error: TaskError | None = None) -> None:
        task, record = self.plan.tasks[name], self.tasks[name]
        if record.open_units:
            return
        if record.size and record.failed_units == record.size:
            assert last_error is not None
            self.fail_task(name, last_error)
            return
        outputs = [unit.output for unit in values_in(record.units)]
        output: JsonValue = outputs[0] if task.map is None else outputs
        self.put(name, units=paged(replace(unit, output=None) for unit in values_in(record.units)))
        if task.review is None:
            self.accept(name, output)
            return
        last = record.review
        self.ask_for_review(
            name,
            ReviewRecord()
            if last is None
            else ReviewRecord(round=last.round + 1, changes=last.changes, comment=last.comment),
            output,
        )

    def _end_task(
        self, name: TaskName, state: TaskState, *, output: JsonValue = None, error: TaskError | None = None
    ) -> None:
        self.put(name, state=state, output=output, error=error, ended_at=self.now)
        self.unfinished -= 1
        for dependent in self.plan.dependents[name]:
            still_open = self.tasks[dependent].open_dependencies - 1
            self.put(dependent, open_dependencies=still_open)
            if not still_open:
                self.join_ready(dependent)


def is_settled(task: TaskDefinition, record: TaskRecord) -> bool:
    """Whether tasks that depend on this one may begin."""
    if record.state is TaskState.FAILED:
        return task.optional
    return record.state in {TaskState.SUCCEEDED, TaskState.SKIPPED}


def _error_of_element(index: int, error: TaskError) -> TaskError:
    return error.model_copy(update={"detail": f"element {index}: {error.detail}"})
