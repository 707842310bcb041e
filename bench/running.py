"""The platform for benchmarks: real processes with the shipped defaults, but without the cache of answers, which would
answer queries that are repeated; a folder of its own, and who used the CPU.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sightwire.bus.connection import Bus
from sightwire.platform.ports import find_free_port
from sightwire.platform.running_platform import PlatformOptions, RunningPlatform, run_platform
from sightwire.settings import SharedSettings
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc

PROCESSES = ("nats", "gateway", "embedder", "indexer", "searcher", "orchestrator")
PROCESSES_AND_BENCHMARK = (*PROCESSES, "benchmark")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_LOAD_SECONDS = 300.0


@asynccontextmanager
async def platform_without_demo(
    *, searchers: int = 1, environment: Mapping[str, str] | None = None
) -> AsyncIterator[RunningPlatform]:
    """`sightwire up --no-demo --searchers N` in a temporary folder; every query is searched for.

    `environment` has settings of one benchmark alone.
    """
    with tempfile.TemporaryDirectory(prefix="sightwire-bench-") as folder:
        options = PlatformOptions(
            data_directory=Path(folder),
            port=find_free_port(),
            searchers=searchers,
            environment={"SIGHTWIRE_GATEWAY_QUERY_CACHE_BYTES": "0", **(environment or {})},
        )
        async with run_platform(options) as platform:
            yield platform


@asynccontextmanager
async def bus_of(platform: RunningPlatform) -> AsyncIterator[Bus]:
    """A publisher's connection to the platform's bus."""
    access = platform.nats
    settings = SharedSettings.model_validate(
        {"nats_url": access.url, "nats_user": access.user, "nats_password": access.password}
    )
    async with Bus(settings, name="bench") as bus:
        yield bus


@dataclass(frozen=True, slots=True)
class RunningSearcher:
    """Where the platform's searcher answers gRPC, and which process it is."""

    address: str
    process_id: int


def searchers_of(platform: RunningPlatform) -> list[RunningSearcher]:
    """The platform's searchers."""
    return [
        RunningSearcher(process.address, process.pid)
        for process in platform.info().processes
        if process.name.startswith("searcher") and process.address is not None and process.pid is not None
    ]


def searcher_of(platform: RunningPlatform) -> RunningSearcher:
    """The platform's only searcher."""
    (searcher,) = searchers_of(platform)
    return searcher


async def wait_until_loaded(stub: "searcher_pb2_grpc.SearcherAsyncStub", collection: str, items: int) -> None:
    """Returns when the searcher answers from so many items.

    Raises:
        TimeoutError: it does not within five minutes.
    """
    request = searcher_pb2.DescribeCollectionRequest(collection=collection)
    async with asyncio.timeout(_LOAD_SECONDS):
        # As a client would see it, by asking.
        while (await stub.DescribeCollection(request)).items < items:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@dataclass(frozen=True, slots=True)
class CpuSeconds:
    """CPU time that each process of the platform, with its children, and this process have used so far."""

    by_name: Mapping[str, float]

    @classmethod
    def now(cls, platform: RunningPlatform) -> "CpuSeconds":
        children = _children()
        used = {}
        for name in PROCESSES:
            process_id = platform.process(name).process_id
            used[name] = _seconds(process_id, children) if process_id is not None else 0.0
        used["benchmark"] = _seconds(os.getpid(), {})
        return cls(used)

    def since(self, before: "CpuSeconds") -> dict[str, float]:
        """What was used since `before`, by name."""
        return {name: seconds - before.by_name[name] for name, seconds in self.by_name.items()}


def cpu_seconds_of(process_id: int) -> float:
    """CPU time that a process and its descendants have used so far."""
    return _seconds(process_id, _children())


def cpu_seconds_of_children(process_id: int) -> float:
    """CPU time that the descendants of a process have used so far, those that have ended included."""
    fields = _stat(process_id)
    ended = sum(map(int, fields[13:15])) / _TICKS_PER_SECOND if fields is not None else 0.0
    children = _children()
    return ended + sum(_seconds(child, children) for child in children.get(process_id, []))


def children_of(process_id: int) -> list[int]:
    """Process ids of those that a process has started and that run."""
    return _children().get(process_id, [])


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    return children


def _seconds(process_id: int, children: Mapping[int, list[int]]) -> float:
    fields = _stat(process_id)
    # User and system time, its own and that of its children that have ended.
    own = sum(map(int, fields[11:15])) / _TICKS_PER_SECOND if fields is not None else 0.0
    return own + sum(_seconds(child, children) for child in children.get(process_id, []))


def _stat(process_id: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; the name before it may hold anything."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
