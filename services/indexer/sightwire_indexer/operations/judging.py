"""What follows when an attempt at an operation ends: a pure decision."""

from dataclasses import dataclass, field
from typing import Any, Final

from sightwire.contracts.operations import OperationState
from sightwire.errors import GenerationRefusedError, SightwireError

MAX_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an operation ended; RUNNING for one that is to be tried again."""

    state: OperationState
    error: str | None = None
    result: dict[str, Any] = field(default_factory=dict)


def judge(
    result: dict[str, Any] | None,
    error: BaseException | None,
    *,
    attempts: int,
    was_cancelled: bool,
    timeout_seconds: float,
) -> Verdict:
    """Decides by how an attempt ended.

    Args:
        result: what it returned, None if it did not come to its end.
        error: what it raised, None also for an attempt that was ended from outside.
        attempts: how many there were, this one included.
        was_cancelled: whether somebody asked for its end. It came too late if there is a result.
    """
    if result is not None:
        return Verdict(OperationState.SUCCEEDED, result=result)
    if was_cancelled:
        return Verdict(OperationState.CANCELLED)
    if error is None:
        return Verdict(OperationState.FAILED, f"it was not done within {timeout_seconds:g} s")
    words = error.detail if isinstance(error, SightwireError) else repr(error)
    if not (isinstance(error, SightwireError) and error.transient):
        refused = error.generation if isinstance(error, GenerationRefusedError) else None
        return Verdict(OperationState.FAILED, words, {} if refused is None else {"generation": refused})
    if attempts < MAX_ATTEMPTS:
        return Verdict(OperationState.RUNNING, words)
    return Verdict(OperationState.FAILED, f"given up after {attempts} attempts: {words}")
