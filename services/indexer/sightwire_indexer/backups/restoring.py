"""Carries out `restore`: brings a backup back as a new generation."""

import asyncio
from typing import Any, Protocol

from sightwire.blobs.store import BlobStore
from sightwire.bus.connection import Bus
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.validation import GateThresholds
from sightwire.segments.index_writer import IndexWriter
from sightwire_indexer.backups.shared import Backups
from sightwire_indexer.operations.operation import Operation


class Activator(Protocol):
    """Puts a staged generation through the gates and makes it live: `operations.activation.Activation`."""

    async def run(
        self,
        operation: Operation,
        name: str,
        *,
        activate: bool,
        gates: GateThresholds | None,
        carry_over: bool,
        follow_seconds: float,
    ) -> dict[str, Any]:
        """The operation's result."""


class Restoring:
    """Restorations into one collection.

    Args:
        writing: held while the index's records are written; commits and switches take it, too.
    """

    def __init__(
        self,
        record: CollectionRecord,
        writer: IndexWriter,
        blobs: BlobStore,
        backups: Backups,
        bus: Bus,
        activation: Activator,
        *,
        writing: asyncio.Lock,
    ) -> None:
        self._record = record
        self._writer = writer
        self._blobs = blobs
        self._backups = backups
        self._bus = bus
        self._activation = activation
        self._writing = writing

    async def carry_out(self, operation: Operation) -> dict[str, Any]:
        """Restores a backup; its result is that of the activation, with `backup` and `generation`."""
        raise NotImplementedError
