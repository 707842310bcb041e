"""Children that never outlive the process that started them, even when it is killed.

Linux sends a signal of the child's choice when its parent dies (prctl PR_SET_PDEATHSIG). Elsewhere there is
nothing of the kind, and children of a killed parent keep running until somebody stops them.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> Callable[[], None] | None:
    """What to pass as `preexec_fn` when starting a child, or None where the system cannot do it.

    The child is killed rather than asked to end: nobody is left to insist, and every process of the platform is built
    to lose nothing when it is killed. The parent must start its children from a thread that lives as long as it does,
    since the kernel counts the death of that thread as the parent's.
    """
    request = _request()
    if request is None:
        return None
    parent = os.getpid()
    return lambda: request(parent)


def end_with_parent(parent: int) -> None:
    """Called by a child that is running already, such as a worker of a process pool: the same for itself.

    `parent` is the process id of the one that started it. Does nothing where the system cannot do it.
    """
    request = _request()
    if request is not None:
        request(parent)


def _request() -> Callable[[int], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    # Looked up before any fork: between fork and exec only calls that take no locks are safe.
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask_for_the_signal(parent: int) -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The parent may have died before the request: then nobody will send the signal any more.
        if os.getppid() != parent:
            os._exit(1)

    return ask_for_the_signal
