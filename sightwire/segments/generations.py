"""Generations: named contents of an index. One is live, as the newest manifest says; of the others there are records.

A generation owns nothing: segments belong to the index, and two generations may share them.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from sightwire.contracts.collections import IndexParameters
from sightwire.contracts.names import GenerationName
from sightwire.errors import CorruptDataError
from sightwire.segments.manifest import SegmentEntry

GENERATION_FORMAT_VERSION: Final = 1
_PREFIX: Final = "g"
#: Reason of the first generation.
MADE_WITH_COLLECTION: Final = "made with the collection"


class GenerationState(StrEnum):
    """What a generation that is not live is good for."""

    #: Somebody is making it; its record only keeps its segments from being removed.
    BUILDING = "building"
    #: Ready to become live.
    STAGED = "staged"
    #: Was live; can become so again.
    KEPT = "kept"
    #: Found wanting; kept to be looked at, never to become live.
    FAILED = "failed"

    @property
    def can_become_live(self) -> bool:
        return self in (GenerationState.STAGED, GenerationState.KEPT)


class GenerationRecord(BaseModel):
    """A generation that is not live. The record of the live one, if there is any, is out of date and does not count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = GENERATION_FORMAT_VERSION
    name: GenerationName
    state: GenerationState
    space: str
    index: IndexParameters = IndexParameters()
    #: When this record was stored.
    created_at: AwareDatetime
    segments: tuple[SegmentEntry, ...] = ()
    #: Manifest version of the live generation that it was made from; what came later, it lacks.
    base_version: int = Field(ge=1)
    #: Items of what it was made from, where that is no manifest of this index: a backup. None: those of `base_version`.
    source_items: int | None = Field(default=None, ge=0)
    #: What made it, in words.
    reason: str = ""
    #: Key of the report of its validation in the blob store.
    report_key: str | None = None

    @property
    def items(self) -> int:
        """Number of live items."""
        return sum(segment.live_rows for segment in self.segments)


def generation_number(name: str) -> int:
    """3 for `g3`, by which generations are ordered; 0 for a name of another kind."""
    digits = name.removeprefix(_PREFIX)
    return int(digits) if name.startswith(_PREFIX) and digits.isascii() and digits.isdigit() else 0


def next_generation_name(names: Iterable[str]) -> str:
    """The name after all of `names`."""
    return f"{_PREFIX}{max(map(generation_number, names), default=0) + 1}"


def kept_newest_first(records: Iterable[GenerationRecord]) -> list[GenerationRecord]:
    """The generations that were live, the one that ceased to be so last first."""
    kept = [record for record in records if record.state is GenerationState.KEPT]
    return sorted(kept, key=lambda record: (record.created_at, generation_number(record.name)), reverse=True)


def superfluous(records: Iterable[GenerationRecord], *, keep: int) -> list[GenerationRecord]:
    """The kept generations that go when only the newest `keep` stay; staged and other ones are never among them."""
    return kept_newest_first(records)[keep:]


def parse_generation(data: bytes, key: str) -> GenerationRecord:
    """A generation's record from its bytes; `key` names it in errors.

    Raises:
        CorruptDataError: not a record of this format version.
    """
    try:
        return GenerationRecord.model_validate_json(data)
    except ValidationError as error:
        raise CorruptDataError(f"blob {key!r} is not the record of a generation: {error}") from None
