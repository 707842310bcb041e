"""The engines that can be compared, by name."""

import importlib
import importlib.metadata
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.search.engine import Engine
from bench.search.peers.installing import OPENSEARCH, PACKAGES, WEAVIATE, WEAVIATE_VERSION, Installable
from bench.search.peers.opensearch_home import VERSION as OPENSEARCH_VERSION
from bench.search.results import Kind
from bench.search.task import Task

OpenEngine = Callable[[Task, Path], AbstractAsyncContextManager[Engine]]


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """An engine of the catalogue. `opener` is `module:function`, since peers import only in their own environment."""

    name: str
    label: str
    kind: Kind
    opener: str
    #: The Python package whose version is the engine's, or the version.
    package: str | None = None
    version: str = ""
    #: What is installed for it beforehand; nothing for what the project has itself.
    needs: tuple[Installable, ...] = ()
    knows_filters: bool = True

    @property
    def is_peer(self) -> bool:
        """Whether it runs in the virtual environment of `requirements/bench-peers.in`."""
        return PACKAGES in self.needs

    def title(self) -> str:
        """Label and version, where the engine's packages are installed."""
        version = importlib.metadata.version(self.package) if self.package else self.version
        return f"{self.label} {version}".strip()

    def open(self, task: Task, folder: Path) -> AbstractAsyncContextManager[Engine]:
        """Builds the engine over a task, in an empty folder; ends it afterwards.

        Raises:
            ImportError: its packages are not in this virtual environment.
        """
        module, _, function = self.opener.partition(":")
        opener: OpenEngine = getattr(importlib.import_module(module), function)
        return opener(task, folder)


_OWN: Final = (
    EngineEntry(
        "faiss",
        "FAISS in-process",
        "limit",
        "bench.search.faiss_engines:raw_faiss",
        package="faiss-cpu",
    ),
    EngineEntry(
        "bare-grpc",
        "FAISS behind bare gRPC",
        "limit",
        "bench.search.faiss_engines:bare_grpc",
        knows_filters=False,
    ),
    EngineEntry("sightwire", "Sightwire", "server", "bench.search.sightwire_engine:sightwire_searcher"),
    EngineEntry("sightwire-two", "Sightwire, two searchers", "server", "bench.search.sightwire_engine:two_searchers"),
)
_PEERS: Final = "bench.search.peers"
_OTHERS: Final = (
    EngineEntry(
        "weaviate",
        "Weaviate",
        "server",
        f"{_PEERS}.weaviate_engine:weaviate_server",
        version=WEAVIATE_VERSION,
        needs=(PACKAGES, WEAVIATE),
    ),
    EngineEntry(
        "opensearch",
        "OpenSearch",
        "server",
        f"{_PEERS}.opensearch_engine:opensearch_server",
        version=OPENSEARCH_VERSION,
        needs=(PACKAGES, OPENSEARCH),
    ),
    EngineEntry(
        "qdrant-edge",
        "Qdrant Edge",
        "library",
        f"{_PEERS}.qdrant_engine:qdrant_edge",
        package="qdrant-edge-py",
        needs=(PACKAGES,),
    ),
    EngineEntry("chroma", "Chroma", "library", f"{_PEERS}.chroma_engine:chroma", package="chromadb", needs=(PACKAGES,)),
    EngineEntry(
        "lancedb", "LanceDB", "library", f"{_PEERS}.lancedb_engine:lancedb_table", package="lancedb", needs=(PACKAGES,)
    ),
    EngineEntry(
        "milvus-lite",
        "Milvus Lite",
        "library",
        f"{_PEERS}.milvus_engine:milvus_lite",
        package="milvus-lite",
        needs=(PACKAGES,),
    ),
)
ENGINES: Final = {entry.name: entry for entry in (*_OWN, *_OTHERS)}
