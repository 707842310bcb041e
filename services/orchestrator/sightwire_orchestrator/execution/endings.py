"""Tells of runs that have ended."""

from collections.abc import Iterable
from typing import Final

from nats.errors import Error as NatsError
from nats.js.errors import APIError, NotFoundError

from sightwire.bus.connection import Bus
from sightwire.bus.headers import event_headers
from sightwire.contracts import subjects
from sightwire.contracts.pipelines import PipelineRunEnded
from sightwire.contracts.streams import PIPELINES
from sightwire.errors import UnavailableError
from sightwire_orchestrator.execution import metrics
from sightwire_orchestrator.execution.patience import patiently
from sightwire_orchestrator.execution.spans import record_run
from sightwire_orchestrator.runs.state import Run

ENDED: Final = "sightwire.pipeline.ended"


class Endings:
    """Publishes the end of each run to the stream from which webhooks are sent, too."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def tell(self, run: Run) -> None:
        """Publishes the end of a run; waits for a bus that is away."""
        metrics.count_end(run.pipeline, run.state)
        record_run(run)
        ended = ended_event(run)
        headers = event_headers(
            event_type=ENDED, source="orchestrator", subject=run.id, message_id=f"{run.id}.{run.sequence}.ended"
        )
        payload = ended.model_dump_json().encode()
        subject = subjects.pipeline_ended(run.id)
        await patiently(lambda: self._bus.publish(subject, payload, headers), what="tell of the end of a run")

    async def tell_missed(self, runs: Iterable[Run]) -> None:
        """Publishes those ends of runs that a crash may have kept from it.

        Raises:
            UnavailableError: the bus does not answer.
        """
        for run in runs:
            if await self._last_told(run) < run.sequence:
                await self.tell(run)

    async def _last_told(self, run: Run) -> int:
        try:
            message = await self._bus.jetstream.get_last_msg(
                PIPELINES.name, subjects.pipeline_ended(run.id), direct=True
            )
        except NotFoundError:
            return 0
        except (NatsError, APIError, TimeoutError) as error:
            raise UnavailableError(f"the bus does not say which runs have ended: {error!r}; try again") from error
        return PipelineRunEnded.model_validate_json(message.data or b"").sequence


def ended_event(run: Run) -> PipelineRunEnded:
    """What is told of a run that has ended."""
    ending = run.ending
    assert run.ended_at is not None, f"run {run.id} has not ended"
    assert ending is not None, f"run {run.id} has not ended"
    return PipelineRunEnded(
        run=run.id,
        pipeline=run.pipeline,
        version=run.version,
        state=run.state,
        task=ending.task,
        error=ending.error,
        results=run.results,
        sequence=run.sequence,
        started_at=run.started_at,
        ended_at=run.ended_at,
    )
