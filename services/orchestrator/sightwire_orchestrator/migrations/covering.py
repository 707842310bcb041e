"""Makes sure that a shadow has all items of its collection, and sends again what it lacks."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final

from pydantic import TypeAdapter

from sightwire.bus.connection import Bus
from sightwire.bus.control import ControlClient
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import CompareItems
from sightwire.contracts.migrations import Coverage
from sightwire.errors import NotFoundError, UnavailableError, UnknownCollectionError
from sightwire_orchestrator.migrations.coverage_rounds import Late, Rounds, Verdict
from sightwire_orchestrator.migrations.filling import send
from sightwire_orchestrator.migrations.lag import has_passed, last_embedded, last_sequence
from sightwire_orchestrator.migrations.opened import OpenedMigration
from sightwire_orchestrator.migrations.renewals import deletion, renewal
from sightwire_orchestrator.migrations.searching import Searchers
from sightwire_orchestrator.tasks.errors import OperationFailedError

#: Items that a comparison names, beside those that may lack.
_NAMED: Final = 10_000
_MOST_NAMED: Final = 50_000
_COMPARE_SECONDS: Final = 300.0
_PATIENCE_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.25
#: Between two comparisons: what was embedded meanwhile is committed, and loaded by the searchers.
_ROUND_SECONDS: Final = 1.5
_SHOWN: Final = 5

CoverageListener = Callable[[Coverage], None]


async def cover(
    bus: Bus,
    opened: OpenedMigration,
    searchers: Searchers,
    *,
    max_rounds: int,
    allowed_missing: int,
    on_progress: CoverageListener,
) -> tuple[Coverage, int]:
    """Compares, and sends again what lacks, until nothing lacks but what came just now; the coverage, and the rounds.

    Args:
        max_rounds: comparisons in which an item may be late before it is given up.
        allowed_missing: items that may lack, such as those that the new model cannot embed.

    Raises:
        OperationFailedError: more items than that do not get into the shadow, or do not leave it.
        SightwireError: bus, indexers or searchers do not answer.
    """
    rounds = Rounds(max_rounds, allowed_missing)
    sample = min(allowed_missing + _NAMED, _MOST_NAMED)
    number = 0
    while True:
        await _passed(bus, opened.shadow)
        coverage, is_settled = await _compare_indexed(bus, opened, sample)
        on_progress(coverage)
        rounds, outcome = rounds.after(coverage, is_settled=is_settled)
        number += 1
        match outcome.verdict:
            case Verdict.COMPLETE:
                return coverage, number
            case Verdict.STUCK:
                raise OperationFailedError(_in_words(opened, coverage, outcome.late))
            case Verdict.AGAIN:
                await _send_again(bus, opened, searchers, [late for late in outcome.late if late.is_sent_again])
                await asyncio.sleep(_ROUND_SECONDS)


async def _passed(bus: Bus, shadow: CollectionRecord) -> None:
    """Waits until what is on its way to the shadow now was embedded."""
    sequence = await last_sequence(bus)
    while True:
        if await has_passed(bus, shadow.name, sequence):
            return
        await asyncio.sleep(_LOOK_SECONDS)


async def _compare_indexed(bus: Bus, opened: OpenedMigration, sample: int) -> tuple[Coverage, bool]:
    """The comparison once what was embedded is indexed, which takes a while after an indexer was killed; whether it is.

    What is never indexed, whatever the reason, is not waited for for ever.
    """
    wanted, embedded = await last_embedded(bus, opened.source), await last_embedded(bus, opened.shadow)
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while True:
        coverage = await _compare(bus, opened.shadow, sample)
        is_settled = coverage.checkpoint >= wanted and coverage.shadow_checkpoint >= embedded
        if coverage.is_complete or is_settled or time.monotonic() > give_up_at:
            return coverage, is_settled
        await asyncio.sleep(_LOOK_SECONDS)


async def _compare(bus: Bus, shadow: CollectionRecord, sample: int) -> Coverage:
    """The comparison; an indexer that takes the index over, or merges segments away meanwhile, is waited for."""
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            request = CompareItems(sample=sample)
            answer = await ControlClient(bus).ask_owner(shadow.name, request, timeout=_COMPARE_SECONDS)
        except UnknownCollectionError:
            raise
        except (NotFoundError, UnavailableError):
            if time.monotonic() > give_up_at:
                raise
            await asyncio.sleep(_ROUND_SECONDS)
        else:
            return _COVERAGE.validate_python(answer)


async def _send_again(bus: Bus, opened: OpenedMigration, searchers: Searchers, late: Sequence[Late]) -> None:
    missing = await searchers.items(opened.source, [one.id for one in late if one.is_missing])
    # A deletion counts only with a version above that of what it removes.
    deletions = [deletion(one.id, one.shadow_version + 1) for one in late if not one.is_missing]
    await send(bus, opened.shadow, [*map(renewal, missing), *deletions])


def _in_words(opened: OpenedMigration, coverage: Coverage, late: Sequence[Late]) -> str:
    users = opened.users.name
    missing = [one.id for one in late if one.is_missing]
    if missing:
        return (
            f"{coverage.missing} items of {users!r} do not get into the new index, such as {_some(missing)}; "
            f"`sightwire dlq list` shows why those on {opened.shadow.name!r} could not be embedded, "
            "`allowed_missing` says how many may lack"
        )
    return (
        f"the new index has {coverage.surplus} items that {users!r} has not, such as {_some(one.id for one in late)}, "
        "and they do not leave it"
    )


def _some(ids: Iterable[str]) -> str:
    return ", ".join(map(repr, islice(ids, _SHOWN)))


_COVERAGE: Final[TypeAdapter[Coverage]] = TypeAdapter(Coverage)
