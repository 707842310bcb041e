"""Builds a segment in a process of its own: low priority, bounded threads, measured memory."""

import asyncio
import os
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from typing import Final

from sightwire.contracts.control import ControlReply
from sightwire.ending_tasks import end_tasks
from sightwire.errors import SightwireError, TooLargeError, UnavailableError, error_with_code
from sightwire.segments.merge_task import MergeTask
from sightwire_indexer.machine_memory import allocated_bytes

_MEASURE_SECONDS: Final = 0.1
_MEBIBYTE: Final = 1024 * 1024
#: Every library that has threads of its own asks for one of these.
_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


async def build_segment(task: MergeTask, *, memory_bytes: int) -> None:
    """Carries a merge out; its result is complete or absent. When this is cancelled, the process is killed.

    Args:
        task: `task.indexes.threads` bounds the process's threads.
        memory_bytes: how much it may have allocated. What it maps of files is not counted: that the system takes back.
            Measured on Linux only.

    Raises:
        TooLargeError: it needed more memory.
        UnavailableError: the process was killed; try again.
        SightwireError: what failed in it.
    """
    threads = str(task.indexes.threads)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sightwire_indexer.rebuilding.build_segment",
        str(os.getpid()),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env={**os.environ, **dict.fromkeys(_THREAD_VARIABLES, threads)},
    )
    watching = asyncio.create_task(_wait_for_excess(process.pid, memory_bytes))
    running = asyncio.create_task(process.communicate(pickle.dumps(task)))
    try:
        await asyncio.wait({watching, running}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise TooLargeError(
                f"building a segment of {task.rows} items took {watching.result() / _MEBIBYTE:.1f} MiB of memory, and "
                f"{memory_bytes / _MEBIBYTE:.1f} MiB are allowed; allow more "
                "(SIGHTWIRE_INDEXER_REBUILD_MEMORY_BYTES), or make segments smaller "
                "(SIGHTWIRE_INDEXER_MAX_SEGMENT_ROWS)"
            )
        output, errors = running.result()
    finally:
        await end_tasks(watching, running)
        if process.returncode is None:
            process.kill()
            await process.wait()
    _raise_failure(process, output, errors)


def _raise_failure(process: Process, output: bytes, errors: bytes) -> None:
    if process.returncode == 0:
        return
    assert process.returncode is not None, "the process has ended"
    if process.returncode < 0:
        raise UnavailableError(
            f"the process that builds a segment was killed by signal {-process.returncode}; if the system did that for "
            "want of memory, allow the rebuild less"
        )
    if output:
        reply = ControlReply.model_validate_json(output)
        detail = reply.error or ""
        raise error_with_code(reply.error_code, detail) or SightwireError(detail)
    last_words = errors.decode(errors="replace").strip().rpartition("\n")[2]
    raise SightwireError(f"the process that builds a segment failed: {last_words or process.returncode}")


async def _wait_for_excess(pid: int, memory_bytes: int) -> int:
    """Returns what a process has allocated once that is more than `memory_bytes`."""
    while True:
        allocated = await asyncio.to_thread(allocated_bytes, pid)
        if allocated > memory_bytes:
            return allocated
        await asyncio.sleep(_MEASURE_SECONDS)
