"""When a run that gets no better ends."""

from dataclasses import dataclass, replace
from typing import Self

from sightwire_trainer.configuration import EarlyStopping


@dataclass(frozen=True, slots=True)
class Patience:
    """How long ago a run last got better."""

    best: float | None = None
    #: Evaluations since then.
    waited: int = 0

    def after(self, measure: float, limits: EarlyStopping) -> Self:
        """The patience left after another evaluation; higher measures are better."""
        if self.best is None or measure > self.best + limits.smallest_gain:
            return replace(self, best=measure, waited=0)
        return replace(self, waited=self.waited + 1)

    def is_exhausted(self, limits: EarlyStopping) -> bool:
        return self.waited >= limits.patience
