"""Reviews and reviewers in the database: compare-and-set, and a trail that nobody changes."""

import asyncio
from datetime import timedelta

import pytest
from sightwire_orchestrator.reviews.answering import decide
from sightwire_orchestrator.reviews.applying import apply, begin
from sightwire_orchestrator.reviews.assigning import Workload
from sightwire_orchestrator.reviews.placing import place
from sightwire_orchestrator.reviews.recording import Change, record
from sightwire_orchestrator.reviews.review_store import ReviewFilter, ReviewStore
from sightwire_orchestrator.reviews.reviewer_store import ReviewerStore
from sightwire_orchestrator.storage.database import Database
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.orchestrator.tests.asked_reviews import APPROVAL, NOON, absent, actor, after, review, reviewer
from sightwire.contracts.reviews import Asked, Review, ReviewStatus, Withdrawn
from sightwire.errors import ConflictError, NotFoundError


def asked(given: Review, to: str | None = "ada") -> Change:
    """What is stored of a review that was asked for at noon."""
    change = record(given, (Asked(),), actor("desk"), NOON)
    return change.then(place(change.after, to, NOON))


async def test_reviews_are_found_as_they_were_stored(database: Database):
    store = ReviewStore(database)
    given = review(
        input_data={"text": "Grüße \u0000", "list": [2**70, 0.1, None]}, escalation=[{"after": 1.5, "to": "lead"}]
    )
    change = asked(given)
    assert await store.create(change)
    assert not await store.create(change), "there is one of this id"
    assert await store.get(given.id) == change.after
    decision = decide(change.after, APPROVAL, actor("ada"), after(1))
    await store.append(decision)
    found = await store.get(given.id)
    assert found == decision.after
    trail = await store.trail(given.id)
    assert trail == [*change.entries, *decision.entries]
    again = begin(found)
    for entry in trail:
        again = apply(again, entry.act, entry.at)
    assert again == found
    [listed] = await store.select(ReviewFilter())
    assert listed == found.model_copy(update={"input_data": None}), "lists have no data"
    assert await store.find("r9.judge.1") is None
    assert await store.trail("r9.judge.1") == []
    with pytest.raises(NotFoundError, match=r"no review 'r9\.judge\.1'"):
        await store.get("r9.judge.1")


async def test_of_changes_at_the_same_moment_one_counts(database: Database):
    store = ReviewStore(database)
    change = asked(review())
    await store.create(change)
    rivals = [record(change.after, (Withdrawn(),), actor(f"desk {number}"), after(1)) for number in range(5)]
    outcomes = await asyncio.gather(*(store.append(rival) for rival in rivals), return_exceptions=True)
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert len(refused) == 4
    assert all(isinstance(outcome, ConflictError) for outcome in refused)
    assert [entry.act.kind for entry in await store.trail(change.after.id)] == ["asked", "assigned", "withdrawn"]


async def test_a_change_and_its_acts_are_stored_together_or_not_at_all(database: Database):
    store = ReviewStore(database)
    change = asked(review())
    await store.create(change)
    withdrawal = record(change.after, (Withdrawn(),), actor("desk"), after(1))
    broken = Change(withdrawal.before, withdrawal.after, (*change.entries[:1], *withdrawal.entries), ())
    with pytest.raises(IntegrityError):
        await store.append(broken)
    assert await store.get(change.after.id) == change.after
    assert len(await store.trail(change.after.id)) == 2


@pytest.mark.parametrize("statement", ["UPDATE review_acts SET actor = 'eve'", "DELETE FROM review_acts"])
async def test_acts_cannot_be_changed_even_by_hand(database: Database, statement: str):
    store = ReviewStore(database)
    change = asked(review())
    await store.create(change)
    with pytest.raises(IntegrityError, match="append-only"):
        async with database.session() as connection:
            await connection.execute(text(statement))
    assert await store.trail(change.after.id) == list(change.entries)


async def test_what_the_desk_looks_at(database: Database):
    store = ReviewStore(database)
    changes = {
        "seeking": asked(review("seeking"), None),
        "due": asked(review("due", deadline=after(2))),
        "later": asked(review("later", deadline=after(20))),
        "with bob": asked(review("with bob", deadline=after(20)), "bob"),
        "decided": decide(asked(review("decided")).after, APPROVAL, actor("ada"), after(1)),
    }
    for change in changes.values():
        await store.create(change)
    assert {each.id for each in await store.needing_attention(after(1), ["bob", "cid"])} == {
        "seeking",
        "due",
        "with bob",
    }
    assert {each.id for each in await store.needing_attention(after(0.5), [])} == {"seeking"}
    assert [each.id for each in await store.untold()] == ["decided"]
    await store.mark_told("decided")
    assert await store.untold() == []
    open_ones = ReviewFilter(statuses=frozenset({ReviewStatus.ASSIGNED}), reviewer="ada")
    assert {each.id for each in await store.select(open_ones)} == {"due", "later"}
    assert await store.select(ReviewFilter(run="r2")) == []
    assert len(await store.select(ReviewFilter(asked_from=NOON, asked_before=after(1)), limit=2)) == 2
    assert len(await store.times(ReviewFilter(asked_from=NOON))) == 5
    assert await store.times(ReviewFilter(asked_before=NOON)) == []


async def test_workload_counts_open_reviews_and_recent_assignments(database: Database):
    store, reviewers = ReviewStore(database), ReviewerStore(database)
    for name in ("ada", "bob"):
        await reviewers.put(reviewer(name))
    first, second = asked(review("first")), asked(review("second"))
    await store.create(first)
    await store.create(second)
    await store.append(decide(first.after, APPROVAL, actor("ada"), after(1)))
    assert await store.workload(after(2)) == {"ada": Workload(1, 2, NOON), "bob": Workload()}
    assert (await store.workload(NOON + timedelta(days=2)))["ada"] == Workload(1, 0, NOON)


async def test_profiles_are_changed_by_compare_and_set(database: Database):
    store = ReviewerStore(database)
    ada = reviewer("ada", "law", "art", availability={"time_zone": "Europe/Berlin", **absent(1, 2)})
    stored = await store.put(ada)
    assert stored == ada.model_copy(update={"revision": 1}) == await store.get("ada")
    with pytest.raises(ConflictError, match="there is a reviewer 'ada' already"):
        await store.put(ada)
    renamed = await store.put(stored.model_copy(update={"name": "Ada L."}))
    assert renamed.revision == 2
    with pytest.raises(ConflictError, match="was changed since revision 1, or is gone"):
        await store.put(stored)
    await store.put(reviewer("bob"))
    assert [each.name for each in await store.all()] == ["Ada L.", "Bob"]
    with pytest.raises(NotFoundError, match="no reviewer 'cid'"):
        await store.get("cid")
