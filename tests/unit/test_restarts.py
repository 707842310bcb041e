"""When a dead process is started again: a table of cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightwire.platform.restarts import GiveUp, Restart, RestartPolicy, decide_after_exit, describe_exit

POLICY = RestartPolicy(first_delay=0.5, factor=2, longest_delay=4, steady_after=60, attempts_before_first_ready=3)


@pytest.mark.parametrize(
    ("exit_status", "ran_for", "failures_before", "was_ever_ready", "expected"),
    [
        (1, 5, 0, True, Restart(0.5, 1)),
        (-9, 5, 1, True, Restart(1, 2)),
        (-9, 5, 2, True, Restart(2, 3)),
        (-9, 5, 3, True, Restart(4, 4)),
        (-9, 5, 9, True, Restart(4, 10)),
        (-9, 61, 9, True, Restart(0.5, 1)),
        (0, 5, 0, True, Restart(0.5, 1)),
        (1, 5, 0, False, Restart(0.5, 1)),
        (1, 5, 1, False, Restart(1, 2)),
        (1, 5, 2, False, GiveUp("it ended 3 times without ever becoming ready")),
        (78, 5, 0, True, GiveUp("its settings cannot work")),
        (78, 5, 0, False, GiveUp("its settings cannot work")),
    ],
)
def test_decision(
    exit_status: int, ran_for: float, failures_before: int, was_ever_ready: bool, expected: Restart | GiveUp
) -> None:
    decision = decide_after_exit(
        POLICY,
        exit_status=exit_status,
        ran_for=ran_for,
        failures_before=failures_before,
        was_ever_ready=was_ever_ready,
    )
    assert decision == expected


@given(st.integers(min_value=1, max_value=10**9))
def test_delays_grow_up_to_the_longest(failures: int) -> None:
    assert POLICY.first_delay <= POLICY.delay(failures) <= POLICY.delay(failures + 1) <= POLICY.longest_delay


def test_exits_in_words() -> None:
    assert describe_exit(3) == "exit status 3"
    assert describe_exit(-9) == "killed by signal 9"
