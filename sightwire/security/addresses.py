"""Which network addresses a service may connect to on a user's behalf."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from sightwire.errors import ConfigurationError, FetchRefusedError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# Refused whatever `is_global` says: it knows the registries' special-purpose blocks, differently in each version of
# Python; a cloud's metadata service at a public address and tunnels into private networks are not among them.
_REFUSED_NETWORKS: tuple[IPNetwork, ...] = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers (CGNAT); holds metadata services too
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host service
        "169.254.0.0/16",  # link-local; metadata services
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",
        "::/96",  # unspecified, loopback, IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "100::/64",  # discard
        "2001::/23",  # Teredo, benchmarking, ORCHID
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)


def is_public(address: IPAddress) -> bool:
    """Whether `address` is one of the public internet and nothing inside this machine, network or cloud."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(address.version == network.version and address in network for network in _REFUSED_NETWORKS)


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Public addresses, and what an operator names beyond them: hosts (any address they have) and networks."""

    allowed_hosts: frozenset[str] = frozenset()
    allowed_networks: tuple[IPNetwork, ...] = ()

    @classmethod
    def allowing(cls, exceptions: Iterable[str]) -> Self:
        """A policy from a setting such as `["127.0.0.0/8", "pictures.intranet"]`.

        Raises:
            ConfigurationError: an entry is neither a network, an address nor a host name.
        """
        hosts: set[str] = set()
        networks: list[IPNetwork] = []
        for entry in exceptions:
            stripped = entry.strip().lower()
            try:
                networks.append(ipaddress.ip_network(stripped, strict=False))
            except ValueError:
                if not stripped or "/" in stripped or ":" in stripped:
                    raise ConfigurationError(
                        f"expected a network such as '10.0.0.0/8', an address or a host name, got {entry!r}"
                    ) from None
                hosts.add(stripped.removesuffix("."))
        return cls(frozenset(hosts), tuple(networks))

    def check(self, host: str, addresses: Iterable[IPAddress]) -> None:
        """Checks every address that `host` resolved to: one private among public ones is refused as well.

        Raises:
            FetchRefusedError: an address is not allowed.
        """
        if host.lower().removesuffix(".") in self.allowed_hosts:
            return
        for address in addresses:
            if not is_public(address) and not self._is_allowed(address):
                # Says nothing about the address itself: names of an internal DNS stay internal.
                raise FetchRefusedError(
                    f"the URL's host {host!r} is not at a public address; only public addresses are fetched "
                    "(an operator can allow more in SIGHTWIRE_FETCH_ALLOW)"
                )

    def _is_allowed(self, address: IPAddress) -> bool:
        return any(address.version == network.version and address in network for network in self.allowed_networks)
