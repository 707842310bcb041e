"""Settings of the cache of task results: `SIGHTWIRE_ORCHESTRATOR_TASK_CACHE_*`, next to `SIGHTWIRE_CACHE_*`."""

from typing import Final

from pydantic import Field, PositiveFloat, PositiveInt

from sightwire.cache.options import CacheOptions
from sightwire.cache.settings import CacheSettings

_MEBIBYTE: Final = 1024 * 1024
NAMESPACE: Final = "task-results"


class TaskCacheSettings(CacheSettings):
    """How much of the results of tasks with `cache_enabled` is kept, and for how long."""

    orchestrator_task_cache_bytes: PositiveInt = Field(
        default=64 * _MEBIBYTE, description="Most memory for results of tasks with `cache_enabled`"
    )
    orchestrator_task_cache_seconds: PositiveFloat = Field(
        default=86_400.0, description="How long they are kept where a pipeline has no `cache_ttl`"
    )

    def task_cache_options(self) -> CacheOptions:
        """Options of the cache of task results."""
        return self.cache_options(
            NAMESPACE,
            memory_bytes=self.orchestrator_task_cache_bytes,
            ttl_seconds=self.orchestrator_task_cache_seconds,
        )
