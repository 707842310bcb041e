"""`evaluate`: how well a model finds, by `sightwire eval` in a process of its own: torch has no place in a worker."""

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import orjson
from pydantic import Field, JsonValue, NonNegativeInt

from sightwire.cli.extensions import GROUP
from sightwire.errors import ConfigurationError
from sightwire_orchestrator.tasks.builtin.parameters import TaskParameters
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.errors import OperationFailedError
from sightwire_orchestrator.tasks.registry import handler

_COMMAND: Final = "eval"
_MAX_REASON_CHARACTERS: Final = 2000


class EvaluateParameters(TaskParameters):
    """Which model, on which data. Paths are those of the worker's machine."""

    bundle: str = Field(min_length=1, description="Folder of a model bundle")
    data: tuple[str, ...] = Field(min_length=1, description="Tars, or tables of captions beside their pictures")
    against: str | None = Field(default=None, description="Folder of another bundle, on the same queries")
    directions: tuple[str, ...] = Field(default=(), description="Such as text_to_image; none: both")
    resamples: NonNegativeInt = Field(default=2000, description="Bootstrap resamples; 0: no intervals")
    seed: NonNegativeInt = 0

    def arguments(self, report: Path) -> list[str]:
        """Of the command; values are never taken for options."""
        options = [f"--json={report}", f"--resamples={self.resamples}", f"--seed={self.seed}"]
        options += [f"--direction={direction}" for direction in self.directions]
        options += [f"--against={self.against}"] if self.against is not None else []
        return [_COMMAND, *options, "--", self.bundle, *self.data]


@handler("evaluate")
async def evaluate(context: TaskContext, parameters: EvaluateParameters) -> JsonValue:
    """Evaluate a model: {models: [{name, tasks: [{direction, dataset, measures, intervals, …}]}], comparisons}."""
    if not entry_points(group=GROUP, name=_COMMAND):
        raise ConfigurationError(
            "`sightwire eval` is not installed beside this worker; run tasks of type evaluate where the trainer is: "
            "`sightwire worker --types evaluate`"
        )
    context.progress("evaluating")
    with tempfile.TemporaryDirectory(prefix="sightwire-evaluate-") as folder:
        report = Path(folder) / "report.json"
        await _run(parameters.arguments(report))
        document = orjson.loads(await asyncio.to_thread(report.read_bytes))
    return {
        "models": document["models"],
        # Wins and losses of single queries are too many for a task's output.
        "comparisons": [
            {name: comparison[name] for name in ("direction", "dataset", "differences")}
            for comparison in document["comparisons"]
        ],
    }


async def _run(arguments: list[str]) -> None:
    # Its errors are to come in one line, which it would break at the width of a terminal.
    environment = {**os.environ, "COLUMNS": "10000"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sightwire.cli", *arguments, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, env=environment
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        reason = said.decode("utf-8", "replace").strip()[-_MAX_REASON_CHARACTERS:]
        raise OperationFailedError(f"`sightwire eval` ended with {process.returncode}: {reason}")
