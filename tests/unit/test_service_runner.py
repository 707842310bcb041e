"""What every service does for its main coroutine."""

import sys

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
