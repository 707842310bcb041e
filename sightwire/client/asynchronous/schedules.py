"""`sightwire.schedules`: operations that are repeated."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sightwire.client import calls
from sightwire.contracts.schedules import Calendar, ScheduleRecord, ScheduleSpec

if TYPE_CHECKING:
    from sightwire.client.asynchronous.client import AsyncSightwire


class Schedules:
    """`sightwire.schedules`."""

    def __init__(self, sightwire: "AsyncSightwire") -> None:
        self._send = sightwire.send

    async def put(self, collection: str, name: str, spec: ScheduleSpec | Mapping[str, Any]) -> ScheduleRecord:
        """Make a schedule, or change one.

        Example::

            await sightwire.schedules.put("papers", "nightly", {"cron": "30 3 * * *", "command": {"kind": "backup"}})
        """
        return await self._send(calls.put_schedule(collection, name, spec))

    async def list(self, collection: str) -> list[ScheduleRecord]:
        """Schedules of a collection by name."""
        return await self._send(calls.list_schedules(collection))

    async def get(self, collection: str, name: str) -> ScheduleRecord:
        """One schedule, with its last runs."""
        return await self._send(calls.get_schedule(collection, name))

    async def delete(self, collection: str, name: str) -> None:
        """Forget a schedule; what it began runs on."""
        await self._send(calls.delete_schedule(collection, name))

    async def run(self, collection: str, name: str, *, trigger: str = "api") -> ScheduleRecord:
        """Run it now, whatever its calendar says; the last of its `runs` says what came of it."""
        return await self._send(calls.act_on_schedule(collection, name, "run", trigger=trigger))

    async def pause(self, collection: str, name: str, *, trigger: str = "api") -> ScheduleRecord:
        """Let it run by itself no more until it is resumed."""
        return await self._send(calls.act_on_schedule(collection, name, "pause", trigger=trigger))

    async def resume(self, collection: str, name: str) -> ScheduleRecord:
        """Let it run again, with its failures forgotten."""
        return await self._send(calls.act_on_schedule(collection, name, "resume"))

    async def calendar(self, collection: str, name: str, *, upcoming: int = 10) -> Calendar:
        """Its past runs, and when it runs next."""
        return await self._send(calls.read_calendar(collection, name, upcoming=upcoming))
