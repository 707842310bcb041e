"""When schedules are due: cron expressions in time zones whose clocks change, and jitter."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sightwire_indexer.schedules.timing import next_due, starting_time, upcoming

from sightwire.contracts.schedules import ScheduleRecord, ScheduleSpec
from sightwire.errors import InvalidInputError


def spec(cron: str, time_zone: str = "UTC", **members: Any) -> ScheduleSpec:
    return ScheduleSpec.model_validate({"cron": cron, "time_zone": time_zone, "command": {"kind": "scan"}, **members})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "time_zone", "after", "due"),
    [
        ("30 3 * * *", "UTC", "2026-05-01 03:29:59", "2026-05-01 03:30"),
        ("30 3 * * *", "UTC", "2026-05-01 03:30", "2026-05-02 03:30"),
        ("30 3 * * 1", "UTC", "2026-05-01 12:00", "2026-05-04 03:30"),
        ("0 0 29 2 *", "UTC", "2026-05-01 12:00", "2028-02-29 00:00"),
        ("30 3 * * *", "Europe/Berlin", "2026-05-01 00:00", "2026-05-01 01:30"),
        ("30 3 * * *", "Asia/Kolkata", "2026-05-01 00:00", "2026-05-01 22:00"),
        # 29 March 2026: Berlin's clocks go from 2:00 to 3:00, which is 1:00 UTC.
        ("30 2 * * *", "Europe/Berlin", "2026-03-29 00:00", "2026-03-29 01:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29 01:00", "2026-03-30 00:30"),
        ("0 * * * *", "Europe/Berlin", "2026-03-29 00:30", "2026-03-29 01:00"),
        # 25 October 2026: they go from 3:00 back to 2:00, which is 1:00 UTC.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24 23:00", "2026-10-25 00:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25 00:30", "2026-10-26 01:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25 01:10", "2026-10-26 01:30"),
        ("30 * * * *", "Europe/Berlin", "2026-10-25 00:30", "2026-10-25 01:30"),
        # Lord Howe Island's clocks change by half an hour: 4 October 2026, 2:00 to 2:30, which is 15:30 UTC.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 15:00", "2026-10-03 15:30"),
    ],
)
def test_the_next_time_is_that_of_the_zones_clock(cron: str, time_zone: str, after: str, due: str) -> None:
    assert next_due(spec(cron, time_zone), utc(after)) == utc(due)


def test_two_times_of_day_that_a_change_makes_one_are_due_once() -> None:
    times = upcoming(spec("0 2,3 * * *", "Europe/Berlin"), utc("2026-03-28 12:00"), 3)
    assert [time.astimezone(UTC) for time in times] == [
        utc("2026-03-29 01:00"),
        utc("2026-03-30 00:00"),
        utc("2026-03-30 01:00"),
    ]


def test_upcoming_times_are_shown_by_the_zones_clock() -> None:
    first, second = upcoming(spec("0 9 * * *", "Europe/Berlin"), utc("2026-10-24 00:00"), 2)
    assert first.isoformat() == "2026-10-24T09:00:00+02:00"
    assert second.isoformat() == "2026-10-25T09:00:00+01:00"


def test_upcoming_times_end_with_the_calendar() -> None:
    assert len(upcoming(spec("0 0 29 2 */7"), utc("9900-01-01"), 1000)) == 3


@pytest.mark.parametrize(
    ("cron", "time_zone", "field"),
    [
        ("", "UTC", "cron"),
        ("* * * *", "UTC", "cron"),
        ("0 * * * * *", "UTC", "cron"),
        ("61 * * * *", "UTC", "cron"),
        ("a b c d e", "UTC", "cron"),
        ("@daily", "UTC", "cron"),
        ("*/0 * * * *", "UTC", "cron"),
        (f"{'9' * 5000} * * * *", "UTC", "cron"),
        ("0 0 31 2 *", "UTC", "cron"),
        ("0 0 30 2 */7", "UTC", "cron"),
        ("0 3 * * *", "Europe/Atlantis", "time_zone"),
        ("0 3 * * *", "Europe", "time_zone"),
        ("0 3 * * *", "", "time_zone"),
        ("0 3 * * *", "../../etc/passwd", "time_zone"),
        ("0 3 * * *", "/etc/localtime", "time_zone"),
        ("0 3 * * *", "a\0b", "time_zone"),
    ],
)
def test_what_cannot_be_due_is_refused_by_its_field(cron: str, time_zone: str, field: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{field}: "):
        next_due(spec(cron, time_zone), utc("2026-01-01"))


CRONS = st.builds(
    " ".join,
    st.tuples(
        st.one_of(st.just("*"), st.just("*/7"), st.integers(0, 59).map(str)),
        st.one_of(st.just("*"), st.just("*/5"), st.just("1-3"), st.integers(0, 23).map(str)),
        st.one_of(st.just("*"), st.integers(1, 28).map(str)),
        st.one_of(st.just("*"), st.integers(1, 12).map(str)),
        st.one_of(st.just("*"), st.integers(0, 6).map(str)),
    ),
)
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Cairo"]
)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))


@given(cron=CRONS, time_zone=ZONES, after=TIMES)
def test_each_time_is_later_than_the_one_before(cron: str, time_zone: str, after: datetime) -> None:
    times = [time.astimezone(UTC) for time in upcoming(spec(cron, time_zone), after, 6)]
    assert all(earlier < later for earlier, later in zip([after, *times], times, strict=False))


@given(cron=CRONS, time_zone=ZONES, after=TIMES)
@example(cron="0 * * 4 *", time_zone="Pacific/Apia", after=datetime(2012, 1, 1, tzinfo=UTC))
def test_asking_one_by_one_gives_what_asking_at_once_gives(cron: str, time_zone: str, after: datetime) -> None:
    at_once = upcoming(spec(cron, time_zone), after, 4)
    one_by_one = [after]
    for _ in at_once:
        one_by_one.append(next_due(spec(cron, time_zone), one_by_one[-1]))
    # In UTC: times of different zones are never equal where a clock that is put back shows one of them twice.
    assert one_by_one[1:] == [moment.astimezone(UTC) for moment in at_once]


@given(jitter=st.floats(0, 1e6), due_at=TIMES)
def test_jitter_delays_by_at_most_so_much_and_always_the_same(jitter: float, due_at: datetime) -> None:
    record = ScheduleRecord(
        name="nightly",
        collection="demo",
        collection_uid="u1",
        spec=spec("0 3 * * *", jitter_seconds=jitter),
        created_at=due_at,
    )
    delay = starting_time(record, due_at) - due_at
    assert timedelta(0) <= delay <= timedelta(seconds=jitter)
    assert starting_time(record, due_at) - due_at == delay
