"""The blob store: one contract, on a local folder and on a real S3 server."""

import asyncio
import hashlib
import os
import signal
import sys
from pathlib import Path

import pytest

from sightwire.blobs import BlobStore, open_blob_store
from sightwire.blobs.pictures import load_picture, picture_key, store_picture
from sightwire.blobs.transfers import part_bytes
from sightwire.contracts.events import BlobReference
from sightwire.errors import ConfigurationError, ConflictError, CorruptDataError, NotFoundError, UnavailableError
from tests.plugin.s3_server import S3Stores
from tests.plugin.waiting import wait_until

MEBIBYTE = 1024 * 1024
#: An upload of its own process: with a path, so that it goes in parts.
UPLOAD = """
import asyncio, pathlib, sys
from sightwire.blobs import open_blob_store
asyncio.run(open_blob_store(sys.argv[1]).put("big", pathlib.Path(sys.argv[2])))
"""


@pytest.fixture(params=["folder", "s3"])
def blobs_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "blobs")
    stores: S3Stores = request.getfixturevalue("s3")
    return stores.new_url()


@pytest.fixture
def blobs(blobs_url: str) -> BlobStore:
    """An empty store of each kind."""
    return open_blob_store(blobs_url)


async def test_what_is_put_can_be_read_whole_and_in_parts(blobs: BlobStore) -> None:
    await blobs.put("folder/deep/a", b"0123456789")
    assert await blobs.get("folder/deep/a") == b"0123456789"
    assert await blobs.get_range("folder/deep/a", 2, 3) == b"234"
    assert b"".join([chunk async for chunk in blobs.stream("folder/deep/a")]) == b"0123456789"
    assert await blobs.size("folder/deep/a") == 10


async def test_a_second_put_replaces_the_first(blobs: BlobStore) -> None:
    for content in (b"first", b"", b"third"):
        await blobs.put("a", content)
        assert await blobs.get("a") == content
        assert await blobs.size("a") == len(content)


async def test_a_large_file_can_be_put_and_fetched(blobs: BlobStore, tmp_path: Path) -> None:
    source, destination = tmp_path / "source", tmp_path / "sub" / "destination"
    source.write_bytes(os.urandom(2 * part_bytes(0) + 1))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    await blobs.put("big", source)
    assert await blobs.size("big") == source.stat().st_size
    await asyncio.gather(*(blobs.download("big", destination, sha256=digest) for _ in range(2)))
    assert destination.read_bytes() == source.read_bytes()
    assert [path.name for path in destination.parent.iterdir()] == ["destination"]


async def test_a_download_of_other_contents_than_expected_leaves_nothing(blobs: BlobStore, tmp_path: Path) -> None:
    await blobs.put("a", b"changed")
    with pytest.raises(CorruptDataError, match="was expected"):
        await blobs.download("a", tmp_path / "copies" / "a", sha256=hashlib.sha256(b"original").hexdigest())
    with pytest.raises(NotFoundError):
        await blobs.download("b", tmp_path / "copies" / "a")
    assert list((tmp_path / "copies").iterdir()) == []


async def test_create_is_a_compare_and_set(blobs: BlobStore) -> None:
    await blobs.create("manifests/1", b"first")
    with pytest.raises(ConflictError):
        await blobs.create("manifests/1", b"second")
    assert await blobs.get("manifests/1") == b"first"


async def test_of_several_creators_exactly_one_wins(blobs_url: str) -> None:
    writers = [open_blob_store(blobs_url) for _ in range(3)]
    for version in range(3):
        attempts = (writer.create(f"manifests/{version}", b"%d" % number) for number, writer in enumerate(writers))
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        (winner,) = [number for number, outcome in enumerate(outcomes) if outcome is None]
        assert sum(isinstance(outcome, ConflictError) for outcome in outcomes) == len(writers) - 1
        assert await writers[0].get(f"manifests/{version}") == b"%d" % winner


async def test_what_is_missing_is_said_so(blobs: BlobStore) -> None:
    assert await blobs.size("nothing") is None
    assert await blobs.keys("nothing") == []
    assert await blobs.folders("nothing") == []
    await blobs.delete(["nothing"])
    await blobs.delete([])
    for read in (blobs.get("nothing"), blobs.get_range("nothing", 0, 1)):
        with pytest.raises(NotFoundError, match="nothing"):
            await read


async def test_a_folder_is_listed_and_deleted_whole(blobs: BlobStore) -> None:
    for key in ("c/b", "c/a", "c/d/e", "c2/a", "other"):
        await blobs.put(key, b"1")
    assert await blobs.keys("c") == ["c/a", "c/b", "c/d/e"]
    assert [(entry.key, entry.bytes) for entry in await blobs.entries("c2")] == [("c2/a", 1)]
    assert await blobs.folders("c") == ["c/d"]
    await blobs.delete_folder("c")
    assert await blobs.keys("") == ["c2/a", "other"]


async def test_an_upload_that_is_killed_leaves_what_was_there(
    request: pytest.FixtureRequest, blobs: BlobStore, blobs_url: str, tmp_path: Path
) -> None:
    await blobs.put("big", b"before")
    source = tmp_path / "source"
    source.write_bytes(os.urandom(48 * MEBIBYTE))
    kept_in = blobs.root or request.getfixturevalue("s3_server").folder
    before = _bytes_below(kept_in)
    upload = await asyncio.create_subprocess_exec(sys.executable, "-c", UPLOAD, blobs_url, source)
    try:
        await wait_until(lambda: _bytes_below(kept_in) > before + 12 * MEBIBYTE, 60, "some of the upload on the disk")
    finally:
        upload.kill()
        await upload.wait()
    assert upload.returncode == -signal.SIGKILL
    assert await blobs.get("big") == b"before"
    assert await blobs.keys("") == ["big"]
    await blobs.put("big", b"after")
    assert await blobs.get("big") == b"after"


async def test_a_folders_objects_are_files_in_place(tmp_path: Path) -> None:
    blobs = open_blob_store(str(tmp_path))
    await blobs.put("folder/a", b"1")
    path = blobs.local_path("folder/a")
    assert path is not None
    assert path.read_bytes() == b"1"


async def test_more_objects_than_a_server_lists_or_deletes_at_once(s3: S3Stores) -> None:
    blobs = s3.open_new()
    at_once = asyncio.Semaphore(16)

    async def put(number: int) -> None:
        async with at_once:
            await blobs.put(f"many/{number:04}", b"")

    await asyncio.gather(*map(put, range(1005)))
    assert await blobs.keys("many") == [f"many/{number:04}" for number in range(1005)]
    await blobs.delete_folder("many")
    assert await blobs.keys("") == []


async def test_a_server_that_is_away_is_told_of_and_found_again(s3: S3Stores) -> None:
    blobs = s3.open_new()
    await blobs.create("manifests/1", b"first")
    await s3.server.kill()
    for call in (
        blobs.get("manifests/1"),
        blobs.size("manifests/1"),
        blobs.keys("manifests"),
        blobs.create("manifests/2", b"second"),
        blobs.put("other", b""),
        blobs.delete(["other"]),
    ):
        with pytest.raises(UnavailableError, match="the blob store failed on"):
            await call
    await s3.server.start()
    await blobs.create("manifests/2", b"second")
    assert [await blobs.get(key) for key in await blobs.keys("manifests")] == [b"first", b"second"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "another"}, "check AWS_ACCESS_KEY_ID"),
        ({"SIGHTWIRE_BLOBS_URL": "s3://nowhere"}, "bucket of the blob store does not exist"),
    ],
)
async def test_what_somebody_has_to_put_right_is_named(
    s3: S3Stores, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], message: str
) -> None:
    monkeypatch.setenv("SIGHTWIRE_BLOBS_URL", s3.new_url())
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    blobs = open_blob_store(os.environ["SIGHTWIRE_BLOBS_URL"])
    for call in (blobs.get("a"), blobs.keys("a"), blobs.put("a", b""), blobs.delete(["a"])):
        with pytest.raises(UnavailableError, match=message):
            await call


async def test_an_empty_variable_counts_as_unset(s3: S3Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.server.access.endpoint)
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.setenv(name, "")
    assert await s3.open_new().keys("") == []


def test_an_endpoint_without_a_scheme_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "minio.internal:9000")
    with pytest.raises(ConfigurationError, match=r"'minio.internal:9000' .* must begin with http"):
        open_blob_store("s3://bucket")


@pytest.mark.parametrize("url", ["gs://bucket", "ftp://somewhere/else", "s3://"])
def test_a_store_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=url):
        open_blob_store(url)


@pytest.mark.parametrize(
    ("size", "part"),
    [(0, 8), (8 * MEBIBYTE, 8), (80_000 * MEBIBYTE, 8), (80_000 * MEBIBYTE + 1, 9), (1024 * 1024 * MEBIBYTE, 105)],
)
def test_parts_are_small_but_never_too_many(size: int, part: int) -> None:
    assert part_bytes(size) == part * MEBIBYTE
    assert -(-size // part_bytes(size)) <= 10_000


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


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
