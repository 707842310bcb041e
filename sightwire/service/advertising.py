"""The address under which others reach a service, for its announcement."""

import asyncio
import ipaddress
import socket


async def advertised_address(host: str, port: int, *, peer: tuple[str, int]) -> str:
    """`host:port` to announce: where the server binds to every address, that from which `peer` is reached.

    Args:
        host: what the server binds to.
        peer: host and port of the bus, which whoever hears the announcement reaches too.

    Raises:
        OSError: `peer` cannot be resolved.
    """
    if not _is_wildcard(host):
        return f"{host}:{port}"
    address = await asyncio.to_thread(_own_address_towards, *peer)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _own_address_towards(host: str, port: int) -> str:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    # Connecting a datagram socket sends nothing: it only looks up the route.
    with socket.socket(family, kind, protocol) as route:
        route.connect(address)
        own: str = route.getsockname()[0]
        return own
