"""Describes what the indexer consumes and publishes."""

from faststream.nats import JStream, NatsBroker

from sightwire.bus.asyncapi import asyncapi_document
from sightwire.contracts import subjects
from sightwire.contracts.events import IndexFailed, IndexReady
from sightwire.contracts.streams import EMBEDDED


def describe() -> bytes:
    """The AsyncAPI document, as JSON.

    The broker here never connects: the log is read by `log_reader`, and FastStream only knows how to describe it.
    """
    broker = NatsBroker()
    broker.subscriber(
        subjects.EMBEDDED_ALL,
        stream=JStream(EMBEDDED.name, declare=False),
        title="embedded",
        description="Embedded items of one collection and space: protobuf message sightwire.v1.EmbeddedBatch. Read in "
        "order from the checkpoint of each collection's manifest.",
    )(_embedded)
    broker.publisher(
        subjects.index_ready("*"),
        schema=IndexReady,
        title="index-ready",
        description="A manifest is committed and can be loaded.",
    )
    broker.publisher(
        subjects.index_failed("*"),
        schema=IndexFailed,
        title="index-failed",
        description="A collection was stopped rather than skip or corrupt items.",
    )
    return asyncapi_document(
        broker, title="Sightwire indexer", description="Turns embedded items into the segments that searchers load."
    )


async def _embedded(batch: bytes) -> None:
    """Stands for the message's payload in the document."""
