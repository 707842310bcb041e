"""Several nats-servers of one machine as a cluster: each keeps a copy of every stream, so that one of them may die.

On one machine that protects from a server's death and not from the disk's: to try out what a cluster does, and for
tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sightwire.platform.errors import PlatformError
from sightwire.platform.nats_configuration import ClusterMember, NatsAccess
from sightwire.platform.nats_server import (
    NatsLaunch,
    keep_nats_access,
    nats_access,
    prepare_nats_server,
    read_nats_access,
    write_nats_launch,
)
from sightwire.platform.ports import LOOPBACK, find_free_port, preferred_or_free_port
from sightwire.platform.private_files import make_private_directory

#: Copies of each stream at most: more make writing slower, and no stream much safer.
_MOST_REPLICAS: Final = 3


@dataclass(frozen=True)
class NatsLaunches:
    """What it takes to run the bus: one server, or those of a cluster."""

    servers: tuple[NatsLaunch, ...]
    #: Reaches all of them.
    access: NatsAccess

    @property
    def replicas(self) -> int:
        """Copies of each stream."""
        return min(len(self.servers), _MOST_REPLICAS)


def prepare_nats_servers(data_directory: Path, count: int) -> NatsLaunches:
    """Writes the configuration of one server, or of `count` that form a cluster, under `data_directory`/nats.

    Raises:
        PlatformError: two servers, of which none could go on alone; or streams that another number of servers keeps.
    """
    if count == 2:
        raise PlatformError("two servers cannot outvote each other when one dies: expected 1, or 3 and more")
    _refuse_another_number(data_directory / "nats", count)
    if count == 1:
        launch = prepare_nats_server(data_directory)
        return NatsLaunches((launch,), launch.access)
    before = read_nats_access(data_directory)
    ports = before.ports if before is not None else ()
    first = nats_access(before, preferred_or_free_port(LOOPBACK, ports[0] if ports else None))
    others = (preferred_or_free_port(LOOPBACK, port) for port in (*ports[1:], *[None] * count)[: count - 1])
    accesses = [first, *(nats_access(first, port) for port in others)]
    listening = [f"{LOOPBACK}:{find_free_port(LOOPBACK)}" for _ in accesses]
    routes = tuple(f"nats://{address}" for address in listening)
    directory = make_private_directory((data_directory / "nats").absolute())
    servers = tuple(
        write_nats_launch(directory / f"server-{number}", access, ClusterMember(f"sightwire-{number}", address, routes))
        for number, (access, address) in enumerate(zip(accesses, listening, strict=True), start=1)
    )
    return NatsLaunches(servers, keep_nats_access(directory, _of_all(accesses)))


def _of_all(accesses: Sequence[NatsAccess]) -> NatsAccess:
    return NatsAccess(",".join(access.url for access in accesses), accesses[0].user, accesses[0].password)


def _refuse_another_number(directory: Path, count: int) -> None:
    """Streams stay where they are: a server that joins others, or leaves them, does not take its streams along."""
    present = len(list(directory.glob("server-*"))) or int((directory / "jetstream").exists())
    if present not in (0, count):
        raise PlatformError(
            f"{directory} holds streams of {present} server{'s' if present > 1 else ''}, but {count} "
            f"{'were' if count > 1 else 'was'} asked for; start with --nats-servers {present}, or on another data "
            "directory, and bring collections over by backups"
        )
