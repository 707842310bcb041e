"""Several supervised processes that start in one order and stop in another."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from sightwire.platform.restarts import RestartPolicy
from sightwire.platform.supervised_process import ProcessEvent, ProcessSpec, SupervisedProcess


class Supervisor:
    """Runs processes in groups: each group starts once the groups before it are ready.

    Stopping goes the other way round, one process after the other: the last of the last group first, so that each
    drains while everything that it needs still answers.
    """

    def __init__(
        self,
        start_groups: Sequence[Sequence[ProcessSpec]],
        *,
        policy: RestartPolicy | None = None,
        on_event: Callable[[ProcessEvent], None] = lambda _event: None,
    ) -> None:
        self._groups = [
            [SupervisedProcess(spec, policy=policy, on_event=on_event) for spec in group] for group in start_groups
        ]

    @property
    def processes(self) -> list[SupervisedProcess]:
        """All processes, in the order of their start."""
        return [process for group in self._groups for process in group]

    async def start(self, *, deadline: float) -> None:
        """Start everything and return once it is ready; each group has `deadline` seconds.

        Raises PlatformError, and stops what was started, when a process cannot be brought up.
        """
        try:
            for group in self._groups:
                for process in group:
                    process.start()
                await _all_or_first_error([process.wait_until_ready(deadline) for process in group])
        except BaseException:
            await self.stop()
            raise

    async def wait_until_failure(self) -> None:
        """Run until a process fails for good, which is raised as PlatformError; deaths that a restart heals pass by."""
        await _all_or_first_error([process.wait_until_given_up() for process in self.processes])

    async def stop(self) -> None:
        """Stop every process, in the opposite order of their start."""
        for process in reversed(self.processes):
            await process.stop()


async def _all_or_first_error(coroutines: Sequence[Coroutine[None, None, None]]) -> None:
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
