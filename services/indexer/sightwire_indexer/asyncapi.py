"""Describes what the indexer consumes and publishes."""

from faststream.nats import JStream, NatsBroker

from sightwire.bus.asyncapi import asyncapi_document
from sightwire.contracts import subjects
from sightwire.contracts.control import IndexersRequest, IndexRequest
from sightwire.contracts.events import IndexFailed, IndexReady
from sightwire.contracts.operations import OperationRecord
from sightwire.contracts.schedules import SchedulePaused
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
    broker.publisher(
        subjects.index_build("*"),
        schema=OperationRecord,
        title="index-build",
        description="An operation on an index began, came on, or ended.",
    )
    broker.publisher(
        subjects.index_schedule("*"),
        schema=SchedulePaused,
        title="index-schedule",
        description="A schedule failed too often and was paused.",
    )
    broker.subscriber(
        subjects.control_index("*"),
        title="control-index",
        description="Asks the indexer that owns a collection, which answers with a ControlReply on the reply subject. "
        "Without one the request is carried out as well.",
    )(_index_request)
    broker.subscriber(
        subjects.CONTROL_INDEXERS,
        title="control-indexers",
        description="Asks any one indexer, which answers with a ControlReply on the reply subject.",
    )(_indexers_request)
    return asyncapi_document(
        broker, title="Sightwire indexer", description="Turns embedded items into the segments that searchers load."
    )


async def _embedded(batch: bytes) -> None:
    """Stands for the message's payload in the document."""


async def _index_request(request: IndexRequest) -> None:
    """Stands for the request in the document."""


async def _indexers_request(request: IndexersRequest) -> None:
    """Stands for the request in the document."""
