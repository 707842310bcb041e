"""What is said of an alert. Templates only name values: they reach nothing else."""

import re
from datetime import datetime
from typing import Final, Literal

from sightwire.contracts.alerts import AlertEvent, AlertRule
from sightwire.errors import InvalidInputError

_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_NAMES: Final = ("name", "metric_name", "operator", "threshold", "value", "severity")


def check_template(template: str) -> None:
    """
    Raises:
        InvalidInputError: it names a value that there is not.
    """
    unknown = sorted({name for name in _PLACE.findall(template) if name not in _NAMES})
    if unknown:
        raise InvalidInputError(
            f"message_template names {', '.join(map(repr, unknown))}; there are {', '.join(_NAMES)}"
        )


def message_of(rule: AlertRule, value: float | None) -> str:
    """The template with its values."""
    values = {
        "name": rule.name,
        "metric_name": rule.metric_name,
        "operator": rule.operator,
        "threshold": f"{rule.threshold:g}",
        "value": "nothing" if value is None else f"{value:g}",
        "severity": rule.severity,
    }
    return _PLACE.sub(lambda place: values[place.group(1)], rule.message_template)


def event_of(
    rule: AlertRule,
    kind: Literal["fired", "resolved"],
    value: float | None,
    now: datetime,
    *,
    is_silenced: bool,
) -> AlertEvent:
    """What is kept, and told, of a rule to which something happened."""
    return AlertEvent(
        id=f"{rule.name}.{kind}.{now:%Y%m%dT%H%M%S.%f}",
        rule=rule.name,
        kind=kind,
        severity=rule.severity,
        metric_name=rule.metric_name,
        operator=rule.operator,
        threshold=rule.threshold,
        value=value,
        message=message_of(rule, value),
        is_silenced=is_silenced,
        at=now,
    )
