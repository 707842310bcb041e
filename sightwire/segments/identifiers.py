"""Names of segments, and the 64-bit hashes by which item ids are found."""

import hashlib
import secrets
import time
import uuid
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def new_segment_id() -> str:
    """A UUIDv7 (RFC 9562): unique, and its text sorts by creation time."""
    milliseconds = time.time_ns() // 1_000_000
    random_bits = secrets.randbits(74)
    value = milliseconds << 80 | 0x7 << 76 | (random_bits >> 62) << 64 | 0b10 << 62 | random_bits & (1 << 62) - 1
    return str(uuid.UUID(int=value))


def hash_ids(ids: Sequence[str]) -> npt.NDArray[np.uint64]:
    """64-bit hashes of item ids, the same on every machine; uint64 [n].

    Rows of a segment are ordered by this hash, so it is part of the segment format.
    """
    digests = b"".join([hashlib.blake2b(item_id.encode(), digest_size=8).digest() for item_id in ids])
    return np.frombuffer(digests, dtype="<u8")
