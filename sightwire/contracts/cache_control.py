"""Requests to the orchestrator on `control.cache`, by NATS request and reply, JSON both ways."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReadCache(_Request):
    """Answered by the CacheAccounting (`sightwire.cache.accounting`) of task results."""

    ask: Literal["stats"] = "stats"


class ClearCache(_Request):
    """Deletes results of tasks, those that are being computed now included. Answered by a CacheCleared."""

    ask: Literal["clear"] = "clear"
    tags: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), max_length=1000, description="What has any of these; such as `pipeline:drafts`, `type:embed`"
    )
    everything: bool = False

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if self.everything is bool(self.tags):
            raise ValueError("name tags, or ask for everything")
        return self


CacheRequest = ReadCache | ClearCache
CACHE_REQUESTS: TypeAdapter[CacheRequest] = TypeAdapter(Annotated[CacheRequest, Field(discriminator="ask")])


class CacheCleared(BaseModel):
    """What was deleted."""

    model_config = ConfigDict(frozen=True)

    tags: tuple[str, ...]
    everything: bool
    #: State of the server that processes share: while it is away others keep what they have for a while.
    health: str
