"""The platform of one data directory, from its start to its end."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sightwire import __version__
from sightwire.platform.data_directory import DataDirectory, PlatformInfo, ProcessInfo
from sightwire.platform.errors import PlatformError
from sightwire.platform.local_platform import ADMIN_KEY_VARIABLE, LocalPlatform, ServicePorts, plan_local_platform
from sightwire.platform.nats_cluster import prepare_nats_servers
from sightwire.platform.nats_configuration import NatsAccess
from sightwire.platform.ports import port_is_free
from sightwire.platform.s3_server import prepare_s3_server
from sightwire.platform.supervised_process import ProcessEvent, SupervisedProcess
from sightwire.platform.supervisor import Supervisor
from sightwire.security.keys import require_key_unless_loopback

START_SECONDS = 60.0
#: As `PlatformOptions.blobs`.
OWN_S3_SERVER = "s3"


@dataclass(frozen=True)
class PlatformOptions:
    """What a user decides about a platform on one machine."""

    data_directory: Path
    host: str = "127.0.0.1"
    port: int = 8200
    #: Folder of the model bundle; None for the default one.
    bundle: Path | None = None
    #: Processes that answer queries, in turns. Each has an interpreter of its own, and so a core.
    searchers: int = 1
    #: 1, or 3 and more that form a cluster.
    nats_servers: int = 1
    #: Blob store: `s3` for a server of the platform's own, else a folder or s3://bucket/prefix; None: as the setting
    #: SIGHTWIRE_BLOBS_URL says, else a folder of the data directory.
    blobs: str | None = None
    #: Settings for every process, over those of this process's environment.
    environment: Mapping[str, str] = field(default_factory=dict)


class RunningPlatform:
    """All processes of a platform, ready; made by `run_platform`."""

    def __init__(
        self, data: DataDirectory, plan: LocalPlatform, nats: NatsAccess, supervisor: Supervisor, started_at: datetime
    ) -> None:
        self.data = data
        self.gateway_url = plan.gateway_url
        self.nats = nats
        self._plan = plan
        self._supervisor = supervisor
        self._started_at = started_at

    def process(self, name: str) -> SupervisedProcess:
        """A supervised process: `gateway`, `orchestrator`, `embedder`, `indexer`, `searcher`, `searcher-2`, `nats` …"""
        return next(process for process in self._supervisor.processes if process.spec.name == name)

    def info(self) -> PlatformInfo:
        """Addresses and process ids as they are now."""
        return PlatformInfo(
            version=__version__,
            supervisor_pid=os.getpid(),
            started_at=self._started_at.isoformat(),
            data_directory=str(self.data.path),
            gateway_url=self.gateway_url,
            nats_url=self.nats.url,
            processes=tuple(
                ProcessInfo(
                    name=process.spec.name,
                    pid=process.process_id,
                    state=process.state.value,
                    restarts=process.restarts,
                    operations_url=self._plan.operations_urls.get(process.spec.name),
                    address=self._plan.addresses.get(process.spec.name),
                    log=str(process.spec.log_path),
                )
                for process in self._supervisor.processes
            ),
        )

    async def wait_until_failure(self) -> None:
        """Run until a process fails for good, which is raised as PlatformError."""
        await self._supervisor.wait_until_failure()


@asynccontextmanager
async def run_platform(
    options: PlatformOptions, *, on_event: Callable[[ProcessEvent], None] = lambda _event: None
) -> AsyncIterator[RunningPlatform]:
    """Start the platform, yield it once every process is ready, and stop it in order at the end.

    Raises PlatformError when the data directory is in use, the port is taken, or a process does not become ready, and
    ConfigurationError when the gateway would be open to other machines without a key.
    """
    environment = {**os.environ, **options.environment}
    if options.blobs is not None:
        environment["SIGHTWIRE_BLOBS_URL"] = options.blobs
    require_key_unless_loopback(options.host, environment.get(ADMIN_KEY_VARIABLE))
    data = DataDirectory(options.data_directory)
    data.lock()
    try:
        if not port_is_free(options.host, options.port):
            raise PlatformError(
                f"something already listens on {options.host}:{options.port}; "
                f"stop it, or choose another port for the gateway with --port"
            )
        nats = prepare_nats_servers(data.path, options.nats_servers)
        plan = plan_local_platform(
            data=data,
            nats=nats,
            ports=ServicePorts.with_free_ports(options.port, searchers=options.searchers),
            host=options.host,
            bundle=options.bundle,
            environment=environment,
            s3=prepare_s3_server(data.path) if options.blobs == OWN_S3_SERVER else None,
        )
        changed = asyncio.Event()

        def note_event(event: ProcessEvent) -> None:
            changed.set()
            on_event(event)

        supervisor = Supervisor(plan.start_groups, on_event=note_event)
        platform = RunningPlatform(data, plan, nats.access, supervisor, datetime.now(UTC))
        publishing = asyncio.create_task(_keep_info_current(platform, changed), name="publish platform.json")
        try:
            await supervisor.start(deadline=START_SECONDS)
            data.write_info(platform.info())
            yield platform
        finally:
            await supervisor.stop()
            publishing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await publishing
            data.remove_info()
    finally:
        data.unlock()


async def _keep_info_current(platform: RunningPlatform, changed: asyncio.Event) -> None:
    while True:
        await changed.wait()
        changed.clear()
        platform.data.write_info(platform.info())
