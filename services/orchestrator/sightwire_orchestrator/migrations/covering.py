"""Makes sure that a shadow has all items of its collection, and sends again what it lacks."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from pydantic import TypeAdapter

from sightwire.bus.connection import Bus
from sightwire.bus.control import ControlClient
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import CompareItems
from sightwire.contracts.migrations import Coverage
from sightwire.errors import NotFoundError, UnavailableError, UnknownCollectionError
from sightwire_orchestrator.migrations.coverage_rounds import Difference, Rounds, Verdict
from sightwire_orchestrator.migrations.filling import send
from sightwire_orchestrator.migrations.lag import has_passed, last_embedded, last_sequence
from sightwire_orchestrator.migrations.opened import OpenedMigration
from sightwire_orchestrator.migrations.renewals import deletion, renewal
from sightwire_orchestrator.migrations.searching import Searchers
from sightwire_orchestrator.tasks.errors import OperationFailedError

#: Ids that a comparison names.
_NAMED: Final = 10_000
_COMPARE_SECONDS: Final = 300.0
_PATIENCE_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.25
#: Between two comparisons: what was embedded meanwhile is committed, and loaded by the searchers.
_ROUND_SECONDS: Final = 1.5
#: What does not get better is not sent again each time: it may be slow, or a dead letter each time.
_ROUNDS_A_REPETITION: Final = 5
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
        max_rounds: rounds in which it does not get better, after which it fails.
        allowed_missing: items that may lack, such as those that the new model cannot embed.

    Raises:
        OperationFailedError: it does not get better.
        SightwireError: bus, indexers or searchers do not answer.
    """
    rounds = Rounds(max_without_progress=max_rounds, allowed_missing=allowed_missing)
    number = 0
    while True:
        await _passed(bus, opened.shadow)
        coverage = await _compare_indexed(bus, opened.shadow)
        on_progress(coverage)
        rounds, lasting, verdict = rounds.after(await _difference(opened, searchers, coverage))
        number += 1
        match verdict:
            case Verdict.COMPLETE:
                return coverage, number
            case Verdict.STUCK:
                raise OperationFailedError(_in_words(opened, coverage, lasting))
            case Verdict.AGAIN:
                if rounds.without_progress % _ROUNDS_A_REPETITION == 0:
                    await _send_again(bus, opened, searchers, lasting)
                await asyncio.sleep(_ROUND_SECONDS)


async def _passed(bus: Bus, shadow: CollectionRecord) -> None:
    """Waits until what is on its way to the shadow now was embedded."""
    sequence = await last_sequence(bus)
    while True:
        if await has_passed(bus, shadow.name, sequence):
            return
        await asyncio.sleep(_LOOK_SECONDS)


async def _compare_indexed(bus: Bus, shadow: CollectionRecord) -> Coverage:
    """The comparison once what was embedded is indexed, which takes a while after an indexer was killed.

    What is never indexed, whatever the reason, is not waited for for ever.
    """
    embedded, give_up_at = await last_embedded(bus, shadow), time.monotonic() + _PATIENCE_SECONDS
    while True:
        coverage = await _compare(bus, shadow)
        if coverage.is_complete or coverage.shadow_checkpoint >= embedded or time.monotonic() > give_up_at:
            return coverage
        await asyncio.sleep(_LOOK_SECONDS)


async def _compare(bus: Bus, shadow: CollectionRecord) -> Coverage:
    """The comparison; an indexer that takes the index over, or merges segments away meanwhile, is waited for."""
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            request = CompareItems(sample=_NAMED)
            answer = await ControlClient(bus).ask_owner(shadow.name, request, timeout=_COMPARE_SECONDS)
        except UnknownCollectionError:
            raise
        except (NotFoundError, UnavailableError):
            if time.monotonic() > give_up_at:
                raise
            await asyncio.sleep(_ROUND_SECONDS)
        else:
            return _COVERAGE.validate_python(answer)


async def _difference(opened: OpenedMigration, searchers: Searchers, coverage: Coverage) -> Difference:
    missing = await searchers.items(opened.source, coverage.missing_ids)
    surplus = await searchers.items(opened.shadow, coverage.surplus_ids)
    # An item that the collection has in an older version is about to come there, too.
    present = {item.item_id for item in await searchers.items(opened.source, [item.item_id for item in surplus])}
    return Difference(
        coverage,
        missing={item.item_id: item.version for item in missing},
        surplus={item.item_id: item.version for item in surplus if item.item_id not in present},
    )


async def _send_again(bus: Bus, opened: OpenedMigration, searchers: Searchers, lasting: Difference) -> None:
    events = [renewal(item) for item in await searchers.items(opened.source, list(lasting.missing))]
    # A deletion counts only with a version above that of what it removes.
    events += [deletion(item, version + 1) for item, version in lasting.surplus.items()]
    await send(bus, opened.shadow, events)


def _in_words(opened: OpenedMigration, coverage: Coverage, lasting: Difference) -> str:
    users = opened.users.name
    if lasting.missing:
        return (
            f"{coverage.missing} items of {users!r} do not get into the new index, such as {_some(lasting.missing)}; "
            f"`sightwire dlq list` shows why those on {opened.shadow.name!r} could not be embedded, "
            "`allowed_missing` says how many may lack"
        )
    return (
        f"the new index differs from that of {users!r} by {coverage.missing} missing and {coverage.surplus} surplus "
        f"items, such as {_some([*coverage.missing_ids, *coverage.surplus_ids])}, and does not get nearer"
    )


def _some(ids: Iterable[str]) -> str:
    return ", ".join(map(repr, list(ids)[:_SHOWN]))


_COVERAGE: Final[TypeAdapter[Coverage]] = TypeAdapter(Coverage)
