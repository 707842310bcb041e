"""One event as the bus delivered it: unread bytes, and the means to answer for it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from nats.aio.msg import Msg
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from sightwire.contracts.events import IngestEvent
from sightwire.contracts.names import COLLECTION_NAME_PATTERN, ITEM_ID_PATTERN
from sightwire.errors import InvalidInputError

_SHOWN_PROBLEMS = 5


class Acknowledger(Protocol):
    """What a message can be told; nats-py's `Msg` is one."""

    async def ack(self) -> None: ...

    async def nak(self, delay: int | float | None = None) -> None: ...

    async def in_progress(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class IngestDelivery:
    """A delivered message of INGEST or REEMBED, or one of the events in it."""

    subject: str
    payload: bytes
    headers: Mapping[str, str]
    #: Sequence in its stream; in INGEST it is the item's version.
    sequence: int
    #: How often it was delivered, this time included.
    deliveries: int
    message: Acknowledger
    #: Among the events that came in one message; None for one that came alone.
    position: int | None = None

    @classmethod
    def from_message(cls, message: Msg) -> "IngestDelivery":
        """Reads only what the bus added; the payload stays bytes."""
        metadata = message.metadata
        return cls(
            subject=message.subject,
            payload=message.data,
            headers=message.headers or {},
            sequence=metadata.sequence.stream,
            deliveries=metadata.num_delivered or 1,
            message=message,
        )

    @property
    def collection(self) -> str:
        """The collection that the subject names."""
        return self.subject.partition(".")[2]


class DeliveredBatch(list[IngestDelivery]):
    """Deliveries that came together. Documents what publishers send, each as a message of its own: an `IngestEvent`.

    The gateway packs events that need no model; see `sightwire.contracts.ingest_batches`.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.is_instance_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(IngestEvent.__pydantic_core_schema__)


class DeliveredReembedBatches(DeliveredBatch):
    """Deliveries that came together. Documents what publishers send: a protobuf `ReembedBatch` in each message."""

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "array", "items": handler(core_schema.bytes_schema())}


def parse_event(payload: bytes) -> IngestEvent:
    """The event in a message's payload. Raises `InvalidInputError` naming what is wrong with it."""
    try:
        return IngestEvent.model_validate_json(payload)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in problem['loc']) or 'event'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)[:_SHOWN_PROBLEMS]
        ]
        raise InvalidInputError(f"the ingest event is malformed: {'; '.join(problems)}") from None


def readable_id(payload: bytes, collection: str) -> str | None:
    """The item's id if it can be read from an event that may be malformed, None if no status can be kept for it."""
    if not re.fullmatch(COLLECTION_NAME_PATTERN, collection):
        return None
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    item_id = document.get("id") if isinstance(document, dict) else None
    return item_id if isinstance(item_id, str) and re.fullmatch(ITEM_ID_PATTERN, item_id) else None
