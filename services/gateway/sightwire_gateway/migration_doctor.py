"""Looks at moves of collections to other models, for the doctor."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from nats.js.errors import NotFoundError as NothingFoundError

from sightwire.bus.connection import Bus
from sightwire.bus.migrations import Migrations
from sightwire.bus.pipelines import PipelinesClient
from sightwire.bus.watching import read_bucket
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.control import Finding
from sightwire.contracts.embedding_models import EmbedderAnnouncement
from sightwire.contracts.migrations import Migration, MigrationState
from sightwire.contracts.pipeline_control import RunReport
from sightwire.contracts.streams import EMBEDDERS, REEMBED, REEMBEDDER_CONSUMER
from sightwire.errors import NotFoundError, SightwireError
from sightwire_gateway.collections import CollectionDesk
from sightwire_gateway.migration_findings import Backlog, MigrationSigns, migration_findings, orphan_finding

#: Shorter than what the doctor waits for a look.
_RUN_SECONDS: Final = 3.0


class MigrationDoctor:
    """Looks when it is asked."""

    def __init__(self, bus: Bus, collections: CollectionDesk, pipelines: PipelinesClient) -> None:
        self._bus = bus
        self._collections = collections
        self._pipelines = pipelines

    async def look(self) -> dict[str, tuple[Finding, ...]]:
        """Findings by the name of the collection that they are about, which may be gone.

        Raises:
            SightwireError, NatsError: the bus does not answer.
        """
        # Before migrations are read, which are there before their shadows.
        shadows = self._collections.shadows()
        migrations, backlogs, embedders = await asyncio.gather(
            Migrations(self._bus).all(), self._backlogs(), self._embedders()
        )
        runs = await self._runs(one for one in migrations if one.state is MigrationState.RUNNING)
        now = datetime.now(UTC)
        found: dict[str, tuple[Finding, ...]] = {}
        for users in self._collections.all():
            signs = MigrationSigns(
                users=users,
                shadows=[shadow for shadow in shadows if shadow.shadow_of == users.name],
                migrations=_of(users, migrations),
                runs=runs,
                backlogs=backlogs,
                embedders=embedders,
            )
            found[users.name] = tuple(migration_findings(signs, now))
        return found | self._orphans(shadows, migrations)

    def _orphans(
        self, shadows: Iterable[CollectionRecord], migrations: Iterable[Migration]
    ) -> dict[str, tuple[Finding, ...]]:
        # Those of a migration are removed by the orchestrator.
        known = {migration.shadow for migration in migrations}
        return {
            shadow.users_name: (orphan_finding(shadow.name, shadow.users_name),)
            for shadow in shadows
            if shadow.name not in known and self._collections.find(shadow.users_name) is None
        }

    async def _runs(self, migrations: Iterable[Migration]) -> dict[str, RunReport | None]:
        asked = [migration.run for migration in migrations]
        answers = await asyncio.gather(*map(self._run, asked))
        return {run: report for run, (is_known, report) in zip(asked, answers, strict=True) if is_known}

    async def _run(self, run: str) -> tuple[bool, RunReport | None]:
        """Whether anybody knows, and the run."""
        try:
            async with asyncio.timeout(_RUN_SECONDS):
                return True, await self._pipelines.run(run)
        except NotFoundError:
            return True, None
        except (SightwireError, TimeoutError):
            return False, None

    async def _backlogs(self) -> dict[str, Backlog]:
        info = await self._bus.jetstream.stream_info(REEMBED.name, subjects_filter=subjects.REEMBED_ALL)
        waiting = info.state.subjects or {}
        if not waiting:
            return {}
        carried_out_at = await self._carried_out_at()
        oldest = await asyncio.gather(*map(self._oldest_at, waiting))
        return {
            subjects.collection_of_reembed(subject): Backlog(messages, oldest_at, carried_out_at)
            for (subject, messages), oldest_at in zip(waiting.items(), oldest, strict=True)
            if oldest_at is not None
        }

    async def _carried_out_at(self) -> datetime | None:
        try:
            consumer = await self._bus.jetstream.consumer_info(REEMBED.name, REEMBEDDER_CONSUMER)
        except NothingFoundError:
            # No embedder ever ran here.
            return None
        return None if consumer.ack_floor is None else consumer.ack_floor.last_active

    async def _oldest_at(self, subject: str) -> datetime | None:
        try:
            return (await self._bus.jetstream.get_msg(REEMBED.name, seq=1, next=True, subject=subject)).time
        except NothingFoundError:
            # It was carried out meanwhile.
            return None

    async def _embedders(self) -> list[EmbedderAnnouncement]:
        entries = await read_bucket(self._bus, EMBEDDERS)
        return [EmbedderAnnouncement.model_validate_json(entry.value) for entry in entries if entry.value]


def _of(users: CollectionRecord, migrations: Iterable[Migration]) -> Sequence[Migration]:
    return [one for one in migrations if one.collection == users.name and one.collection_uid == users.uid]
