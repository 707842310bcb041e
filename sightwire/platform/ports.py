"""Choosing TCP ports for the processes of one machine."""

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from sightwire.platform.errors import PlatformError

LOOPBACK: Final = "127.0.0.1"
#: Below the range from which operating systems take the ports of outgoing connections: one of those could hold the port
#: of a server that is being restarted.
_CHOICE: Final = range(20_000, 32_000)
_ATTEMPTS: Final = 200

_promised: set[int] = set()


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen on `host`:`port` right now."""
    with socket.socket(_address_family(host), socket.SOCK_STREAM) as probe:
        # Servers set this option too: a port in TIME_WAIT is free for them.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def find_free_port(host: str = "127.0.0.1") -> int:
    """A port of `host` on which nothing listens, and that no process of this user was promised that still runs.

    From the promise to the moment in which a server listens there it takes seconds.

    Raises:
        PlatformError: everything that was tried is taken.
    """
    for port in random.sample(_CHOICE, _ATTEMPTS):
        if port not in _promised and _promise_to_this_process(port) and port_is_free(host, port):
            _promised.add(port)
            return port
    raise PlatformError(f"found no free port on {host} among {_ATTEMPTS} from {_CHOICE.start} to {_CHOICE.stop - 1}")


def preferred_or_free_port(host: str, preferred: int | None) -> int:
    """`preferred` when nothing listens there, else a port chosen by the operating system."""
    if preferred is not None and port_is_free(host, preferred):
        return preferred
    return find_free_port(host)


def _promise_to_this_process(port: int) -> bool:
    """Whether no other process was promised the port: each locks a byte for it, until it ends."""
    try:
        fcntl.lockf(_promises(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):
        return False
    return True


@cache
def _promises() -> int:
    """The file of the locks, never closed: closing any descriptor of it would end them."""
    path = Path(tempfile.gettempdir()) / f"sightwire-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _address_family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
