"""Settings of the searcher: `SIGHTWIRE_SEARCHER_*`, next to the shared `SIGHTWIRE_*`."""

import os
from pathlib import Path

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from sightwire.settings import RELOADABLE, Port, SharedSettings

_MEBIBYTE = 1024 * 1024


class SearcherSettings(SharedSettings):
    """Where the searcher answers, what it keeps in memory, and how much it does at once."""

    searcher_id: str | None = Field(
        default=None, description="Name in the registry of searchers; none: host name, port and a random part"
    )
    searcher_port: Port = Field(default=8203, description="gRPC port; 0 for any free one")
    searcher_advertised_address: str | None = Field(
        default=None, description="Address by which indexers reach the searcher; none: the one that it binds to"
    )
    searcher_cache_dir: Path = Field(
        default=Path("data/searcher"), description="Folder of this searcher alone for segments of a remote blob store"
    )
    searcher_cache_bytes: PositiveInt | None = Field(
        default=None,
        description="What may lie in that folder: twice what the indexes take; none: as much as its disk holds",
    )
    searcher_threads: PositiveInt = Field(
        default_factory=lambda: 2 * (os.cpu_count() or 1),
        description="Threads that answer calls, each by itself; default: two per core",
    )
    searcher_max_queued: PositiveInt = Field(
        default=1024, description="Calls that may wait for a thread; more are refused as overload"
    )
    searcher_filter_cache_bytes: PositiveInt = Field(
        default=256 * _MEBIBYTE,
        description="Memory for evaluated filters, and for copies of the vectors that they select",
        json_schema_extra=RELOADABLE,
    )
    searcher_kept_snapshots: PositiveInt = Field(
        default=32,
        description="Older manifest versions of a collection that paging may go on with",
        json_schema_extra=RELOADABLE,
    )
    searcher_keep_seconds: PositiveFloat = Field(
        default=300.0, description="How long an older manifest version is kept for paging", json_schema_extra=RELOADABLE
    )
    searcher_gpu_bytes: NonNegativeInt = Field(
        default=0,
        description="Memory of a GPU for copies of vectors, which it then searches exactly; 0: none",
    )
    searcher_verify_checksums: bool = Field(
        default=True, description="Read and check every byte of a segment before serving it"
    )
