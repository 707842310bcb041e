"""Settings of the caches, for services that have some: a base class beside `SharedSettings`."""

from pydantic import Field, PositiveFloat, SecretStr

from sightwire.cache.options import LOCK_SECONDS, CacheOptions
from sightwire.cache.policies.choosing import PolicyName
from sightwire.settings import SharedSettings


class CacheSettings(SharedSettings):
    """Where caches are shared, and how each process keeps its part. How much of each is its service's to say."""

    cache_url: SecretStr | None = Field(
        default=None,
        description="Redis or Valkey for shared caches: redis://, rediss:// or unix://; none: each process has its own",
    )
    cache_memory_seconds: PositiveFloat = Field(
        default=60.0, description="Longest time that a process keeps a shared entry in its memory"
    )
    cache_policy: PolicyName = Field(
        default="adaptive", description="Which entry leaves a full memory: `lru`, `lfu`, `ttl` or `adaptive` (ARC)"
    )

    @property
    def cache_server_url(self) -> str | None:
        """The URL with its password, for `MultiLevelCache`."""
        return self.cache_url.get_secret_value() if self.cache_url is not None else None

    def cache_options(
        self, namespace: str, *, memory_bytes: int, ttl_seconds: float, lock_seconds: float = LOCK_SECONDS
    ) -> CacheOptions:
        """Options of the cache `namespace` as these settings want them."""
        return CacheOptions(
            namespace,
            memory_bytes=memory_bytes,
            policy=self.cache_policy,
            ttl_seconds=ttl_seconds,
            memory_ttl_seconds=self.cache_memory_seconds,
            lock_seconds=lock_seconds,
        )
