"""How one cache behaves."""

from dataclasses import dataclass
from typing import Final

from sightwire.cache.envelopes import Compression
from sightwire.cache.formats import Format
from sightwire.cache.policies.choosing import PolicyName

LOCK_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """One cache: what is in it, how much of it, for how long.

    Caches of one namespace share entries, tags and counts, across processes and versions of the program: put into the
    namespace or into the keys whatever changes what a key means.
    """

    namespace: str
    memory_bytes: int = 64 * 1024 * 1024
    policy: PolicyName = "adaptive"
    #: How long an entry lives, unless its caller says otherwise.
    ttl_seconds: float = 3600.0
    #: How long it lives in a process's memory at most: the bound for what a process may miss while it is cut off.
    memory_ttl_seconds: float = 60.0
    value_format: Format = "msgpack"
    compression: Compression = "zstd"
    compress_above_bytes: int = 1024
    #: How long other processes wait for one that computes the same key before they compute it themselves.
    lock_seconds: float = LOCK_SECONDS
    #: How long any call to the server may take, and how long it may wait for its turn before.
    timeout_seconds: float = 0.5
