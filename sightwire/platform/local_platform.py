"""Which processes make up the platform on one machine, with which settings: the plan that the supervisor follows."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sightwire.platform.data_directory import DataDirectory
from sightwire.platform.nats_cluster import NatsLaunches
from sightwire.platform.nats_server import NatsLaunch, nats_is_ready
from sightwire.platform.ports import LOOPBACK, find_free_port
from sightwire.platform.readiness import answers_ready
from sightwire.platform.s3_server import S3Launch, s3_is_ready
from sightwire.platform.supervised_process import ProcessSpec

ADMIN_KEY_VARIABLE = "SIGHTWIRE_GATEWAY_ADMIN_KEY"
DRAIN_SECONDS = 10.0
# A service flushes its spans and closes its connections after it has drained.
_STOP_SECONDS = DRAIN_SECONDS + 5.0


@dataclass(frozen=True)
class SearcherPorts:
    """The TCP ports of one searcher."""

    queries: int
    operations: int


@dataclass(frozen=True)
class ServicePorts:
    """The TCP ports of one plan; the gateway's alone is the user's choice."""

    gateway: int
    embedder: int
    embedder_operations: int
    indexer_operations: int
    orchestrator_operations: int
    searchers: tuple[SearcherPorts, ...]

    @classmethod
    def with_free_ports(cls, gateway: int, *, searchers: int = 1) -> "ServicePorts":
        """Free ports for everything behind the gateway."""

        def free() -> int:
            return find_free_port(LOOPBACK)

        return cls(
            gateway, free(), free(), free(), free(), tuple(SearcherPorts(free(), free()) for _ in range(searchers))
        )


@dataclass(frozen=True)
class LocalPlatform:
    """The processes of one machine, in groups that start one after the other, and where they answer."""

    start_groups: tuple[tuple[ProcessSpec, ...], ...]
    gateway_url: str
    operations_urls: Mapping[str, str]
    addresses: Mapping[str, str]


def plan_local_platform(
    *,
    data: DataDirectory,
    nats: NatsLaunches,
    ports: ServicePorts,
    host: str,
    bundle: Path | None,
    environment: Mapping[str, str],
    s3: S3Launch | None = None,
) -> LocalPlatform:
    """The processes of a platform whose gateway listens on `host`.

    `environment` is what every process inherits; settings that the plan decides replace those in it. `bundle` is the
    folder of the model bundle, or None for what the embedder finds by itself. `s3` is a server of the platform's own
    that has the blobs, if it is to have one.
    """
    shared = {
        **environment,
        "SIGHTWIRE_NATS_URL": nats.access.url,
        "SIGHTWIRE_NATS_USER": nats.access.user,
        "SIGHTWIRE_NATS_PASSWORD": nats.access.password,
        "SIGHTWIRE_NATS_REPLICAS": str(nats.replicas),
        **_blob_settings(data, environment, s3),
        "SIGHTWIRE_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "SIGHTWIRE_LOG_FORMAT": "json",
        "SIGHTWIRE_HOST": LOOPBACK,
        "PYTHONUNBUFFERED": "1",
    }
    gateway_url = f"http://{_reachable(host)}:{ports.gateway}"
    searchers = {numbered("searcher", number): of_one for number, of_one in enumerate(ports.searchers)}
    operations_urls = {
        "gateway": gateway_url,
        "embedder": f"http://{LOOPBACK}:{ports.embedder_operations}",
        "indexer": f"http://{LOOPBACK}:{ports.indexer_operations}",
        "orchestrator": f"http://{LOOPBACK}:{ports.orchestrator_operations}",
        **{name: f"http://{LOOPBACK}:{of_one.operations}" for name, of_one in searchers.items()},
    }
    addresses = {
        **{numbered("nats", number): launch.access.url for number, launch in enumerate(nats.servers)},
        **({"s3": s3.access.endpoint} if s3 is not None else {}),
        "gateway": gateway_url,
        "embedder": f"{LOOPBACK}:{ports.embedder}",
        **{name: f"{LOOPBACK}:{of_one.queries}" for name, of_one in searchers.items()},
    }
    own_settings: dict[str, dict[str, str]] = {
        "embedder": {
            "SIGHTWIRE_OPS_PORT": str(ports.embedder_operations),
            "SIGHTWIRE_EMBEDDER_PORT": str(ports.embedder),
            # Measured speeds belong to the machine, not to one platform's data.
            "SIGHTWIRE_EMBEDDER_CACHE_DIR": str(machine_cache(environment) / "embedder"),
            **({"SIGHTWIRE_MODEL_BUNDLE": str(bundle)} if bundle is not None else {}),
        },
        "indexer": {
            "SIGHTWIRE_OPS_PORT": str(ports.indexer_operations),
            "SIGHTWIRE_INDEXER_WORK_DIR": str(data.cache / "indexer"),
            "SIGHTWIRE_INDEXER_BACKUPS_URL": environment.get("SIGHTWIRE_INDEXER_BACKUPS_URL", str(data.backups)),
        },
        "orchestrator": {
            "SIGHTWIRE_OPS_PORT": str(ports.orchestrator_operations),
            "SIGHTWIRE_ORCHESTRATOR_EMBEDDER_ADDRESS": addresses["embedder"],
            "SIGHTWIRE_ORCHESTRATOR_PLATFORM_URL": gateway_url,
            **_orchestrator_defaults(data, environment),
        },
        **{
            name: {
                "SIGHTWIRE_OPS_PORT": str(of_one.operations),
                "SIGHTWIRE_SEARCHER_PORT": str(of_one.queries),
                # One name for all its lives: a killed searcher's announcement is then its successor's, and nobody
                # waits for one that will never come back.
                "SIGHTWIRE_SEARCHER_ID": f"local-{name}",
                "SIGHTWIRE_SEARCHER_CACHE_DIR": str(data.cache / name),
            }
            for name, of_one in searchers.items()
        },
        "gateway": {
            "SIGHTWIRE_GATEWAY_HOST": host,
            "SIGHTWIRE_GATEWAY_PORT": str(ports.gateway),
            "SIGHTWIRE_GATEWAY_EMBEDDER_ADDRESS": addresses["embedder"],
            "SIGHTWIRE_GATEWAY_SEARCHER_ADDRESS": ",".join(addresses[name] for name in searchers),
        },
    }

    def process(name: str, service: str | None = None) -> ProcessSpec:
        return ProcessSpec(
            name=name,
            command=(sys.executable, "-m", f"sightwire_{service or name}"),
            environment={**shared, **own_settings[name]},
            log_path=data.logs / f"{name}.log",
            is_ready=partial(answers_ready, operations_urls[name]),
            stop_seconds=_STOP_SECONDS,
        )

    def nats_server(name: str, launch: NatsLaunch) -> ProcessSpec:
        return ProcessSpec(
            name=name,
            command=launch.command,
            environment=environment,
            log_path=data.logs / f"{name}.log",
            is_ready=partial(nats_is_ready, launch.access),
        )

    bus = tuple(nats_server(numbered("nats", number), launch) for number, launch in enumerate(nats.servers))
    stores = () if s3 is None else (_s3_process(data, s3),)
    # The services start together: each waits by itself for what it needs. The order within the group is that of
    # stopping, backwards: the gateway first, then the orchestrator, whose tasks use all others, then along the way of
    # an item.
    services = (
        *(process(name, "searcher") for name in searchers),
        *(process(name) for name in ("indexer", "embedder", "orchestrator", "gateway")),
    )
    return LocalPlatform(
        start_groups=((*bus, *stores), services),
        gateway_url=gateway_url,
        operations_urls=operations_urls,
        addresses=addresses,
    )


def numbered(name: str, number: int) -> str:
    """Name of one of several processes, counted from 0: `searcher`, `searcher-2`, `searcher-3` …"""
    return name if number == 0 else f"{name}-{number + 1}"


def machine_cache(environment: Mapping[str, str]) -> Path:
    """The user's folder for what can be made again on this machine (XDG base directories)."""
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sightwire"


def _blob_settings(data: DataDirectory, environment: Mapping[str, str], s3: S3Launch | None) -> dict[str, str]:
    if s3 is None:
        return {"SIGHTWIRE_BLOBS_URL": environment.get("SIGHTWIRE_BLOBS_URL", str(data.blobs))}
    return {**s3.access.environment, "SIGHTWIRE_BLOBS_URL": s3.access.url}


def _s3_process(data: DataDirectory, launch: S3Launch) -> ProcessSpec:
    return ProcessSpec(
        name="s3",
        command=launch.command,
        environment=launch.environment,
        log_path=data.logs / "s3.log",
        is_ready=partial(s3_is_ready, launch.access),
    )


def _orchestrator_defaults(data: DataDirectory, environment: Mapping[str, str]) -> dict[str, str]:
    """What the user may have decided otherwise: another database, and a key of its own for the gateway."""
    settings = {"SIGHTWIRE_ORCHESTRATOR_DATABASE_URL": f"sqlite:///{data.orchestrator}/orchestrator.db"}
    if ADMIN_KEY_VARIABLE in environment:
        settings["SIGHTWIRE_ORCHESTRATOR_PLATFORM_API_KEY"] = environment[ADMIN_KEY_VARIABLE]
    return {name: environment.get(name, default) for name, default in settings.items()}


def _reachable(host: str) -> str:
    """An address at which this machine reaches a server bound to `host`."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104  compared, not bound
        return LOOPBACK
    return f"[{host}]" if ":" in host else host
