"""What a hyperparameter may be."""

from typing import Annotated, Literal, Self

from optuna.trial import Trial
from pydantic import BaseModel, ConfigDict, Field, model_validator

#: What a file can say for a value: lists among them, such as `model.head_widths`.
Value = bool | int | float | str | None | list[bool | int | float | str]


class _Range(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FloatRange(_Range):
    """A number between two others, both included; `log`: as often between 1 and 10 as between 10 and 100."""

    kind: Literal["float"]
    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        _require_order(self.low, self.high, log=self.log)
        return self

    @property
    def corners(self) -> tuple[Value, ...]:
        return self.low, self.high

    def suggested(self, name: str, trial: Trial) -> Value:
        return trial.suggest_float(name, self.low, self.high, log=self.log)


class IntRange(_Range):
    """A whole number between two others, both included, in steps."""

    kind: Literal["int"]
    low: int
    high: int
    log: bool = False
    step: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        _require_order(self.low, self.high, log=self.log)
        if self.log and self.step != 1:
            raise ValueError("a range with `log` has no `step`")
        return self

    @property
    def corners(self) -> tuple[Value, ...]:
        return self.low, self.high

    def suggested(self, name: str, trial: Trial) -> Value:
        return trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step)


class Choice(_Range):
    """One of several values, of which none is nearer to one than to another."""

    kind: Literal["choice"]
    of: tuple[Value, ...] = Field(min_length=1)

    @property
    def corners(self) -> tuple[Value, ...]:
        return self.of

    def suggested(self, name: str, trial: Trial) -> Value:
        # By place: Optuna stores only values that are no lists.
        return self.of[trial.suggest_categorical(name, list(range(len(self.of))))]


Range = Annotated[FloatRange | IntRange | Choice, Field(discriminator="kind")]


def _require_order(low: float, high: float, *, log: bool) -> None:
    if not low < high:
        raise ValueError(f"expected `low` less than `high`, got {low} and {high}")
    if log and low <= 0:
        raise ValueError(f"a range with `log` begins above 0, got {low}")
