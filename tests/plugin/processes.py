"""Commands run as a user runs them."""

import asyncio
import os

_DEADLINE_SECONDS = 60.0


async def run_to_end(*command: str, **environment: str) -> tuple[int, str]:
    """Exit status and everything that `command` prints, on both streams."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment},
    )
    async with asyncio.timeout(_DEADLINE_SECONDS):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def output_of(*command: str) -> str:
    """What a command prints on its standard output; the test fails when the command does."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(_DEADLINE_SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()
