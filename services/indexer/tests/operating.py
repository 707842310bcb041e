"""Asking an indexer for operations, and following them."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sightwire_indexer.operations.store import OperationStore

from services.indexer.tests.indexer_world import IndexerWorld, embedded_item
from sightwire.bus.control import ControlClient
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import IndexRequest, StartOperation
from sightwire.contracts.operations import Command, OperationRecord, OperationState
from sightwire.errors import UnavailableError
from tests.plugin.waiting import wait_until


async def ask(world: IndexerWorld, record: CollectionRecord, request: IndexRequest) -> Any:
    """The owner's answer, once there is an owner."""

    async def answer() -> tuple[Any]:
        with suppress(UnavailableError):
            return (await ControlClient(world.bus).ask_owner(record.name, request),)
        return ()

    (found,) = await wait_until(answer, 30, "an owner that answers")
    return found


async def start(world: IndexerWorld, record: CollectionRecord, command: Command) -> OperationRecord:
    """Begins an operation."""
    return OperationRecord.model_validate(await ask(world, record, StartOperation(command=command)))


async def reached(
    world: IndexerWorld, operation: OperationRecord, *, done: int = 0, attempts: int = 1, deadline: float = 120.0
) -> OperationRecord:
    """A running operation once it has done so much."""

    async def has_come_so_far() -> OperationRecord | None:
        record = await OperationStore(world.bus).get(operation.collection, operation.id)
        assert record.state is OperationState.RUNNING, record
        return record if record.progress.done >= done and record.attempts >= attempts else None

    return await wait_until(has_come_so_far, deadline, f"progress of {done}")


async def ended(world: IndexerWorld, operation: OperationRecord, deadline: float = 120.0) -> OperationRecord:
    """An operation once it has ended."""

    async def has_ended() -> OperationRecord | None:
        record = await OperationStore(world.bus).get(operation.collection, operation.id)
        return record if record.state.is_final else None

    return await wait_until(has_ended, deadline, "the operation's end")


async def succeeded(world: IndexerWorld, operation: OperationRecord, deadline: float = 120.0) -> OperationRecord:
    """An operation once it has ended well."""
    record = await ended(world, operation, deadline)
    assert record.state is OperationState.SUCCEEDED, record
    return record


async def publish_items(
    world: IndexerWorld, record: CollectionRecord, numbers: Iterable[int], *, first_version: int = 1
) -> int:
    """Publishes items of these numbers as one message, in which versions count up; returns its sequence."""
    return await world.publish(
        record,
        *(embedded_item(f"item-{number}", first_version + index) for index, number in enumerate(numbers)),
    )


def building_processes() -> list[int]:
    """Process ids of the children of this process that build segments."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == os.getpid() and b"rebuilding.build_segment" in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
    return found
