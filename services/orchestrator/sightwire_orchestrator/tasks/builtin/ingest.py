"""`ingest`: items into a collection."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import Field, JsonValue

from sightwire.client import ItemStatus
from sightwire.contracts.names import CollectionName
from sightwire_orchestrator.tasks.builtin.parameters import TaskParameters
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.errors import OperationFailedError
from sightwire_orchestrator.tasks.registry import handler

_ITEMS_A_REQUEST: Final = 200
_NAMED_FAILURES: Final = 5


class IngestParameters(TaskParameters):
    """Which items, and what to do about those that fail."""

    collection: CollectionName
    items: list[dict[str, JsonValue]] = Field(
        min_length=1,
        max_length=100_000,
        description="As the API takes them: id, text, image, tags, metadata, vectors …",
    )
    wait: bool = Field(default=True, description="Until each is searchable or has failed")
    on_failure: Literal["fail", "report"] = "fail"


@handler("ingest")
async def ingest(context: TaskContext, parameters: IngestParameters) -> JsonValue:
    """Put items: {collection, ids, failed: [{id, reason}]}.

    Items without an id get one that is the same in each attempt.
    """
    items = [item_with_id(item, context.identity, number) for number, item in enumerate(parameters.items)]
    versions, failed = await _put(context, parameters.collection, items)
    if parameters.wait:
        failed |= await _failed_later(context, parameters.collection, versions)
    if failed and parameters.on_failure == "fail":
        named = "; ".join(f"{item}: {reason}" for item, reason in list(failed.items())[:_NAMED_FAILURES])
        raise OperationFailedError(f"{len(failed)} of {len(items)} items were not ingested: {named}")
    return {
        "collection": parameters.collection,
        "ids": [item for item in versions if item not in failed],
        "failed": [{"id": item, "reason": reason} for item, reason in failed.items()],
    }


def item_with_id(item: Mapping[str, JsonValue], identity: str, number: int) -> dict[str, JsonValue]:
    """An item, named by its task and place if it has no name: put again it replaces itself."""
    if item.get("id") is not None:
        return dict(item)
    return {**item, "id": hashlib.sha256(f"{identity}:{number}".encode()).hexdigest()[:32]}


async def _put(
    context: TaskContext, collection: str, items: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, int | None], dict[str, str]]:
    """Versions of items that were accepted, and why others were not; by id."""
    versions: dict[str, int | None] = {}
    refused: dict[str, str] = {}
    for start in range(0, len(items), _ITEMS_A_REQUEST):
        context.progress("sending", done=start, total=len(items), unit="items")
        part = items[start : start + _ITEMS_A_REQUEST]
        answer = await context.resources.platform.items.put_many(collection, part)
        versions |= {accepted.id: accepted.version for accepted in answer.accepted}
        refused |= {str(part[failed.index]["id"]): failed.reason for failed in answer.failed}
    return versions, refused


async def _failed_later(context: TaskContext, collection: str, versions: Mapping[str, int | None]) -> dict[str, str]:
    """Why items failed after they had been accepted; returns when none is under way."""
    failed: dict[str, str] = {}
    for done, item in enumerate(versions):
        context.progress("waiting until searchable", done=done, total=len(versions), unit="items")
        status = await _final_status(context, collection, item)
        if status.state == "failed":
            failed[item] = status.reason or "no reason is known"
    return failed


async def _final_status(context: TaskContext, collection: str, item: str) -> ItemStatus:
    return await context.resources.platform.items.wait(collection, item, timeout=max(context.seconds_left, 0.0))
