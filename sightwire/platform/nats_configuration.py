"""What a nats-server of this machine is told in its file, and how clients reach it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

#: Bus messages carry batches of vectors and inline events; anything larger travels as a claim check.
MAX_PAYLOAD_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True)
class NatsAccess:
    """How a client reaches the server of one data directory, or those of a cluster."""

    url: str  # nats://host:port, without credentials; of a cluster several, separated by commas
    user: str
    password: str
    monitoring_url: str | None = None

    @property
    def url_with_credentials(self) -> str:
        """The url that plain NATS clients take: nats://user:password@host:port; of a cluster the first server's."""
        return _with_credentials(self.url.split(",")[0], self.user, self.password)

    @property
    def ports(self) -> tuple[int, ...]:
        """The TCP ports on which clients connect, of each server."""
        ports = [urlsplit(url).port for url in self.url.split(",")]
        assert None not in ports, "every access url is written with its port"
        return tuple(port for port in ports if port is not None)

    @property
    def port(self) -> int:
        """The TCP port on which clients connect, of the first server."""
        return self.ports[0]


@dataclass(frozen=True)
class ClusterMember:
    """What a server of a cluster knows of the cluster."""

    name: str
    listen: str  # host:port for the other servers
    routes: tuple[str, ...]  # nats://host:port of every server, its own included


def render_configuration(access: NatsAccess, store_directory: Path, *, member: ClusterMember | None = None) -> str:
    """The text of nats-server's configuration file."""
    monitoring = ""
    if access.monitoring_url is not None:
        monitoring = f'http: "{access.monitoring_url.removeprefix("http://")}"\n'
    # json.dumps: nats-server reads JSON strings, so no path or password can break out of its quotes.
    credentials = f"  user: {json.dumps(access.user)}\n  password: {json.dumps(access.password)}\n"
    return (
        "# Written by sightwire at every start; changes made here are lost.\n"
        f'server_name: "{member.name if member is not None else "sightwire"}"\n'
        f'listen: "{access.url.removeprefix("nats://")}"\n'
        f"{monitoring}"
        f"max_payload: {MAX_PAYLOAD_BYTES}\n"
        "jetstream {\n"
        f"  store_dir: {json.dumps(str(store_directory))}\n"
        # By default acknowledged messages reach the disk up to two minutes later; here an acknowledgement
        # means that the message survives a power cut.
        "  sync_interval: always\n"
        "}\n"
        f"authorization {{\n{credentials}}}\n"
        f"{_render_cluster(member, access, credentials) if member is not None else ''}"
    )


def _render_cluster(member: ClusterMember, access: NatsAccess, credentials: str) -> str:
    routes = [_with_credentials(route, access.user, access.password) for route in member.routes]
    return (
        "cluster {\n"
        '  name: "sightwire"\n'
        f'  listen: "{member.listen}"\n'
        # Clients know all servers from the start, and hear of no addresses that they may not reach.
        "  no_advertise: true\n"
        f"  authorization {{\n{credentials}  }}\n"
        f"  routes: {json.dumps(routes)}\n"
        "}\n"
    )


def _with_credentials(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return urlunsplit((parts.scheme, f"{credentials}@{parts.netloc}", parts.path, "", ""))
