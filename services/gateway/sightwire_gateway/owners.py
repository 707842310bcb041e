"""Asks the indexers that own collections' indexes, in the names that users know."""

from typing import Any

from sightwire.bus.control import ANSWER_SECONDS, ControlClient
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import IndexRequest
from sightwire_gateway.collections import CollectionDesk
from sightwire_gateway.users_names import errors_in_users_words, in_users_words


class IndexOwners:
    """The owners of the indexes that answer. Answers are JSON values; the contract names the model of each."""

    def __init__(self, control: ControlClient, collections: CollectionDesk) -> None:
        self._control = control
        self._collections = collections

    async def ask(self, collection: str, request: IndexRequest) -> Any:
        """The answer of the owner of the index that answers for a collection, as users name it.

        Raises:
            UnknownCollectionError: there is no such collection.
            SightwireError: as `ControlClient.ask_owner`.
        """
        return await self.ask_index(self._collections.answering(collection), request)

    async def ask_index(
        self,
        index: CollectionRecord,
        request: IndexRequest,
        *,
        timeout: float = ANSWER_SECONDS,  # noqa: ASYNC109  what NATS calls it
    ) -> Any:
        """The answer of the owner of one index.

        Raises:
            SightwireError: as `ControlClient.ask_owner`.
        """
        with errors_in_users_words(index):
            answer = await self._control.ask_owner(index.name, request, timeout=timeout)
        return in_users_words(answer, index)
