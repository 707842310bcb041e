"""Reloading while queries run, and what becomes of old snapshots."""

import asyncio
import gc
import os
import sys
import uuid
import weakref
from pathlib import Path

import grpc
import grpc.aio
import numpy as np
import orjson
import pytest
from prometheus_client import REGISTRY
from sightwire_searcher.loading.loader import SnapshotLoader

from services.searcher.tests.building import collection_record, indexed_item
from services.searcher.tests.conftest import CreateCollection, CreatedCollection, RunningSearcher, running_searcher
from services.searcher.tests.index_writer import IndexWriter
from sightwire.blobs import BlobStore
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.searchers import SearcherDirectory
from sightwire.contracts import subjects
from sightwire.errors import CorruptDataError
from sightwire.platform.nats_server import NatsServer
from sightwire.settings import SharedSettings
from sightwire.v1 import searcher_pb2 as pb
from tests.plugin.otlp import TraceReceiver
from tests.plugin.s3_server import S3Stores
from tests.plugin.waiting import wait_until

RNG = np.random.default_rng(7)


def vector() -> np.ndarray:
    return RNG.standard_normal(8).astype("<f4")


def search_request(collection: str, **parts: object) -> pb.SearchRequest:
    query = pb.FieldQuery(field="image", vector=np.ones(8, dtype="<f4").tobytes())
    return pb.SearchRequest(collection=collection, queries=[query], **{"k": 100, **parts})


def versions(response: pb.SearchResponse) -> dict[str, int]:
    return {hit.item_id: orjson.loads(hit.document)["version"] for hit in response.hits}


@pytest.mark.parametrize("threads", [1, 2, 8])
async def test_no_query_fails_and_none_is_stale_while_snapshots_change(
    create_collection: CreateCollection,
    settings: SharedSettings,
    bus: Bus,
    tmp_path: Path,
    threads: int,
) -> None:
    """Every commit replaces all items; whoever asks after an announcement sees at least what was announced."""
    created = await create_collection()
    async with running_searcher(settings, bus, tmp_path / "cache", searcher_threads=threads) as searcher:
        await _query_while_committing(searcher, created)


async def _query_while_committing(searcher: RunningSearcher, created: CreatedCollection) -> None:
    commits = 25
    finished = asyncio.Event()
    answered = 0

    async def ask() -> None:
        nonlocal answered
        while not finished.is_set():
            announced = searcher.announced(created.record)
            response = await searcher.stub.Search(search_request(created.record.name))
            seen = versions(response)
            assert response.manifest_version >= announced
            # One answer is of one version, whole: never some items of one commit and some of another.
            assert set(seen.values()) <= {response.manifest_version}
            assert len(seen) == (10 if response.manifest_version else 0)
            answered += 1

    askers = [asyncio.create_task(ask()) for _ in range(8)]
    for version in range(1, commits + 1):
        items = [indexed_item(f"item-{number}", version=version, vectors={"image": vector()}) for number in range(10)]
        # Every fifth commit is like a merge: all old segments go.
        await created.writer.commit(items, replace_all=version % 5 == 0)
        await searcher.has_announced(created.record, version)
    finished.set()
    await asyncio.gather(*askers)
    assert answered > commits


async def test_paging_goes_on_in_the_version_it_began_in(
    searcher: RunningSearcher, create_collection: CreateCollection
) -> None:
    created = await create_collection()
    first = [indexed_item(f"old-{number:02}", vectors={"image": vector()}) for number in range(60)]
    await created.writer.commit(first, graph_min_rows=10)
    await searcher.has_announced(created.record, 1)

    page = await searcher.stub.Search(search_request(created.record.name, k=7))
    pages = [page]
    await created.writer.commit(
        [indexed_item(f"new-{number}", vectors={"image": np.ones(8)}) for number in range(20)], replace_all=True
    )
    await searcher.has_announced(created.record, 2)
    while page.more:
        page = await searcher.stub.Search(
            search_request(created.record.name, k=7, offset=7 * len(pages), manifest_version=1)
        )
        pages.append(page)

    found = [hit.item_id for page in pages for hit in page.hits]
    assert sorted(found) == sorted(item.id for item in first)
    assert {page.manifest_version for page in pages} == {1}
    newest = await searcher.stub.Search(search_request(created.record.name, k=1))
    assert newest.hits[0].item_id.startswith("new-")


async def test_a_version_that_nobody_searched_is_not_kept(
    searcher: RunningSearcher, create_collection: CreateCollection
) -> None:
    created = await create_collection()
    for version in (1, 2):
        await created.writer.commit([indexed_item("a", version=version, vectors={"image": vector()})])
        await searcher.has_announced(created.record, version)
    with pytest.raises(grpc.aio.AioRpcError, match=r"version 1 .* is not kept any more") as refused:
        await searcher.stub.Search(search_request(created.record.name, manifest_version=1))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_lists_walk_all_items_across_a_reload(
    searcher: RunningSearcher, create_collection: CreateCollection
) -> None:
    created = await create_collection()
    names = [f"item/{number}" for number in range(50)]
    await created.writer.commit([indexed_item(name, vectors={"image": vector()}) for name in names[:25]])
    await created.writer.commit([indexed_item(name, vectors={"image": vector()}) for name in names[25:]])
    await searcher.has_announced(created.record, 2)
    walked: list[str] = []
    token = ""
    while True:
        request = pb.ListItemsRequest(collection=created.record.name, limit=7, page_token=token)
        page = await searcher.stub.ListItems(request)
        walked.extend(item.item_id for item in page.items)
        token = page.next_page_token
        if not token:
            break
        if len(walked) == 14:
            # A merge, and a new version of everything: the order of ids does not change.
            await created.writer.commit(
                [indexed_item(name, version=2, vectors={"image": vector()}) for name in names], replace_all=True
            )
            await searcher.has_announced(created.record, 3)
    assert len(walked) == len(set(walked))
    assert sorted(walked) == sorted(names)
    with pytest.raises(grpc.aio.AioRpcError, match="'page_token' expects one from an answer before"):
        await searcher.stub.ListItems(pb.ListItemsRequest(collection=created.record.name, page_token="AAAA"))


async def test_a_deleted_collection_is_gone_and_its_name_starts_anew(
    searcher: RunningSearcher, create_collection: CreateCollection, bus: Bus, blobs: BlobStore, tmp_path: Path
) -> None:
    created = await create_collection()
    await created.writer.commit([indexed_item("a", vectors={"image": vector()})])
    await searcher.has_announced(created.record, 1)
    name = created.record.name
    registry = CollectionRegistry(bus)
    await registry.delete(name)
    await wait_until(lambda: searcher.announced(created.record) == 0)
    with pytest.raises(grpc.aio.AioRpcError, match="no collection") as refused:
        await searcher.stub.Search(search_request(name))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND

    again = collection_record(name)
    await registry.create(again)
    await created.writer.announce()  # an event of the old incarnation arrives late
    assert versions(await searcher.stub.Search(search_request(name))) == {}
    await IndexWriter(blobs, again, tmp_path / "again", bus).commit([indexed_item("b", vectors={"image": vector()})])
    await searcher.has_announced(again, 1)
    assert versions(await searcher.stub.Search(search_request(name))) == {"b": 1}


async def test_a_new_searcher_serves_what_was_committed_before_it_came(
    searcher: RunningSearcher,
    create_collection: CreateCollection,
    settings: SharedSettings,
    bus: Bus,
    tmp_path: Path,
) -> None:
    created = await create_collection()
    for version in (1, 2, 3):
        await created.writer.commit([indexed_item(f"item-{version}", vectors={"image": vector()})])
    await searcher.has_announced(created.record, 3)
    async with running_searcher(settings, bus, tmp_path / "second") as second:
        # It became ready only after it had loaded the collection, so there is nothing to wait for.
        response = await second.stub.Search(search_request(created.record.name))
        assert len(response.hits) == 3
        await second.has_announced(created.record, 3)
        await created.writer.commit([indexed_item("item-4", vectors={"image": vector()})])
        await asyncio.gather(
            searcher.has_announced(created.record, 4),
            second.has_announced(created.record, 4),
        )
    await wait_until(lambda: second.name not in [entry.searcher for entry in searcher.directory.all()])


async def test_a_malformed_event_is_skipped(
    searcher: RunningSearcher, create_collection: CreateCollection, bus: Bus
) -> None:
    created = await create_collection()
    await bus.publish(subjects.index_ready(created.record.name), b'{"collection": 5}', {})
    await created.writer.commit([indexed_item("a", vectors={"image": vector()})])
    await searcher.has_announced(created.record, 1)


async def test_the_memory_of_an_old_snapshot_goes_with_its_last_query(blobs: BlobStore, tmp_path: Path) -> None:
    record = collection_record()
    writer = IndexWriter(blobs, record, tmp_path)
    loader = SnapshotLoader(blobs, tmp_path, verify=True)
    await writer.commit([indexed_item("a", vectors={"image": vector()})])
    first = await loader.load(record, None, None)
    await writer.commit([indexed_item("b", vectors={"image": vector()})])
    second = await loader.load(record, 2, first)
    # Only what is new was opened.
    assert second.segments[0] is first.segments[0]
    await writer.commit([indexed_item("c", vectors={"image": vector()})], replace_all=True)
    third = await loader.load(record, 3, second)
    mapped = weakref.ref(first.segments[0].reader)
    del first, second
    gc.collect()
    assert mapped() is None
    assert [view.reader.rows for view in third.segments] == [1]


async def test_segments_of_a_remote_store_are_copied_checked_and_removed(s3: S3Stores, tmp_path: Path) -> None:
    remote = s3.open_new()
    record = collection_record()
    writer = IndexWriter(remote, record, tmp_path / "writer")
    loader = SnapshotLoader(remote, tmp_path / "cache", verify=True)
    await writer.commit([indexed_item("a", vectors={"image": vector()})])
    snapshot = await loader.load(record, None, None)
    copy = snapshot.segments[0].reader.folder
    assert copy.is_relative_to(tmp_path / "cache")
    assert (tmp_path / "writer") not in copy.parents

    # A copy that was damaged on this machine is fetched again by the next process; one checks its copies only once.
    loader = SnapshotLoader(remote, tmp_path / "cache", verify=True)
    vectors_file = next(copy.glob("vectors.*"))
    damaged = bytearray(vectors_file.read_bytes())
    damaged[-1] ^= 0xFF
    vectors_file.unlink()
    vectors_file.write_bytes(damaged)
    snapshot = await loader.load(record, None, None)
    assert vectors_file.read_bytes() != bytes(damaged)

    # An original that is damaged is refused.
    await writer.commit([indexed_item("b", vectors={"image": vector()})], replace_all=True)
    assert writer.manifest is not None
    (key,) = [
        key
        for key in await remote.keys(record.index_prefix)
        if writer.manifest.segments[0].id in key and key.endswith("items.arrow")
    ]
    original = await remote.get(key)
    await remote.put(key, original[:-1] + bytes([original[-1] ^ 0xFF]))
    with pytest.raises(CorruptDataError, match=r"items\.arrow' has sha256 .* was expected"):
        await loader.load(record, None, snapshot)
    await remote.put(key, original)
    newer = await loader.load(record, None, snapshot)
    await loader.remove_unused(newer)
    assert not copy.exists()
    assert newer.segments[0].reader.folder.exists()


async def test_a_commit_that_cannot_be_read_leaves_the_one_before_in_service(
    searcher: RunningSearcher, create_collection: CreateCollection, blobs: BlobStore
) -> None:
    created = await create_collection()
    await created.writer.commit([indexed_item("a", vectors={"image": vector()})])
    await searcher.has_announced(created.record, 1)
    # The second version's segment is damaged before anybody is told of it.
    quiet = IndexWriter(blobs, created.record, blobs.root or Path())
    quiet.manifest = created.writer.manifest
    await quiet.commit([indexed_item("b", vectors={"image": vector()})])
    assert quiet.manifest is not None
    (key,) = [
        key
        for key in await blobs.keys(created.record.index_prefix)
        if quiet.manifest.segments[1].id in key and key.endswith("items.arrow")
    ]
    original = await blobs.get(key)
    await blobs.put(key, original[:-1] + bytes([original[-1] ^ 0xFF]))
    created.writer.manifest = quiet.manifest
    await created.writer.announce()

    errors = REGISTRY.get_sample_value
    labels = {"collection": created.record.name, "error": "corrupt-data"}
    await wait_until(lambda: errors("sightwire_searcher_reload_errors_total", labels), describe="a failed reload")
    assert versions(await searcher.stub.Search(search_request(created.record.name))) == {"a": 1}
    assert searcher.announced(created.record) == 1

    await blobs.put(key, original)
    await searcher.has_announced(created.record, 2)
    assert versions(await searcher.stub.Search(search_request(created.record.name))) == {"a": 1, "b": 1}


async def test_the_reload_joins_the_trace_of_every_item(
    create_collection: CreateCollection,
    settings: SharedSettings,
    nats_server: NatsServer,
    trace_receiver: TraceReceiver,
    bus: Bus,
) -> None:
    """In a process of its own, because tracing is set up once per process."""
    created = await create_collection()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sightwire_searcher",
        env={
            **os.environ,
            "SIGHTWIRE_NATS_URL": nats_server.access.url,
            "SIGHTWIRE_NATS_USER": nats_server.access.user,
            "SIGHTWIRE_NATS_PASSWORD": nats_server.access.password,
            "SIGHTWIRE_BLOBS_URL": settings.blobs_url,
            "SIGHTWIRE_OTLP_ENDPOINT": trace_receiver.endpoint,
            "SIGHTWIRE_SEARCHER_PORT": "0",
            "SIGHTWIRE_SEARCHER_ID": "traced",
        },
    )
    try:
        async with SearcherDirectory(bus) as directory:
            await wait_until(lambda: "traced" in [entry.searcher for entry in directory.all()], deadline=20)
            trace_ids = [uuid.uuid4().hex for _ in range(3)]
            parent_id = "00f067aa0ba902b7"
            await created.writer.commit(
                [indexed_item("a", vectors={"image": vector()})],
                traceparents=tuple(f"00-{trace_id}-{parent_id}-01" for trace_id in trace_ids),
            )
            await wait_until(lambda: all(trace_receiver.trace(trace_id) for trace_id in trace_ids), deadline=20)
            await wait_until(lambda: [span for span in trace_receiver.spans if span.name == "load snapshot"])
        loads = {span.span_id: span for span in trace_receiver.spans if span.name == "load snapshot"}
        for trace_id in trace_ids:
            (span,) = trace_receiver.trace(trace_id)
            assert (span.service, span.name, span.parent_id) == ("searcher", "reload", parent_id)
            (link,) = span.links
            assert loads[link].attributes["sightwire.collection"] == created.record.name
            assert loads[link].attributes["sightwire.manifest_version"] == 1
    finally:
        process.terminate()
        assert await process.wait() == 0
