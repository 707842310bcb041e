"""Counts turns of runs in memory, and stores what was counted every few seconds."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from sightwire.ending_tasks import end_tasks
from sightwire.errors import SightwireError
from sightwire.lasting_tasks import start_lasting
from sightwire_orchestrator.numbers.samples import Interval, Sample, begin_of, samples_of
from sightwire_orchestrator.numbers.store import SampleStore
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Run
from sightwire_orchestrator.storage.run_changes import Happening

logger = logging.getLogger(__name__)

MINUTE: Final = 60
HOUR: Final = 3600
#: How long those by the minute are kept.
MINUTES_KEPT: Final = timedelta(days=2)
_STORE_SECONDS: Final = 5.0
_DELETE_SECONDS: Final = 600.0


class MetricsRecorder:
    """What was counted within the last seconds is lost when the process is killed, and nothing is counted twice.

    Args:
        kept: how long what is counted by the hour is kept.
    """

    def __init__(self, store: SampleStore, *, kept: timedelta) -> None:
        self._store = store
        self._kept = kept
        self._samples: dict[Interval, Sample] = {}

    def note(self, plan: Plan, run: Run, happenings: Sequence[Happening]) -> None:
        """Counts what happened to a run, which is stored; `run` is after it."""
        if not plan.definition.enable_monitoring:
            return
        for task, at, sample in samples_of(plan, run, happenings):
            for seconds in (MINUTE, HOUR):
                interval = Interval(run.pipeline, task, seconds, begin_of(at, seconds))
                known = self._samples.get(interval)
                self._samples[interval] = sample if known is None else known + sample

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Stores what is counted while the block runs, and what is left at its end."""
        storing = start_lasting(self._keep_storing(), name="store metrics")
        try:
            yield
        finally:
            await end_tasks(storing)
            await self.store()

    async def store(self) -> None:
        """Stores what was counted since the last time; what cannot be stored now is kept for the next."""
        samples, self._samples = self._samples, {}
        if not samples:
            return
        try:
            await self._store.add(samples)
        except SightwireError as error:
            logger.warning("metrics cannot be stored now", extra={"error": str(error)})
            for interval, sample in samples.items():
                self._samples[interval] = sample + self._samples.get(interval, Sample())

    async def delete_old(self, now: datetime) -> None:
        """Deletes what is older than it is kept."""
        try:
            await self._store.delete_before(now - MINUTES_KEPT, seconds=MINUTE)
            await self._store.delete_before(now - self._kept, seconds=HOUR)
        except SightwireError as error:
            logger.warning("old metrics cannot be deleted now", extra={"error": str(error)})

    async def _keep_storing(self) -> None:
        loop = asyncio.get_running_loop()
        delete_at = loop.time()
        while True:
            if loop.time() >= delete_at:
                await self.delete_old(datetime.now(UTC))
                delete_at = loop.time() + _DELETE_SECONDS
            await asyncio.sleep(_STORE_SECONDS)
            await self.store()
