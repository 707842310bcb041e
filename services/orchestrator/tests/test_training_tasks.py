"""`train` on a real bus, beside something that tells what a trainer would; and `evaluate` as a real process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from sightwire_orchestrator.tasks.builtin.evaluate import EvaluateParameters
from sightwire_orchestrator.tasks.builtin.train import training_run_of
from sightwire_orchestrator.tasks.carrying_out import carry_out
from sightwire_orchestrator.tasks.errors import OperationFailedError, TaskCancelledError
from sightwire_orchestrator.tasks.registry import HandlerRegistry
from sightwire_orchestrator.tasks.resources import open_resources

from services.orchestrator.tests.task_world import TaskWorld, task_settings
from sightwire.bus.connection import Bus
from sightwire.bus.dead_letters import bury
from sightwire.bus.training_runs import last_request, standing_of
from sightwire.contracts import subjects
from sightwire.contracts.control import ControlReply
from sightwire.contracts.training import RunState, TrainingCompleted, TrainingProgress, TrainingRequested
from sightwire.errors import ConfigurationError, InvalidInputError
from tests.plugin.waiting import Eventually


class Trainer:
    """Hears requests, and tells what a test says."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.requested: list[TrainingRequested] = []
        self.cancelled: list[str] = []

    async def listen(self) -> None:
        async def hear(message: Any) -> None:
            self.requested.append(TrainingRequested.model_validate_json(message.data))

        await self._bus.client.subscribe(subjects.TRAINING_REQUESTED, cb=hear)

    async def answer_cancellations(self, run: str) -> None:
        async def cancel(message: Any) -> None:
            self.cancelled.append(run)
            await message.respond(ControlReply().model_dump_json().encode())

        await self._bus.client.subscribe(subjects.control_training(run), cb=cancel)
        await self._bus.client.flush()

    async def tell_progress(self, run: str, step: int) -> None:
        progress = TrainingProgress(run=run, step=step, steps=10, epoch=0)
        await self._bus.publish(subjects.training_progress(run), progress.model_dump_json().encode(), {})

    async def tell_end(self, run: str, state: RunState = RunState.COMPLETED, **members: Any) -> None:
        completed = TrainingCompleted(run=run, state=state, **members)
        await self._bus.publish(subjects.TRAINING_COMPLETED, completed.model_dump_json().encode(), {})

    def requests_of(self, run: str) -> list[TrainingRequested]:
        return [request for request in self.requested if request.run == run]


@pytest_asyncio.fixture(loop_scope="session")
async def trainer(bus: Bus) -> Trainer:
    listening = Trainer(bus)
    await listening.listen()
    return listening


@pytest_asyncio.fixture(loop_scope="session")
async def world(bus: Bus) -> AsyncIterator[TaskWorld]:
    async with open_resources(task_settings(), bus=bus) as resources:
        yield TaskWorld(resources, HandlerRegistry.with_builtin_types())


@pytest.fixture
def run_name(unique_name: Callable[..., str]) -> str:
    return unique_name("run")


async def test_a_run_is_asked_for_followed_and_told(
    world: TaskWorld, trainer: Trainer, run_name: str, eventually: Eventually
):
    await trainer.tell_end(run_name, RunState.FAILED, reason="of an earlier request")
    parameters = {"configuration": {"epochs": 1}, "run": run_name}
    training = asyncio.create_task(world.run("train", parameters, run="r7"))
    [request] = await eventually(lambda: trainer.requests_of(run_name))
    assert (request.configuration, request.requested_by) == ({"epochs": 1}, "run r7")
    await trainer.tell_progress(run_name, 4)
    await eventually(lambda: [told for told in world.progress if (told.done, told.total) == (4, 10)])
    await trainer.tell_end("another-run")
    await trainer.tell_end(run_name, bundle="/bundles/b1", bundle_sha256="00", measures={"recall": 0.5}, steps=10)
    assert await training == {
        "run": run_name,
        "bundle": "/bundles/b1",
        "bundle_sha256": "00",
        "measures": {"recall": 0.5},
        "steps": 10,
        "seconds": 0.0,
    }


async def test_a_delivery_that_comes_again_is_not_another_request(
    world: TaskWorld, trainer: Trainer, run_name: str, eventually: Eventually
):
    parameters = {"configuration": {}, "run": run_name}
    context = world.context("train", run=run_name)
    first = asyncio.create_task(carry_out(context, parameters))
    await eventually(lambda: trainer.requests_of(run_name))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    # It ends while no worker follows it.
    await trainer.tell_end(run_name)
    assert (await world.run("train", parameters, run=run_name))["run"] == run_name


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED])
async def test_a_run_that_did_not_complete_fails_the_task(
    world: TaskWorld, trainer: Trainer, run_name: str, eventually: Eventually, state: RunState
):
    training = asyncio.create_task(world.run("train", {"configuration": {}, "run": run_name}))
    await eventually(lambda: trainer.requests_of(run_name))
    await trainer.tell_end(run_name, state, reason="the loss is not finite")
    with pytest.raises(OperationFailedError, match=f"was {state}: the loss is not finite"):
        await training


async def test_a_request_that_the_trainer_refuses_fails_the_task_with_the_reason(
    world: TaskWorld, trainer: Trainer, bus: Bus, run_name: str, eventually: Eventually
):
    training = asyncio.create_task(world.run("train", {"configuration": {"epochs": -1}, "run": run_name}))
    [request] = await eventually(lambda: trainer.requests_of(run_name))
    stored = await bus.jetstream.get_last_msg("TRAINING", subjects.TRAINING_REQUESTED)
    assert orjson.loads(stored.data or b"")["run"] == run_name
    await bury(
        bus,
        original_subject=subjects.TRAINING_REQUESTED,
        payload=request.model_dump_json().encode(),
        headers=None,
        service="trainer",
        code="invalid-input",
        reason="epochs: größer als 0",
        original_sequence=stored.seq or 0,
    )
    with pytest.raises(InvalidInputError, match=f"refused the run '{run_name}': epochs: größer als 0"):
        await training


async def test_a_cancelled_task_cancels_its_run(
    world: TaskWorld, trainer: Trainer, run_name: str, eventually: Eventually
):
    await trainer.answer_cancellations(run_name)
    context = world.context("train")
    training = asyncio.create_task(carry_out(context, {"configuration": {}, "run": run_name}))
    await eventually(lambda: trainer.requests_of(run_name))
    context.cancelled.set()
    with pytest.raises(TaskCancelledError):
        await training
    assert trainer.cancelled == [run_name]


async def test_a_cancelled_task_cancels_its_run_that_no_trainer_has_taken(
    world: TaskWorld, trainer: Trainer, bus: Bus, run_name: str, eventually: Eventually
):
    context = world.context("train")
    training = asyncio.create_task(carry_out(context, {"configuration": {}, "run": run_name}))
    await eventually(lambda: trainer.requests_of(run_name))
    context.cancelled.set()
    with pytest.raises(TaskCancelledError):
        await training
    request = await last_request(bus, run_name)
    assert request is not None
    assert (await standing_of(bus, run_name, request=request)).state == "cancelled"


async def test_without_a_bus_nothing_can_be_trained():
    async with open_resources(task_settings()) as resources:
        world = TaskWorld(resources, HandlerRegistry.with_builtin_types())
        with pytest.raises(ConfigurationError, match="needs the bus"):
            await world.run("train", {"configuration": {}})


@pytest.mark.parametrize("identity", ["r1.train", "A run/of Ümlaute", "x" * 300, "...", "r1.train.7"])
def test_each_task_has_a_training_run_of_its_own(identity: str):
    name = training_run_of(identity)
    assert TrainingRequested(run=name, configuration={}).run == name
    assert name == training_run_of(identity) != training_run_of(f"{identity}.")


def test_no_value_is_taken_for_an_option():
    parameters = EvaluateParameters(
        bundle="--sheet=x", data=("-a.tar",), against="b", directions=("image_to_image",), resamples=5
    )
    assert parameters.arguments(Path("r.json")) == [
        "eval",
        "--json=r.json",
        "--resamples=5",
        "--seed=0",
        "--direction=image_to_image",
        "--against=b",
        "--",
        "--sheet=x",
        "-a.tar",
    ]


async def test_what_the_evaluation_says_is_the_reason_of_its_failure(world: TaskWorld, tmp_path: Path):
    parameters = {"bundle": "pixels", "data": [str(tmp_path / "missing.tar")]}
    with pytest.raises(OperationFailedError, match=r"`sightwire eval` ended with [12]: .*missing\.tar"):
        await world.run("evaluate", parameters, timeout=100)
