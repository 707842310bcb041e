"""Requests for training runs as they come in."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sightwire.contracts.training import RunName


class TrainingCommand(BaseModel):
    """Ask for a training run, or for one that has ended to go on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: RunName = Field(description="Names the run, its folder and its progress")
    configuration: dict[str, Any] = Field(
        description="A training configuration: docs/training.md. Its paths are of the trainer's machine"
    )
