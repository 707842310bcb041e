"""A log of JSON lines: one for each step, evaluation and end, each with its `event`."""

from pathlib import Path

import orjson
from pydantic import BaseModel

from sightwire.contracts.training import TrainingCompleted, TrainingProgress


class JsonLinesLog:
    """Appends to a file, so that a run that goes on after an interruption has one log."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def progressed(self, progress: TrainingProgress) -> None:
        self._append("step", progress)

    def evaluated(self, progress: TrainingProgress) -> None:
        self._append("evaluation", progress)

    def ended(self, completed: TrainingCompleted) -> None:
        self._append("end", completed)

    def _append(self, event: str, told: BaseModel) -> None:
        line = {"event": event, **told.model_dump(mode="json", exclude_none=True)}
        with self._path.open("ab") as file:
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
