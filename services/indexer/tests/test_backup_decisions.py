"""What is decided about backups without any store: what goes, what is an orphan; and the formats of what is stored."""

import hashlib
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyrage
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sightwire_indexer.backups.encoding import Cipher, decode_file, encode_file
from sightwire_indexer.backups.layout import BackupLayout, FileName, key_of_recipients, parse_file_name
from sightwire_indexer.backups.manifest import (
    BackedUpFile,
    BackedUpSegment,
    BackupManifest,
    parse_backup,
    serialize_backup,
)
from sightwire_indexer.backups.retention import expired
from sightwire_indexer.backups.sweeping import orphaned

from services.indexer.tests.backup_world import photos
from sightwire.blobs.store import BlobEntry
from sightwire.contracts.backups import BackupRetention
from sightwire.contracts.collections import IndexParameters
from sightwire.errors import CorruptDataError
from sightwire.segments.description import DESCRIPTION_FILE
from sightwire.segments.manifest import SegmentEntry

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SHA256 = st.binary(min_size=32, max_size=32).map(bytes.hex)


def backup(name: str, *, hours: float = 0, uid: str = "0", files: tuple[str, ...] = ()) -> BackupManifest:
    """A backup made so long before noon, of one segment with files of these contents."""
    described = [backed_up(DESCRIPTION_FILE, name), *(backed_up(content, content) for content in files)]
    entry = SegmentEntry(id=name, rows=3, tombstones=0, disk_bytes=1, description_sha256=described[0].sha256)
    return BackupManifest(
        id=name,
        created_at=NOON - timedelta(hours=hours),
        record=photos("photos", uid),
        generation="g1",
        manifest_version=1,
        space="first-space",
        index=IndexParameters(),
        max_version=3,
        added_bytes=1,
        segments=(BackedUpSegment(entry=entry, files=tuple(described)),),
    )


def backed_up(name: str, content: str) -> BackedUpFile:
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    return BackedUpFile(name=name, bytes=1, sha256=sha256, stored_bytes=2, stored_sha256=sha256)


#: By age in hours, named for it.
BACKUPS = [backup(f"b{hours}", hours=hours, uid=str(hours % 2)) for hours in (30, 1, 20, 10)]


@pytest.mark.parametrize(
    ("keep", "keep_hours", "gone"),
    [
        (None, None, []),
        (1, None, ["b30", "b20", "b10"]),
        (2, None, ["b30", "b20"]),
        (4, None, []),
        (9, None, []),
        (None, 15, ["b30", "b20"]),
        (None, 0.5, ["b30", "b20", "b10"]),
        (None, 40, []),
        (3, 15, ["b30"]),
        (1, 25, ["b30"]),
    ],
)
def test_backups_that_no_limit_protects_go(keep: int | None, keep_hours: float | None, gone: list[str]) -> None:
    keep_seconds = None if keep_hours is None else keep_hours * 3600
    retention = BackupRetention(keep=keep, keep_seconds=keep_seconds)
    assert [each.id for each in expired(BACKUPS, retention, NOON)] == gone


def test_without_backups_none_goes() -> None:
    assert expired([], BackupRetention(keep=1), NOON) == []


@pytest.mark.parametrize(
    ("content", "hours", "is_orphan"),
    [("needed", 9, False), ("shared", 9, False), ("nobody's", 9, True), ("nobody's", 0.5, False)],
)
def test_files_that_no_backup_needs_are_orphans_once_they_are_old(content: str, hours: float, is_orphan: bool) -> None:
    backups = [backup("first", files=("needed", "shared")), backup("second", files=("shared",))]
    layout = backups[0].layout
    key = layout.file_key(backed_up("", content).stored_name)
    entry = BlobEntry(key, 2, NOON - timedelta(hours=hours))
    orphans = orphaned([entry], layout, backups, older_than=NOON - timedelta(hours=1))
    assert orphans == ([entry] if is_orphan else [])


@given(sha256=SHA256, stored_sha256=SHA256, recipients=st.lists(st.text(max_size=9), max_size=3))
def test_a_stored_files_name_says_what_it_is(sha256: str, stored_sha256: str, recipients: list[str]) -> None:
    name = FileName(sha256, stored_sha256, key_of_recipients(recipients))
    assert parse_file_name(str(name)) == name
    assert (name.encrypted_for is None) == (not recipients)
    assert key_of_recipients(recipients[::-1]) == name.encrypted_for


@pytest.mark.parametrize("name", ["", "readme.txt", "a.b.zst", f"{'0' * 64}.zst", f"{'0' * 64}.{'0' * 64}.zst.age"])
def test_other_files_are_left_alone(name: str) -> None:
    assert parse_file_name(name) is None


def test_keys_name_the_incarnation() -> None:
    layout = BackupLayout("photos", "1a2b")
    assert layout.manifest_key("b1") == "v1/photos/1a2b/backups/b1/backup.json"


@given(position=st.integers(0, 5000), bit=st.integers(0, 7))
def test_no_changed_bit_of_a_description_goes_unnoticed(position: int, bit: int) -> None:
    original = backup("b1", files=("one", "two"))
    data = bytearray(serialize_backup(original))
    assert parse_backup(bytes(data), "key") == original
    data[position % len(data)] ^= 1 << bit
    with pytest.raises(CorruptDataError, match="'key'"):
        parse_backup(bytes(data), "key")


@pytest.mark.parametrize("length", [0, 1, 80, -1])
def test_a_cut_description_is_refused(length: int) -> None:
    with pytest.raises(CorruptDataError):
        parse_backup(serialize_backup(backup("b1"))[:length], "key")


def test_a_description_of_other_files_is_refused() -> None:
    original = backup("b1", files=("one",))
    (segment,) = original.segments
    swapped = segment.model_copy(update={"files": segment.files[::-1]})
    data = serialize_backup(original.model_copy(update={"segments": (swapped,)}))
    with pytest.raises(CorruptDataError, match=r"does not begin with its own segment\.json"):
        parse_backup(data, "key")


@pytest.fixture(scope="module")
def encrypting(tmp_path_factory: pytest.TempPathFactory) -> Cipher:
    identity = pyrage.x25519.Identity.generate()
    path = tmp_path_factory.mktemp("keys") / "identity.txt"
    path.write_text(str(identity))
    return Cipher([str(identity.to_public())], path)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=4096), st.integers(0, 300_000).map(lambda size: b"many " * (size // 5))))
@pytest.mark.parametrize("encrypts", [False, True])
def test_files_come_back_as_they_were(tmp_path: Path, encrypting: Cipher, encrypts: bool, content: bytes) -> None:
    cipher = encrypting if encrypts else Cipher()
    source, stored, back = (tmp_path / name for name in ("source", "stored", "back"))
    source.write_bytes(content)
    encoded = encode_file(source, stored, cipher, level=3)
    assert (encoded.bytes, encoded.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    stored_content = stored.read_bytes()
    assert (encoded.stored_bytes, encoded.stored_sha256) == (
        len(stored_content),
        hashlib.sha256(stored_content).hexdigest(),
    )
    assert stored_content.startswith(b"age-encryption.org/v1" if encrypts else b"\x28\xb5\x2f\xfd")
    decode_file(stored, back, cipher, encrypted=encrypts, expected_bytes=encoded.bytes, expected_sha256=encoded.sha256)
    assert back.read_bytes() == content


def test_what_decodes_to_more_than_expected_is_given_up(tmp_path: Path) -> None:
    source, stored, back = (tmp_path / name for name in ("source", "stored", "back"))
    source.write_bytes(bytes(10_000_000))
    encoded = encode_file(source, stored, Cipher(), level=3)
    with pytest.raises(CorruptDataError, match="more than the expected 100 bytes"):
        decode_file(stored, back, Cipher(), encrypted=False, expected_bytes=100, expected_sha256=encoded.sha256)
    assert back.stat().st_size <= 100


@pytest.mark.parametrize("encrypts", [False, True])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, encrypting: Cipher, encrypts: bool) -> None:
    cipher = encrypting if encrypts else Cipher()
    source, stored, back = (tmp_path / name for name in ("source", "stored", "back"))
    with source.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    tracemalloc.start()
    try:
        encoded = encode_file(source, stored, cipher, level=3)
        decode_file(
            stored, back, cipher, encrypted=encrypts, expected_bytes=encoded.bytes, expected_sha256=encoded.sha256
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
