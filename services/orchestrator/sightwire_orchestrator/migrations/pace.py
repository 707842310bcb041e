"""How fast items are sent to be embedded anew: never so fast that others wait for it; pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lag:
    """What waits on the bus."""

    #: Messages with items for the shadow.
    reembed_messages: int
    #: Items of people, which come first.
    ingest_messages: int


@dataclass(frozen=True, slots=True)
class Pace:
    """What the filling of a shadow keeps to."""

    #: Messages for the shadow that may wait. Enough for all embedders to have work, few enough to stop soon.
    max_waiting: int
    #: Messages of people that may wait; the filling pauses while more do.
    max_ingest_lag: int
    #: None: as many as the embedders can.
    items_per_second: float | None = None

    def page_items(self, most: int) -> int:
        """Items to send at once: where a rate is set, those of a second, so that they do not come in bursts."""
        return most if self.items_per_second is None else min(max(int(self.items_per_second), 1), most)

    def must_wait(self, lag: Lag) -> bool:
        """Whether nothing is to be sent now."""
        return lag.reembed_messages >= self.max_waiting or lag.ingest_messages > self.max_ingest_lag

    def seconds_ahead(self, *, sent: int, seconds: float) -> float:
        """How long to wait after `sent` items in `seconds`, so as not to be faster than allowed."""
        if self.items_per_second is None:
            return 0.0
        return max(sent / self.items_per_second - seconds, 0.0)
