"""An attempt, whatever its handler does: in time, late, cancelled, in a thread, with an output that is none."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from pydantic import BaseModel, JsonValue
from sightwire_orchestrator.tasks.carrying_out import carry_out, json_value
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.errors import (
    BadOutputError,
    InvalidParametersError,
    TaskCancelledError,
    TaskTimeoutError,
    UnknownTaskTypeError,
    task_error,
)
from sightwire_orchestrator.tasks.registry import HandlerRegistry, handler
from sightwire_orchestrator.tasks.resources import open_resources

from services.orchestrator.tests.task_world import TaskWorld, task_settings
from sightwire.client.problems import ApiError
from sightwire.errors import InvalidInputError, OverloadedError, SightwireError
from tests.plugin.waiting import Eventually


class Numbers(BaseModel):
    numbers: list[int] = []


@handler("total")
async def total(context: TaskContext, parameters: Numbers) -> JsonValue:
    context.progress("adding", done=len(parameters.numbers), total=len(parameters.numbers), unit="numbers")
    return sum(parameters.numbers)


@handler("total_in_thread")
def total_in_thread(context: TaskContext, parameters: Numbers) -> Numbers:
    assert threading.current_thread() is not threading.main_thread()
    context.progress("adding")
    return Numbers(numbers=[sum(parameters.numbers)])


@handler("fails")
def fails(_context: TaskContext, _parameters: Any) -> None:
    raise StopIteration("at the end")


@handler("cancels_itself")
async def cancels_itself(_context: TaskContext, _parameters: Any) -> None:
    raise asyncio.CancelledError


class Endless:
    """Handlers that never end by themselves."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.ended = threading.Event()

    async def coroutine(self, _context: TaskContext, _parameters: Any) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            # What has to be undone may take a moment.
            await asyncio.sleep(0.3)
            self.ended.set()

    def thread(self, context: TaskContext, _parameters: Any) -> None:
        self.began.set()
        try:
            while True:
                context.raise_if_cancelled()
                context.progress("going round")
        finally:
            self.ended.set()


@pytest.fixture
def endless() -> Endless:
    return Endless()


@pytest_asyncio.fixture(loop_scope="session")
async def world(endless: Endless) -> AsyncIterator[TaskWorld]:
    handlers = HandlerRegistry()
    for function in (total, total_in_thread, fails, cancels_itself):
        handlers.add(function)
    handlers.add(endless.coroutine, task_type="endless_coroutine")
    handlers.add(endless.thread, task_type="endless_thread")
    async with open_resources(task_settings()) as resources:
        yield TaskWorld(resources, handlers)


async def test_a_coroutine_and_a_function_in_a_thread_give_their_output(world: TaskWorld):
    assert await world.run("total", {"numbers": [1, 2, 3]}) == 6
    assert await world.run("total_in_thread", {"numbers": [1, 2, 3]}) == {"numbers": [6]}
    assert [(told.stage, told.done, told.unit) for told in world.progress] == [
        ("adding", 3, "numbers"),
        ("adding", 0, ""),
    ]


async def test_unknown_types_and_parameters_that_do_not_fit_never_reach_a_handler(world: TaskWorld):
    with pytest.raises(UnknownTaskTypeError):
        await world.run("nothing", {})
    with pytest.raises(InvalidParametersError):
        await world.run("total", {"numbers": ["one"]})


async def test_errors_of_a_thread_come_out_even_those_that_futures_cannot_carry(world: TaskWorld):
    with pytest.raises(RuntimeError, match="StopIteration: at the end"):
        await world.run("fails", {})


async def test_a_handler_that_cancels_itself_does_not_look_like_a_worker_that_stops(world: TaskWorld):
    with pytest.raises(TaskCancelledError, match="cancelled itself"):
        await world.run("cancels_itself", {})


@pytest.mark.parametrize("task_type", ["endless_coroutine", "endless_thread"])
async def test_the_deadline_ends_an_attempt(world: TaskWorld, endless: Endless, eventually: Eventually, task_type: str):
    with pytest.raises(TaskTimeoutError, match="attempt 1 of task 'step' was not done by its deadline"):
        await world.run(task_type, {}, timeout=0.2)
    await eventually(endless.ended.is_set)


@pytest.mark.parametrize("task_type", ["endless_coroutine", "endless_thread"])
async def test_cancellation_ends_an_attempt_and_lets_it_clean_up(
    world: TaskWorld, endless: Endless, eventually: Eventually, task_type: str
):
    context = world.context(task_type, timeout=60)
    attempt = asyncio.create_task(carry_out(context, {}))
    await eventually(endless.began.is_set)
    context.cancelled.set()
    with pytest.raises(TaskCancelledError):
        await attempt
    await eventually(endless.ended.is_set)


async def test_a_worker_that_stops_ends_its_attempts_and_does_not_call_them_cancelled(
    world: TaskWorld, endless: Endless, eventually: Eventually
):
    context = world.context("endless_coroutine", timeout=60)
    attempt = asyncio.create_task(carry_out(context, {}))
    await eventually(endless.began.is_set)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert endless.ended.is_set()
    assert not context.cancelled.is_set()


async def test_a_deadline_that_has_passed_already_is_a_timeout(world: TaskWorld):
    with pytest.raises(TaskTimeoutError):
        await world.run("endless_coroutine", {}, timeout=-1)


@dataclass
class Point:
    x: int
    at: datetime


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (None, None),
        ({"a": [1, 2.5, "b", True]}, {"a": [1, 2.5, "b", True]}),
        (Point(1, datetime(2026, 1, 1, tzinfo=UTC)), {"x": 1, "at": "2026-01-01T00:00:00Z"}),
        ((1, 2), [1, 2]),
    ],
)
def test_outputs_become_json(output: Any, expected: JsonValue):
    assert json_value(output, task_type="test") == expected


def test_an_output_that_is_no_json_is_refused():
    with pytest.raises(BadOutputError, match="the handler of 'test' returned what is no JSON value"):
        json_value({"lock": threading.Lock()}, task_type="test")


@pytest.mark.parametrize(
    ("error", "code", "transient", "detail"),
    [
        (InvalidInputError("wrong"), "invalid-input", False, "wrong"),
        (OverloadedError("later"), "overloaded", True, "later"),
        (ApiError(422, {"detail": "no", "errors": ["x: bad"]}), "internal-error", False, "no (x: bad)"),
        (ApiError(404, {"type": "urn:sightwire:unknown-collection"}), "unknown-collection", False, "HTTP 404"),
        (ApiError(429, {"type": "urn:sightwire:overloaded", "title": "Busy"}), "overloaded", True, "Busy"),
        (TimeoutError(), "timeout", True, "something took too long"),
        (ZeroDivisionError("by zero"), "handler-failed", True, "ZeroDivisionError: by zero"),
        (SightwireError("x" * 10_000), "internal-error", False, "x" * 3999 + "…"),
    ],
)
def test_errors_are_told_by_code_and_whether_they_may_pass(error: Exception, code: str, transient: bool, detail: str):
    told = task_error(error)
    assert (told.code, told.transient, told.detail) == (code, transient, detail)
