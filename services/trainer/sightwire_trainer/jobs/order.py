"""What a run's process is told, on its standard input, and what it tells, in lines of JSON on its standard output."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from sightwire.contracts.training import RunName, TrainingCompleted, TrainingProgress
from sightwire_trainer.configuration import TrainingConfiguration


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunOrder(_Message):
    """Carry out a run, or go on with it."""

    run: RunName
    configuration: TrainingConfiguration
    folder: Path
    cache: Path | None = None
    #: Whether to make a model bundle of the completed run.
    export: bool = True
    #: 0 for as many as torch takes.
    threads: int = 0
    nice: int = 0
    #: Name under which the process logs as services do; None: warnings alone, for people.
    service: str | None = None


class StepTaken(_Message):
    """The run took a step."""

    event: Literal["step"] = "step"
    progress: TrainingProgress


class Evaluated(_Message):
    """The measures are new."""

    event: Literal["evaluation"] = "evaluation"
    progress: TrainingProgress


class RunEnded(_Message):
    """The run is completed, or it was asked to end and has written a checkpoint (`cancelled`). Nothing follows."""

    event: Literal["end"] = "end"
    completed: TrainingCompleted


class RunFailed(_Message):
    """The run cannot go on. Nothing follows."""

    event: Literal["failure"] = "failure"
    code: str
    detail: str
    #: The folder has a run of another configuration, which is as it was.
    refused: bool = False


RunMessage = Annotated[StepTaken | Evaluated | RunEnded | RunFailed, Field(discriminator="event")]
RUN_MESSAGES: Final[TypeAdapter[RunMessage]] = TypeAdapter(RunMessage)
