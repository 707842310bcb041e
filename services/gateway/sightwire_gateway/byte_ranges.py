"""HTTP byte ranges (RFC 9110, section 14); pure."""

import re
from typing import Final

from sightwire_gateway.errors import RangeNotSatisfiableError

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Start and length of the one range that is asked for; None for the whole, also for what need not be understood.

    Raises:
        RangeNotSatisfiableError: it begins after the end.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.group(0) == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        if length == 0:
            raise _unsatisfiable(size)
        return size - length, length
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return None
    if start >= size:
        raise _unsatisfiable(size)
    return start, end - start + 1


def _unsatisfiable(size: int) -> RangeNotSatisfiableError:
    return RangeNotSatisfiableError(f"the picture has {size} bytes; ask for a range inside of that")
