"""Looks for problems: of the platform as the gateway sees it, and by the owner of each collection."""

import asyncio
import resource
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Final

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError as MessageNotFoundError

from sightwire.bus.connection import Bus
from sightwire.bus.searchers import SearcherDirectory
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import Diagnose, Diagnosis, Finding
from sightwire.contracts.diagnosis import PlatformDiagnosis
from sightwire.contracts.events import IndexReady
from sightwire.contracts.streams import DEAD_LETTERS, INDEX, INGEST
from sightwire.errors import SightwireError
from sightwire_gateway import findings
from sightwire_gateway.backends import EmbedderClient
from sightwire_gateway.collections import CollectionDesk
from sightwire_gateway.migration_doctor import MigrationDoctor
from sightwire_gateway.owners import IndexOwners

_OWNER_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 5.0

_UNANSWERED: Final = (SightwireError, NatsError, JetStreamError, TimeoutError)


class Doctor:
    """Diagnoses on request; each look that fails is a finding itself."""

    def __init__(
        self,
        bus: Bus,
        owners: IndexOwners,
        searchers: SearcherDirectory,
        embedder: EmbedderClient,
        collections: CollectionDesk,
        migrations: MigrationDoctor,
    ) -> None:
        self._bus = bus
        self._owners = owners
        self._searchers = searchers
        self._embedder = embedder
        self._collections = collections
        self._migrations = migrations

    async def diagnose(self) -> PlatformDiagnosis:
        """Everything that can be looked at now, all at once."""
        platform, (migrations, moving), collections = await asyncio.gather(
            asyncio.gather(
                _looked("dead letters", self._dead_letters()),
                _looked("embedder", self._embedder_answers()),
                _looked("stream INGEST", self._ingest_fill()),
                _looked("open files of the gateway", self._open_files()),
            ),
            self._look_at_migrations(),
            asyncio.gather(*map(self._collection, self._collections.all())),
        )
        by_name = {diagnosis.collection: diagnosis.findings for diagnosis in collections}
        for name, found in moving.items():
            by_name[name] = by_name.get(name, ()) + found
        return PlatformDiagnosis(
            findings=(*platform, migrations),
            collections=tuple(Diagnosis(collection=name, findings=found) for name, found in by_name.items()),
        )

    async def _look_at_migrations(self) -> tuple[Finding, dict[str, tuple[Finding, ...]]]:
        """Whether it could be looked at them, and what was found about each collection."""
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                moving = await self._migrations.look()
        except _UNANSWERED as error:
            return findings.unanswered_finding("migrations", error), {}
        moving = {name: found for name, found in moving.items() if found}
        concerned = ", ".join(sorted(moving)) or "none"
        return Finding(check="migrations", status="ok", detail=f"looked at; of note: {concerned}"), moving

    async def _collection(self, record: CollectionRecord) -> Diagnosis:
        try:
            index = self._collections.index_of(record)
        except SightwireError as error:
            return Diagnosis(collection=record.name, findings=(findings.unanswered_finding("index", error),))
        searchers, owner = await asyncio.gather(
            _looked("searchers", self._searchers_follow(index)), self._ask_owner(index)
        )
        return Diagnosis(collection=record.name, findings=(searchers, *owner))

    async def _ask_owner(self, index: CollectionRecord) -> tuple[Finding, ...]:
        try:
            answer = await self._owners.ask_index(index, Diagnose(), timeout=_OWNER_SECONDS)
        except SightwireError as error:
            return (findings.unanswered_finding("indexer", error),)
        return Diagnosis.model_validate(answer).findings

    async def _dead_letters(self) -> Finding:
        info = await self._bus.jetstream.stream_info(DEAD_LETTERS.name)
        return findings.dead_letter_finding(info.state.messages)

    async def _embedder_answers(self) -> Finding:
        try:
            model = await self._embedder.describe_model()
        except SightwireError as error:
            return findings.embedder_finding(error, "")
        return findings.embedder_finding(None, f"{model.name} {model.version} (space {model.space})")

    async def _ingest_fill(self) -> Finding:
        info = await self._bus.jetstream.stream_info(INGEST.name)
        return findings.fill_finding(INGEST.name, info.state.bytes, INGEST.max_bytes)

    async def _open_files(self) -> Finding:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return findings.open_files_finding(limit, is_unlimited=limit == resource.RLIM_INFINITY)

    async def _searchers_follow(self, index: CollectionRecord) -> Finding:
        ready = await self._newest_manifest(index)
        return findings.searcher_finding(ready, self._searchers.loaded(index.name, index.uid), datetime.now(UTC))

    async def _newest_manifest(self, index: CollectionRecord) -> IndexReady | None:
        try:
            message = await self._bus.jetstream.get_last_msg(INDEX.name, subjects.index_ready(index.name))
        except MessageNotFoundError:
            return None
        ready = IndexReady.model_validate_json(message.data or b"")
        return ready if ready.collection_uid == index.uid else None


async def _looked(check: str, look: Awaitable[Finding]) -> Finding:
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            return await look
    except _UNANSWERED as error:
        return findings.unanswered_finding(check, error)
