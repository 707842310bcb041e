"""Asks the indexers that own collections' indexes, in the names that users know."""

from typing import Any

from sightwire.bus.control import ANSWER_SECONDS, ControlClient
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import ActOnSchedule, IndexRequest, PutSchedule, ReadCalendar
from sightwire_gateway.collections import CollectionDesk
from sightwire_gateway.users_names import errors_in_users_words, in_users_words


class IndexOwners:
    """The owners of the indexes that answer. Answers are JSON values; the contract names the model of each.

    All methods raise as `ControlClient.ask_owner` does.
    """

    def __init__(self, control: ControlClient, collections: CollectionDesk) -> None:
        self._control = control
        self._collections = collections

    async def ask(self, collection: str, request: IndexRequest) -> Any:
        """The answer of the owner of the index that answers for a collection, as users name it.

        Raises:
            UnknownCollectionError: there is no such collection.
        """
        return await self.ask_index(self._collections.answering(collection), request)

    async def ask_index(
        self,
        index: CollectionRecord,
        request: IndexRequest,
        *,
        timeout: float = ANSWER_SECONDS,  # noqa: ASYNC109  what NATS calls it
    ) -> Any:
        """The answer of the owner of one index."""
        # By its own name: whoever takes requests under the users' name may be changing just now.
        return await self._ask(index.name, index, request, timeout)

    async def ask_about_schedules(self, collection: str, request: PutSchedule | ReadCalendar | ActOnSchedule) -> Any:
        """The answer of whoever carries out the schedules of a collection, as users name it.

        Raises:
            UnknownCollectionError: there is no such collection.
        """
        return await self._ask(collection, self._collections.answering(collection), request, ANSWER_SECONDS)

    async def _ask(self, name: str, index: CollectionRecord, request: IndexRequest, seconds: float) -> Any:
        with errors_in_users_words(index):
            answer = await self._control.ask_owner(name, request, timeout=seconds)
        return in_users_words(answer, index)
