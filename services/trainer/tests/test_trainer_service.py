"""The trainer as a service: asked over the bus, heard over the bus, and not to be stopped by deaths."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from services.trainer.tests.tiny_runs import picture_content
from services.trainer.tests.trainer_world import DEADLINE, TrainerWorld, run_processes, trainer_world
from sightwire.bundles import BUNDLE_FILE, file_sha256, load_bundle
from sightwire.bus.control import ask
from sightwire.bus.dead_letters import DeadLetter, list_dead_letters
from sightwire.bus.training_requests import cancel_run
from sightwire.contracts import subjects
from sightwire.contracts.training import CancelTraining, RunState, TrainingProgress
from sightwire.errors import ConflictError, NotFoundError
from sightwire.platform.nats_server import NatsServer
from tests.plugin.waiting import wait_until

pytestmark = [pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="session")]

_STEPS_PER_EPOCH = 3
#: Long enough to be disturbed in the middle, short enough to be waited for.
_LONG = {"epochs": 100, "evaluate_every": 50, "checkpoints": {"every_steps": 5, "keep": 1}}
_ENDLESS = {**_LONG, "epochs": 100_000, "evaluate_every": 50_000}
_TRACE = "0123456789abcdef0123456789abcdef"


@pytest_asyncio.fixture(loop_scope="session")
async def world(module_nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[TrainerWorld]:
    async with trainer_world(module_nats_server, tmp_path) as world:
        yield world


@pytest.fixture
def content(world: TrainerWorld, bundle_folder: Path) -> dict[str, Any]:
    """A configuration whose relative paths are of the trainer's folder of sets."""
    world.settings.trainer_data_dir.mkdir()
    content = picture_content(world.settings.trainer_data_dir)
    content["model"]["bundle"] = str(bundle_folder)
    return content


async def test_a_run_is_told_from_its_first_step_to_its_end(
    world: TrainerWorld, content: dict[str, Any], unique_name: Callable[[str], str]
) -> None:
    run = unique_name("run")
    before = _counted("completed")
    async with world.service() as context:
        await world.request(run, content, traceparent=f"00-{_TRACE}-0123456789abcdef-01")
        end = await world.end_of(run)
        assert context.health.report().is_ready

        assert (end.state, end.steps, end.reason) == (RunState.COMPLETED, 9, None)
        assert end.measures["text_to_image_recall_at_1"] >= 0
        assert end.seconds > 0
        last = world.progress[run][-1]
        assert (last.step, last.steps, last.seconds_left) == (9, 9, 0)
        assert last.measures["text_to_image_recall_at_1"] >= 0
        assert _TRACE in world.completed_headers[-1]["traceparent"]
        assert _counted("completed") == before + 1
        assert REGISTRY.get_sample_value("sightwire_training_step", {"run": run}) is None


async def test_a_completed_run_that_is_asked_for_again_takes_no_step_and_makes_its_bundle(
    world: TrainerWorld, content: dict[str, Any], unique_name: Callable[[str], str]
) -> None:
    run = unique_name("run")
    async with world.service():
        await world.request(run, content)
        end = await world.end_of(run)
    assert end.bundle is None
    world.settings = world.settings.model_copy(update={"trainer_export": True})
    async with world.service():
        await world.request(run, content)
        again = await world.end_of(run, 2)
    assert (again.state, again.steps, again.measures) == (RunState.COMPLETED, 9, end.measures)
    assert world.logged_steps(run) == list(range(1, 10))
    assert again.bundle is not None
    bundle = load_bundle(Path(again.bundle))
    assert (bundle.spec.name, bundle.spec.space) == (content["name"], content["space"])
    assert again.bundle_sha256 == file_sha256(bundle.folder / BUNDLE_FILE)


async def test_a_cancelled_run_goes_on_when_it_is_asked_for_again(
    world: TrainerWorld, content: dict[str, Any], unique_name: Callable[[str], str]
) -> None:
    run = unique_name("run")
    async with world.service():
        for time in (1, 2):
            await world.request(run, content | _ENDLESS)
            await world.step_of(run, 1)
            assert REGISTRY.get_sample_value("sightwire_training_step", {"run": run})
            answer = await ask(world.bus, subjects.control_training(run), CancelTraining())
            assert TrainingProgress.model_validate(answer).run == run
            end = await world.end_of(run, time)
            assert end.state is RunState.CANCELLED
            assert world.logged_steps(run) == list(range(1, end.steps + 1))


async def test_a_run_that_is_cancelled_before_a_trainer_has_it_is_never_begun(
    world: TrainerWorld, content: dict[str, Any], unique_name: Callable[[str], str]
) -> None:
    run, other = unique_name("run"), unique_name("other")
    await world.request(run, content)
    assert await cancel_run(world.bus, run, source="test") is None
    with pytest.raises(ConflictError, match="it is cancelled"):
        await cancel_run(world.bus, run, source="test")
    await world.request(other, content)
    async with world.service():
        await world.end_of(other)
    assert run not in world.progress
    assert [end.state for end in world.completed if end.run == run] == [RunState.CANCELLED]

    await world.request(run, content)
    async with world.service():
        again = await world.end_of(run, 2)
    assert (again.state, again.steps) == (RunState.COMPLETED, 9)


async def test_a_waiting_run_is_cancelled_while_another_is_carried_out(
    world: TrainerWorld, content: dict[str, Any], unique_name: Callable[[str], str]
) -> None:
    running, waiting = unique_name("running"), unique_name("waiting")
    async with world.service():
        await world.request(running, content | _ENDLESS)
        await world.step_of(running, 1)
        await world.request(waiting, content)
        await cancel_run(world.bus, waiting, source="test")
        assert await cancel_run(world.bus, running, source="test") is not None
        assert (await world.end_of(running)).state is RunState.CANCELLED
        await world.request(waiting, content)
        end = await world.end_of(waiting, 2)
    assert (end.state, end.steps) == (RunState.COMPLETED, 9)
    assert world.logged_steps(waiting) == list(range(1, 10))


async def test_what_nobody_asked_for_cannot_be_cancelled(world: TrainerWorld) -> None:
    with pytest.raises(NotFoundError, match="no training run 'nothing'"):
        await cancel_run(world.bus, "nothing", source="test")


async def test_a_run_goes_on_when_its_process_is_killed(
    world: TrainerWorld, content: dict[str, Any], unique_name: Callable[[str], str]
) -> None:
    run = unique_name("run")
    async with world.service():
        await world.request(run, content | _LONG)
        killed_at = await world.step_of(run, 20)
        [process] = run_processes(os.getpid())
        os.kill(process, signal.SIGKILL)
        end = await world.end_of(run)
    assert (end.state, end.steps) == (RunState.COMPLETED, 100 * _STEPS_PER_EPOCH)
    steps = world.logged_steps(run)
    assert steps.count(1) == 1, "it began anew"
    assert len(steps) < end.steps + killed_at.step


async def test_a_run_that_dies_again_and_again_has_failed(
    world: TrainerWorld, content: dict[str, Any], unique_name: Callable[[str], str]
) -> None:
    run = unique_name("run")
    killed: set[int] = set()
    async with world.service():
        await world.request(run, content | _ENDLESS)
        while len(killed) < world.settings.trainer_max_deaths:
            [process] = await wait_until(lambda: set(run_processes(os.getpid())) - killed, DEADLINE)
            os.kill(process, signal.SIGKILL)
            killed.add(process)
        end = await world.end_of(run)
    assert end.state is RunState.FAILED
    assert "was killed by SIGKILL, 3 times without coming further than step 0" in (end.reason or "")


async def test_a_run_goes_on_when_the_service_is_killed(
    world: TrainerWorld, content: dict[str, Any], unique_name: Callable[[str], str]
) -> None:
    run = unique_name("run")
    async with world.service_process() as service:
        await world.request(run, content | _LONG)
        killed_at = await world.step_of(run, 20)
        service.kill()
        await service.wait()
        await wait_until(lambda: not run_processes(service.pid), describe="the run's process died with the service")
    async with world.service_process():
        end = await world.end_of(run)
    assert (end.state, end.steps) == (RunState.COMPLETED, 100 * _STEPS_PER_EPOCH)
    steps = world.logged_steps(run)
    assert steps.count(1) == 1, "it began anew"
    assert len(steps) < end.steps + killed_at.step


async def test_a_service_that_is_stopped_ends_its_run_after_a_checkpoint(
    world: TrainerWorld, content: dict[str, Any], unique_name: Callable[[str], str]
) -> None:
    run = unique_name("run")
    async with world.service_process() as service:
        await world.request(run, content | _LONG)
        await world.step_of(run, 20)
        service.send_signal(signal.SIGTERM)
        assert await service.wait() == 0
        assert not run_processes(service.pid)
    assert not [end for end in world.completed if end.run == run]
    async with world.service():
        end = await world.end_of(run)
    assert end.state is RunState.COMPLETED
    assert world.logged_steps(run) == list(range(1, 100 * _STEPS_PER_EPOCH + 1))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff\x00", "not a request for a training run: the whole"),
        (b"{}", "run: Field required"),
        (b'{"run": "NO NAME", "configuration": {}}', "run: String should match pattern"),
        (b'{"run": "a", "configuration": {"epochs": 0}}', "the configuration of run 'a' does not describe"),
    ],
)
async def test_what_is_no_request_goes_to_the_dead_letters(world: TrainerWorld, payload: bytes, reason: str) -> None:
    async with world.service():
        await world.request_bytes(payload)
        letter = await _dead_letter_of(world, payload)
    assert letter.service == "trainer"
    assert letter.code == "invalid-input"
    assert reason in letter.reason


async def test_another_configuration_for_a_run_is_refused_and_the_run_is_as_it_was(
    world: TrainerWorld, content: dict[str, Any], unique_name: Callable[[str], str]
) -> None:
    run = unique_name("run")
    async with world.service():
        await world.request(run, content)
        await world.end_of(run)
        other = orjson.dumps({"run": run, "configuration": content | {"epochs": 4}})
        await world.request_bytes(other)
        letter = await _dead_letter_of(world, other)
    assert letter.code == "conflict"
    assert "epochs (was 3, is 4)" in letter.reason
    assert len([end for end in world.completed if end.run == run]) == 1


async def test_a_run_that_cannot_be_carried_out_has_failed_and_says_why(
    world: TrainerWorld, content: dict[str, Any], unique_name: Callable[[str], str]
) -> None:
    run = unique_name("run")
    nowhere = {"data": {"train": [{"kind": "tar", "path": "nowhere.tar"}]}}
    async with world.service():
        await world.request(run, content | nowhere)
        end = await world.end_of(run)
    assert end.state is RunState.FAILED
    assert str(world.settings.trainer_data_dir / "nowhere.tar") in (end.reason or "")


async def _dead_letter_of(world: TrainerWorld, payload: bytes) -> DeadLetter:
    async def found() -> DeadLetter | None:
        letters = await list_dead_letters(world.bus)
        return next((letter for letter in letters if letter.payload == payload), None)

    letter: DeadLetter = await wait_until(found, DEADLINE)
    return letter


def _counted(state: str) -> float:
    return REGISTRY.get_sample_value("sightwire_training_runs_total", {"state": state}) or 0.0
