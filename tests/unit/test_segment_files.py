"""A segment gives back what was written, and notices when it was damaged."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightwire.contracts.collections import Metric
from sightwire.contracts.names import ITEM_ID_PATTERN
from sightwire.errors import CorruptDataError, InvalidVectorError
from sightwire.segments.batch import IndexedItem, IndexedObject, Tombstone, segment_content
from sightwire.segments.identifiers import hash_ids, new_segment_id
from sightwire.segments.reader import SegmentReader
from sightwire.segments.schema import VectorColumn
from sightwire.segments.writer import write_segment
from tests.plugin.segments import SCHEMA, detected, identity, item, make_segment, vector

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
IDS = st.from_regex(ITEM_ID_PATTERN, fullmatch=True)
CONFIDENCES = st.floats(0, 1, width=32)
OBJECTS = st.lists(
    st.builds(
        IndexedObject,
        st.tuples(*[st.floats(0, 1e4, width=32)] * 4),
        st.integers(0, 79),
        TEXT,
        CONFIDENCES,
    ),
    max_size=4,
)


@st.composite
def items(draw: st.DrawFn, item_id: str) -> IndexedItem:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    objects = draw(OBJECTS)
    vectors = {
        name: vector(rng, size) for name, size in (("image", 8), ("place", 2), ("taste", 4)) if draw(st.booleans())
    }
    if objects and draw(st.booleans()):
        vectors["object"] = vector(rng, len(objects), 8)
    metadata: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "shop": TEXT,
                "stock": st.integers(-(2**63), 2**63 - 1),
                "price": st.floats(allow_nan=False, allow_infinity=False),
                "sold": st.booleans(),
                "made": st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
                "colours": st.lists(TEXT, max_size=3),
            },
        )
    )
    return IndexedItem(
        id=item_id,
        version=draw(st.integers(1, 2**62)),
        time=draw(st.integers(-(10**15), 10**16)),
        document=draw(st.binary(max_size=40)),
        text=draw(st.none() | TEXT),
        has_image=draw(st.booleans()),
        tags=draw(st.lists(TEXT, max_size=3)),
        metadata=metadata,
        objects=objects,
        vectors=vectors,
    )


@st.composite
def batches(draw: st.DrawFn) -> list[IndexedItem]:
    return [draw(items(item_id)) for item_id in draw(st.lists(IDS, unique=True, max_size=8))]


@given(batch=batches(), dead=st.dictionaries(IDS, st.integers(1, 2**62), max_size=3))
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_what_was_written_is_read_back(tmp_path: Path, batch: list[IndexedItem], dead: dict[str, int]) -> None:
    segment = make_segment(tmp_path, batch, [Tombstone(item_id, version) for item_id, version in dead.items()])
    rows = segment.find_ids([item.id for item in batch])
    assert sorted(rows.tolist()) == list(range(len(batch)))
    for written, row in zip(batch, rows.tolist(), strict=True):
        assert read_item(segment, row) == expected_item(written)
        for name, column in ((column.name, column) for column in SCHEMA.vectors):
            check_vectors(segment, column, written, row, written.vectors.get(name))
    tombstones = segment.find_tombstones(list(dead))
    assert segment.tombstone_versions[tombstones].tolist() == list(dead.values())
    assert (segment.find_ids(["\x00 never"]) == -1).all()
    assert segment.description.rows == len(batch)
    versions = [item.version for item in batch] + list(dead.values())
    assert (segment.description.min_version, segment.description.max_version) == (
        min(versions, default=None),
        max(versions, default=None),
    )


def read_item(segment: SegmentReader, row: int) -> dict[str, Any]:
    first, last = segment.object_offsets[row : row + 2].tolist()
    return {
        "id": segment.ids([row])[0],
        "version": int(segment.versions[row]),
        "time": int(segment.times[row]),
        "document": segment.documents([row])[0],
        "text": segment.items["text"][row].as_py(),
        "has_image": segment.items["has_image"][row].as_py(),
        "tags": segment.items["tags"][row].as_py(),
        "metadata": {
            name: value for name in SCHEMA.metadata if (value := segment.metadata(name)[row].as_py()) is not None
        },
        "best": dict(
            zip(segment.items["class_ids"][row].as_py(), segment.items["class_confidences"][row].as_py(), strict=True)
        ),
        "objects": [
            (
                tuple(segment.boxes[position].tolist()),
                segment.objects["class_id"][position].as_py(),
                segment.objects["class_name"][position].as_py(),
                segment.objects["confidence"][position].as_py(),
            )
            for position in range(first, last)
        ],
    }


def expected_item(written: IndexedItem) -> dict[str, Any]:
    best: dict[int, float] = {}
    for found in written.objects:
        best[found.class_id] = max(best.get(found.class_id, 0.0), found.confidence)
    return {
        "id": written.id,
        "version": written.version,
        "time": written.time,
        "document": written.document,
        "text": written.text,
        "has_image": written.has_image,
        "tags": list(written.tags),
        "metadata": dict(written.metadata),
        "best": best,
        "objects": [(found.box, found.class_id, found.class_name, found.confidence) for found in written.objects],
    }


def check_vectors(
    segment: SegmentReader, column: VectorColumn, written: IndexedItem, row: int, data: bytes | None
) -> None:
    first, last = segment.object_offsets[row : row + 2].tolist() if column.per_object else (row, row + 1)
    found = [segment.vector(column.name, target) for target in range(first, last)]
    if data is None:
        assert all(stored is None for stored in found)
        return
    expected = np.frombuffer(data, dtype=np.float32).reshape(-1, column.dimension)
    if column.metric is Metric.COSINE:
        expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(np.stack([stored for stored in found if stored is not None]), expected, rtol=1e-6)


def test_vectors_and_columns_are_views_of_the_mapped_files(tmp_path: Path) -> None:
    segment = make_segment(tmp_path, [item(f"item-{number}") for number in range(100)])
    for view in (segment.vectors("image"), segment.id_hashes, segment.versions, segment.times):
        assert not view.flags.owndata
        assert not view.flags.writeable
        assert view.flags.aligned


def test_rows_are_ordered_by_the_hash_of_their_id(tmp_path: Path) -> None:
    segment = make_segment(tmp_path, [item(f"item-{number}") for number in range(50)])
    assert (np.diff(segment.id_hashes.astype(np.float64)) >= 0).all()
    np.testing.assert_array_equal(hash_ids(segment.ids(np.arange(50))), segment.id_hashes)


def test_tables_and_fields_without_rows_have_no_files(tmp_path: Path) -> None:
    segment = make_segment(tmp_path, [item("a")])
    names = {path.name for path in segment.folder.iterdir()}
    assert names == {"segment.json", "items.arrow", "vectors.image.f32"}
    assert segment.vector("taste", 0) is None
    assert segment.objects.num_rows == 0


@pytest.mark.parametrize(
    "name", ["segment.json", "items.arrow", "objects.arrow", "vectors.image.f32", "rows.object.npy"]
)
def test_a_changed_byte_is_noticed(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    batch = [
        item("a", objects=[detected()], vectors={"image": vector(rng, 8), "object": vector(rng, 1, 8)}),
        item("b", objects=[detected()]),
    ]
    folder = make_segment(tmp_path, batch).folder
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 0x55
    (folder / name).write_bytes(data)
    with pytest.raises(CorruptDataError, match="segment"):
        SegmentReader.open(folder)


@pytest.mark.parametrize("name", ["items.arrow", "vectors.image.f32"])
def test_a_truncated_or_missing_file_is_noticed_without_reading_it(tmp_path: Path, name: str) -> None:
    folder = make_segment(tmp_path, [item("a")]).folder
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-1])
    with pytest.raises(CorruptDataError, match=f"{name} has .* bytes"):
        SegmentReader.open(folder, verify=False)
    (folder / name).unlink()
    with pytest.raises(CorruptDataError, match=f"lacks its file {name}"):
        SegmentReader.open(folder, verify=False)


def test_a_folder_without_a_description_is_no_segment(tmp_path: Path) -> None:
    with pytest.raises(CorruptDataError, match=r"no segment\.json"):
        SegmentReader.open(tmp_path)


def test_segments_are_never_overwritten(tmp_path: Path) -> None:
    segment = make_segment(tmp_path, [item("a")])
    with pytest.raises(FileExistsError, match="immutable"):
        write_segment(segment.folder, identity(segment.id), segment_content([item("b")], [], SCHEMA))
    assert segment.ids([0]) == ["a"]


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    schema = dataclasses.replace(SCHEMA, vectors=(*SCHEMA.vectors, VectorColumn("missing", 4, Metric.DOT)))
    content = dataclasses.replace(segment_content([item("a")], [], SCHEMA), schema=schema)
    with pytest.raises(KeyError):
        write_segment(tmp_path / "x", identity("x"), content)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("image", np.full(8, np.nan, np.float32), "item 'bad', field 'image': expected finite numbers, got NaN"),
        ("image", np.array([np.inf] + [0] * 7, np.float32), "NaN or infinity"),
        ("image", np.zeros(8, np.float32), "zeros has no direction"),
        ("image", np.ones(7, np.float32), r"needs 1 vector\(s\) of 8 float32 numbers, got 28 bytes"),
        ("object", np.ones(16, np.float32), r"needs 1 vector\(s\) of 8"),
        ("taste", np.full(4, 3e38, np.float32), "too large"),
        ("taste", np.array([1, 2, 3, np.nan], np.float32), "NaN or infinity"),
    ],
)
def test_unusable_vectors_are_refused_by_name(name: str, data: np.ndarray, message: str) -> None:
    good = item("good", objects=[detected()])
    bad = item("bad", objects=[detected()], vectors={name: data.tobytes()})
    with pytest.raises(InvalidVectorError, match=message):
        segment_content([good, bad], [], SCHEMA)


def test_zero_vectors_are_fine_where_direction_does_not_matter(tmp_path: Path) -> None:
    zeros = {"place": np.zeros(2, np.float32).tobytes(), "taste": np.zeros(4, np.float32).tobytes()}
    segment = make_segment(tmp_path, [item("a", vectors=zeros)])
    assert segment.search("place", np.ones((1, 2)), 1).scores[0, 0] == -2


def test_an_id_twice_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="'a' occurs twice"):
        segment_content([item("a", 1), item("a", 2)], [], SCHEMA)


def test_segment_ids_sort_by_creation_and_never_repeat() -> None:
    ids = [new_segment_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    prefixes = [segment_id[:13] for segment_id in ids]
    assert prefixes == sorted(prefixes)


def test_warming_reads_every_file(tmp_path: Path) -> None:
    segment = make_segment(tmp_path, [item("a")])
    assert segment.warm() == segment.disk_bytes
