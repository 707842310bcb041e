"""Ids of queries: answers carry them, and clicks name them. They say which index answered, so that nobody has to
remember it; pure."""

import hashlib
from typing import Annotated, Final
from uuid import uuid4

from pydantic import StringConstraints

QueryId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}-[is]$")]

_OF_INDEX: Final = "-i"
_OF_SHADOW: Final = "-s"
_HASH_BYTES: Final = 8


def new_query() -> str:
    """What makes a query's id its own; the id is finished when it is known who answered."""
    return uuid4().hex


def query_id(query: str, *, answered_by_shadow: bool) -> str:
    """The id that callers get."""
    return query + (_OF_SHADOW if answered_by_shadow else _OF_INDEX)


def was_answered_by_shadow(id_: str) -> bool:
    """Whether a canary's shadow answered the query of an id."""
    return id_.endswith(_OF_SHADOW)


def is_in_share(query: str, share: float) -> bool:
    """Whether a query is of a share of all; the same for every gateway, and for every smaller share of which it is."""
    digest = hashlib.sha256(query.encode()).digest()[:_HASH_BYTES]
    return int.from_bytes(digest, "big") / (1 << 8 * _HASH_BYTES) < share
