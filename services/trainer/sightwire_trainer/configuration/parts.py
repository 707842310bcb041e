"""What all parts of a configuration have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Part(BaseModel):
    """Read-only, and strict about unknown keys: a misspelt option must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
