"""The newest manifest version of each index that was spoken of: what a cached answer must be of."""

import asyncio
import logging
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import DeliverPolicy
from nats.js.client import JetStreamContext
from nats.js.errors import Error as JetStreamError
from pydantic import ValidationError

from sightwire.bus.connection import Bus
from sightwire.bus.searchers import ANNOUNCE_SECONDS, SearcherDirectory
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.events import IndexReady
from sightwire.contracts.streams import INDEX
from sightwire.ending_tasks import end_tasks

logger = logging.getLogger(__name__)

#: Every live searcher says what it has loaded more often than this.
_SILENCE_SECONDS: Final = 2 * ANNOUNCE_SECONDS
_RETRY_SECONDS: Final = 1.0
#: From bytes that have arrived to `_hear`, a message takes nats-py so many turns of the event loop.
_TURNS_OF_A_MESSAGE: Final = 3


@dataclass(frozen=True, slots=True)
class _Version:
    uid: str
    manifest: int


class ManifestVersions:
    """Hears of committed manifests as early as searchers do, before any of them can have loaded one.

    An item is called searchable after every searcher has loaded a manifest that holds it, so an answer of the newest
    version that was heard of has every item that was called so before. Use as an async context manager.
    """

    def __init__(self, bus: Bus, searchers: SearcherDirectory) -> None:
        self._bus = bus
        self._searchers = searchers
        self._versions: dict[str, _Version] = {}
        self._heard_at: float | None = None
        self._heard_connection = 0
        self._following: tuple[asyncio.Task[None], ...] = ()
        self._subscription: JetStreamContext.PushSubscription | None = None

    async def __aenter__(self) -> Self:
        if self._searchers.all():
            self._note_searchers()
        self._following = (
            asyncio.create_task(self._follow_searchers(), name="manifest-versions"),
            asyncio.create_task(self._subscribe(), name="manifest-versions-subscribe"),
        )
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await end_tasks(*self._following)
        if self._subscription is not None and self._bus.is_connected:
            await self._subscription.unsubscribe()

    async def newest(self, index: CollectionRecord) -> int | None:
        """The newest version of an index that was heard of; None while it is not known, or may be out of date."""
        for _ in range(_TURNS_OF_A_MESSAGE):
            # What came while this process stood still was told before the query that is being answered, though it is
            # read at the same time.
            await asyncio.sleep(0)
        if not self._hears:
            return None
        announced = max(self._searchers.loaded(index.name, index.uid).values(), default=0)
        known = self._versions.get(index.name)
        return max(announced, known.manifest if known is not None and known.uid == index.uid else 0) or None

    def note(self, index: CollectionRecord, version: int) -> None:
        """A searcher has answered from a version."""
        self._take(index.name, index.uid, version)

    @property
    def _hears(self) -> bool:
        """Whether the bus would have told of newer versions by now."""
        if self._heard_at is None or self._subscription is None or not self._bus.is_connected:
            return False
        is_same_connection = self._heard_connection == self._connection
        return is_same_connection and asyncio.get_running_loop().time() - self._heard_at < _SILENCE_SECONDS

    @property
    def _connection(self) -> int:
        return self._bus.client.stats["reconnects"]

    def _note_searchers(self) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        self._heard_connection = self._connection

    async def _follow_searchers(self) -> None:
        while True:
            await self._searchers.wait_for_change()
            self._note_searchers()

    async def _subscribe(self) -> None:
        while True:
            try:
                self._subscription = await self._bus.jetstream.subscribe(
                    subjects.index_ready("*"),
                    stream=INDEX.name,
                    cb=self._hear,
                    ordered_consumer=True,
                    deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
                )
            except (NatsError, JetStreamError, TimeoutError) as error:
                logger.warning("cannot hear of manifests yet", extra={"error": repr(error)})
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    async def _hear(self, message: Msg) -> None:
        try:
            event = IndexReady.model_validate_json(message.data)
        except ValidationError as error:
            logger.error("ignored a malformed event", extra={"subject": message.subject, "error": str(error)})
            return
        self._take(event.collection, event.collection_uid, event.manifest_version)

    def _take(self, name: str, uid: str, manifest: int) -> None:
        known = self._versions.get(name)
        if known is None or known.uid != uid or known.manifest < manifest:
            self._versions[name] = _Version(uid, manifest)
