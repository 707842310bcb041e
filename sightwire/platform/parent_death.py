"""Children that never outlive the process that started them, even when it is killed.

Linux sends a signal of the child's choice when its parent dies (prctl PR_SET_PDEATHSIG). Elsewhere there is nothing of
the kind, and children of a killed parent keep running until somebody stops them.

The request has to come from the child. It is not made between fork and exec (`preexec_fn`): a fork runs the handlers of
every library in the parent, and gRPC's start threads in the child that crash it. So a few lines of Python start in the
child's place, make the request, and become the wanted program.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
# The death may come before the request: then nobody will send the signal any more.
_BECOME_THE_COMMAND = f"""
import ctypes, os, sys
parent, *command = sys.argv[1:]
ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, {int(signal.SIGKILL)}, 0, 0, 0)
if os.getppid() == int(parent):
    os.execvp(command[0], command)
"""


def dying_with_parent(command: Sequence[str]) -> tuple[str, ...]:
    """The command to start instead of `command`, so that its process is killed when this one ends; about 20 ms.

    The process is killed rather than asked to end: nobody is left to insist, and every process of the platform is built
    to lose nothing when it is killed. Start it from a thread that lives as long as this process does, since the kernel
    counts the death of that thread as the parent's. Where the system cannot do it, this is `command` itself.
    """
    if not sys.platform.startswith("linux"):
        return tuple(command)
    # -I and -S: no site-packages, no environment; this must start fast and do the same everywhere.
    return (sys.executable, "-I", "-S", "-c", _BECOME_THE_COMMAND, str(os.getpid()), *command)


def end_with_parent(parent: int) -> None:
    """The same for a child that is running already, such as a worker of a process pool.

    `parent` is the process id of the one that started it. Does nothing where the system cannot do it.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
