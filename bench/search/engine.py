"""What every engine in the comparison offers: an index of the task's vectors, and answers to its queries."""

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

from bench.report import Percentiles
from bench.search.task import Matrix, Rows

#: Clients of an engine that takes no batches, where as many queries as possible are wanted.
FLOOD_CLIENTS: Final = 64


class Rate:
    """What a closed loop saw."""

    def __init__(self, clients: int, durations: Sequence[float], elapsed: float) -> None:
        self.clients = clients
        self.queries_per_second = len(durations) / elapsed
        self.latency = Percentiles.of(durations)


class Clients(Protocol):
    """Clients of one engine that ask with one effort and one filter."""

    async def answers(self, numbers: Sequence[int]) -> list[Sequence[int]]:
        """The rows found for each of these queries."""
        ...

    async def loop(self, clients: int, *, queries: int, seconds: float) -> Rate:
        """A closed loop: each client sends its next query when its last one is answered, going round the queries."""
        ...

    async def flood(self, *, queries: int, seconds: float) -> float:
        """Queries a second, as many at once as the engine takes: large batches, or `FLOOD_CLIENTS` clients."""
        ...


class Engine(Protocol):
    """An engine that holds the task's vectors."""

    @property
    def build_seconds(self) -> float:
        """From the first vector handed over until the index that answers is complete; 0 if it is another engine's."""
        ...

    async def asking(self, *, effort: int, percent: int) -> Clients:
        """Clients that ask with an effort (`ef`), of all vectors or of those whose bucket is below `percent`."""
        ...

    def resident_bytes(self) -> int:
        """Memory of the process that answers."""
        ...


@runtime_checkable
class TakesInserts(Protocol):
    """An engine whose finished index takes more vectors."""

    async def insert(self, vectors: Matrix, buckets: Rows) -> None:
        """Adds vectors, with ids that follow those of the task; returns when all of them can be found."""
        ...
