"""What indexers answer on the bus: `control.index.<collection>` and `control.indexers`."""

from typing import Any, Final, assert_never

from pydantic import TypeAdapter

from sightwire.bus.connection import Bus
from sightwire.bus.responding import Responder
from sightwire.contracts import subjects
from sightwire.contracts.control import (
    ActOnSchedule,
    CancelOperation,
    Diagnose,
    ForgetGeneration,
    IndexersRequest,
    IndexRequest,
    ListBackups,
    ListGenerations,
    PrepareRestore,
    PruneBackups,
    PutSchedule,
    ReadCalendar,
    ReadReport,
    StartOperation,
    VerifyBackup,
)
from sightwire_indexer.backups.desk import BackupDesk
from sightwire_indexer.diagnosis import Diagnoser
from sightwire_indexer.generation_desk import GenerationDesk
from sightwire_indexer.operations.desk import OperationDesk
from sightwire_indexer.schedules.desk import ScheduleDesk

#: One indexer of all answers what any can.
_QUEUE: Final = "indexers"
_INDEX_REQUESTS: Final[TypeAdapter[IndexRequest]] = TypeAdapter(IndexRequest)
_INDEXERS_REQUESTS: Final[TypeAdapter[IndexersRequest]] = TypeAdapter(IndexersRequest)


class IndexControl:
    """What the owner of a collection is asked for."""

    def __init__(
        self, operations: OperationDesk, generations: GenerationDesk, schedules: ScheduleDesk, diagnoser: Diagnoser
    ) -> None:
        self._operations = operations
        self._generations = generations
        self._schedules = schedules
        self._diagnoser = diagnoser

    def responder(self, bus: Bus, collection: str) -> Responder[IndexRequest]:
        """Answers requests about a collection."""
        return Responder(bus, subjects.control_index(collection), _INDEX_REQUESTS, self.answer)

    async def answer(self, request: IndexRequest) -> Any:
        """The answer to a request, as the contract names its model.

        Raises:
            SightwireError: why not.
        """
        match request:
            case StartOperation():
                return await self._operations.start(request.command, requested_by=request.requested_by)
            case CancelOperation():
                return await self._operations.cancel(request.operation)
            case ListGenerations():
                return await self._generations.list()
            case ForgetGeneration():
                return await self._generations.forget(request.generation)
            case ReadReport():
                return await self._generations.report(request.generation)
            case PutSchedule():
                return await self._schedules.put(request.name, request.spec)
            case ReadCalendar():
                return await self._schedules.calendar(request.name, request.upcoming)
            case ActOnSchedule():
                return await self._schedules.act(request.name, request.action, request.trigger)
            case Diagnose():
                return await self._diagnoser.diagnose()
            case _:
                assert_never(request)


class IndexersControl:
    """What any one indexer is asked for."""

    def __init__(self, backups: BackupDesk) -> None:
        self._backups = backups

    def responder(self, bus: Bus) -> Responder[IndexersRequest]:
        """Answers requests to all indexers, each of which one of them gets."""
        return Responder(bus, subjects.CONTROL_INDEXERS, _INDEXERS_REQUESTS, self.answer, queue=_QUEUE)

    async def answer(self, request: IndexersRequest) -> Any:
        """As `IndexControl.answer`."""
        match request:
            case ListBackups():
                return await self._backups.list(request.collection)
            case VerifyBackup():
                return await self._backups.verify(request.backup)
            case PruneBackups():
                return await self._backups.prune(request.collection, request.retention)
            case PrepareRestore():
                return await self._backups.prepare_restore(request.backup, request.into)
            case _:
                assert_never(request)
