"""Who gets a review: specialization, then workload, then fairness; and only those who are there."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sightwire_orchestrator.reviews.assigning import Workload, assign, assign_all
from sightwire_orchestrator.reviews.availability import is_absent, is_on_duty, is_reachable

from services.orchestrator.tests.asked_reviews import NOON, absent, after, review, reviewer
from sightwire.contracts.reviews import PRIORITIES

ADA, BOB, CID = reviewer("ada", "law"), reviewer("bob", "law", "art"), reviewer("cid", "art")
EVERYBODY = [ADA, BOB, CID]
LEADS = [{"after": 60, "to": "art"}]
BY_NAME = [{"after": 60, "to": "cid"}]
OFFICE = {"time_zone": "Europe/Berlin", "hours": [{"start": "09:00", "end": "17:00"}]}


@pytest.mark.parametrize(
    ("asked", "loads", "chosen"),
    [
        pytest.param({}, {}, "ada", id="all are equal: by id"),
        pytest.param({"specialization": "art"}, {}, "bob", id="who has the specialization"),
        pytest.param({"specialization": "art"}, {"bob": Workload(1)}, "cid", id="who has less to do"),
        pytest.param({"specialization": "maths"}, {}, None, id="nobody has the specialization"),
        pytest.param({"specialization": "art"}, {"bob": Workload(5), "cid": Workload(5)}, None, id="nobody has room"),
        pytest.param({}, {"ada": Workload(0, 1), "bob": Workload(0, 2), "cid": Workload(1)}, "ada", id="fewest lately"),
        pytest.param(
            {},
            {"ada": Workload(1, 1, after(-1)), "bob": Workload(1, 1, after(-3)), "cid": Workload(1, 1, after(-2))},
            "bob",
            id="who has waited longest",
        ),
        pytest.param({}, {"ada": Workload(0, 0, after(-99))}, "bob", id="who never had one has waited longer"),
        pytest.param({"passed_on_by": ["ada", "bob"]}, {"cid": Workload(4)}, "cid", id="who had it before comes last"),
        pytest.param({"passed_on_by": ["ada", "bob", "cid"]}, {}, "ada", id="but comes"),
        pytest.param({"status": "assigned", "reviewer": "ada"}, {}, "bob", id="not the one who has it"),
        pytest.param(
            {"specialization": "law", "escalation": LEADS, "escalations": 1, "status": "assigned", "reviewer": "ada"},
            {},
            "bob",
            id="whom the escalation names by specialization",
        ),
        pytest.param(
            {"specialization": "law", "escalation": BY_NAME, "escalations": 1},
            {"cid": Workload(9)},
            "cid",
            id="whom the escalation names, however much there is to do",
        ),
        pytest.param(
            {"specialization": "law", "escalation": [{"after": 1, "to": "zoe"}], "escalations": 1},
            {},
            "ada",
            id="whom the escalation names is not there, and nobody has it",
        ),
        pytest.param(
            {
                "specialization": "law",
                "escalation": [{"after": 1, "to": "zoe"}],
                "escalations": 1,
                "status": "assigned",
                "reviewer": "ada",
            },
            {},
            None,
            id="whom the escalation names is not there, and somebody has it",
        ),
    ],
)
def test_who_is_chosen(asked: dict[str, Any], loads: dict[str, Workload], chosen: str | None):
    assert assign(review(**asked), EVERYBODY, loads, NOON) == chosen
    assert assign(review(**asked), reversed(EVERYBODY), loads, NOON) == chosen


def test_shares_of_room_are_compared_and_not_numbers():
    part_time, full_time = (reviewer(name, max_concurrent_reviews=most) for name, most in (("a", 2), ("b", 10)))
    loads = {"a": Workload(1), "b": Workload(4)}
    assert assign(review(), [part_time, full_time], loads, NOON) == "b"


@pytest.mark.parametrize(
    ("availability", "at", "on_duty", "reachable"),
    [
        pytest.param({}, NOON, True, True, id="always there"),
        pytest.param(absent(-1, 1), NOON, False, False, id="absent"),
        pytest.param(absent(0, 1), NOON, False, False, id="absent from now on"),
        pytest.param(absent(-1, 0), NOON, True, True, id="back just now"),
        pytest.param(OFFICE, datetime(2026, 5, 4, 6, 59, tzinfo=UTC), False, True, id="before hours, in summer"),
        pytest.param(OFFICE, datetime(2026, 5, 4, 7, 0, tzinfo=UTC), True, True, id="as hours begin, in summer"),
        pytest.param(OFFICE, datetime(2026, 1, 5, 7, 30, tzinfo=UTC), False, True, id="before hours, in winter"),
        pytest.param(OFFICE, datetime(2026, 5, 4, 15, 0, tzinfo=UTC), False, True, id="as hours end"),
        pytest.param(OFFICE, datetime(2026, 5, 3, 12, tzinfo=UTC), False, True, id="on Sunday"),
        pytest.param(
            {"hours": [{"days": [5], "start": "22:00", "end": "06:00"}]},
            datetime(2026, 5, 9, 5, tzinfo=UTC),
            True,
            True,
            id="in the night that began on Friday",
        ),
        pytest.param(
            {"hours": [{"days": [7], "start": "22:00", "end": "06:00"}]},
            datetime(2026, 5, 4, 5, tzinfo=UTC),
            True,
            True,
            id="in the night that began on Sunday",
        ),
        pytest.param(
            {"hours": [{"days": [1], "start": "22:00", "end": "06:00"}]},
            datetime(2026, 5, 4, 5, tzinfo=UTC),
            False,
            True,
            id="in the night before",
        ),
        pytest.param({"hours": [{"start": "00:00", "end": "00:00"}]}, NOON, True, True, id="whole days"),
    ],
)
def test_who_is_there(availability: dict[str, Any], at: datetime, on_duty: bool, reachable: bool):
    somebody = reviewer("ada", availability=availability)
    assert (is_on_duty(somebody, at), is_reachable(somebody, at)) == (on_duty, reachable)
    assert is_absent(somebody.availability, at) is not reachable
    inactive = somebody.model_copy(update={"is_active": False})
    assert not is_on_duty(inactive, at)
    assert not is_reachable(inactive, at)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"availability": {"time_zone": "Europe/Nowhere"}}, "no time zone 'Europe/Nowhere'"),
        ({"availability": {"time_zone": "../etc/passwd"}}, "no time zone"),
        ({"availability": absent(1, 1)}, "expected an end after the start"),
        ({"availability": {"hours": [{"days": [8], "start": "09:00", "end": "17:00"}]}}, "less than or equal to 7"),
        ({"email": "ada"}, "should match pattern"),
        ({"email": "ada@example.org\nBcc: eve@example.org"}, "should match pattern"),
        ({"email": "eve@example.com,ada@example.org"}, "should match pattern"),
        ({"max_concurrent_reviews": 0}, "greater than 0"),
    ],
)
def test_profiles_that_make_no_sense(values: dict[str, Any], reason: str):
    with pytest.raises(ValidationError, match=reason):
        reviewer("ada", **values)


def test_the_most_pressing_reviews_are_given_first():
    asked = {
        "late.1": {"priority": "low", "deadline": after(-1)},
        "soon.1": {"priority": "high", "deadline": after(1)},
        "old.1": {"priority": "high", "deadline": after(2), "asked_at": after(-9)},
        "new.1": {"priority": "high", "deadline": after(2), "asked_at": after(-1)},
        "fire.1": {"priority": "urgent", "deadline": after(9)},
    }
    one = reviewer("ada", max_concurrent_reviews=3)
    chosen = list(assign_all([review(id_, **values) for id_, values in asked.items()], [one], {}, NOON))
    assert [given.id for given, _ in chosen] == ["fire.1", "soon.1", "old.1", "new.1", "late.1"]
    assert [to for _, to in chosen] == ["ada", "ada", "ada", None, None]


SKILLS = ["law", "art", "maths"]
teams = st.lists(
    st.builds(
        lambda skills, most, hours: (skills, most, absent(-1, 1) if hours == "absent" else {}),
        st.sets(st.sampled_from(SKILLS)),
        st.integers(1, 4),
        st.sampled_from(["there", "there", "absent"]),
    ),
    max_size=6,
).map(
    lambda drawn: [
        reviewer(f"r{number}", *skills, max_concurrent_reviews=most, availability=availability)
        for number, (skills, most, availability) in enumerate(drawn)
    ]
)
demands = st.lists(st.tuples(st.sampled_from(["", *SKILLS]), st.sampled_from(PRIORITIES)), max_size=20)


@given(team=teams, asked=demands)
def test_nobody_is_overloaded_and_none_waits_for_whom_could_have_it(team, asked):
    reviews = [review(f"r.t.{n}", specialization=skill, priority=priority) for n, (skill, priority) in enumerate(asked)]
    chosen = list(assign_all(reviews, team, {}, NOON))
    assert {given.id for given, _ in chosen} == {each.id for each in reviews}
    loads = {each.id: 0 for each in team}
    for given_review, to in chosen:
        able = [
            each
            for each in team
            if is_on_duty(each, NOON)
            and given_review.specialization in {"", *each.specializations}
            and loads[each.id] < each.max_concurrent_reviews
        ]
        if to is None:
            assert able == []
            continue
        assert to in {each.id for each in able}
        share = {each.id: loads[each.id] / each.max_concurrent_reviews for each in able}
        assert share[to] == min(share.values())
        loads[to] += 1


@given(count=st.integers(1, 6), rounds=st.integers(1, 5))
def test_everybody_gets_as_many(count, rounds):
    """When each review is decided before the next one comes, workload never differs."""
    team = [reviewer(f"r{number}") for number in range(count)]
    loads: dict[str, Workload] = {}
    for number in range(count * rounds):
        chosen = assign(review(), team, loads, after(number))
        assert chosen is not None
        loads[chosen] = loads.get(chosen, Workload()).with_one_more(after(number)).with_one_less()
    assert {load.lately for load in loads.values()} == {rounds}
