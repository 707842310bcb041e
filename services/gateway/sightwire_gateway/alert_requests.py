"""Requests about alerts as they come in."""

from pydantic import BaseModel, ConfigDict, Field

from sightwire.contracts.alerts import MAX_SILENCE_SECONDS


class SilenceCommand(BaseModel):
    """Tell nobody of a rule for some time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float = Field(ge=0, le=MAX_SILENCE_SECONDS, description="From now; 0 ends a silence")
