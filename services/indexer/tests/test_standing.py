"""Which index answers for a collection, how long it has been alone, and whom one that does not answer remembers."""

import asyncio
import math
from collections.abc import Sequence

import pytest
from sightwire_indexer.standing import Standing
from sightwire_indexer.statuses import REMEMBERED_ITEMS, REMEMBERED_SECONDS, StatusAnnouncer

from services.indexer.tests.indexer_world import collection_record
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import ItemStatus
from sightwire.ending_tasks import end_tasks
from sightwire.segments.outcomes import ItemOutcome
from tests.plugin.waiting import wait_until

OWN = collection_record("photos")
SHADOW = collection_record("photos--1", uid="111111111111").model_copy(update={"shadow_of": "photos"})


def users(**members: object) -> CollectionRecord:
    return OWN.model_copy(update=members)


@pytest.mark.parametrize(
    ("present", "own_answers", "shadow_answers", "own_is_alone", "shadow_is_alone"),
    [
        pytest.param(users(), True, False, True, False, id="no shadow yet"),
        pytest.param(users(shadows=("photos--1",)), True, False, False, False, id="being filled"),
        pytest.param(users(shadows=("photos--1",), answering="photos--1"), False, True, False, False, id="promoted"),
        pytest.param(
            users(shadows=("photos--1",), answering="photos--1", has_index=False), False, True, False, True, id="alone"
        ),
        pytest.param(users(uid="222222222222"), False, False, False, False, id="another collection of the name"),
        pytest.param(None, False, False, False, False, id="deleted"),
    ],
)
def test_the_users_record_says_who_answers_and_who_is_alone(
    present: CollectionRecord | None,
    own_answers: bool,
    shadow_answers: bool,
    own_is_alone: bool,
    shadow_is_alone: bool,
) -> None:
    own, shadow = (Standing(record, {"photos": present}.get) for record in (OWN, SHADOW))
    assert (own.answered is not None, shadow.answered is not None) == (own_answers, shadow_answers)
    assert (own.alone_since is not None, shadow.alone_since is not None) == (own_is_alone, shadow_is_alone)


def test_being_alone_counts_from_the_moment_in_which_the_last_copy_went() -> None:
    records, now = {"photos": users()}, 5.0
    standing = Standing(OWN, records.get, clock=lambda: now)
    assert standing.alone_since == -math.inf
    records["photos"] = users(shadows=("photos--1",))
    standing.collections_changed()
    assert standing.alone_since is None
    records["photos"] = users()
    standing.collections_changed()
    now = 9.0
    standing.collections_changed()
    assert standing.alone_since == 5.0


async def test_an_index_waits_for_its_turn_to_answer() -> None:
    records = {"photos": users(shadows=("photos--1",))}
    standing = Standing(SHADOW, records.get)
    waiting = asyncio.create_task(standing.until_answering())
    await asyncio.sleep(0)
    standing.collections_changed()
    await asyncio.sleep(0)
    assert not waiting.done()
    records["photos"] = users(shadows=("photos--1",), answering="photos--1")
    standing.collections_changed()
    assert await waiting == records["photos"]
    records.clear()
    standing.collections_changed()
    await standing.until_not_answering()


class Announcing:
    """An announcer of an index whose manifests are loaded at once."""

    def __init__(self) -> None:
        self.answers = False
        self.now = 0.0
        self.told: list[str] = []
        self.announcer = StatusAnnouncer(
            "photos",
            lambda: 10**9,
            self._send,
            answers=lambda: self.answers,
            announced_sequence=0,
            clock=lambda: self.now,
        )
        self._commits = 0

    async def _send(self, statuses: Sequence[ItemStatus]) -> None:
        self.told += [status.id for status in statuses]

    def commit(self, *ids: str) -> None:
        self._commits += 1
        outcomes = [ItemOutcome(item_id, 1, deleted=False, objects=0) for item_id in ids]
        self.announcer.committed(self._commits, self._commits, outcomes)


async def test_an_index_that_does_not_answer_remembers_the_newest_items_alone() -> None:
    index = Announcing()
    running = asyncio.create_task(index.announcer.run())
    index.commit("old")
    index.now = REMEMBERED_SECONDS - 1
    index.commit("newer")
    index.now = REMEMBERED_SECONDS + 1
    index.commit("newest")
    # Those that may be forgotten need not be read again after a restart either.
    await wait_until(lambda: index.announcer.announced_sequence == 1)
    assert index.announcer.waiting_items == 0
    index.answers = True
    index.announcer.poke()
    await wait_until(lambda: index.told == ["newer", "newest"])
    assert index.announcer.announced_sequence == 3
    await end_tasks(running)


async def test_an_index_that_does_not_answer_remembers_so_many_items() -> None:
    index = Announcing()
    running = asyncio.create_task(index.announcer.run())
    index.commit("a")
    index.commit(*(str(number) for number in range(REMEMBERED_ITEMS)))
    await wait_until(lambda: index.announcer.announced_sequence == 1)
    index.commit("b")
    await wait_until(lambda: index.announcer.announced_sequence == 2)
    index.answers = True
    index.announcer.poke()
    await wait_until(lambda: index.told == ["b"])
    await end_tasks(running)
