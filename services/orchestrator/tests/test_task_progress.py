"""How far running tasks are: told by workers now and then, shown with the run."""

import asyncio
from pathlib import Path

import pytest
from sightwire_orchestrator.commands.pipeline_output import run_progress
from sightwire_orchestrator.workers.progress import ProgressTeller

from services.orchestrator.tests.orchestrator_world import orchestrator_world
from sightwire.contracts.operations import Progress
from sightwire.contracts.pipeline_control import RunReport
from sightwire.platform.nats_server import NatsServer
from tests.plugin.waiting import Eventually


async def test_of_much_that_is_told_only_the_first_and_the_last_are_published(eventually: Eventually) -> None:
    published: list[int] = []

    async def publish(progress: Progress) -> None:
        published.append(progress.done)

    teller = ProgressTeller(publish)

    def tell_everything() -> None:
        for done in range(10_000):
            teller.tell(Progress(stage="reading", done=done, total=10_000))

    teller.tell(Progress(stage="reading"))
    await eventually(lambda: published == [0])
    await asyncio.to_thread(tell_everything)
    await eventually(lambda: len(published) == 2)
    assert published == [0, 9_999]


async def test_nothing_is_told_of_an_attempt_that_has_ended(eventually: Eventually) -> None:
    published: list[int] = []

    async def publish(progress: Progress) -> None:
        published.append(progress.done)

    teller, other = ProgressTeller(publish), ProgressTeller(publish)
    teller.tell(Progress(stage="reading", done=1))
    teller.end()
    other.tell(Progress(stage="reading", done=2))
    await eventually(lambda: published)
    assert published == [2]


@pytest.mark.timeout(120)
async def test_a_run_shows_how_far_its_tasks_are(
    module_nats_server: NatsServer, tmp_path: Path, eventually: Eventually
) -> None:
    definition = {
        "name": "slow",
        "tasks": [
            {"name": "told", "type": "half_done", "parameters": {"folder": str(tmp_path)}},
            {"name": "each", "type": "gated", "map": "{xs}", "parameters": {"folder": str(tmp_path)}},
            {"name": "after", "type": "echo", "dependencies": ["told"]},
        ],
        "global_parameters": {"xs": [1, 2, 3]},
    }
    async with orchestrator_world(module_nats_server, tmp_path) as world, world.service(), world.worker():
        run = await world.begin(definition)

        async def halfway() -> RunReport | None:
            report = await world.client.run(run)
            return report if report.tasks[0].progress is not None and report.tasks[1].progress is not None else None

        report = await eventually(halfway)
        ended = Progress(stage="elements", done=0, total=3, unit="elements")
        half = Progress(stage="waiting", done=1, total=2, unit="gates")
        assert [task.progress for task in report.tasks] == [half, ended, None]
        assert run_progress(report) == (
            "told each",
            "tasks: 0 of 3 tasks (0%); told: waiting: 1 of 2 gates (50%); each: elements: 0 of 3 elements (0%)",
        )
        (tmp_path / "open").touch()
        report = await world.end_of(run)
    assert [task.progress for task in report.tasks] == [None] * 3
    assert report.progress == Progress(stage="tasks", done=3, total=3, unit="tasks")
