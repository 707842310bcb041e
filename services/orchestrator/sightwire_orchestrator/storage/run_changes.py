"""What is to be stored of a run, and which of several such changes may be."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sightwire.errors import ConflictError, NotFoundError, SightwireError
from sightwire_orchestrator.runs.events import Event
from sightwire_orchestrator.runs.state import Run
from sightwire_orchestrator.storage.fencing import FencedError


@dataclass(frozen=True, slots=True)
class Happening:
    """An event and when it was applied."""

    event: Event
    at: datetime


@dataclass(frozen=True, slots=True)
class RunChange:
    """Events of a run and how it stands after them; no events: the run is new."""

    run: Run
    happenings: tuple[Happening, ...]
    epoch: int

    @property
    def is_new(self) -> bool:
        return not self.happenings

    @property
    def sequence_before(self) -> int:
        """How many events the run had before these."""
        return self.run.sequence - len(self.happenings)


def reasons_against(
    changes: Iterable[RunChange], present: Mapping[str, int], active_epoch: int
) -> list[SightwireError | None]:
    """For each change why it must not be stored; None: it may be, when those before it are.

    Args:
        changes: in the order in which they came.
        present: sequence of each run that is stored already.
        active_epoch: of the orchestrator that may write; see `fencing`.
    """
    sequences = dict(present)
    reasons: list[SightwireError | None] = []
    for change in changes:
        reason = _reason_against(change, sequences.get(change.run.id), active_epoch)
        if reason is None:
            sequences[change.run.id] = change.run.sequence
        reasons.append(reason)
    return reasons


def _reason_against(change: RunChange, stored_sequence: int | None, active_epoch: int) -> SightwireError | None:
    run = change.run.id
    if change.epoch != active_epoch:
        return FencedError(
            f"epoch {change.epoch} may not write run {run!r}: the database was claimed with epoch {active_epoch}"
        )
    if change.is_new:
        return None if stored_sequence is None else ConflictError(f"run {run!r} exists already")
    if stored_sequence is None:
        return NotFoundError(f"there is no run {run!r}")
    if change.sequence_before != stored_sequence:
        return ConflictError(
            f"run {run!r} has {stored_sequence} events, but its new state was computed after "
            f"{change.sequence_before}; load the run and apply the event again"
        )
    return None
