"""Decisions about operations: what follows an attempt, how a rebuild is cut, who is answered what."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sightwire_indexer.operations.judging import Verdict, judge
from sightwire_indexer.rebuilding.planning import group_segments
from sightwire_indexer.tasks import finished_regardless

from sightwire.contracts.operations import OperationState
from sightwire.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    UnavailableError,
    UnknownCollectionError,
    error_with_code,
)
from sightwire.segments.merge_policy import SegmentSize

AWAY = UnavailableError("no store")


@pytest.mark.parametrize(
    ("result", "error", "attempts", "was_cancelled", "expected"),
    [
        pytest.param({"a": 1}, None, 1, False, Verdict(OperationState.SUCCEEDED, result={"a": 1}), id="done"),
        pytest.param({}, None, 1, True, Verdict(OperationState.SUCCEEDED), id="cancelled too late"),
        pytest.param(None, None, 1, True, Verdict(OperationState.CANCELLED), id="cancelled"),
        pytest.param(None, AWAY, 1, True, Verdict(OperationState.CANCELLED), id="cancelled while failing"),
        pytest.param(
            None, None, 1, False, Verdict(OperationState.FAILED, "it was not done within 9 s"), id="out of time"
        ),
        pytest.param(None, AWAY, 1, False, Verdict(OperationState.RUNNING, AWAY.detail), id="may pass"),
        pytest.param(
            None,
            AWAY,
            3,
            False,
            Verdict(OperationState.FAILED, f"given up after 3 attempts: {AWAY.detail}"),
            id="never",
        ),
        pytest.param(None, NotFoundError("no"), 1, False, Verdict(OperationState.FAILED, "no"), id="never will"),
        pytest.param(
            None, ValueError("odd"), 1, False, Verdict(OperationState.FAILED, "ValueError('odd')"), id="unexpected"
        ),
    ],
)
def test_what_follows_an_attempt(
    result: dict[str, object] | None,
    error: BaseException | None,
    attempts: int,
    was_cancelled: bool,
    expected: Verdict,
) -> None:
    verdict = judge(result, error, attempts=attempts, was_cancelled=was_cancelled, timeout_seconds=9)
    assert verdict == expected


@pytest.mark.parametrize(
    ("live_rows", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"a": 3}, [("a",)], id="one"),
        pytest.param({"a": 0}, [("a",)], id="deletions alone"),
        pytest.param({"a": 3, "b": 7}, [("b", "a")], id="two that fit"),
        pytest.param({"a": 4, "b": 7}, [("b",), ("a",)], id="two that do not"),
        pytest.param({"a": 20, "b": 1}, [("a",), ("b",)], id="one too large already"),
        pytest.param({"a": 6, "b": 5, "c": 4, "d": 5}, [("a", "c"), ("b", "d")], id="as few as possible"),
    ],
)
def test_how_a_rebuild_is_cut(live_rows: dict[str, int], expected: list[tuple[str, ...]]) -> None:
    segments = [SegmentSize(segment_id, rows, 0) for segment_id, rows in live_rows.items()]
    assert group_segments(segments, max_rows=10) == expected


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 60))
def test_every_segment_is_rebuilt_once_and_none_grows_too_large(sizes: list[int], max_rows: int) -> None:
    segments = [SegmentSize(f"{number:02}", size, 0) for number, size in enumerate(sizes)]
    groups = group_segments(segments, max_rows=max_rows)
    assert Counter(name for group in groups for name in group) == Counter(segment.id for segment in segments)
    live = {segment.id: segment.live for segment in segments}
    assert all(len(group) == 1 or sum(live[name] for name in group) <= max_rows for group in groups)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("not-found", NotFoundError),
        ("unknown-collection", UnknownCollectionError),
        ("conflict", ConflictError),
        ("invalid-input", InvalidInputError),
        ("overloaded", OverloadedError),
        ("nonsense", None),
        (None, None),
    ],
)
def test_an_error_comes_back_by_its_code(code: str | None, expected: type[Exception] | None) -> None:
    error = error_with_code(code, "why")
    assert (None if error is None else type(error)) is expected
    assert error is None or error.detail == "why"


async def test_what_must_not_be_interrupted_is_finished_by_a_cancelled_task() -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def work() -> str:
        begun.set()
        await may_end.wait()
        return "done"

    task = asyncio.create_task(finished_regardless(work(), grace_seconds=20))
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    may_end.set()
    assert await task == "done"


async def test_what_must_not_be_interrupted_has_its_time() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(finished_regardless(work(), grace_seconds=0.05))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
