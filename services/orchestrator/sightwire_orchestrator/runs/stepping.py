"""One step of a run: what happened, and everything that follows from it at once."""

from dataclasses import dataclass
from datetime import datetime

from sightwire_orchestrator.runs.actions import Action, Note, WakeAt
from sightwire_orchestrator.runs.applying import apply
from sightwire_orchestrator.runs.deciding import decide
from sightwire_orchestrator.runs.events import Event, Message
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Run


@dataclass(frozen=True, slots=True)
class Step:
    """What came of a step. The run and the events are to be stored before the actions are done."""

    run: Run
    #: All that was applied, in order; they share one time.
    events: tuple[Event, ...]
    #: What is to be done outside, in order.
    actions: tuple[Action, ...]
    #: When the next step is due if nothing happens before; None: no time is.
    wake_at: datetime | None


def step(plan: Plan, run: Run, now: datetime, message: Message | None = None) -> Step:
    """Applies a message, and whatever follows, until nothing follows.

    Args:
        plan: of the run's definition.
        run: before the step.
        now: aware.
        message: what came from outside; None: it is only later than before.

    Raises:
        ConflictError: somebody asks for what cannot be, as the run stands.
    """
    events: list[Event] = []
    actions: list[Action] = []
    if message is not None:
        after = apply(plan, run, message, now)
        if after is not run:
            events.append(message)
        run = after
    while True:
        was_ending = run.ending is not None
        applied = len(events)
        decided = decide(plan, run, now)
        for action in decided:
            if not isinstance(action, Note | WakeAt):
                actions.append(action)
            if (consequence := action.event) is not None:
                run = apply(plan, run, consequence, now)
                events.append(consequence)
            if run.ending is not None and not was_ending:
                # What else was decided is of no use any more.
                break
        if len(events) == applied:
            return Step(run, tuple(events), tuple(actions), _wake_time(decided))


def _wake_time(decided: tuple[Action, ...]) -> datetime | None:
    return next((action.at for action in decided if isinstance(action, WakeAt)), None)
