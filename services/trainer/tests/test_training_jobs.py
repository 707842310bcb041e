"""What jobs decide: when a dead run is given up, what of its progress is published, what a request says."""

import asyncio
from pathlib import Path

import orjson
import pytest
from sightwire_trainer.jobs.deaths import Deaths, reason_of_death
from sightwire_trainer.jobs.progress_teller import ProgressTeller
from sightwire_trainer.jobs.requests import read_request

from sightwire.contracts.training import TrainingProgress
from sightwire.errors import UnavailableError
from tests.plugin.waiting import wait_until


@pytest.mark.parametrize(
    ("steps", "in_a_row", "pause"),
    [
        ([], 0, 0.0),
        ([5], 1, 0.0),
        ([5, 10, 15], 1, 0.0),
        ([5, 5], 2, 1.0),
        ([5, 5, 4], 3, 3.0),
        ([5, 5, 6], 1, 0.0),
        ([0, 0, 0], 3, 3.0),
        ([0] * 10, 10, 30.0),
    ],
)
def test_deaths_count_until_the_run_comes_further(steps: list[int], in_a_row: int, pause: float) -> None:
    deaths = Deaths()
    for step in steps:
        deaths = deaths.after(step)
    assert deaths.in_a_row == in_a_row
    assert deaths.pause_seconds == pause
    assert deaths.are_too_many(3) == (in_a_row >= 3)


@pytest.mark.parametrize(("status", "said"), [(-9, "killed by SIGKILL, 2 times"), (1, "ended with status 1, 2 times")])
def test_the_reason_of_a_death_says_how_and_what_to_do(status: int, said: str) -> None:
    reason = reason_of_death(status, Deaths(2, 70))
    assert said in reason
    assert "step 70" in reason
    assert "batch_size" in reason


async def test_of_steps_the_last_is_published_and_of_evaluations_each() -> None:
    published: list[int] = []

    async def publish(progress: TrainingProgress) -> None:
        published.append(progress.step)

    teller = ProgressTeller(publish, pause_seconds=0)
    for step, is_evaluation in [(1, False), (2, False), (3, False), (3, True), (4, False), (5, True), (6, False)]:
        teller.tell(_progress(step), is_evaluation)
    teller.finish()
    await teller.run()
    assert published == [3, 5, 6]


async def test_progress_that_the_bus_does_not_take_is_followed_by_newer() -> None:
    published: list[int] = []

    async def publish(progress: TrainingProgress) -> None:
        if progress.step == 1:
            raise UnavailableError("away")
        published.append(progress.step)

    teller = ProgressTeller(publish, pause_seconds=0)
    telling = asyncio.create_task(teller.run())
    for step in (1, 2):
        teller.tell(_progress(step), is_evaluation=True)
    await wait_until(lambda: published == [2])
    teller.tell(_progress(3), is_evaluation=False)
    teller.finish()
    await telling
    assert published == [2, 3]


def test_relative_paths_of_a_request_are_of_the_trainers_folder(tmp_path: Path) -> None:
    configuration = {
        "name": "a",
        "version": "1",
        "space": "a-1",
        "data": {"train": [{"kind": "tar", "path": "one.tar"}, {"kind": "tar", "path": "/two.tar"}]},
    }
    request = read_request(orjson.dumps({"run": "first", "configuration": configuration}), base=tmp_path)
    assert request.run == "first"
    paths = [source.path for source in request.configuration.data.train]  # type: ignore[union-attr]
    assert paths == [tmp_path / "one.tar", Path("/two.tar")]


def _progress(step: int) -> TrainingProgress:
    return TrainingProgress(run="run", step=step, steps=10, epoch=0)
