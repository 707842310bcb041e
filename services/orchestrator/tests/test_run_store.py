"""Runs in the database: what happened to them and how they stand, stored both or neither, and only by one writer."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from sightwire_orchestrator.runs.events import RunEnded, RunPaused
from sightwire_orchestrator.runs.state import Ending, Run, TaskRecord
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.storage.fencing import FencedError
from sightwire_orchestrator.storage.pipeline_store import PipelineStore
from sightwire_orchestrator.storage.run_changes import Happening, RunChange, reasons_against
from sightwire_orchestrator.storage.run_pages import RunFilter
from sightwire_orchestrator.storage.run_store import RunStore
from sqlalchemy.exc import StatementError

from sightwire.contracts.pipelines import PipelineDefinition, PipelineRunState, TaskDefinition
from sightwire.errors import ConflictError, InvalidInputError, NotFoundError

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
DEFINITION = PipelineDefinition(name="nightly", tasks=(TaskDefinition(name="only", type="custom"),))


def new_run(id_: str = "a", **changes: Any) -> Run:
    values = {
        "id": id_,
        "pipeline": "nightly",
        "version": "1",
        "parameters": {"text": "Ärger \x00 \N{SNOWMAN}"},
        "tasks": {"only": TaskRecord()},
        "ready": (0,),
        "unfinished": 1,
        "started_at": NOON,
    }
    return Run(**values | changes)


def paused(run: Run, by: str) -> tuple[Run, Happening]:
    """The run after a pause, which is told apart by who asked for it."""
    return run.model_copy(update={"sequence": run.sequence + 1}), Happening(RunPaused(by=by), NOON)


def ended(run: Run) -> tuple[Run, Happening]:
    ending = Ending(state=PipelineRunState.SUCCEEDED)
    later = NOON + timedelta(seconds=5)
    changes = {"sequence": run.sequence + 1, "ended_at": later, "state": ending.state, "ending": ending}
    return run.model_copy(update=changes), Happening(RunEnded(ending=ending), later)


@pytest_asyncio.fixture(loop_scope="session")
async def store(database: Database) -> AsyncIterator[RunStore]:
    await PipelineStore(database).put(DEFINITION)
    store = RunStore(database)
    yield store
    await store.drain()


@pytest_asyncio.fixture(loop_scope="session")
async def epoch(store: RunStore) -> int:
    return await store.claim("first")


async def test_a_run_is_stored_with_what_happened(store: RunStore, epoch: int):
    run = new_run()
    await store.create(run, epoch=epoch)
    assert await store.get("a") == run
    run, pause = paused(run, "someone")
    await store.append(run, [pause], epoch=epoch)
    assert await store.unfinished() == [run]
    run, end = ended(run)
    await store.append(run, [end], epoch=epoch)
    assert await store.get("a") == run
    assert await store.unfinished() == []
    assert await store.events("a") == [pause, end]
    assert await store.events("a", after=1) == [end]
    assert await store.events("a", limit=1) == [pause]


async def test_a_run_that_is_retried_is_unfinished_again(store: RunStore, epoch: int):
    run = new_run()
    await store.create(run, epoch=epoch)
    run, end = ended(run)
    again = run.model_copy(update={"sequence": 2, "ended_at": None, "state": PipelineRunState.RUNNING})
    await store.append(run, [end], epoch=epoch)
    await store.append(again, [Happening(RunPaused(), NOON)], epoch=epoch)
    assert await store.unfinished() == [again]


async def test_appends_at_once_keep_their_order(store: RunStore, epoch: int):
    """Of one run, each without waiting for the one before, and of others beside it."""
    runs = {id_: new_run(id_) for id_ in ("a", "b", "c")}
    writes = [store.create(run, epoch=epoch) for run in runs.values()]
    for number in range(100):
        for id_ in runs:
            runs[id_], pause = paused(runs[id_], str(number))
            writes.append(store.append(runs[id_], [pause], epoch=epoch))
    await asyncio.gather(*writes)
    for id_, run in runs.items():
        assert await store.get(id_) == run
        assert [happening.event.by for happening in await store.events(id_)] == [str(number) for number in range(100)]


async def test_a_refused_append_does_not_hinder_those_beside_it(store: RunStore, epoch: int):
    run = new_run()
    await store.create(run, epoch=epoch)
    changed, pause = paused(run, "first")
    also_changed, other_pause = paused(run, "second, of the same state")
    without_time_zone = Happening(RunPaused(), NOON.replace(tzinfo=None))
    outcomes = await asyncio.gather(
        store.append(changed, [pause], epoch=epoch),
        store.append(also_changed, [other_pause], epoch=epoch),
        store.append(new_run("missing", sequence=1), [pause], epoch=epoch),
        store.create(new_run("b"), epoch=epoch),
        store.create(new_run("c", version="unknown"), epoch=epoch),
        store.create(run, epoch=epoch),
        store.append(also_changed.model_copy(update={"sequence": 2}), [without_time_zone], epoch=epoch),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [
        type(None), ConflictError, NotFoundError, type(None), InvalidInputError, ConflictError, StatementError,
    ]  # fmt: skip
    assert "has 1 events, but its new state was computed after 0" in str(outcomes[1])
    assert await store.events("a") == [pause]
    assert await store.unfinished() == [changed, new_run("b")]


async def test_a_cancelled_caller_hinders_nobody(store: RunStore, epoch: int):
    first = asyncio.create_task(store.create(new_run("a"), epoch=epoch))
    second = asyncio.create_task(store.create(new_run("b"), epoch=epoch))
    await asyncio.sleep(0)
    first.cancel()
    await second
    await store.drain()
    assert (await store.get("b")).id == "b"


async def test_a_stale_orchestrator_writes_nothing(store: RunStore, epoch: int):
    run = new_run()
    await store.create(run, epoch=epoch)
    assert await store.claim("second") == epoch + 1
    changed, pause = paused(run, "stale")
    with pytest.raises(FencedError, match=f"epoch {epoch} may not write run 'a'.* claimed with epoch {epoch + 1}"):
        await store.append(changed, [pause], epoch=epoch)
    with pytest.raises(FencedError):
        await store.create(new_run("b"), epoch=epoch)
    assert await store.get("a") == run
    await store.append(changed, [pause], epoch=epoch + 1)


async def test_nobody_writes_who_never_claimed(store: RunStore):
    with pytest.raises(FencedError):
        await store.create(new_run(), epoch=1)


async def test_claims_at_once_get_epochs_of_their_own(store: RunStore):
    epochs = await asyncio.gather(*(store.claim(f"owner-{number}") for number in range(5)))
    assert sorted(epochs) == [1, 2, 3, 4, 5]


async def test_an_unknown_run(store: RunStore):
    with pytest.raises(NotFoundError, match="there is no run 'missing'"):
        await store.get("missing")
    assert await store.events("missing") == []


async def test_lists(store: RunStore, epoch: int):
    await PipelineStore(store._database).put(DEFINITION.model_copy(update={"name": "weekly"}))
    for number in range(7):
        pipeline = "weekly" if number == 3 else "nightly"
        # Two begin at the same moment each.
        started_at = NOON + timedelta(minutes=number // 2)
        run = new_run(f"r{number}", pipeline=pipeline, started_at=started_at)
        await store.create(run, epoch=epoch)
    run, end = ended(new_run("r6", started_at=NOON + timedelta(minutes=3)))
    await store.append(run, [end], epoch=epoch)

    async def listed(filter_: RunFilter, limit: int = 50) -> list[str]:
        ids, cursor = [], None
        while True:
            page = await store.list(filter_, limit=limit, cursor=cursor)
            assert len(page.runs) <= limit
            ids += [run.id for run in page.runs]
            cursor = page.next_cursor
            if cursor is None:
                return ids

    everything = [f"r{number}" for number in reversed(range(7))]
    assert await listed(RunFilter()) == everything
    for limit in (1, 2, 3, 7):
        assert await listed(RunFilter(), limit) == everything
    assert await listed(RunFilter(pipeline="weekly")) == ["r3"]
    assert await listed(RunFilter(states=frozenset({PipelineRunState.SUCCEEDED}))) == ["r6"]
    minute = NOON + timedelta(minutes=1)
    assert await listed(RunFilter(started_from=minute), 2) == ["r6", "r5", "r4", "r3", "r2"]
    assert await listed(RunFilter(started_before=minute)) == ["r1", "r0"]
    for cursor in ("nonsense", "bm9uc2Vuc2U=", "ä"):
        with pytest.raises(InvalidInputError, match="none that a page had"):
            await store.list(RunFilter(), cursor=cursor)


def change(run: str, sequence: int, *, events: int = 1, epoch: int = 7) -> RunChange:
    happening = Happening(RunPaused(), NOON)
    return RunChange(new_run(run, sequence=sequence), (happening,) * events, epoch)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ([change("a", 4)], [None]),
        ([change("a", 6, events=3)], [None]),
        ([change("a", 4), change("a", 5)], [None, None]),
        ([change("a", 5)], [ConflictError]),
        ([change("a", 3)], [ConflictError]),
        # What follows from a change that is refused is refused, too.
        ([change("a", 5), change("a", 6)], [ConflictError, ConflictError]),
        ([change("a", 4), change("a", 4)], [None, ConflictError]),
        ([change("a", 0, events=0)], [ConflictError]),
        ([change("b", 0, events=0), change("b", 1)], [None, None]),
        ([change("b", 0, events=0), change("b", 0, events=0)], [None, ConflictError]),
        ([change("b", 1)], [NotFoundError]),
        ([change("a", 4, epoch=6), change("a", 4)], [FencedError, None]),
        ([change("a", 4, epoch=8)], [FencedError]),
    ],
)
def test_which_changes_are_refused(changes: list[RunChange], refused: list[type[Exception] | None]):
    """Run `a` has three events, the active epoch is 7."""
    reasons = reasons_against(changes, {"a": 3}, 7)
    assert [None if reason is None else type(reason) for reason in reasons] == refused
