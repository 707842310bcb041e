"""Backups: list, verify, prune, restore. One is made by an operation of its collection."""

from collections.abc import Mapping
from typing import Any

from sightwire.client.calls.request import Call, json_reader, path_segment, plain_body, without_none
from sightwire.contracts.backups import BackupRetention, BackupSummary, BackupVerification
from sightwire.contracts.operations import OperationRecord
from sightwire.contracts.validation import GateThresholds

#: Reading a whole backup back takes as long as its bytes take; registering a collection a few seconds.
_VERIFY_SECONDS = 3600.0
_RESTORE_SECONDS = 120.0


def list_backups(collection: str | None) -> Call[list[BackupSummary]]:
    return Call("GET", "/v1/backups", json_reader(_summaries), without_none(collection=collection))


def verify_backup(backup: str) -> Call[BackupVerification]:
    path = f"/v1/backups/{path_segment(backup)}/verify"
    return Call("POST", path, json_reader(BackupVerification.model_validate), extra_seconds=_VERIFY_SECONDS)


def prune_backups(collection: str | None, retention: BackupRetention | None) -> Call[list[BackupSummary]]:
    body = without_none(collection=collection, retention=plain_body(retention) if retention is not None else None)
    return Call("POST", "/v1/backups/prune", json_reader(_summaries), body=body, extra_seconds=_RESTORE_SECONDS)


def restore_backup(
    backup: str, *, into: str | None, activate: bool, gates: GateThresholds | Mapping[str, Any] | None
) -> Call[OperationRecord]:
    return Call(
        "POST",
        f"/v1/backups/{path_segment(backup)}/restore",
        json_reader(OperationRecord.model_validate),
        body={
            "activate": activate,
            **without_none(into=into, gates=plain_body(gates) if gates is not None else None),
        },
        repeatable=False,
        extra_seconds=_RESTORE_SECONDS,
    )


def _summaries(answer: Any) -> list[BackupSummary]:
    return [BackupSummary.model_validate(entry) for entry in answer["backups"]]
