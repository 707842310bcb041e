"""Into which segments a generation is rebuilt: a pure decision, and its form in an operation's memory."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from sightwire.segments.merge_policy import SegmentSize


class Part(BaseModel):
    """One segment of the new generation: what it is made of, and the id that it gets."""

    model_config = ConfigDict(frozen=True)

    sources: tuple[str, ...] = Field(min_length=1)
    segment: str


class RebuildPlan(BaseModel):
    """What a rebuild remembers: all that it needs to go on. What is finished, the generation's record says."""

    model_config = ConfigDict(frozen=True)

    generation: str
    parts: tuple[Part, ...]
    #: Version up to which tombstones may be dropped.
    forgotten_up_to: int


def group_segments(segments: Sequence[SegmentSize], *, max_rows: int) -> list[tuple[str, ...]]:
    """Puts segments into as few groups of up to `max_rows` live items as first-fit by falling size makes.

    A segment that is larger has a group of its own. One without live items is grouped too: its deletions count.
    """
    groups: list[list[str]] = []
    sizes: list[int] = []
    for segment in sorted(segments, key=lambda segment: (-segment.live, segment.id)):
        fitting = next((number for number, size in enumerate(sizes) if size + segment.live <= max_rows), None)
        if fitting is None:
            groups.append([segment.id])
            sizes.append(segment.live)
        else:
            groups[fitting].append(segment.id)
            sizes[fitting] += segment.live
    return [tuple(group) for group in groups]
