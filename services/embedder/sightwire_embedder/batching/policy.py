"""How large a batch may be and whether to wait for one, decided from measured latencies alone."""

from collections.abc import Mapping
from dataclasses import dataclass

from sightwire_embedder.batching.turns import Priority

#: Batches whose throughput is within this share of the best are taken for equally good.
THROUGHPUT_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """What a batcher obeys. Budgets are in units of cost: requests, or tokens after padding."""

    #: Largest batch of queries: the smallest good one, which answers soonest.
    query_budget: int
    #: Largest batch of all else: the largest good one, which spares everything around the call. It delays no query,
    #: since queries have a thread of their own.
    ingest_budget: int
    #: How long a lone request waits for company when a worker is free; 0 wherever a batch of two costs about twice one.
    wait_seconds: float = 0.0

    def budget(self, priority: Priority) -> int:
        """The largest batch of this priority."""
        return self.query_budget if priority is Priority.QUERY else self.ingest_budget


def policy_from_latencies(
    latencies: Mapping[int, float], *, unit_cost: int = 1, max_call_seconds: float = 0.1
) -> BatchPolicy:
    """The policy for a model that takes `latencies[size]` seconds for a batch of `size` requests of `unit_cost` each.

    Calls longer than `max_call_seconds` are avoided, since a running call cannot be interrupted.
    """
    if 1 not in latencies:
        raise ValueError(f"expected a latency for batches of 1, got sizes {sorted(latencies)}")
    sizes = _good_sizes(latencies, max_call_seconds)
    return BatchPolicy(min(sizes) * unit_cost, max(sizes) * unit_cost, _worthwhile_wait(latencies))


def _good_sizes(latencies: Mapping[int, float], max_call_seconds: float) -> list[int]:
    """Sizes that are quick enough and whose throughput is about the best of those."""
    throughputs = {
        size: size / seconds for size, seconds in latencies.items() if seconds <= max_call_seconds or size == 1
    }
    best = max(throughputs.values())
    return [size for size, throughput in throughputs.items() if throughput >= (1 - THROUGHPUT_TOLERANCE) * best]


def _worthwhile_wait(latencies: Mapping[int, float]) -> float:
    """The longest wait for a second request that lowers the mean latency of both.

    Served at once, the first request takes L1 and the second, d later, waits for it: 3 * L1 - d in sum. Waiting for the
    second costs d + 2 * L2. So waiting pays while d < (3 * L1 - 2 * L2) / 2: never on a CPU, where L2 is about
    2 * L1, and up to half a call on a GPU, where L2 is about L1.
    """
    if 2 not in latencies:
        return 0.0
    return max(0.0, (3 * latencies[1] - 2 * latencies[2]) / 2)
