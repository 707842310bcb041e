"""Which waiting requests go into the next batch: a pure choice among shapes and lengths."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

#: Requests behind this many are not looked at, so that choosing stays cheap however long the queue is.
LOOK_AHEAD = 256
#: Share of a batch that may be padding.
PADDING_TOLERANCE = 0.15


@dataclass(frozen=True, slots=True)
class RequestShape:
    """What decides which requests fit together."""

    #: Requests are padded to the longest of their batch, so a batch costs its size times its greatest length.
    length: int = 1
    #: Only requests of the same group can share a batch.
    group: Hashable = None


def select_batch(waiting: Sequence[RequestShape], budget: int) -> list[int]:
    """Indices of the requests for the next batch, in order of arrival; `waiting` is not empty, the oldest is first.

    The oldest is always in, whatever its cost, so that none starves. Those most like it in length join it while the
    batch costs at most `budget` and at most `PADDING_TOLERANCE` of it is padding: a long text does not make short ones
    pay for it, nor wait for it.
    """
    oldest = waiting[0]
    companions = [index for index, shape in enumerate(waiting[1:LOOK_AHEAD], start=1) if shape.group == oldest.group]
    companions.sort(key=lambda index: abs(waiting[index].length - oldest.length))
    chosen = [0]
    longest = total = oldest.length
    for index in companions:
        length = waiting[index].length
        cost = (len(chosen) + 1) * max(longest, length)
        if cost > budget:
            if length >= longest:
                continue
            break
        if cost * (1 - PADDING_TOLERANCE) > total + length:
            continue
        chosen.append(index)
        longest = max(longest, length)
        total += length
    return sorted(chosen)
