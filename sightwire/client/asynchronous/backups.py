"""`sightwire.backups`: copies of whole indexes, and the way back from them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sightwire.client import calls
from sightwire.contracts.backups import BackupRetention, BackupSummary, BackupVerification
from sightwire.contracts.operations import OperationRecord
from sightwire.contracts.validation import GateThresholds

if TYPE_CHECKING:
    from sightwire.client.asynchronous.client import AsyncSightwire


class Backups:
    """`sightwire.backups`."""

    def __init__(self, sightwire: "AsyncSightwire") -> None:
        self._send = sightwire.send

    async def create(self, collection: str, *, prune: bool = True) -> OperationRecord:
        """Begin to back a collection up; `result["backup"]` of the operation is the backup's id once it has ended.

        Example::

            operation = await sightwire.backups.create("papers")
            operation = await sightwire.operations.wait("papers", operation.id)
        """
        return await self._send(calls.start_operation(collection, {"kind": "backup", "prune": prune}))

    async def list(self, collection: str | None = None) -> list[BackupSummary]:
        """Backups of a collection, or of all, newest first; those of deleted collections too."""
        return await self._send(calls.list_backups(collection))

    async def verify(self, backup: str) -> BackupVerification:
        """Read a backup back and compare checksums; takes as long as its bytes take to be read."""
        return await self._send(calls.verify_backup(backup))

    async def prune(
        self, collection: str | None = None, *, keep: int | None = None, keep_seconds: float | None = None
    ) -> Sequence[BackupSummary]:
        """Remove backups that neither limit protects (none given: as configured); those that went."""
        retention = None
        if keep is not None or keep_seconds is not None:
            retention = BackupRetention(keep=keep, keep_seconds=keep_seconds)
        return await self._send(calls.prune_backups(collection, retention))

    async def restore(
        self,
        backup: str,
        *,
        into: str | None = None,
        activate: bool = True,
        gates: GateThresholds | Mapping[str, Any] | None = None,
    ) -> OperationRecord:
        """Begin to bring a backup back as a new generation of its collection, or of `into`, which need not exist."""
        return await self._send(calls.restore_backup(backup, into=into, activate=activate, gates=gates))
