"""Choosing TCP ports for the processes of one machine."""

import random
import socket
from typing import Final

from sightwire.platform.errors import PlatformError

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
    """A port of `host` on which nothing listens; never the same twice in a process, which may have promised it already.

    Raises:
        PlatformError: everything that was tried is taken.
    """
    for port in random.sample(_CHOICE, _ATTEMPTS):
        if port not in _promised and port_is_free(host, port):
            _promised.add(port)
            return port
    raise PlatformError(f"found no free port on {host} among {_ATTEMPTS} from {_CHOICE.start} to {_CHOICE.stop - 1}")


def preferred_or_free_port(host: str, preferred: int | None) -> int:
    """`preferred` when nothing listens there, else a port chosen by the operating system."""
    if preferred is not None and port_is_free(host, preferred):
        return preferred
    return find_free_port(host)


def _address_family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
