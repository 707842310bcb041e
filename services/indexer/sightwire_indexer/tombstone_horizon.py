"""Up to which version no older event of any item can still arrive, so that its deletion may be forgotten. Pure."""

import math
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Observation:
    time: float
    #: Every ingest event below this sequence had left INGEST: its result is in EMBEDDED.
    first_waiting_version: int
    #: Collections for which something waited in REEMBED, read afterwards; it may be of any version.
    reembedding: frozenset[str]
    #: Last sequence of EMBEDDED, read at last.
    embedded_sequence: int


class TombstoneHorizon:
    """Remembers what was in the streams and when.

    An embedder that was slow can publish the result of an event that another one finished long ago; `grace_seconds` is
    how late that can be.
    """

    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._observations: deque[_Observation] = deque()
        self._settled: _Observation | None = None

    def observe(
        self,
        time: float,
        *,
        first_waiting_version: int,
        embedded_sequence: int,
        reembedding: frozenset[str] = frozenset(),
    ) -> None:
        """Adds what was seen at `time`, in seconds on any steadily growing clock.

        Args:
            first_waiting_version: first sequence that is still in INGEST; the next one to come if it is empty.
            embedded_sequence: last sequence of EMBEDDED, read after the others.
            reembedding: collections for which something waits in REEMBED, read after the first.
        """
        self._observations.append(_Observation(time, first_waiting_version, reembedding, embedded_sequence))
        while self._observations and self._observations[0].time <= time - self._grace_seconds:
            self._settled = self._observations.popleft()

    def safe_version(self, collection: str, checkpoint_sequence: int, *, alone_since: float | None = -math.inf) -> int:
        """Version up to which an index at this checkpoint will meet no older event any more; 0 when none is known.

        Args:
            collection: of the index.
            alone_since: since when it is the only index with its items; None while it is not. Until then, items of any
                version may have been passed on to it from another one.
        """
        settled = self._settled
        if alone_since is None or settled is None or settled.time < alone_since:
            return 0
        if settled.embedded_sequence > checkpoint_sequence or collection in settled.reembedding:
            return 0
        return max(0, settled.first_waiting_version - 1)
