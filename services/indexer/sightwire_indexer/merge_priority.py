"""The priority of a process that merges: commits and queries keep the cores they need.

Imports next to nothing: a new process comes here first, and the rest takes most of a second of CPU time to import. That
must not get in the way of queries either.
"""

import contextlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

from sightwire.platform.parent_death import end_with_parent

_SESSION_PRIORITY: Final = Path("/proc/self/autogroup")


def cores_for_merges(available: Collection[int]) -> set[int]:
    """The cores that merges may run on: all but one, which is left to commits and queries, if there are several."""
    return set(sorted(available)[1:]) or set(available)


def give_way(parent: int, nice: int) -> None:
    """Makes this process, which `parent` has started, one that merges."""
    end_with_parent(parent)
    os.nice(nice)
    if not hasattr(os, "sched_setscheduler"):
        return  # Linux alone can be told the rest.
    # It never takes a core from a process that has just woken up.
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.sched_setaffinity(0, cores_for_merges(os.sched_getaffinity(0)))
    # Linux may divide its time between sessions first. Nice values then count only within one, so that a process needs
    # one of its own to give way to other services.
    with contextlib.suppress(OSError):
        os.setsid()
        _SESSION_PRIORITY.write_text(str(nice), encoding="ascii")
