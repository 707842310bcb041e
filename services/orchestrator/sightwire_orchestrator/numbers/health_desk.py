"""Asks the parts of the control plane how they are."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Final

from sightwire.bus.connection import Bus
from sightwire.bus.watching import read_bucket
from sightwire.cache.levels import MultiLevelCache
from sightwire.contracts.embedding_models import EmbedderAnnouncement
from sightwire.contracts.execution_metrics import ControlPlaneHealth
from sightwire.contracts.streams import EMBEDDERS
from sightwire_orchestrator.numbers.health import cache_health, model_health, pipeline_health, reviewer_health
from sightwire_orchestrator.numbers.recorder import MINUTE
from sightwire_orchestrator.numbers.samples import WHOLE_RUN, Sample, begin_of
from sightwire_orchestrator.numbers.store import SampleStore
from sightwire_orchestrator.reviews.opening import ReviewOffice
from sightwire_orchestrator.storage.pipeline_store import PipelineStore

_SPAN: Final = timedelta(hours=1)


class HealthDesk:
    """Looks when it is asked."""

    def __init__(
        self,
        bus: Bus,
        samples: SampleStore,
        pipelines: PipelineStore,
        cache: MultiLevelCache,
        office: ReviewOffice,
    ) -> None:
        self._bus = bus
        self._samples = samples
        self._pipelines = pipelines
        self._cache = cache
        self._office = office

    async def health(self) -> ControlPlaneHealth:
        """Each pipeline and each model, the cache, the reviewers.

        Raises:
            UnavailableError: database or bus do not answer.
        """
        now = datetime.now(UTC)
        samples = await self._samples.read(begin_of(now - _SPAN, MINUTE), now, seconds=MINUTE)
        runs: dict[str, Sample] = defaultdict(Sample)
        for interval, sample in samples.items():
            if interval.task == WHOLE_RUN:
                runs[interval.pipeline] += sample
        announced = await read_bucket(self._bus, EMBEDDERS)
        embedders = [EmbedderAnnouncement.model_validate_json(entry.value) for entry in announced if entry.value]
        reviews = (await self._office.desk.statistics()).total
        return ControlPlaneHealth(
            components=(
                *(
                    pipeline_health(stored.definition.name, runs[stored.definition.name])
                    for stored in await self._pipelines.newest()
                ),
                *model_health(embedders),
                cache_health(self._cache.health),
                reviewer_health(await self._office.reviewers.all(), reviews, now),
            )
        )
