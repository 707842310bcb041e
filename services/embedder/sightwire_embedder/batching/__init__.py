"""Measured dynamic batching: model calls merged across bus messages and gRPC calls, queries before ingest, and that
before re-embedding."""

from sightwire_embedder.batching.batcher import Answer, Batcher, BatchObserver, FinishedBatch
from sightwire_embedder.batching.policy import BatchPolicy, policy_from_latencies
from sightwire_embedder.batching.turns import ComputeTurns, Priority

__all__ = [
    "Answer",
    "BatchObserver",
    "BatchPolicy",
    "Batcher",
    "ComputeTurns",
    "FinishedBatch",
    "Priority",
    "policy_from_latencies",
]
