"""The segments with which a generation becomes live: its own, and what it lacks of the live one's items."""

import asyncio
from collections.abc import Callable, Sequence

from sightwire.errors import InvalidInputError
from sightwire.segments.carry_over import CarryOver, carried_content, plan_carry_over
from sightwire.segments.content import SegmentContent
from sightwire.segments.generations import GenerationRecord
from sightwire.segments.open_segments import OpenSegment, SegmentStock
from sightwire.segments.schema import SegmentSchema
from sightwire.segments.writer import SegmentIdentity


async def segments_as_kept(
    record: GenerationRecord, live: Sequence[OpenSegment], stock: SegmentStock
) -> tuple[OpenSegment, ...]:
    """A generation's segments exactly as its record says: an old state."""
    return await stock.open(record.segments, live)


async def segments_brought_up_to_date(
    record: GenerationRecord,
    live: Sequence[OpenSegment],
    stock: SegmentStock,
    schema: SegmentSchema,
    new_identity: Callable[[], SegmentIdentity],
    *,
    live_space: str,
    forgotten_up_to: int,
) -> tuple[OpenSegment, ...]:
    """A generation's segments, masked where they are outdated, and a new one with what they lack; all are stored.

    Args:
        live: segments of the live generation.
        new_identity: names the new segment.
        live_space: space of the live generation's vectors.
        forgotten_up_to: see `plan_carry_over`.

    Raises:
        InvalidInputError: items would have to be carried into another space.
    """
    target = await segments_as_kept(record, live, stock)

    def compare() -> tuple[CarryOver, SegmentContent | None]:
        plan = plan_carry_over(
            [segment.live for segment in live],
            [segment.live for segment in target],
            forgotten_up_to=forgotten_up_to,
        )
        if plan.rows and record.space != live_space:
            raise InvalidInputError(
                f"{plan.rows} items are newer than generation {record.name!r} of space {record.space!r}; vectors of "
                f"space {live_space!r} cannot be carried over; embed those items for it first"
            )
        return plan, carried_content(plan, schema, forgotten_up_to=forgotten_up_to)

    plan, content = await asyncio.to_thread(compare)
    carried = (await stock.write(content, new_identity()),) if content is not None else ()
    masked = [await stock.with_deletes(target[position], deletes) for position, deletes in plan.deletes.items()]
    return (*masked, *carried)
