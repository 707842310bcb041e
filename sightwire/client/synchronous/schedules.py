"""`sightwire.schedules`: operations that are repeated."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sightwire.client import calls
from sightwire.contracts.schedules import Calendar, ScheduleRecord, ScheduleSpec

if TYPE_CHECKING:
    from sightwire.client.synchronous.client import Sightwire


class Schedules:
    """`sightwire.schedules`."""

    def __init__(self, sightwire: "Sightwire") -> None:
        self._send = sightwire.send

    def put(self, collection: str, name: str, spec: ScheduleSpec | Mapping[str, Any]) -> ScheduleRecord:
        """Make a schedule, or change one.

        Example::

            sightwire.schedules.put("papers", "nightly", {"cron": "30 3 * * *", "command": {"kind": "backup"}})
        """
        return self._send(calls.put_schedule(collection, name, spec))

    def list(self, collection: str) -> list[ScheduleRecord]:
        """Schedules of a collection by name."""
        return self._send(calls.list_schedules(collection))

    def get(self, collection: str, name: str) -> ScheduleRecord:
        """One schedule, with its last runs."""
        return self._send(calls.get_schedule(collection, name))

    def delete(self, collection: str, name: str) -> None:
        """Forget a schedule; what it began runs on."""
        self._send(calls.delete_schedule(collection, name))

    def run(self, collection: str, name: str, *, trigger: str = "api") -> ScheduleRecord:
        """Run it now, whatever its calendar says; the last of its `runs` says what came of it."""
        return self._send(calls.act_on_schedule(collection, name, "run", trigger=trigger))

    def pause(self, collection: str, name: str, *, trigger: str = "api") -> ScheduleRecord:
        """Let it run by itself no more until it is resumed."""
        return self._send(calls.act_on_schedule(collection, name, "pause", trigger=trigger))

    def resume(self, collection: str, name: str) -> ScheduleRecord:
        """Let it run again, with its failures forgotten."""
        return self._send(calls.act_on_schedule(collection, name, "resume"))

    def calendar(self, collection: str, name: str, *, upcoming: int = 10) -> Calendar:
        """Its past runs, and when it runs next."""
        return self._send(calls.read_calendar(collection, name, upcoming=upcoming))
