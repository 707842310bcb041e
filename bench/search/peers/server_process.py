"""A peer's server as a child process: started with its output in a file, awaited, ended."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

_START_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.2
_LOG_TAIL: Final = 2_000


@asynccontextmanager
async def server_process(
    command: Sequence[str], *, is_ready: Callable[[], Awaitable[bool]], log: Path, environment: Mapping[str, str]
) -> AsyncIterator[int]:
    """Runs a server; gives its process id once it is ready.

    Raises:
        RuntimeError: it ended before it was ready, or is not ready in time; with the end of its log.
    """
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **environment}
        )
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not await is_ready():
                if process.returncode is not None:
                    raise RuntimeError(f"{command[0]} ended with {process.returncode}:\n{_tail(log)}")
                await asyncio.sleep(_POLL_SECONDS)
        yield process.pid
    except TimeoutError:
        raise RuntimeError(f"{command[0]} was not ready in {_START_SECONDS:.0f} s:\n{_tail(log)}") from None
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:]
