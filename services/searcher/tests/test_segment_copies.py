"""Room for copies of a remote store's segments."""

import gc
from pathlib import Path

import numpy as np
import pytest
from sightwire_searcher.loading.copies import SegmentCopy, copies_to_remove
from sightwire_searcher.loading.loader import SnapshotLoader

from services.searcher.tests.building import collection_record, indexed_item
from services.searcher.tests.index_writer import IndexWriter
from sightwire.errors import UnavailableError
from tests.plugin.s3_server import S3Stores

OLD, NEW = SegmentCopy(Path("old"), 40, 1.0), SegmentCopy(Path("new"), 30, 2.0)


@pytest.mark.parametrize(
    ("needed", "in_use", "going"),
    [
        (30, (), []),
        (31, (), [OLD]),
        (31, (OLD.folder,), [NEW]),
        (71, (), [OLD, NEW]),
        (71, (OLD.folder,), None),
        (101, (), None),
    ],
)
def test_the_oldest_that_nobody_uses_go_first(
    needed: int, in_use: tuple[Path, ...], going: list[SegmentCopy] | None
) -> None:
    assert copies_to_remove([NEW, OLD], needed, limit=100, in_use=in_use) == going


async def test_copies_take_no_more_than_their_limit(s3: S3Stores, tmp_path: Path) -> None:
    remote, record, cache = s3.open_new(), collection_record(), tmp_path / "cache"
    writer = IndexWriter(remote, record, tmp_path / "writer")
    vectors = {"image": np.ones(8, dtype="<f4")}
    await writer.commit([indexed_item("a", vectors=vectors)])
    assert writer.manifest is not None
    limit = writer.manifest.segments[0].disk_bytes * 3 // 2
    loader = SnapshotLoader(remote, cache, verify=True, max_copied_bytes=limit)
    served = await loader.load(record, None, None)
    first = served.segments[0].reader.folder

    await writer.commit([indexed_item("b", vectors=vectors)], replace_all=True)
    with pytest.raises(UnavailableError, match="SIGHTWIRE_SEARCHER_CACHE_BYTES"):
        await loader.load(record, None, served)
    assert first.exists()

    del served
    gc.collect()
    newer = await loader.load(record, None, None)
    assert newer.segments[0].reader.folder.exists()
    assert not first.exists()
