"""What indexers answer on the bus: `control.index.<collection>` and `control.indexers`."""

from functools import partial
from typing import Any, Final, assert_never

from pydantic import TypeAdapter

from sightwire.bus.connection import Bus
from sightwire.bus.responding import Responder
from sightwire.contracts import subjects
from sightwire.contracts.control import (
    ActOnSchedule,
    CancelOperation,
    CompareItems,
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
from sightwire.errors import InvalidInputError
from sightwire_indexer.backups.desk import BackupDesk
from sightwire_indexer.coverage import CoverageDesk
from sightwire_indexer.diagnosis import Diagnoser
from sightwire_indexer.generation_desk import GenerationDesk
from sightwire_indexer.operations.desk import OperationDesk
from sightwire_indexer.schedules.desk import ScheduleDesk

#: One indexer of all answers what any can.
_QUEUE: Final = "indexers"
_INDEX_REQUESTS: Final[TypeAdapter[IndexRequest]] = TypeAdapter(IndexRequest)
_INDEXERS_REQUESTS: Final[TypeAdapter[IndexersRequest]] = TypeAdapter(IndexersRequest)


class IndexControl:
    """What the owner of an index is asked for, by the name of the index or of the collection that it answers for."""

    def __init__(
        self, operations: OperationDesk, generations: GenerationDesk, diagnoser: Diagnoser, coverage: CoverageDesk
    ) -> None:
        self._operations = operations
        self._generations = generations
        self._diagnoser = diagnoser
        self._coverage = coverage

    def responder(self, bus: Bus, name: str, schedules: ScheduleDesk | None) -> Responder[IndexRequest]:
        """Answers requests that are made by `name`; see `answer`."""
        answer = partial(self.answer, name, schedules)
        return Responder(bus, subjects.control_index(name), _INDEX_REQUESTS, answer)

    async def answer(self, name: str, schedules: ScheduleDesk | None, request: IndexRequest) -> Any:
        """The answer to a request, as the contract names its model.

        Args:
            name: by which it was asked.
            schedules: those of the collection of that name; None for a shadow, which has none.
            request: what is asked.

        Raises:
            SightwireError: why not.
        """
        if isinstance(request, PutSchedule | ReadCalendar | ActOnSchedule):
            return await _answer_about_schedules(name, schedules, request)
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
            case Diagnose():
                return await self._diagnoser.diagnose()
            case CompareItems():
                return await self._coverage.compare(name, sample=request.sample)
            case _:
                assert_never(request)


async def _answer_about_schedules(
    name: str, schedules: ScheduleDesk | None, request: PutSchedule | ReadCalendar | ActOnSchedule
) -> Any:
    if schedules is None:
        raise InvalidInputError(f"{name!r} is a shadow and has no schedules; ask for those of its collection")
    match request:
        case PutSchedule():
            return await schedules.put(request.name, request.spec)
        case ReadCalendar():
            return await schedules.calendar(request.name, request.upcoming)
        case ActOnSchedule():
            return await schedules.act(request.name, request.action, request.trigger)


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
