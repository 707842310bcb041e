"""Delete bitmaps: which rows of an immutable segment do not count any more."""

import hashlib

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

from sightwire.blobs.store import BlobStore
from sightwire.errors import CorruptDataError
from sightwire.segments.identifiers import new_segment_id
from sightwire.segments.layout import IndexLayout
from sightwire.segments.manifest import DeletesReference


def deleted_mask(deletes: BitMap, rows: int) -> npt.NDArray[np.bool_]:
    """True where a row is deleted; bool [rows]."""
    mask = np.zeros(rows, dtype=np.bool_)
    mask[deleted_rows(deletes)] = True
    return mask


def deleted_rows(deletes: BitMap) -> npt.NDArray[np.uint32]:
    """Deleted rows, ascending."""
    return np.frombuffer(deletes.to_array(), dtype=np.uint32)


async def store_deletes(
    blobs: BlobStore, layout: IndexLayout, segment_id: str, deletes: BitMap
) -> DeletesReference | None:
    """Stores a bitmap under a key that nothing else has; None for an empty one, which needs no blob."""
    if not deletes:
        return None
    data = deletes.serialize()
    key = layout.deletes_key(segment_id, new_segment_id())
    await blobs.put(key, data)
    return DeletesReference(key=key, count=len(deletes), sha256=hashlib.sha256(data).hexdigest())


async def load_deletes(blobs: BlobStore, reference: DeletesReference | None) -> BitMap:
    """The bitmap that a manifest refers to; an empty one for None.

    Raises:
        CorruptDataError: its bytes are not those that were stored.
        NotFoundError: it is gone.
    """
    if reference is None:
        return BitMap()
    data = await blobs.get(reference.key)
    if hashlib.sha256(data).hexdigest() != reference.sha256:
        raise CorruptDataError(f"the sha256 of delete bitmap {reference.key!r} differs from the manifest's")
    bitmap = BitMap.deserialize(data)
    if len(bitmap) != reference.count:
        raise CorruptDataError(
            f"delete bitmap {reference.key!r} has {len(bitmap)} rows, the manifest says {reference.count}"
        )
    return bitmap
