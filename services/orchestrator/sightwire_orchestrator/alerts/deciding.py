"""What a look at a number makes of a rule, and whether anybody is told. Decides only."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sightwire.contracts.alerts import AlertRule, AlertStanding, AlertState, Operator

_HOLDS: Final[dict[Operator, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Look:
    """How the rule stands after a look, and what happened to it."""

    standing: AlertStanding
    #: To be kept in the history; None: nothing happened.
    kind: Literal["fired", "resolved"] | None = None
    #: Whether nobody is to be told of it.
    is_silenced: bool = False


def look_at(rule: AlertRule, standing: AlertStanding, value: float | None, now: datetime) -> Look:
    """Compares a number with the threshold.

    It is told once that a rule fires, and once that it does no more. One that fires again within its cooldown is told
    of when that is over, if it fires still; so is one that fires through a silence.

    Args:
        value: None when there is nothing to count, by which no rule fires.
        now: aware; not before the last look.
    """
    looked = standing.model_copy(update={"value": value, "looked_at": now})
    if rule.enabled and value is not None and _HOLDS[rule.operator](value, rule.threshold):
        return _fire(rule, looked, now)
    return _resolve(looked, now)


def _fire(rule: AlertRule, standing: AlertStanding, now: datetime) -> Look:
    begins = standing.state is not AlertState.FIRING
    if begins:
        standing = standing.model_copy(update={"state": AlertState.FIRING, "since": now, "is_told": False})
    if standing.is_told:
        return Look(standing)
    if _is_silenced(standing, now):
        # That it began is worth remembering, once.
        return Look(standing, "fired" if begins else None, is_silenced=True)
    if standing.told_at is not None and now - standing.told_at < timedelta(seconds=rule.cooldown):
        return Look(standing)
    return Look(standing.model_copy(update={"is_told": True, "told_at": now}), "fired")


def _resolve(standing: AlertStanding, now: datetime) -> Look:
    if standing.state is not AlertState.FIRING:
        return Look(standing)
    ended = standing.model_copy(update={"state": AlertState.OK, "since": now, "is_told": False})
    # Who was not told that it fires need not hear that it does no more.
    return Look(ended, "resolved", is_silenced=not standing.is_told or _is_silenced(standing, now))


def _is_silenced(standing: AlertStanding, now: datetime) -> bool:
    return standing.silenced_until is not None and now < standing.silenced_until
