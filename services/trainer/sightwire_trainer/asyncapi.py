"""Describes what the trainer consumes and publishes."""

from faststream.nats import JStream, NatsBroker

from sightwire.bus.asyncapi import asyncapi_document
from sightwire.contracts import subjects
from sightwire.contracts.streams import TRAINING
from sightwire.contracts.training import CancelTraining, TrainingCompleted, TrainingProgress, TrainingRequested


def describe() -> bytes:
    """The AsyncAPI document, as JSON.

    The broker here never connects: `jobs.consumer` pulls requests, and FastStream only knows how to describe it.
    """
    broker = NatsBroker()
    broker.subscriber(
        subjects.TRAINING_REQUESTED,
        stream=JStream(TRAINING.name, declare=False),
        title="training-requested",
        description="A model to be trained. Acknowledged when the run has ended; asked for again it goes on.",
    )(_requested)
    broker.publisher(
        subjects.training_progress("*"),
        schema=TrainingProgress,
        title="training-progress",
        description="How far a run is, about once a second and after each evaluation.",
    )
    broker.publisher(
        subjects.TRAINING_COMPLETED,
        schema=TrainingCompleted,
        title="training-completed",
        description="A run has ended: completed, cancelled or failed.",
    )
    broker.subscriber(
        subjects.control_training("*"),
        title="control-training",
        description="Asks the trainer that carries the run out, which answers with a ControlReply on the reply "
        "subject. Without one the request is carried out as well.",
    )(_control_request)
    return asyncapi_document(broker, title="Sightwire trainer", description="Trains models and makes bundles of them.")


async def _requested(request: TrainingRequested) -> None:
    """Stands for the message's payload in the document."""


async def _control_request(request: CancelTraining) -> None:
    """Stands for the request in the document."""
