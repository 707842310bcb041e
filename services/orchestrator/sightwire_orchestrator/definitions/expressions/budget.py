"""How much an expression may cost."""

from typing import Final

from sightwire_orchestrator.definitions.expressions.errors import TooCostlyError

#: Steps of one evaluation, each about a microsecond.
MAX_COST: Final = 200_000


class Budget:
    """Steps that are left."""

    __slots__ = ("_left", "_whole")

    def __init__(self, whole: int = MAX_COST) -> None:
        self._whole = whole
        self._left = whole

    def spend(self, steps: int) -> None:
        """Takes steps.

        Raises:
            TooCostlyError: so many are not left.
        """
        self._left -= steps
        if self._left < 0:
            raise TooCostlyError(
                f"it takes more than {self._whole:,} steps with these values; have a task make a smaller value first"
            )

    def spend_for_text(self, length: int) -> None:
        """Takes the steps of going through a text once.

        Raises:
            TooCostlyError: so many are not left.
        """
        self.spend(1 + length // 256)
