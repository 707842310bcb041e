"""Reviews: who can be asked, what is asked, what became of it, and the trail of all acts."""

from datetime import time
from enum import StrEnum
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

from sightwire.contracts.pipelines import Escalation, PipelineName, RunId, TaskName, TaskType

ReviewerId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
_Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=255)]
#: One, without a name before it.
_Address = Annotated[str, StringConstraints(pattern=r"^[^@\s,;:<>()\[\]\"]+@[^@\s,;:<>()\[\]\"]+$", max_length=320)]
Specialization = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Priority = Literal["low", "normal", "high", "urgent"]

#: The most pressing first.
PRIORITIES: Final[tuple[Priority, ...]] = ("urgent", "high", "normal", "low")

MONDAY_TO_FRIDAY: Final = (1, 2, 3, 4, 5)


def _known_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise ValueError(f"there is no time zone {name!r}; expected one such as Europe/Berlin or UTC") from None
    return name


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WorkingHours(_Value):
    """Hours of a day in the reviewer's time zone; an end that is not after the start is on the day after."""

    days: tuple[Annotated[int, Field(ge=1, le=7)], ...] = Field(
        default=MONDAY_TO_FRIDAY, min_length=1, description="Days on which they begin; Monday is 1"
    )
    start: time
    end: time


class Absence(_Value):
    """A time in which somebody is not there."""

    start: AwareDatetime
    end: AwareDatetime
    reason: str = ""

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "Absence":
        if self.end <= self.start:
            raise ValueError(f"expected an end after the start {self.start.isoformat()}, got {self.end.isoformat()}")
        return self


class Availability(_Value):
    """When a reviewer gets reviews; who has one already keeps it after hours, but not during absences."""

    time_zone: Annotated[str, AfterValidator(_known_time_zone)] = "UTC"
    hours: tuple[WorkingHours, ...] = Field(default=(), description="None: at any hour")
    absences: tuple[Absence, ...] = ()


class Reviewer(_Value):
    """A person who decides."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="Reviewer")

    id: ReviewerId
    name: str = Field(min_length=1, max_length=255)
    email: _Address
    specializations: frozenset[Specialization] = frozenset()
    max_concurrent_reviews: PositiveInt = 5
    availability: Availability = Availability()
    is_active: bool = Field(default=True, description="False: no longer asked; reviewers are not deleted")
    revision: NonNegativeInt = Field(default=0, description="Grows with each change; 0: not stored yet")


class Actor(_Value):
    """Who does something, and from where."""

    name: _Line = Field(description="A reviewer's id, another person, or a service")
    origin: _Line = Field(examples=["api 203.0.113.4", "cli ada@host", "orchestrator"])


class EditedData(_Value):
    """What a reviewer made of the data. Null is a value like others."""

    value: JsonValue


class ReviewDecision(_Value):
    """What a reviewer says."""

    decision: Literal["approve", "reject", "changes"]
    comment: str = Field(default="", max_length=20_000)
    edited: EditedData | None = Field(default=None, description="With approval: takes the place of the data")

    @model_validator(mode="after")
    def _says_enough(self) -> "ReviewDecision":
        if self.edited is not None and self.decision != "approve":
            raise ValueError(f"edited data comes with `approve`, not with `{self.decision}`")
        if self.decision == "changes" and not self.comment.strip():
            raise ValueError("expected a comment that says what to change")
        return self


class ReviewStatus(StrEnum):
    """How a review stands."""

    WAITING = "waiting"
    ASSIGNED = "assigned"
    DECIDED = "decided"
    WITHDRAWN = "withdrawn"

    @property
    def is_open(self) -> bool:
        return self in {ReviewStatus.WAITING, ReviewStatus.ASSIGNED}


class ReviewRequest(_Value):
    """What is asked; it never changes."""

    id: str
    run: RunId
    pipeline: PipelineName
    task_name: TaskName
    task_type: TaskType
    round: PositiveInt
    input_data: JsonValue
    instructions: str = ""
    #: What was said in the round before.
    last_comment: str | None = None
    #: Empty: anyone can decide.
    specialization: str = ""
    priority: Priority = "normal"
    asked_at: AwareDatetime
    deadline: AwareDatetime
    escalation: tuple[Escalation, ...] = ()


class Review(ReviewRequest):
    """A request, and what its acts made of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="Review")

    status: ReviewStatus = ReviewStatus.WAITING
    reviewer: ReviewerId | None = None
    assigned_at: AwareDatetime | None = None
    reminded_at: AwareDatetime | None = None
    #: Somebody is looked for: nobody has it, or it is to go to somebody else.
    is_seeking: bool = True
    #: Nobody could be found, and that was said.
    is_unmet: bool = False
    #: Steps of the chain that were taken.
    escalations: NonNegativeInt = 0
    #: Who had it before.
    passed_on_by: frozenset[ReviewerId] = frozenset()
    decision: ReviewDecision | None = None
    ended_at: AwareDatetime | None = None
    #: Acts so far.
    sequence: NonNegativeInt = 0


class Asked(_Value):
    kind: Literal["asked"] = "asked"


class Assigned(_Value):
    """Somebody was found; `previous` has it no longer."""

    kind: Literal["assigned"] = "assigned"
    reviewer: ReviewerId
    previous: ReviewerId | None = None


class NobodyFound(_Value):
    """Nobody who is there can take it; the search goes on."""

    kind: Literal["nobody_found"] = "nobody_found"
    sought: str


class Reminded(_Value):
    kind: Literal["reminded"] = "reminded"
    reviewer: ReviewerId


class Escalated(_Value):
    """It is late; whoever `to` names is to decide."""

    kind: Literal["escalated"] = "escalated"
    step: PositiveInt
    to: str


class Delegated(_Value):
    """Somebody gave it to somebody else."""

    kind: Literal["delegated"] = "delegated"
    previous: ReviewerId | None
    reviewer: ReviewerId
    comment: str = ""


class Released(_Value):
    """The reviewer is not there any longer."""

    kind: Literal["released"] = "released"
    reviewer: ReviewerId
    reason: Literal["absent", "inactive"]


class Decided(_Value):
    kind: Literal["decided"] = "decided"
    reviewer: ReviewerId
    decision: ReviewDecision


class Commented(_Value):
    """Somebody said something that decides nothing."""

    kind: Literal["commented"] = "commented"
    comment: str


class Withdrawn(_Value):
    """The run ended; nobody waits for a decision."""

    kind: Literal["withdrawn"] = "withdrawn"


Act = Asked | Assigned | NobodyFound | Reminded | Escalated | Delegated | Released | Commented | Decided | Withdrawn

#: Reads and writes acts as JSON.
ACTS: TypeAdapter[Act] = TypeAdapter(Annotated[Act, Field(discriminator="kind")])


class AuditEntry(_Value):
    """One act of a review: who, when, what, from where."""

    review: str
    #: Counts the acts of the review from 1.
    sequence: PositiveInt
    at: AwareDatetime
    actor: Actor
    act: Act = Field(discriminator="kind")


class ReviewNotification(_Value):
    """Something that people should know: content of mails, and data of webhooks."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="ReviewNotification")

    #: The same however often it is sent.
    id: str
    kind: Literal["assigned", "taken_away", "reminder", "escalated", "nobody_found", "decided", "withdrawn"]
    at: AwareDatetime
    #: Whom it is for; null: nobody in particular.
    to: ReviewerId | None
    review: str
    run: RunId
    pipeline: PipelineName
    task_name: TaskName
    priority: Priority
    deadline: AwareDatetime
    reviewer: ReviewerId | None
    instructions: str = ""
    comment: str = ""
    decision: Literal["approve", "reject", "changes"] | None = None


class ReviewFigures(_Value):
    """How reviews went; times in seconds."""

    decided: NonNegativeInt
    decided_in_time: NonNegativeInt
    decided_late: NonNegativeInt
    withdrawn: NonNegativeInt
    open: NonNegativeInt
    open_late: NonNegativeInt
    #: From when it was asked, of one reviewer: from when that one got it. Null: none was decided.
    median_seconds_to_decision: float | None


class ReviewStatistics(_Value):
    """How reviews went, in all, by who has or decided them, and by what they need (empty: nothing particular)."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="ReviewStatistics")

    total: ReviewFigures
    by_reviewer: dict[ReviewerId, ReviewFigures]
    by_specialization: dict[str, ReviewFigures]
