"""`sightwire.runs`: runs of pipelines."""

import asyncio
import time as clock
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Final

from sightwire.client import calls
from sightwire.client.calls import EventReader
from sightwire.client.patience import PollPatience
from sightwire.client.problems import ApiError, ConnectionFailedError
from sightwire.contracts.pipeline_control import RunList, RunReport

if TYPE_CHECKING:
    from sightwire.client.asynchronous.client import AsyncSightwire

#: How long one request waits: less than a platform that restarts is silent.
_WAIT_SECONDS: Final = 10.0


class Runs:
    """`sightwire.runs`."""

    def __init__(self, sightwire: "AsyncSightwire") -> None:
        self._sightwire = sightwire
        self._send = sightwire.send

    async def list(
        self,
        *,
        pipeline: str | None = None,
        states: Iterable[str] = (),
        limit: int = 50,
        cursor: str | None = None,
    ) -> RunList:
        """Runs, the newest first; only those of a pipeline, or in one of some states."""
        return await self._send(calls.list_runs(pipeline=pipeline, states=states, limit=limit, cursor=cursor))

    async def get(self, run: str) -> RunReport:
        """How a run and its tasks stand."""
        return await self._send(calls.get_run(run))

    async def wait(self, run: str, *, timeout: float | None = None) -> RunReport:  # noqa: ASYNC109
        """The run once it has ended, however that is.

        Raises ConnectionFailedError when it has not ended within `timeout` seconds. A platform that does not answer for
        a while, as it restarts, is asked again.
        """
        patience = PollPatience(clock.monotonic, timeout)
        while True:
            try:
                report = await self._send(calls.get_run(run, wait=patience.at_most(_WAIT_SECONDS)))
            except (ApiError, ConnectionFailedError) as error:
                if not patience.forgives(error):
                    raise
            else:
                patience.note_answer()
                if report.state.is_final:
                    return report
            await asyncio.sleep(patience.delay(f"run {run!r}"))

    def watch(self, run: str) -> AsyncIterator[RunReport]:
        """The run as it stands, and each change of it, until it has ended."""
        return self._sightwire.events(calls.run_events_path(run), EventReader("run", RunReport))

    async def pause(self, run: str) -> RunReport:
        """Begin nothing more of a run; tasks that run go on."""
        return await self._send(calls.steer_run(run, "pause"))

    async def resume(self, run: str) -> RunReport:
        """End the pause of a run."""
        return await self._send(calls.steer_run(run, "resume"))

    async def cancel(self, run: str, *, reason: str = "") -> RunReport:
        """End a run at once."""
        return await self._send(calls.steer_run(run, "cancel", reason=reason))

    async def retry(self, run: str) -> RunReport:
        """Go on with a failed or cancelled run; what succeeded is kept."""
        return await self._send(calls.steer_run(run, "retry"))
