"""How a run goes on, written a second time as simply as can be: everything is looked through again and again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sightwire.contracts.pipelines import Backoff, PipelineDefinition, TaskDefinition

Entry = tuple[Any, ...]


@dataclass
class NaiveUnit:
    state: str = "waiting"
    attempt: int = 0
    counted: int = 0
    due: datetime | None = None
    output: Any = None


@dataclass
class NaiveTask:
    state: str = "waiting"
    units: list[NaiveUnit] | None = None
    output: Any = None
    round: int = 0
    is_asked: bool = False
    changes: int = 0


@dataclass
class Texts:
    """What the texts of the definition mean, as functions of outputs by task."""

    dependencies: Mapping[str, frozenset[str]]
    conditions: Mapping[str, Callable[[Mapping[str, Any]], bool]] = field(default_factory=dict)
    lists: Mapping[str, Callable[[Mapping[str, Any]], Any]] = field(default_factory=dict)


class NaiveRun:
    """A run. Jitter is not known here."""

    def __init__(self, definition: PipelineDefinition, texts: Texts, now: datetime) -> None:
        self.definition = definition
        self._definitions = {task.name: task for task in definition.tasks}
        self.texts = texts
        self.tasks = {task.name: NaiveTask() for task in definition.tasks}
        self.state = "running"
        self.ending: str | None = None
        self.culprit: str | None = None
        self.deadline = None if definition.timeout is None else now + timedelta(seconds=definition.timeout)
        self.paused_at: datetime | None = None
        #: All that was said to the outside, in order.
        self.log: list[Entry] = []
        self.look(now)

    def states(self) -> dict[str, str]:
        return {name: self._shown_state(name) for name in self.tasks}

    def outputs(self) -> dict[str, Any]:
        return {name: task.output for name, task in self.tasks.items()}

    # What comes from outside. True: it was of use.

    def take_result(self, now: datetime, key: tuple[str, int, int], output: Any, failure: str | None) -> bool:
        name, index, attempt = key
        units = self.tasks[name].units
        if self.is_over or units is None or index >= len(units):
            return False
        unit = units[index]
        if unit.state != "running" or unit.attempt != attempt:
            return False
        if failure is None:
            unit.state, unit.output = "succeeded", output
            self._complete(name)
        else:
            self._fail(now, name, index, is_transient=failure == "transient")
        self.look(now)
        return True

    def review(self, now: datetime, name: str, round_: int, decision: str, edited: Any = None) -> bool:
        task = self.tasks[name]
        if self.is_over or task.state != "in_review" or not task.is_asked or task.round != round_:
            return False
        demand = self._definition_of(name).review
        assert demand is not None
        if decision == "approve":
            task.state = "succeeded"
            task.output = task.output if edited is None else edited
        elif decision == "reject" or task.changes == demand.max_changes:
            for unit in task.units or []:
                unit.state = "failed"
            self._fail_task(name)
        else:
            task.changes += 1
            self._begin_anew(task, keep=set())
        self.look(now)
        return True

    def pause(self, now: datetime) -> bool:
        if self.state != "running":
            return False
        self.state, self.paused_at = "paused", now
        self.look(now)
        return True

    def resume(self, now: datetime) -> bool:
        if self.state != "paused" or self.paused_at is None:
            return False
        if self.deadline is not None:
            self.deadline += now - self.paused_at
        self.state = "running"
        self.look(now)
        return True

    def cancel(self, now: datetime) -> bool:
        if self.is_over:
            return False
        self.ending = "cancelled"
        self.look(now)
        return True

    def retry(self, now: datetime) -> bool:
        if self.state not in {"failed", "cancelled"}:
            return False
        self.state, self.ending, self.culprit = "running", None, None
        timeout = self.definition.timeout
        self.deadline = None if timeout is None else now + timedelta(seconds=timeout)
        for name, task in self.tasks.items():
            if self._is_settled(name):
                continue
            if task.state == "cancelled" and task.output is not None and task.round:
                task.state, task.is_asked, task.round = "in_review", False, task.round + 1
            else:
                self._begin_anew(task, keep={"succeeded"})
        self.look(now)
        return True

    def look(self, now: datetime) -> None:
        """Does all that is to be done now, one thing after the other."""
        while not self.is_over and self._do_one_thing(now):
            pass

    @property
    def is_over(self) -> bool:
        return self.state in {"succeeded", "failed", "cancelled"}

    def next_time(self, now: datetime) -> datetime | None:
        """When something is due next, of what is not due yet."""
        units = [unit for task in self.tasks.values() for unit in task.units or []]
        times = [unit.due for unit in units if unit.state == "running" and unit.due is not None]
        if self.state == "running":
            times += [unit.due for unit in units if unit.state == "retrying" and unit.due is not None]
            times += [self.deadline] if self.deadline is not None else []
        return None if self.is_over else min((time for time in times if time > now), default=None)

    def _do_one_thing(self, now: datetime) -> bool:
        if self.ending is not None:
            self._end()
            return True
        if all(self._is_settled(name) for name in self.tasks):
            self.state = "succeeded"
            self.log.append(("end", "succeeded"))
            return True
        if self.state == "running" and self.deadline is not None and self.deadline <= now:
            self.ending = "failed"
            return True
        for _, name, index in self._due("running", now):
            self.log.append(("cancel", name, index, self._unit(name, index).attempt))
            self._fail(now, name, index, is_transient=True)
            return True
        for name, task in self.tasks.items():
            if task.state == "in_review" and not task.is_asked:
                task.is_asked = True
                self.log.append(("ask", name, task.round))
                return True
        running = self._due("running", None)
        if self.state == "paused" or len(running) >= self.definition.max_parallel_tasks:
            return False
        for _, name, index in self._due("retrying", now):
            self._start(now, name, index)
            return True
        return any(self._begin(now, name) for name in self.tasks)

    def _begin(self, now: datetime, name: str) -> bool:
        """Whether something could be begun of the task."""
        task, definition = self.tasks[name], self._definition_of(name)
        if task.state not in {"waiting", "running"}:
            return False
        if not all(self._is_settled(dependency) for dependency in self.texts.dependencies[name]):
            return False
        condition = self.texts.conditions.get(name)
        if task.state == "waiting" and condition is not None and not condition(self.outputs()):
            task.state = "skipped"
            return True
        if task.units is None:
            task.state = "running"
            size = 1 if definition.map is None else len(self.texts.lists[name](self.outputs()) or [])
            task.units = [NaiveUnit() for _ in range(size)]
            if not size:
                self._complete(name)
            return True
        for index, unit in enumerate(task.units):
            if unit.state == "waiting":
                task.state = "running"
                self._start(now, name, index)
                return True
        return False

    def _start(self, now: datetime, name: str, index: int) -> None:
        unit = self._unit(name, index)
        unit.state = "running"
        unit.attempt += 1
        unit.counted += 1
        unit.due = now + timedelta(seconds=self._definition_of(name).timeout)
        self.log.append(("send", name, index, unit.attempt))

    def _fail(self, now: datetime, name: str, index: int, *, is_transient: bool) -> None:
        definition, unit = self._definition_of(name), self._unit(name, index)
        policy = definition.retry
        if is_transient and unit.counted < policy.max_attempts:
            factor = {
                Backoff.FIXED: 1,
                Backoff.LINEAR: unit.counted,
                Backoff.EXPONENTIAL: 2 ** (unit.counted - 1),
            }[policy.backoff]
            unit.state = "retrying"
            unit.due = now + timedelta(seconds=min(policy.initial_delay * factor, policy.max_delay))
            return
        unit.state = "failed"
        if definition.optional and definition.map is not None:
            self._complete(name)
        else:
            self._fail_task(name)

    def _complete(self, name: str) -> None:
        task, definition = self.tasks[name], self._definition_of(name)
        units = task.units or []
        if any(unit.state not in {"succeeded", "failed"} for unit in units):
            return
        if units and all(unit.state == "failed" for unit in units):
            self._fail_task(name)
            return
        outputs = [unit.output if unit.state == "succeeded" else None for unit in units]
        task.output = outputs if definition.map is not None else outputs[0]
        if definition.review is None:
            task.state = "succeeded"
        else:
            task.state, task.is_asked, task.round = "in_review", False, task.round + 1

    def _fail_task(self, name: str) -> None:
        self.tasks[name].state = "failed"
        self.tasks[name].output = None
        if not self._definition_of(name).optional and self.ending is None:
            self.ending, self.culprit = "failed", name

    def _begin_anew(self, task: NaiveTask, keep: set[str]) -> None:
        task.state, task.output = "waiting", None
        # A list without elements is looked at again.
        task.units = task.units or None
        for unit in task.units or []:
            if unit.state not in keep:
                unit.state, unit.counted = "waiting", 0

    def _end(self) -> None:
        assert self.ending is not None
        for _, name, index in self._due("running", None):
            self.log.append(("cancel", name, index, self._unit(name, index).attempt))
        for name, task in self.tasks.items():
            if task.state == "in_review" and task.is_asked:
                self.log.append(("withdraw", name, task.round))
            if task.state not in {"succeeded", "skipped", "failed"}:
                task.state = "cancelled"
            for unit in task.units or []:
                if unit.state in {"running", "retrying"}:
                    unit.state = "cancelled"
        self.state = self.ending
        self.log.append(("end", self.state))

    def _due(self, state: str, now: datetime | None) -> list[tuple[datetime, str, int]]:
        """Units in a state, the first one due first; with `now` those that are due."""
        return sorted(
            (unit.due, name, index)
            for name, task in self.tasks.items()
            for index, unit in enumerate(task.units or [])
            if unit.state == state and unit.due is not None and (now is None or unit.due <= now)
        )

    def _shown_state(self, name: str) -> str:
        task = self.tasks[name]
        is_plain = self._definition_of(name).map is None
        if task.state == "running" and is_plain and task.units:
            return task.units[0].state
        return task.state

    def _is_settled(self, name: str) -> bool:
        state = self.tasks[name].state
        return state in {"succeeded", "skipped"} or (state == "failed" and self._definition_of(name).optional)

    def _unit(self, name: str, index: int) -> NaiveUnit:
        units = self.tasks[name].units
        assert units is not None
        return units[index]

    def _definition_of(self, name: str) -> TaskDefinition:
        return self._definitions[name]
