"""The review desk, from a run's question to its answer, with everything stored in between."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from sightwire_orchestrator.reviews.desk import ReviewDesk
from sightwire_orchestrator.reviews.notifier import ReviewNotifier
from sightwire_orchestrator.reviews.review_store import ReviewFilter, ReviewStore
from sightwire_orchestrator.reviews.reviewer_store import ReviewerStore
from sightwire_orchestrator.runs.actions import AskForReview, WithdrawReview
from sightwire_orchestrator.runs.events import ReviewDecided, RunCancelled
from sightwire_orchestrator.storage.database import Database

from services.orchestrator.tests.asked_reviews import APPROVAL, Clock, absent, actor, after, ask, reviewer
from services.orchestrator.tests.carried_runs import CarriedRun
from sightwire.contracts.pipelines import PipelineDefinition
from sightwire.contracts.reviews import EditedData, Review, ReviewDecision, ReviewStatus
from sightwire.errors import ConflictError, NotFoundError, UnavailableError

JUDGED = PipelineDefinition.model_validate(
    {
        "name": "p",
        "tasks": [
            {"name": "judge", "type": "custom", "review": {"specialization": "law", "max_changes": 1}},
            {"name": "last", "type": "custom", "parameters": {"text": "{judge_output.text}"}},
        ],
    }
)


@dataclass
class Desk:
    """A desk, what it has told runs, and what they answer next."""

    desk: ReviewDesk
    store: ReviewStore
    reviewers: ReviewerStore
    clock: Clock
    told: list[tuple[str, ReviewDecided]] = field(default_factory=list)
    answers: list[Exception] = field(default_factory=list)

    async def ask(self, run: str = "r1", **demand: Any) -> Review:
        return await self.desk.ask(ask(run, **demand), pipeline="p", task_type="custom")

    async def kinds(self, id_: str) -> list[str]:
        return [entry.act.kind for entry in await self.store.trail(id_)]


@pytest_asyncio.fixture(loop_scope="session")
async def office(database: Database) -> AsyncIterator[Desk]:
    clock, store, reviewers = Clock(), ReviewStore(database), ReviewerStore(database)

    async def tell_run(run: str, event: ReviewDecided) -> None:
        if made.answers:
            raise made.answers.pop(0)
        made.told.append((run, event))

    desk = ReviewDesk(store, reviewers, ReviewNotifier(database), tell_run, clock=clock)
    made = Desk(desk, store, reviewers, clock)
    for somebody in (reviewer("ada", "law"), reviewer("bob", "law"), reviewer("lead")):
        await reviewers.put(somebody)
    yield made


async def test_a_decision_goes_to_the_run_once(office: Desk):
    asked = await office.ask(specialization="law")
    assert (asked.id, asked.status, asked.reviewer) == ("r1.judge.1", ReviewStatus.ASSIGNED, "ada")
    assert asked.deadline == after(10)
    assert await office.ask(specialization="law") == asked, "asking again changes nothing"
    office.clock.set(1)
    said = ReviewDecision(decision="approve", comment="fine", edited=EditedData(value={"text": "better"}))
    decided = await office.desk.decide(asked.id, said, actor("ada"))
    assert decided.ended_at == after(1)
    [(run, event)] = office.told
    assert (run, event.task, event.round, event.decision, event.reviewer) == ("r1", "judge", 1, "approve", "ada")
    assert event.edited is not None
    assert event.edited.value == {"text": "better"}
    await office.desk.tend()
    assert len(office.told) == 1
    with pytest.raises(ConflictError, match="takes no decision any more"):
        await office.desk.decide(asked.id, ReviewDecision(decision="reject"), actor("bob"))
    with pytest.raises(NotFoundError, match=r"no review 'r2\.judge\.1'"):
        await office.desk.decide("r2.judge.1", said, actor("ada"))
    trail = await office.store.trail(asked.id)
    assert [(entry.act.kind, entry.actor.name, entry.actor.origin) for entry in trail] == [
        ("asked", "review desk", "orchestrator"),
        ("assigned", "review desk", "orchestrator"),
        ("decided", "ada", "cli test"),
    ]


async def test_a_run_that_cannot_hear_is_told_later(office: Desk):
    asked = await office.ask()
    office.answers = [UnavailableError("the database does not answer"), ConflictError("fenced")]
    await office.desk.decide(asked.id, APPROVAL, actor("ada"))
    await office.desk.tend()
    assert office.told == []
    await office.desk.tend()
    await office.desk.tend()
    assert [run for run, _ in office.told] == ["r1"]


async def test_of_two_decisions_at_once_one_counts(office: Desk):
    asked = await office.ask()
    rejection = ReviewDecision(decision="reject", comment="no")
    outcomes = await asyncio.gather(
        *(office.desk.decide(asked.id, said, actor("ada")) for said in (APPROVAL, rejection)), return_exceptions=True
    )
    assert sum(isinstance(outcome, ConflictError) for outcome in outcomes) == 1
    assert (await office.kinds(asked.id)).count("decided") == 1
    assert len({event.decision for _, event in office.told}) == 1


async def test_reviews_asked_for_at_once_are_shared_out(office: Desk):
    asked = await asyncio.gather(*(office.ask(f"r{number}", specialization="law") for number in range(10)))
    assert sorted(str(each.reviewer) for each in asked) == ["ada"] * 5 + ["bob"] * 5
    full = await office.ask("r10", specialization="law")
    assert full.status is ReviewStatus.WAITING
    assert await office.kinds(full.id) == ["asked", "nobody_found"]
    free = await office.store.select(ReviewFilter(reviewer="bob"))
    await office.desk.decide(free[0].id, APPROVAL, actor("bob"))
    await office.desk.tend()
    assert (await office.store.get(full.id)).reviewer == "bob"


async def test_a_review_that_nobody_answers_is_reminded_of_and_escalates(office: Desk):
    asked = await office.ask(specialization="law", escalation=[{"after": 3600, "to": "lead"}])
    for hours in (1, 5, 6, 10, 11, 12):
        office.clock.set(hours)
        await office.desk.tend()
    assert await office.kinds(asked.id) == ["asked", "assigned", "reminded", "reminded", "escalated", "assigned"]
    with pytest.raises(ConflictError, match="lies with lead, and ada cannot decide"):
        await office.desk.decide(asked.id, APPROVAL, actor("ada"))
    await office.desk.decide(asked.id, APPROVAL, actor("lead"))
    figures = await office.desk.statistics()
    assert (figures.total.decided_late, figures.by_reviewer["lead"].decided_late) == (1, 1)
    assert figures.by_specialization["law"].median_seconds_to_decision == 12 * 3600


async def test_a_reviewer_who_falls_ill_or_leaves_loses_reviews_at_once(office: Desk):
    asked = await office.ask(specialization="law")
    ada = await office.reviewers.get("ada")
    ill = await office.desk.put_reviewer(
        ada.model_copy(update={"availability": reviewer("x", availability=absent(-1, 2)).availability})
    )
    assert (await office.store.get(asked.id)).reviewer == "bob"
    bob = await office.reviewers.get("bob")
    await office.desk.put_reviewer(bob.model_copy(update={"is_active": False}))
    waiting = await office.store.get(asked.id)
    assert (waiting.status, waiting.reviewer) == (ReviewStatus.WAITING, None)
    office.clock.set(2)
    await office.desk.tend()
    assert (await office.store.get(asked.id)).reviewer == ill.id == "ada"


async def test_several_desks_on_one_database_do_everything_once(office: Desk, database: Database):
    for number in range(6):
        await office.ask(f"r{number}", specialization="law", escalation=[{"after": 3600, "to": "lead"}])
    office.clock.set(11)
    others = [
        ReviewDesk(ReviewStore(database), office.reviewers, ReviewNotifier(database), lose, clock=office.clock)
        for _ in range(2)
    ]
    await asyncio.gather(*(desk.tend() for desk in (office.desk, *others)))
    for number in range(6):
        kinds = await office.kinds(f"r{number}.judge.1")
        assert kinds == ["asked", "assigned", "escalated", "assigned"]


async def lose(_run: str, _event: ReviewDecided) -> None:
    raise AssertionError("nothing was decided")


async def test_delegation(office: Desk):
    asked = await office.ask(specialization="law")
    moved = await office.desk.delegate(asked.id, "lead", actor("ada"), comment="you know this better")
    assert moved.reviewer == "lead"
    with pytest.raises(NotFoundError, match="no reviewer 'zoe'"):
        await office.desk.delegate(asked.id, "zoe", actor("lead"))
    await office.desk.decide(asked.id, APPROVAL, actor("lead"))
    with pytest.raises(ConflictError, match="there is nothing to delegate"):
        await office.desk.delegate(asked.id, "bob", actor("lead"))


async def test_withdrawal_ends_a_review_once(office: Desk):
    asked = await office.ask()
    withdrawal = WithdrawReview(run="r1", task="judge", round=1)
    await office.desk.withdraw(withdrawal)
    await office.desk.withdraw(withdrawal)
    await office.desk.withdraw(WithdrawReview(run="r9", task="judge", round=1))
    assert await office.kinds(asked.id) == ["asked", "assigned", "withdrawn"]
    assert office.told == []
    with pytest.raises(ConflictError, match="was withdrawn and takes no decision"):
        await office.desk.decide(asked.id, APPROVAL, actor("ada"))


async def test_a_run_goes_through_changes_and_approval(office: Desk):
    """With a real run: its actions go to the desk, and what the desk says to the run."""
    run = CarriedRun(JUDGED)
    [question] = run.succeed("judge", {"text": "a draft"})
    assert isinstance(question, AskForReview)
    first = await office.desk.ask(question, pipeline="p", task_type="custom")
    changes = ReviewDecision(decision="changes", comment="shorter")
    await office.desk.decide(first.id, changes, actor(str(first.reviewer)))
    run.tell(office.told[-1][1])
    assert run.orders["judge", None].feedback == "shorter"
    [question] = run.succeed("judge", {"text": "short"})
    assert isinstance(question, AskForReview)
    second = await office.desk.ask(question, pipeline="p", task_type="custom")
    assert (second.id, second.last_comment, second.input_data) == ("r1.judge.2", "shorter", {"text": "short"})
    said = ReviewDecision(decision="approve", edited=EditedData(value={"text": "shortest"}))
    await office.desk.decide(second.id, said, actor(str(second.reviewer)))
    run.tell(office.told[-1][1])
    assert run.orders["last", None].parameters == {"text": "shortest"}


async def test_after_a_crash_desk_and_runs_agree_again(office: Desk):
    lost, ended = CarriedRun(JUDGED), CarriedRun(JUDGED)
    lost.succeed("judge", {"text": "a draft"})
    orphan = await office.ask("r2")
    await office.desk.reconcile([(lost.plan, lost.run)])
    assert (await office.store.get("r1.judge.1")).input_data == {"text": "a draft"}
    assert (await office.store.get(orphan.id)).status is ReviewStatus.WITHDRAWN
    await office.desk.reconcile([(lost.plan, lost.run)])
    assert await office.kinds("r1.judge.1") == ["asked", "assigned"]
    ended.succeed("judge", {"text": "a draft"})
    ended.tell(RunCancelled())
    await office.desk.reconcile([(ended.plan, ended.run)])
    assert (await office.store.get("r1.judge.1")).status is ReviewStatus.WITHDRAWN
