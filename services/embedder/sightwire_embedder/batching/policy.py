"""How large a batch may be and whether to wait for one, decided from measured latencies alone."""

from collections.abc import Mapping
from dataclasses import dataclass

#: A smaller batch is preferred while its throughput is within this share of the best: it answers sooner and holds
#: queries up for a shorter time.
THROUGHPUT_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """What a batcher obeys."""

    #: Largest batch, in units of cost: requests, or tokens after padding.
    budget: int
    #: How long a lone request waits for company when a worker is free; 0 wherever a batch of two costs about twice one.
    wait_seconds: float = 0.0


def policy_from_latencies(
    latencies: Mapping[int, float], *, unit_cost: int = 1, max_call_seconds: float = 0.1
) -> BatchPolicy:
    """The policy for a model that takes `latencies[size]` seconds for a batch of `size` requests of `unit_cost` each.

    Calls longer than `max_call_seconds` are avoided, since a running call cannot be interrupted for a query.
    """
    if 1 not in latencies:
        raise ValueError(f"expected a latency for batches of 1, got sizes {sorted(latencies)}")
    return BatchPolicy(
        budget=_best_size(latencies, max_call_seconds) * unit_cost, wait_seconds=_worthwhile_wait(latencies)
    )


def _best_size(latencies: Mapping[int, float], max_call_seconds: float) -> int:
    quick_enough = {size: seconds for size, seconds in latencies.items() if seconds <= max_call_seconds or size == 1}
    best_throughput = max(size / seconds for size, seconds in quick_enough.items())
    return min(
        size for size, seconds in quick_enough.items() if size / seconds >= (1 - THROUGHPUT_TOLERANCE) * best_throughput
    )


def _worthwhile_wait(latencies: Mapping[int, float]) -> float:
    """The longest wait for a second request that lowers the mean latency of both.

    Served at once, the first request takes L1 and the second, d later, waits for it: 3 * L1 - d in sum. Waiting for the
    second costs d + 2 * L2. So waiting pays while d < (3 * L1 - 2 * L2) / 2: never on a CPU, where L2 is about
    2 * L1, and up to half a call on a GPU, where L2 is about L1.
    """
    if 2 not in latencies:
        return 0.0
    return max(0.0, (3 * latencies[1] - 2 * latencies[2]) / 2)
