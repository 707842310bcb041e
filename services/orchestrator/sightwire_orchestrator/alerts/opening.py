"""What the active orchestrator keeps of alerts, put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sightwire.bus.connection import Bus
from sightwire.cache.levels import MultiLevelCache
from sightwire.ending_tasks import end_tasks
from sightwire_orchestrator.alerts.keeper import AlertKeeper
from sightwire_orchestrator.alerts.store import AlertStore
from sightwire_orchestrator.alerts.telling import AlertTeller
from sightwire_orchestrator.alerts.values import AlertValues
from sightwire_orchestrator.numbers.store import SampleStore
from sightwire_orchestrator.repeating import again_and_again
from sightwire_orchestrator.reviews.desk import ReviewDesk
from sightwire_orchestrator.settings import OrchestratorSettings
from sightwire_orchestrator.storage.database import Database
from sightwire_orchestrator.tasks.resources import TaskResources


@dataclass(frozen=True, slots=True)
class AlertOffice:
    """Rules, and who looks at them and tells of them."""

    store: AlertStore
    keeper: AlertKeeper
    teller: AlertTeller
    settings: OrchestratorSettings

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Looks at rules, and tells of them, while the block runs."""
        seconds = self.settings.orchestrator_alert_seconds
        keeping = [
            asyncio.create_task(
                again_and_again(self.keeper.look, "keeping at alerts", seconds=seconds), name="look at alerts"
            ),
            # Apart: a receiver that is slow must not hold up looks.
            asyncio.create_task(
                again_and_again(self._tell, "keeping at alerts", seconds=seconds), name="tell of alerts"
            ),
        ]
        try:
            yield
        finally:
            await end_tasks(*keeping)

    async def _tell(self) -> None:
        await self.teller.tell_waiting()
        kept = timedelta(days=self.settings.orchestrator_metrics_days)
        await self.store.delete_before(datetime.now(UTC) - kept)


def open_alert_office(
    database: Database,
    settings: OrchestratorSettings,
    bus: Bus,
    resources: TaskResources,
    samples: SampleStore,
    reviews: ReviewDesk,
    cache: MultiLevelCache,
) -> AlertOffice:
    """The office of one term."""

    async def open_reviews() -> float:
        return (await reviews.statistics()).total.open

    async def late_reviews() -> float:
        return (await reviews.statistics()).total.open_late

    async def hit_rate() -> float | None:
        counts = await cache.accounting()
        return counts.hit_rate if counts.lookups else None

    values = AlertValues(
        samples,
        {"reviews.open": open_reviews, "reviews.late": late_reviews, "cache.hit_rate": hit_rate},
        resources.http,
        prometheus_url=settings.orchestrator_prometheus_url,
    )
    store = AlertStore(database)
    teller = AlertTeller(
        store,
        bus,
        resources.webhooks,
        url=settings.orchestrator_alert_webhook,
        key=settings.orchestrator_alert_webhook_key,
    )
    return AlertOffice(store, AlertKeeper(store, values.value), teller, settings)
