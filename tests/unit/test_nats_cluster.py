"""What the servers of a cluster on this machine are told."""

import re
from pathlib import Path

import pytest

from sightwire.platform.errors import PlatformError
from sightwire.platform.nats_cluster import NatsLaunches, prepare_nats_servers
from sightwire.platform.nats_server import read_nats_access


def configurations(launches: NatsLaunches) -> list[str]:
    return [(launch.directory / "nats-server.conf").read_text() for launch in launches.servers]


def test_every_server_knows_all_and_keeps_streams_of_its_own(tmp_path: Path) -> None:
    launches = prepare_nats_servers(tmp_path, 3)
    texts = configurations(launches)
    routes = {line for text in texts for line in text.splitlines() if "routes:" in line}
    listening = {listen for text in texts for listen in re.findall(r'^  listen: "(.+)"$', text, re.MULTILINE)}
    assert len(routes) == 1
    assert all(f"@{address}" in next(iter(routes)) for address in listening)
    assert len({*listening}) == len({re.search("store_dir: .*", text)[0] for text in texts}) == 3  # type: ignore[index]
    assert launches.replicas == 3


def test_clients_find_the_cluster_again_at_the_same_addresses(tmp_path: Path) -> None:
    first = prepare_nats_servers(tmp_path, 3)
    assert read_nats_access(tmp_path) == first.access
    assert len(first.access.ports) == 3
    assert first.access.password in configurations(first)[2]
    assert prepare_nats_servers(tmp_path, 3).access == first.access


@pytest.mark.parametrize(("before", "after", "message"), [(1, 3, "--nats-servers 1"), (3, 1, "--nats-servers 3")])
def test_streams_stay_with_the_servers_that_have_them(tmp_path: Path, before: int, after: int, message: str) -> None:
    for launch in prepare_nats_servers(tmp_path, before).servers:
        (launch.directory / "jetstream").mkdir()
    with pytest.raises(PlatformError, match=message):
        prepare_nats_servers(tmp_path, after)


def test_two_servers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="3 and more"):
        prepare_nats_servers(tmp_path, 2)
