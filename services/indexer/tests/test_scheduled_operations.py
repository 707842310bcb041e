"""Schedules in a whole indexer: put and run by requests on the bus, over real operations."""

from collections.abc import Callable
from typing import Any

import pytest

from services.indexer.tests.indexer_world import IndexerWorld, embedded_item
from sightwire.bus.control import ControlClient
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import ActOnSchedule, IndexRequest, PutSchedule, ReadCalendar
from sightwire.contracts.operations import Scan, Switch
from sightwire.contracts.schedules import Calendar, Outcome, ScheduledRun, ScheduleRecord, ScheduleSpec
from sightwire.errors import InvalidInputError, UnavailableError
from tests.plugin.waiting import wait_until

MakeRecord = Callable[..., CollectionRecord]
YEARLY = ScheduleSpec(cron="0 0 1 1 *", time_zone="Europe/Berlin", command=Scan())


async def test_a_scheduled_operation_is_carried_out_and_remembered(
    world: IndexerWorld, make_record: MakeRecord
) -> None:
    record = await world.create(make_record())

    async def ask(request: IndexRequest) -> Any:
        return await ControlClient(world.bus).ask_owner(record.name, request)

    async def past_runs() -> tuple[ScheduledRun, ...]:
        calendar = Calendar.model_validate(await ask(ReadCalendar(name="yearly", upcoming=1)))
        return calendar.schedule.runs

    async def successes(count: int) -> bool:
        try:
            outcomes = [run.outcome for run in await past_runs()]
        except UnavailableError:
            return False  # The next indexer has not opened the collection yet.
        return outcomes == [Outcome.SUCCEEDED] * count

    async with world.indexer():
        await world.indexed_up_to(record, await world.publish(record, embedded_item("a", 1)))
        await ask(PutSchedule(name="yearly", spec=YEARLY))
        begun = ScheduleRecord.model_validate(await ask(ActOnSchedule(name="yearly", action="run", trigger="api")))
        assert begun.runs[-1].operation is not None
        await wait_until(lambda: successes(1))
        with pytest.raises(InvalidInputError, match=r"^cron: "):
            await ask(PutSchedule(name="bad", spec=YEARLY.model_copy(update={"cron": "never"})))
        with pytest.raises(InvalidInputError, match=r"^command\.generation: "):
            await ask(PutSchedule(name="bad", spec=YEARLY.model_copy(update={"command": Switch(generation="g9")})))

    async with world.indexer():
        await wait_until(lambda: successes(1))
        # An event can set it off: nobody waits for an answer.
        event = ActOnSchedule(name="yearly", action="run")
        await world.bus.client.publish(subjects.control_index(record.name), event.model_dump_json().encode())
        await wait_until(lambda: successes(2))
        assert [run.trigger for run in await past_runs()] == ["api", "event"]
