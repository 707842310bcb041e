"""How long a failed unit waits for its next attempt."""

import hashlib
from datetime import timedelta
from typing import assert_never

from sightwire.contracts.pipelines import Backoff, RetryPolicy


def wait_before_retry(policy: RetryPolicy, failures: int, seed: str) -> timedelta:
    """The wait after so many failures, at most the policy's longest one; jitter only shortens it.

    Args:
        policy: the task's.
        failures: at least 1.
        seed: waits of the same seed are the same; of different ones they are spread.
    """
    full = min(_growing(policy, failures), policy.max_delay)
    return timedelta(seconds=full * (1 - policy.jitter * _share(seed)))


def _growing(policy: RetryPolicy, failures: int) -> float:
    match policy.backoff:
        case Backoff.FIXED:
            return policy.initial_delay
        case Backoff.LINEAR:
            return policy.initial_delay * failures
        case Backoff.EXPONENTIAL:
            return policy.initial_delay * 2.0 ** (failures - 1)
        case _:
            assert_never(policy.backoff)


def _share(seed: str) -> float:
    """From 0 to 1, evenly spread over seeds."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") / 2**64
