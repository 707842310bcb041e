"""What time and people do to a review: reminders, escalation, decisions, delegation; a trail that tells all of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sightwire_orchestrator.reviews.advancing import advance, next_look
from sightwire_orchestrator.reviews.answering import decide, delegate
from sightwire_orchestrator.reviews.applying import apply, begin
from sightwire_orchestrator.reviews.assigning import Workload
from sightwire_orchestrator.reviews.placing import place, release
from sightwire_orchestrator.reviews.recording import record
from sightwire_orchestrator.reviews.tending import tend

from services.orchestrator.tests.asked_reviews import APPROVAL, HOUR, NOON, absent, actor, after, review, reviewer
from sightwire.contracts.reviews import Asked, Released, Review, ReviewDecision, ReviewStatus, Withdrawn
from sightwire.errors import ConflictError

CHAIN = [{"after": 3600, "to": "lead"}, {"after": 7200, "to": "law"}]


def with_ada(**values: Any) -> Review:
    """A review of ten hours that Ada has had from the start."""
    return place(review(**values), "ada", NOON).after


def kinds(change: Any) -> list[str]:
    return [entry.act.kind for entry in change.entries]


@pytest.mark.parametrize(
    ("hours", "chain", "acts"),
    [
        (4.9, [], []),
        (5, [], ["reminded"]),
        (9.5, [], ["reminded"]),
        (10, [], ["reminded"]),
        (10.9, CHAIN, ["reminded"]),
        (11, CHAIN, ["escalated"]),
        (12, CHAIN, ["escalated", "escalated"]),
        (100, [], ["reminded"]),
    ],
)
def test_what_is_due_when_nobody_looked_before(hours: float, chain: list[Any], acts: list[str]):
    asked = with_ada(escalation=chain)
    change = advance(asked, after(hours))
    assert kinds(change) == acts
    due = next_look(asked)
    assert due is not None
    assert (due <= after(hours)) == bool(acts)
    assert advance(change.after, after(hours)).is_empty


def test_all_that_a_reviewer_hears_who_never_answers():
    asked = with_ada(escalation=CHAIN)
    heard = []
    while (at := next_look(asked)) is not None and at < after(70):
        change = advance(asked, at)
        assert not change.is_empty
        heard += [((at - NOON) / HOUR, notice.kind, notice.to) for notice in change.notifications]
        asked = change.after
    assert heard == [
        (5, "reminder", "ada"),
        (9, "reminder", "ada"),
        (10, "reminder", "ada"),
        (11, "escalated", "ada"),
        (12, "escalated", "ada"),
        (34, "reminder", "ada"),
        (58, "reminder", "ada"),
    ]


def test_who_gets_it_later_is_reminded_of_what_comes_after():
    late = place(review(), "ada", after(8)).after
    assert next_look(late) == after(9)
    assert next_look(review()) is None


def test_a_deadline_of_any_length():
    forever = with_ada(escalation=[{"after": 1e300, "to": "lead"}])
    assert advance(forever, after(9)).after.escalations == 0


@pytest.mark.parametrize(
    ("availability", "changes", "reason"),
    [
        (absent(-1, 1), {}, "absent"),
        ({}, {"is_active": False}, "inactive"),
        ({"hours": [{"start": "01:00", "end": "02:00"}]}, {}, None),
        (absent(1, 2), {}, None),
    ],
)
def test_who_is_not_there_loses_reviews(availability: dict[str, Any], changes: dict[str, Any], reason: str | None):
    ada = reviewer("ada", availability=availability, **changes)
    change = release(with_ada(), {"ada": ada}, NOON)
    if reason is None:
        assert change.is_empty
        return
    assert [entry.act for entry in change.entries] == [Released(reviewer="ada", reason=reason)]
    assert (change.after.status, change.after.reviewer) == (ReviewStatus.WAITING, None)
    assert [(notice.kind, notice.to) for notice in change.notifications] == [("taken_away", "ada")]


def test_that_there_is_nobody_is_said_once():
    first = place(review(specialization="law"), None, NOON)
    assert kinds(first) == ["nobody_found"]
    assert place(first.after, None, after(1)).is_empty
    found = place(first.after, "ada", after(2))
    assert [(notice.kind, notice.to) for notice in found.notifications] == [("assigned", "ada")]


def test_a_decision_is_taken_once_and_only_of_whom_it_lies_with():
    asked = with_ada()
    with pytest.raises(ConflictError, match=r"lies with ada, and bob cannot decide about it; delegate it first"):
        decide(asked, APPROVAL, actor("bob"), NOON)
    with pytest.raises(ConflictError, match="lies with nobody"):
        decide(review(), APPROVAL, actor("bob"), NOON)
    decided = decide(asked, APPROVAL, actor("ada"), after(1))
    [entry] = decided.entries
    assert (entry.actor.name, entry.actor.origin, entry.at) == ("ada", "cli test", after(1))
    assert decided.after.status is ReviewStatus.DECIDED
    assert decided.after.ended_at == after(1)
    assert next_look(decided.after) is None
    assert decide(decided.after, APPROVAL, actor("ada"), after(2)).is_empty
    with pytest.raises(ConflictError, match=r"was decided \(approve\) by ada and takes no decision any more"):
        decide(decided.after, ReviewDecision(decision="reject"), actor("ada"), after(2))
    withdrawn = record(asked, (Withdrawn(),), actor("desk"), after(1)).after
    with pytest.raises(ConflictError, match="was withdrawn and takes no decision"):
        decide(withdrawn, APPROVAL, actor("ada"), after(2))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"decision": "changes"}, "a comment that says what to change"),
        ({"decision": "changes", "comment": "  "}, "a comment that says what to change"),
        ({"decision": "reject", "edited": {"value": 1}}, "edited data comes with `approve`, not with `reject`"),
        ({"decision": "perhaps"}, "'approve', 'reject' or 'changes'"),
    ],
)
def test_decisions_that_make_no_sense(said: dict[str, Any], reason: str):
    with pytest.raises(ValidationError, match=reason):
        ReviewDecision.model_validate(said)


def test_edited_to_null_is_edited():
    assert ReviewDecision.model_validate_json('{"decision": "approve", "edited": {"value": null}}').edited is not None
    assert ReviewDecision.model_validate_json('{"decision": "approve", "edited": null}').edited is None


def test_delegation_moves_a_review_and_tells_whom_it_concerns():
    bob = reviewer("bob")
    by_ada = delegate(with_ada(), bob, Workload(), actor("ada"), after(1), comment="yours")
    assert by_ada.after.reviewer == "bob"
    assert by_ada.after.passed_on_by == {"ada"}
    assert [(notice.kind, notice.to, notice.comment) for notice in by_ada.notifications] == [
        ("assigned", "bob", "yours")
    ]
    by_chief = delegate(with_ada(), bob, Workload(), actor("chief"), after(1))
    assert [(notice.kind, notice.to) for notice in by_chief.notifications] == [
        ("assigned", "bob"),
        ("taken_away", "ada"),
    ]
    assert delegate(by_ada.after, bob, Workload(), actor("ada"), after(2)).is_empty


@pytest.mark.parametrize(
    ("to", "load", "reason"),
    [
        (reviewer("bob", is_active=False), Workload(), "bob is inactive; delegate r1.judge.1 to another"),
        (reviewer("bob", availability=absent(-1, 1)), Workload(), "bob is absent"),
        (reviewer("bob", max_concurrent_reviews=2), Workload(2), "bob has 2 reviews, and may have 2"),
    ],
)
def test_delegation_to_whom_cannot_take_it(to: Any, load: Workload, reason: str):
    with pytest.raises(ConflictError, match=reason):
        delegate(with_ada(), to, load, actor("ada"), NOON)
    ended = decide(with_ada(), APPROVAL, actor("ada"), NOON).after
    with pytest.raises(ConflictError, match="there is nothing to delegate"):
        delegate(ended, reviewer("cid"), Workload(), actor("ada"), NOON)


def test_a_late_review_climbs_the_chain_and_comes_down_when_nobody_is_there():
    team = [reviewer("ada", "law"), reviewer("lead"), reviewer("bob", "law")]
    asked = with_ada(specialization="law", escalation=CHAIN)
    [at_lead] = tend([asked], team, {"ada": Workload(1)}, after(11))
    assert at_lead.after.reviewer == "lead"
    assert [(notice.kind, notice.to) for notice in at_lead.notifications] == [
        ("escalated", "ada"),
        ("assigned", "lead"),
        ("taken_away", "ada"),
    ]
    [at_law] = tend([at_lead.after], team, {"lead": Workload(1)}, after(12))
    assert at_law.after.reviewer == "bob", "Ada had it before"
    nobody = [reviewer("ada", "law"), reviewer("lead", is_active=False)]
    [stays] = tend([asked], nobody, {"ada": Workload(1)}, after(11))
    assert (stays.after.reviewer, kinds(stays)) == ("ada", ["escalated", "nobody_found"])
    assert tend([stays.after], nobody, {"ada": Workload(1)}, after(11)) == []
    [back] = tend([stays.after], team, {"ada": Workload(1)}, after(11.5))
    assert back.after.reviewer == "lead"


def test_an_escalation_to_whom_it_lies_with_changes_nothing_else():
    team = [reviewer("ada"), reviewer("lead")]
    [change] = tend([place(review(escalation=CHAIN), "lead", NOON).after], team, {"lead": Workload(1)}, after(11))
    assert kinds(change) == ["escalated"]
    assert (change.after.reviewer, change.after.is_seeking) == ("lead", False)


def test_reviews_of_somebody_who_falls_ill_go_to_others_and_room_is_counted():
    ill = reviewer("ada", availability=absent(-1, 9))
    team = [ill, reviewer("bob", max_concurrent_reviews=1)]
    first, second = with_ada(id="r.a.1"), with_ada(id="r.b.1", priority="urgent")
    moved = {
        change.after.id: change.after.reviewer for change in tend([first, second], team, {"ada": Workload(2)}, NOON)
    }
    assert moved == {"r.a.1": None, "r.b.1": "bob"}


actions = st.lists(
    st.tuples(
        st.sampled_from(["tend", "tend", "tend", "decide", "delegate", "leave", "come", "withdraw"]),
        st.sampled_from(["ada", "bob", "lead"]),
        st.floats(0, 8),
    ),
    max_size=30,
)


@given(actions=actions)
def test_whatever_happens_the_trail_tells_it(actions):
    """The trail, applied to the request, gives the review; an open one lies with somebody there, or seeks somebody."""
    team = {name: reviewer(name, "law", max_concurrent_reviews=1) for name in ("ada", "bob", "lead")}
    start = review(specialization="law", escalation=CHAIN)
    change = record(start, (Asked(),), actor("desk"), NOON)
    now, trail, notices = NOON, list(change.entries), list(change.notifications)
    asked = change.after
    for what, who, hours in actions:
        now += hours * HOUR
        changes = []
        try:
            match what:
                case "tend" if asked.status.is_open:
                    loads = {} if asked.reviewer is None else {asked.reviewer: Workload(1)}
                    changes = tend([asked], list(team.values()), loads, now)
                case "decide":
                    changes = [decide(asked, APPROVAL, actor(who), now)]
                case "delegate":
                    changes = [delegate(asked, team[who], Workload(), actor("ada"), now)]
                case "leave" | "come":
                    team[who] = team[who].model_copy(update={"is_active": what == "come"})
                case "withdraw" if asked.status.is_open:
                    changes = [record(asked, (Withdrawn(),), actor("desk"), now)]
        except ConflictError:
            continue
        for made in changes:
            assert made.before == asked
            trail += made.entries
            notices += made.notifications
            asked = made.after
        if what == "tend" and asked.status.is_open:
            due = next_look(asked)
            assert due is None or due > now
            if asked.reviewer is None:
                assert not any(each.is_active for each in team.values())
            else:
                assert team[asked.reviewer].is_active
    again = begin(start)
    for entry in trail:
        again = apply(again, entry.act, entry.at)
    assert again == asked == Review.model_validate_json(asked.model_dump_json())
    assert [entry.sequence for entry in trail] == list(range(1, asked.sequence + 1))
    assert [entry.at for entry in trail] == sorted(entry.at for entry in trail)
    assert len({notice.id for notice in notices}) == len(notices)
    assert (asked.status is ReviewStatus.ASSIGNED) <= (asked.reviewer is not None)


@given(hours=st.lists(st.floats(0, 60), max_size=20))
def test_reminders_do_not_depend_on_how_often_the_desk_looks(hours):
    """Nobody is reminded twice of the same thing, and of everything that is past by the end."""
    asked = with_ada()
    reminders = []
    for moment in sorted(after(each) for each in hours):
        change = advance(asked, moment)
        reminders += [moment] * len(change.entries)
        asked = change.after
    points = [after(each) for each in (5, 9, 10, 34, 58)]
    for before, following in zip([NOON, *reminders], reminders, strict=False):
        assert any(before < point <= following for point in points)
    last = max((after(each) for each in hours), default=NOON)
    seen = max(reminders, default=NOON)
    assert not any(seen < point <= last for point in points)
