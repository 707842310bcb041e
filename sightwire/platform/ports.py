"""Choosing TCP ports for the processes of one machine."""

import socket


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
    """A port of `host` on which nothing listens, chosen by the operating system."""
    with socket.socket(_address_family(host), socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def preferred_or_free_port(host: str, preferred: int | None) -> int:
    """`preferred` when nothing listens there, else a port chosen by the operating system."""
    if preferred is not None and port_is_free(host, preferred):
        return preferred
    return find_free_port(host)


def _address_family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
