"""Requests about migrations as they come in."""

from pydantic import BaseModel, ConfigDict, Field

from sightwire.contracts.pipelines import RunId


class RollBackMigrationCommand(BaseModel):
    """Let a collection answer as before its last migration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: RunId | None = Field(
        default=None,
        description="Of the migration that is meant; refused when another one was the last. Null: whichever was",
    )
    reason: str = ""
