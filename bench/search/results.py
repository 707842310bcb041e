"""What a comparison measured, as JSON: tables and plots are drawn from it, and drawn again."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

#: What an engine is: the limit that others are held against, a library in the asking process, or a process of its own.
Kind = Literal["limit", "library", "server"]


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Machine(_Stored):
    """The machine at one moment."""

    at: datetime
    #: Over the last minute: processes that ran or waited for a core.
    load_average: float

    @classmethod
    def now(cls) -> "Machine":
        return cls(at=datetime.now(UTC), load_average=os.getloadavg()[0])


class LoopResult(_Stored):
    """Medians over the rounds of a closed loop."""

    #: Share of vectors that the filter lets through, in per cent.
    percent: int
    effort: int
    recall: float
    clients: int
    queries_per_second: float
    p50_ms: float
    p99_ms: float


class EngineResult(_Stored):
    """One engine over one set of vectors. Without `loops` it could not be measured, and `failure` says why."""

    engine: str
    label: str
    kind: Kind
    vectors: int
    dimension: int
    before: Machine
    after: Machine
    loops: tuple[LoopResult, ...] = ()
    #: None where the index is another engine's.
    build_seconds: float | None = None
    #: Vectors a second, from the first handed over until all can be found; None where nothing can be inserted.
    inserts_per_second: float | None = None
    #: Of the process that answers.
    resident_bytes: int | None = None
    #: Unfiltered, by as many queries at once as the engine takes: a batch, or `FLOOD_CLIENTS` clients.
    flood_queries_per_second: float | None = None
    failure: str | None = None

    def loop(self, percent: int, clients: int) -> LoopResult | None:
        """The loop with this filter and so many clients."""
        return next((loop for loop in self.loops if (loop.percent, loop.clients) == (percent, clients)), None)


class MergeCost(_Stored):
    """What keeping the index merged took while so many items came in."""

    items: int
    merge_cpu_seconds: float
    #: From the first item sent until nothing was left to merge.
    seconds: float
    segments: int
    before: Machine

    @property
    def milliseconds_per_item(self) -> float:
        return 1e3 * self.merge_cpu_seconds / self.items


class Comparison(_Stored):
    """All that one run measured."""

    #: What the vectors are.
    task: str
    machine: str
    quick: bool
    engines: tuple[EngineResult, ...]
    merges: tuple[MergeCost, ...] = ()

    @classmethod
    def read(cls, path: Path) -> "Comparison":
        return cls.model_validate_json(path.read_text(encoding="utf-8"))

    def write(self, path: Path) -> None:
        path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    def sizes(self) -> list[int]:
        """Numbers of vectors, ascending."""
        return sorted({result.vectors for result in self.engines})

    def of_size(self, vectors: int) -> list[EngineResult]:
        """The engines measured over so many vectors, in the order in which they were."""
        return [result for result in self.engines if result.vectors == vectors]
