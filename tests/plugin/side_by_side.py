"""How many processes of pytest run the tests side by side: `make test` asks for as many as fit this machine.

Each process has servers of its own (`nats_server`, `platform` and what else lasts for a session), and a file's tests
stay together in one of them.
"""

import os
from typing import Final

import pytest

#: More would not be waited for by anybody: the longest files would be what is left. Each takes some 3 GB.
_MOST: Final = 4


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For `--numprocesses auto`: a process for each core, since tests wait for servers half of their time."""
    return min(_MOST, _usable_cores())


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
