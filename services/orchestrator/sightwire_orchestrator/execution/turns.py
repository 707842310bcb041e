"""What becomes of a run by several messages that came together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sightwire.errors import ConflictError
from sightwire_orchestrator.runs.actions import Action
from sightwire_orchestrator.runs.applying import apply
from sightwire_orchestrator.runs.events import Event, Message
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Run
from sightwire_orchestrator.runs.stepping import step
from sightwire_orchestrator.storage.run_changes import Happening


@dataclass(frozen=True, slots=True)
class Turn:
    """The run after some messages, and what follows. Run and happenings are stored together, before the actions."""

    run: Run
    happenings: tuple[Happening, ...]
    actions: tuple[Action, ...]
    #: For each message why it is refused; None: it is not.
    refusals: tuple[ConflictError | None, ...]
    wake_at: datetime | None


def take_turn(plan: Plan, run: Run, messages: Sequence[Message], now: datetime) -> Turn:
    """Applies all messages, and then whatever follows.

    All before anything is decided, so that no attempt times out whose result is among them.

    Args:
        plan: of the run's definition.
        run: before.
        messages: in the order in which they came; none: it is only later than before.
        now: aware.
    """
    events: list[Event] = []
    refusals: list[ConflictError | None] = []
    for message in messages:
        try:
            after = apply(plan, run, message, now)
        except ConflictError as error:
            refusals.append(error)
            continue
        refusals.append(None)
        if after is not run:
            events.append(message)
        run = after
    following = step(plan, run, now)
    return Turn(
        run=following.run,
        happenings=tuple(Happening(event, now) for event in (*events, *following.events)),
        actions=following.actions,
        refusals=tuple(refusals),
        wake_at=following.wake_at,
    )
