"""Which addresses are public, and what an operator can allow beyond them."""

import ipaddress

import pytest

from sightwire.errors import ConfigurationError, FetchRefusedError
from sightwire.security.addresses import AddressPolicy, is_public


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.1.1.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_addresses_inside_a_machine_a_network_or_a_cloud_are_not_public(address: str):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450::1"])
def test_addresses_of_the_internet_are_public(address: str):
    assert is_public(ipaddress.ip_address(address))


def test_one_private_address_among_public_ones_is_refused():
    addresses = [ipaddress.ip_address("93.184.216.34"), ipaddress.ip_address("10.0.0.1")]
    with pytest.raises(FetchRefusedError, match="not at a public address"):
        AddressPolicy().check("example.org", addresses)


@pytest.mark.parametrize(
    ("exceptions", "host", "address"),
    [
        (["127.0.0.0/8"], "localhost", "127.0.0.1"),
        (["127.0.0.1"], "whatever", "127.0.0.1"),
        (["::1"], "localhost", "::1"),
        (["10.1.2.3/8"], "x", "10.200.0.1"),
        (["Pictures.Intranet"], "pictures.intranet.", "192.168.7.7"),
    ],
)
def test_named_hosts_and_networks_are_allowed(exceptions: list[str], host: str, address: str):
    AddressPolicy.allowing(exceptions).check(host, [ipaddress.ip_address(address)])


@pytest.mark.parametrize(
    ("exceptions", "host", "address"),
    [
        (["127.0.0.0/8"], "localhost", "::1"),
        (["127.0.0.0/8"], "localhost", "10.0.0.1"),
        (["pictures.intranet"], "other.intranet", "192.168.7.7"),
    ],
)
def test_what_is_allowed_allows_nothing_else(exceptions: list[str], host: str, address: str):
    with pytest.raises(FetchRefusedError):
        AddressPolicy.allowing(exceptions).check(host, [ipaddress.ip_address(address)])


@pytest.mark.parametrize("entry", ["", "  ", "10.0.0.0/99", "http://x", "a/b"])
def test_an_exception_that_is_no_host_and_no_network_is_refused(entry: str):
    with pytest.raises(ConfigurationError, match="expected a network"):
        AddressPolicy.allowing([entry])
