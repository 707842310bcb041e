"""What every service does for its main coroutine."""

import sys

import pytest

from tests.plugin.processes import run_to_end

_PROGRAM = """
import gc
from sightwire.service.runner import ServiceContext, run_service
from sightwire.settings import SharedSettings

async def main(context: ServiceContext[SharedSettings]) -> None:
    print("left alone:", gc.get_freeze_count() > 10_000, "collected:", gc.isenabled())

run_service("toy", SharedSettings, main, with_operations=False)
"""


async def test_the_garbage_collector_passes_over_what_a_service_has_imported() -> None:
    status, output = await run_to_end(sys.executable, "-c", _PROGRAM)
    assert status == 0, output
    assert "left alone: True collected: True" in output


_RELYING = """
import asyncio
from sightwire.lasting_tasks import start_lasting
from sightwire.service.runner import ServiceContext, run_service
from sightwire.settings import SharedSettings

async def follow() -> None:
    {ending}

async def main(context: ServiceContext[SharedSettings]) -> None:
    task = start_lasting(follow(), name="follower")
    try:
        await {waiting}
    finally:
        print("drained:", context.stopping.is_set(), context.health.report().problems)
        task.cancel()

run_service("toy", SharedSettings, main, with_operations=False)
"""


@pytest.mark.parametrize("ending", ["raise KeyError('of a newer version')", "return"])
@pytest.mark.parametrize("waiting", ["context.stopping.wait()", "asyncio.Event().wait()"])
async def test_a_service_ends_with_a_task_on_which_it_relies(ending: str, waiting: str) -> None:
    program = _RELYING.format(ending=ending, waiting=waiting)
    status, output = await run_to_end(sys.executable, "-c", program, SIGHTWIRE_DRAIN_SECONDS="0.1")
    assert status == 1, output
    assert "LastingTaskError: background task 'follower' has ended" in output
    assert ("drained: True {'background': \"background task 'follower' has ended") in output
    assert ("of a newer version" in output) == ending.startswith("raise")


async def test_a_service_that_cancels_what_lasts_has_not_failed() -> None:
    program = _RELYING.format(ending="await asyncio.Event().wait()", waiting="asyncio.sleep(0.05)")
    status, output = await run_to_end(sys.executable, "-c", program)
    assert status == 0, output
    assert "drained: False {}" in output
