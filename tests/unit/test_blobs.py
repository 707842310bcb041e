"""The blob store on a local folder."""

import hashlib
from pathlib import Path

import pytest

from sightwire.blobs import BlobStore
from sightwire.blobs.pictures import load_picture, picture_key, store_picture
from sightwire.contracts.events import BlobReference
from sightwire.errors import ConflictError, CorruptDataError, NotFoundError


async def test_what_is_put_can_be_read_whole_in_parts_and_in_place(blobs: BlobStore) -> None:
    await blobs.put("folder/deep/a", b"0123456789")
    assert await blobs.get("folder/deep/a") == b"0123456789"
    assert await blobs.get_range("folder/deep/a", 2, 3) == b"234"
    assert [chunk async for chunk in blobs.stream("folder/deep/a")] == [b"0123456789"]
    assert await blobs.size("folder/deep/a") == 10
    path = blobs.local_path("folder/deep/a")
    assert path is not None
    assert path.read_bytes() == b"0123456789"


async def test_a_file_can_be_put_and_fetched(blobs: BlobStore, tmp_path: Path) -> None:
    source, destination = tmp_path / "source", tmp_path / "sub" / "destination"
    source.write_bytes(b"x" * 3_000_000)
    await blobs.put("big", source)
    await blobs.download("big", destination)
    assert destination.read_bytes() == source.read_bytes()
    assert [path.name for path in destination.parent.iterdir()] == ["destination"]


async def test_create_is_a_compare_and_set(blobs: BlobStore) -> None:
    await blobs.create("manifests/1", b"first")
    with pytest.raises(ConflictError):
        await blobs.create("manifests/1", b"second")
    assert await blobs.get("manifests/1") == b"first"


async def test_what_is_missing_is_said_so(blobs: BlobStore) -> None:
    assert await blobs.size("nothing") is None
    assert await blobs.keys("nothing") == []
    await blobs.delete(["nothing"])
    for read in (blobs.get("nothing"), blobs.get_range("nothing", 0, 1)):
        with pytest.raises(NotFoundError, match="nothing"):
            await read


async def test_a_folder_is_listed_and_deleted_whole(blobs: BlobStore) -> None:
    for key in ("c/b", "c/a", "c/d/e", "other"):
        await blobs.put(key, b"")
    assert await blobs.keys("c") == ["c/a", "c/b", "c/d/e"]
    await blobs.delete_folder("c")
    assert await blobs.keys("c") == []
    assert await blobs.size("other") == 0


async def test_a_picture_is_stored_once_under_its_content(blobs: BlobStore) -> None:
    first = await store_picture(blobs, b"picture", media_type="image/png", width=3, height=4)
    second = await store_picture(blobs, b"picture", media_type="image/png", width=3, height=4)
    assert first == second
    assert first.blob == picture_key(hashlib.sha256(b"picture").hexdigest())
    assert await load_picture(blobs, first) == b"picture"


async def test_a_picture_with_other_contents_than_promised_is_refused(blobs: BlobStore) -> None:
    await blobs.put("pictures/x", b"changed")
    with pytest.raises(CorruptDataError, match="was expected"):
        await load_picture(blobs, BlobReference(blob="pictures/x", sha256="0" * 64, bytes=7))
