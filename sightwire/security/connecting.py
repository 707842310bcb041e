"""Connects to the very address that was checked, so that a name cannot answer differently the second time."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

import httpcore

from sightwire.errors import FetchFailedError, FetchRefusedError
from sightwire.security.addresses import AddressPolicy, IPAddress

#: More addresses of one name are not tried.
_MAX_ADDRESSES_TRIED = 4


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """A network backend that resolves names itself, checks the addresses and connects to a checked one.

    TLS still uses the name in the URL for SNI and certificate: httpcore starts it on the returned stream.
    """

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await resolve(host, port)
        self._policy.check(host, addresses)
        failure: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in addresses[:_MAX_ADDRESSES_TRIED]:
            try:
                return await self._sockets.connect_tcp(
                    str(address), port, timeout, local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None, "resolve() returns at least one address"
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        raise FetchRefusedError(f"only network addresses are fetched, not the socket {path!r}")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def resolve(host: str, port: int) -> list[IPAddress]:
    """All addresses of a name or of an address in any notation (`0x7f.1` is 127.0.0.1 too), in the resolver's order.

    Raises:
        FetchRefusedError: the name cannot exist.
        FetchFailedError: nothing answered for it now.
    """
    try:
        answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise FetchRefusedError(f"{host!r} is not a host name") from None
    except OSError as error:
        raise FetchFailedError(f"the host {host!r} cannot be resolved: {error}") from None
    # A scope id ("%eth0") is of no use for public addresses, and ip_address would keep it in comparisons.
    addresses = [ipaddress.ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers]
    unique = list(dict.fromkeys(addresses))
    if not unique:
        raise FetchFailedError(f"the host {host!r} has no address")
    return unique
