"""When a process that died is started again. Pure decisions; the supervisor acts on them."""

from dataclasses import dataclass

# A service ends with this status when its settings cannot work (EX_CONFIG of sysexits.h): trying again changes nothing.
EXIT_BAD_CONFIGURATION = 78


@dataclass(frozen=True)
class RestartPolicy:
    """Exponential backoff between restarts.

    Durations are in seconds. A process that ran for at least `steady_after` counts as healthy again, so that one crash
    a day never adds up to long waits.
    """

    first_delay: float = 0.2
    factor: float = 2.0
    longest_delay: float = 30.0
    steady_after: float = 60.0
    attempts_before_first_ready: int = 3

    def delay(self, failures_in_a_row: int) -> float:
        """How long to wait before the restart that follows failure number `failures_in_a_row` (1 or more)."""
        assert failures_in_a_row >= 1, "there is nothing to wait for before a first failure"
        # The exponent is bounded: beyond it every delay is the longest, and floats would overflow.
        return min(self.longest_delay, self.first_delay * self.factor ** min(failures_in_a_row - 1, 64))


@dataclass(frozen=True)
class Restart:
    """Start the process again after `delay` seconds; it has now failed `failures_in_a_row` times."""

    delay: float
    failures_in_a_row: int


@dataclass(frozen=True)
class GiveUp:
    """Do not start the process again."""

    reason: str


def decide_after_exit(
    policy: RestartPolicy, *, exit_status: int, ran_for: float, failures_before: int, was_ever_ready: bool
) -> Restart | GiveUp:
    """What to do when a process ended that nobody asked to end.

    `exit_status` is negative for the number of the signal that killed it; `ran_for` is in seconds; `failures_before`
    counts the failures in a row before this one.
    """
    if exit_status == EXIT_BAD_CONFIGURATION:
        return GiveUp("its settings cannot work")
    failures = 1 if ran_for >= policy.steady_after else failures_before + 1
    if not was_ever_ready and failures >= policy.attempts_before_first_ready:
        return GiveUp(f"it ended {failures} times without ever becoming ready")
    return Restart(policy.delay(failures), failures)


def describe_exit(exit_status: int) -> str:
    """An exit status in words."""
    if exit_status < 0:
        return f"killed by signal {-exit_status}"
    return f"exit status {exit_status}"
