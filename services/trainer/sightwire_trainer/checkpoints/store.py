"""A folder of checkpoints: written whole or not at all, checked when read, older ones deleted."""

import hashlib
import io
import logging
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from sightwire.errors import CorruptDataError, UnavailableError
from sightwire.segments.atomic_folder import TEMPORARY_PREFIX, atomic_folder
from sightwire_trainer.checkpoints.manifest import (
    MANIFEST_FILE,
    STATE_FILE,
    CheckpointManifest,
    configuration_digest,
    read_manifest,
)
from sightwire_trainer.checkpoints.retention import best_of, steps_to_keep

_log = logging.getLogger(__name__)

_PREFIX: Final = "step-"
_DAMAGED_PREFIX: Final = "damaged-"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was read and matches its checksum."""

    manifest: CheckpointManifest
    #: Tensors, on the CPU, and plain Python values, in dictionaries, lists and tuples.
    state: dict[str, Any]


class CheckpointStore:
    """The checkpoints of one run, which one process at a time writes."""

    def __init__(self, folder: Path, *, select_by: str = "", keep: int = 1) -> None:
        """`select_by` names the measure by which one is the best; `keep` older ones stay beside the best and last."""
        self.folder = folder
        self._select_by = select_by
        self._keep = keep

    def save(
        self,
        state: Mapping[str, Any],
        *,
        step: int,
        epoch: int,
        configuration: dict[str, Any],
        measures: Mapping[str, float] | None = None,
    ) -> CheckpointManifest:
        """Writes the checkpoint of a step, flushed to disk, then deletes those that need not stay.

        `state` has tensors and plain Python values alone, `configuration` is JSON. A checkpoint of that step that is
        there already is kept: it has the same state.

        Raises:
            UnavailableError: it cannot be written, say on a full disk; those before it are intact.
        """
        serialised = io.BytesIO()
        torch.save(dict(state), serialised)
        content = serialised.getvalue()
        manifest = CheckpointManifest(
            step=step,
            epoch=epoch,
            measures=dict(measures or {}),
            configuration=configuration,
            configuration_sha256=configuration_digest(configuration),
            state_sha256=hashlib.sha256(content).hexdigest(),
            state_bytes=len(content),
        )
        destination = self._path(step)
        if destination.exists():
            return read_manifest(destination)
        try:
            self._delete_unfinished()
            with atomic_folder(destination) as folder:
                (folder / STATE_FILE).write_bytes(content)
                (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
        except OSError as error:
            raise UnavailableError(self._cannot_write(destination, len(content), error)) from error
        self._delete_superseded()
        return manifest

    def last(self) -> Checkpoint | None:
        """The latest checkpoint that can be read; None when there is none at all.

        One that is damaged is set aside, with a warning, and the one before it is taken.

        Raises:
            CorruptDataError: there are checkpoints, and all are damaged.
        """
        found = self._folders()
        for folder in found:
            try:
                return _read(folder)
            except CorruptDataError as error:
                _log.warning("%s; going on from the checkpoint before it", error)
                self._set_aside(folder)
        if found:
            raise CorruptDataError(
                f"none of the {len(found)} checkpoints in {self.folder} can be read; begin anew with --fresh"
            )
        return None

    def best(self) -> Checkpoint | None:
        """The checkpoint with the highest measure; None when none was measured.

        Raises:
            CorruptDataError: it does not match its checksum.
        """
        manifest = best_of(self.manifests(), self._select_by)
        return _read(self._path(manifest.step)) if manifest else None

    def manifests(self) -> list[CheckpointManifest]:
        """Of all checkpoints whose manifests can be read, the latest first."""
        readable = []
        for folder in self._folders():
            try:
                readable.append(read_manifest(folder))
            except CorruptDataError as error:
                _log.warning("%s", error)
        return readable

    def clear(self) -> None:
        """Deletes all checkpoints: a run begins anew."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _path(self, step: int) -> Path:
        return self.folder / f"{_PREFIX}{step:08d}"

    def _folders(self) -> list[Path]:
        return sorted(self.folder.glob(f"{_PREFIX}*"), reverse=True)

    def _set_aside(self, folder: Path) -> None:
        """Keeps the bytes for whoever wants to look, under a name that is not a checkpoint's."""
        aside = folder.with_name(f"{_DAMAGED_PREFIX}{folder.name}")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)

    def _delete_unfinished(self) -> None:
        for folder in self.folder.glob(f"{TEMPORARY_PREFIX}*"):
            shutil.rmtree(folder)

    def _delete_superseded(self) -> None:
        manifests = self.manifests()
        kept = steps_to_keep(manifests, select_by=self._select_by, older=self._keep)
        for manifest in manifests:
            if manifest.step not in kept:
                _delete_at_once(self._path(manifest.step))

    def _cannot_write(self, destination: Path, size: int, error: OSError) -> str:
        intact = next((folder.name for folder in self._folders()), None)
        before = f"the checkpoint before it, {intact}, is intact" if intact else "there is no earlier checkpoint"
        return (
            f"cannot write the checkpoint {destination} of {size:,} bytes: {error.strerror or error}; {before}: "
            "make room, then run the same command again to go on"
        )


def _read(folder: Path) -> Checkpoint:
    manifest = read_manifest(folder)
    path = folder / STATE_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorruptDataError(f"cannot read {path}: {error.strerror or error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != manifest.state_sha256:
        raise CorruptDataError(
            f"{path} is damaged: expected {manifest.state_bytes:,} bytes with sha256 {manifest.state_sha256}, "
            f"found {len(content):,} with {found}"
        )
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise CorruptDataError(f"{path} is no state of a run: {error}") from error
    return Checkpoint(manifest, state)


def _delete_at_once(folder: Path) -> None:
    """By renaming first: killed in the midst of deleting, no half a checkpoint is left under its name."""
    dying = folder.with_name(f"{TEMPORARY_PREFIX}{folder.name}-superseded")
    folder.rename(dying)
    shutil.rmtree(dying)
