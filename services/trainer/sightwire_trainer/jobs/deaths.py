"""Whether a run whose process died is carried on in another one."""

import signal
from dataclasses import dataclass

_LONGEST_PAUSE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Deaths:
    """Processes of a run that died one after the other without having come further than those before."""

    in_a_row: int = 0
    furthest_step: int = 0

    def after(self, step: int) -> "Deaths":
        """With one more, whose last step was `step`."""
        if step > self.furthest_step:
            return Deaths(1, step)
        return Deaths(self.in_a_row + 1, self.furthest_step)

    def are_too_many(self, limit: int) -> bool:
        return self.in_a_row >= limit

    @property
    def pause_seconds(self) -> float:
        """Before the next process: nothing after the first death, then longer each time."""
        return min(2.0 ** (self.in_a_row - 1) - 1, _LONGEST_PAUSE_SECONDS) if self.in_a_row else 0.0


def reason_of_death(exit_status: int, deaths: Deaths) -> str:
    """Why a run is given up, for a person."""
    how = f"ended with status {exit_status}"
    if exit_status < 0:
        how = f"was killed by {_signal_name(-exit_status)}"
    return (
        f"its process {how}, {deaths.in_a_row} times without coming further than step {deaths.furthest_step}; "
        "if the system did that for want of memory, lower `batch_size` or `data.cache_bytes`, and ask for the run again"
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
