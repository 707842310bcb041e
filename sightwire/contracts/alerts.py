"""Alert rules on numbers of the control plane, how they stand, and requests about them on `control.alerts`."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeFloat,
    StringConstraints,
    TypeAdapter,
)

AlertName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Operator = Literal[">", ">=", "<", "<=", "==", "!="]
Severity = Literal["info", "warning", "critical"]

MAX_SILENCE_SECONDS: Final = 366 * 86_400.0


class AlertRule(BaseModel):
    """Fires while a number is on the wrong side of a threshold."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="AlertRule")

    name: AlertName
    metric_name: str = Field(
        max_length=1000, examples=["pipeline.drafts.success_rate", "task.drafts.generate_draft.p95", "runs.failed"]
    )
    operator: Operator
    threshold: FiniteFloat
    severity: Severity = "warning"
    message_template: str = Field(
        default="{metric_name} is {value}",
        max_length=1000,
        description="`{name}`, `{metric_name}`, `{operator}`, `{threshold}`, `{value}` and `{severity}` are replaced",
    )
    cooldown: NonNegativeFloat = Field(
        default=300.0, description="Seconds after it was told that it fires in which it is not told again"
    )
    window: float = Field(default=300.0, ge=60, le=86_400, description="Seconds back from now that the number is of")
    enabled: bool = True


class AlertState(StrEnum):
    """How a rule stands."""

    OK = "ok"
    FIRING = "firing"


class AlertStanding(BaseModel):
    """What is known of a rule."""

    model_config = ConfigDict(frozen=True)

    state: AlertState = AlertState.OK
    #: When it came into its state; None: it never fired.
    since: AwareDatetime | None = None
    #: As it was looked at last; None: there was nothing to count, or it could not be asked for.
    value: float | None = None
    looked_at: AwareDatetime | None = None
    #: Whether it was told that it fires now.
    is_told: bool = False
    #: When it was told last that it fires.
    told_at: AwareDatetime | None = None
    silenced_until: AwareDatetime | None = None


class AlertReport(BaseModel):
    """A rule, and how it stands."""

    model_config = ConfigDict(frozen=True)

    rule: AlertRule
    standing: AlertStanding


class AlertEvent(BaseModel):
    """Message on `alerts.<kind>.<rule>`: a rule fires, or fires no more. Told twice, it has the same id."""

    model_config = ConfigDict(frozen=True, title="AlertEvent")

    id: str
    rule: AlertName
    kind: Literal["fired", "resolved"]
    severity: Severity
    metric_name: str
    operator: Operator
    threshold: float
    #: None: there is nothing to count any more.
    value: float | None
    message: str
    #: Kept in the history, and told nobody.
    is_silenced: bool = False
    at: AwareDatetime


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ListAlerts(_Request):
    """Answered by an AlertList."""

    ask: Literal["alerts"] = "alerts"
    state: AlertState | None = Field(default=None, description="Only rules that stand so")


class ReadAlert(_Request):
    """Answered by its AlertReport."""

    ask: Literal["alert"] = "alert"
    name: AlertName


class PutAlert(_Request):
    """Stores a rule in place of the one of its name, which then begins anew. Answered by its AlertReport."""

    ask: Literal["put"] = "put"
    rule: AlertRule


class DeleteAlert(_Request):
    """Deletes a rule; its history stays. Answered by the AlertReport that it had."""

    ask: Literal["delete"] = "delete"
    name: AlertName


class SilenceAlert(_Request):
    """Tells nobody of a rule for some time; 0 ends a silence. Answered by its AlertReport."""

    ask: Literal["silence"] = "silence"
    name: AlertName
    seconds: float = Field(ge=0, le=MAX_SILENCE_SECONDS)


class ReadAlertHistory(_Request):
    """Answered by an AlertHistory, the newest first."""

    ask: Literal["history"] = "history"
    name: AlertName | None = None
    limit: int = Field(default=50, ge=1, le=1000)


AlertsRequest = ListAlerts | ReadAlert | PutAlert | DeleteAlert | SilenceAlert | ReadAlertHistory
ALERTS_REQUESTS: TypeAdapter[AlertsRequest] = TypeAdapter(Annotated[AlertsRequest, Field(discriminator="ask")])


class AlertList(BaseModel):
    """Rules by name."""

    model_config = ConfigDict(frozen=True)

    alerts: tuple[AlertReport, ...]


class AlertHistory(BaseModel):
    """What became of rules."""

    model_config = ConfigDict(frozen=True)

    events: tuple[AlertEvent, ...]
