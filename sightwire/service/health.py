"""Health that tells the truth: named checks that are asked when somebody asks."""

from collections.abc import Callable
from dataclasses import dataclass

#: A check answers None when all is well, else what is wrong.
Check = Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Result of all checks: what is wrong, by check; None where nothing is."""

    problems: dict[str, str | None]

    @property
    def is_ready(self) -> bool:
        return not any(self.problems.values())


class Health:
    """Checks of one service. It is ready while none of them reports a problem and it is not draining."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._draining = False

    def add(self, name: str, check: Check) -> None:
        self._checks[name] = check

    def start_draining(self) -> None:
        """From now on not ready: no new work should come."""
        self._draining = True

    def report(self) -> HealthReport:
        problems = {name: check() for name, check in self._checks.items()}
        if self._draining:
            problems["draining"] = "the service is stopping"
        return HealthReport(problems)
