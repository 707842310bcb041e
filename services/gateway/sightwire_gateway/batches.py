"""Batches of items: each item is accepted or refused on its own, and many go on the bus together."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from pydantic import ValidationError

from sightwire.contracts.collections import CollectionRecord
from sightwire.errors import SightwireError, TooLargeError, UnavailableError
from sightwire_gateway import metrics
from sightwire_gateway.ingest import Ingest
from sightwire_gateway.item_requests import ItemRequest
from sightwire_gateway.problems import invalid_request, problem_members

#: Items that are checked and published together.
CHUNK_ITEMS: Final = 256


@dataclass(slots=True)
class BatchOutcome:
    """What became of each item so far, as answers show it."""

    accepted: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, index: int, item_id: str | None, error: SightwireError) -> None:
        metrics.ITEMS_REFUSED.labels(error.code).inc()
        named = {"id": item_id} if item_id is not None else {}
        self.failed.append({"index": index, **named, "problem": problem_members(error)})


class BatchIngest:
    """Takes the items of one batch in chunks."""

    def __init__(self, ingest: Ingest, record: CollectionRecord) -> None:
        self._ingest = ingest
        self._record = record
        self._next_index = 0
        self.outcome = BatchOutcome()

    async def take(self, documents: Iterable[bytes | dict[str, Any]]) -> None:
        """Checks some items, as JSON or decoded, and publishes the good ones together."""
        requests: list[tuple[int, ItemRequest]] = []
        for document in documents:
            index = self._next_index
            self._next_index += 1
            try:
                requests.append((index, _item_request(document)))
            except ValidationError as error:
                self.outcome.refuse(index, _id_in(document), invalid_request(error))
        prepared = await self._ingest.prepare_all(self._record, [request for _, request in requests])
        events = []
        for (index, request), event in zip(requests, prepared, strict=True):
            if isinstance(event, SightwireError):
                self.outcome.refuse(index, request.id, event)
            else:
                events.append((index, event))
        if not events:
            return
        try:
            accepted = await self._ingest.put_all(self._record, [event for _, event in events])
        except UnavailableError as error:
            for index, event in events:
                self.outcome.refuse(index, event.id, error)
            return
        self.outcome.accepted += [
            {"index": index, "id": item.id, "version": item.version}
            for (index, _), item in zip(events, accepted, strict=True)
        ]


async def lines_of(chunks: AsyncIterator[bytes], *, max_line_bytes: int) -> AsyncIterator[bytes]:
    """The lines of a body, without blank ones.

    Raises:
        TooLargeError: a line longer than `max_line_bytes`.
    """
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        *complete, rest = waiting.split(b"\n")
        waiting = rest
        for line in complete:
            if stripped := bytes(line).strip():
                yield stripped
        if len(waiting) > max_line_bytes:
            raise TooLargeError(f"a line may have {max_line_bytes} bytes, got more")
    if stripped := bytes(waiting).strip():
        yield stripped


def _item_request(document: bytes | dict[str, Any]) -> ItemRequest:
    if isinstance(document, bytes):
        return ItemRequest.model_validate_json(document)
    return ItemRequest.model_validate(document)


def _id_in(document: bytes | dict[str, Any]) -> str | None:
    """The id that a refused item names, if it can be read."""
    try:
        decoded = orjson.loads(document) if isinstance(document, bytes) else document
    except orjson.JSONDecodeError:
        return None
    item_id = decoded.get("id") if isinstance(decoded, dict) else None
    return item_id if isinstance(item_id, str) else None
