"""How the tests run in several processes of pytest, as `make test` asks for.

Each process has servers of its own (`nats_server`, `platform` and what else lasts for a session), and a file's tests
stay together in one of them.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

#: More would not be waited for by anybody: the longest files would be what is left. Each takes some 3 GB.
_MOST_PROCESSES: Final = 4
_PLATFORMS: Final = Path(__file__).parents[1] / "e2e"
#: The last file with a platform begins when so much of the others has begun: it takes long, and would end alone.
_PLATFORMS_BEGIN_UNTIL: Final = 0.7


# Beside others an example takes as long as it takes: that says nothing of the code.
settings.register_profile("side by side", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("side by side")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For `--numprocesses auto`: a process for each core, since tests wait for servers half of their time."""
    return min(_MOST_PROCESSES, _usable_cores())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Only where several processes run the tests; each of them has to come to the same order."""
    if hasattr(config, "workerinput"):
        order = spread(list(dict.fromkeys(item.path for item in items)))
        items.sort(key=lambda item: order[item.path])


def spread(files: Sequence[Path]) -> dict[Path, float]:
    """Where each file comes: those that start platforms, of many processes each, among the others.

    As a rule then one of them runs beside files that start little, and not beside another one.
    """
    platforms = [file for file in files if file.is_relative_to(_PLATFORMS)]
    others = [file for file in files if not file.is_relative_to(_PLATFORMS)]
    return {file: _PLATFORMS_BEGIN_UNTIL * index / len(platforms) for index, file in enumerate(platforms)} | {
        file: index / len(others) for index, file in enumerate(others)
    }


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
