"""What a cache server says; apart from the client, so that a process without a server need not load its library."""

from dataclasses import dataclass
from typing import Final

HEALTHY: Final = "healthy"


@dataclass(frozen=True, slots=True)
class Found:
    """An entry of the server."""

    envelope: bytes
    seconds_left: float
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Missed:
    """No entry; `nonces` are those of the tags now, which `store` compares to tell whether a tag was deleted since."""

    has_lock: bool
    token: str
    nonces: tuple[bytes, ...]
