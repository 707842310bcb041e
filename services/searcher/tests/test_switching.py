"""A searcher while generations are switched under load, as often as `SIGHTWIRE_SWITCHES` says."""

import asyncio
import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import orjson

from services.searcher.tests.building import EPOCH, indexed_item
from services.searcher.tests.conftest import CreateCollection, RunningSearcher
from sightwire.blobs import BlobStore
from sightwire.bus.connection import Bus
from sightwire.bus.headers import event_headers
from sightwire.contracts import subjects
from sightwire.contracts.events import IndexReady
from sightwire.segments.generations import GenerationRecord, GenerationState
from sightwire.segments.index_writer import IndexWriter
from sightwire.segments.manifest import Checkpoint, Manifest
from sightwire.segments.reader import SegmentReader
from sightwire.segments.resolution import Change
from sightwire.v1 import searcher_pb2 as pb

SWITCHES = int(os.environ.get("SIGHTWIRE_SWITCHES", "200"))
ITEMS = 10


def change(number: int, version: int) -> Change:
    item_id = f"item-{number}"
    vector = np.random.default_rng(version).standard_normal(8)
    return Change(item_id, version, indexed_item(item_id, version=version, vectors={"image": vector}))


def checkpoint(sequence: int) -> Checkpoint:
    return Checkpoint(sequence=sequence, stream_created_at=EPOCH)


async def announce(bus: Bus, manifest: Manifest) -> None:
    event = IndexReady(
        collection=manifest.collection,
        collection_uid=manifest.collection_uid,
        generation=manifest.generation,
        space=manifest.space,
        manifest_version=manifest.version,
        items=manifest.items,
        segments=len(manifest.segments),
        checkpoint=manifest.checkpoint.sequence,
        committed_at=datetime.now(UTC),
        reason="switch",
    )
    message_id = hashlib.sha256(f"{manifest.collection_uid}{manifest.version}".encode()).hexdigest()
    await bus.publish(
        subjects.index_ready(manifest.collection),
        event.model_dump_json().encode(),
        event_headers(
            event_type="sightwire.index.ready", source="test", subject=manifest.collection, message_id=message_id
        ),
    )


async def test_no_query_fails_and_every_answer_is_whole_while_generations_are_switched(
    searcher: RunningSearcher,
    create_collection: CreateCollection,
    blobs: BlobStore,
    bus: Bus,
    tmp_path: Path,
    monkeypatch,
) -> None:
    """Each generation holds another version of the same items, so that an answer tells where every hit is from."""
    record = (await create_collection()).record
    writer = await IndexWriter.open(record, blobs, tmp_path / "work", new_index_checkpoint=checkpoint(0))
    await writer.commit([change(number, 1 + number) for number in range(ITEMS)], checkpoint(1))
    old = await writer.keep("the first versions")
    await writer.commit([change(number, 101 + number) for number in range(ITEMS)], checkpoint(2))
    live = writer.manifest
    await writer.stage(
        GenerationRecord(
            name="g9",
            state=GenerationState.STAGED,
            space=live.space,
            created_at=datetime.now(UTC),
            segments=old.segments,
            base_version=live.version,
        )
    )
    await announce(bus, live)
    await searcher.has_announced(record, live.version)

    opened: list[bool] = []
    open_segment = SegmentReader.open

    def counting_open(folder: Path, *, verify: bool = True) -> SegmentReader:
        opened.append(verify)
        return open_segment(folder, verify=verify)

    monkeypatch.setattr(SegmentReader, "open", counting_open)
    versions = {"g1": {101 + number for number in range(ITEMS)}, "g9": {1 + number for number in range(ITEMS)}}
    finished = asyncio.Event()
    answers = {"g1": 0, "g9": 0}

    async def ask() -> None:
        query = pb.FieldQuery(field="image", vector=np.ones(8, dtype="<f4").tobytes())
        while not finished.is_set():
            response = await searcher.stub.Search(pb.SearchRequest(collection=record.name, queries=[query], k=100))
            found = {orjson.loads(hit.document)["version"] for hit in response.hits}
            assert len(response.hits) == ITEMS
            assert found == versions[response.generation]
            answers[response.generation] += 1

    askers = [asyncio.create_task(ask()) for _ in range(4)]
    for number in range(SWITCHES):
        manifest = await writer.switch("g9" if number % 2 == 0 else "g1", carry_over=False)
        await announce(bus, manifest)
        await searcher.has_announced(record, manifest.version)
        for asker in askers:
            assert not asker.done(), asker.exception()
    finished.set()
    await asyncio.gather(*askers)
    assert min(answers.values()) > SWITCHES // 4, answers
    assert sum(opened) <= 1, "each segment is checked once; the one of the live generation was, before"


async def test_a_page_goes_on_in_the_generation_it_began_in(
    searcher: RunningSearcher, create_collection: CreateCollection, blobs: BlobStore, bus: Bus, tmp_path: Path
) -> None:
    record = (await create_collection()).record
    writer = await IndexWriter.open(record, blobs, tmp_path / "work", new_index_checkpoint=checkpoint(0))
    kept = await writer.keep("empty")
    await writer.commit([change(number, 1 + number) for number in range(ITEMS)], checkpoint(1))
    began = writer.manifest
    await announce(bus, began)
    await searcher.has_announced(record, began.version)
    request = pb.SearchRequest(
        collection=record.name,
        queries=[pb.FieldQuery(field="image", vector=np.ones(8, dtype="<f4").tobytes())],
        k=ITEMS // 2,
    )
    first = await searcher.stub.Search(request)
    switched = await writer.switch(kept.name, carry_over=False)
    await announce(bus, switched)
    await searcher.has_announced(record, switched.version)

    newest = await searcher.stub.Search(request)
    assert (newest.generation, len(newest.hits)) == (kept.name, 0)
    request.offset, request.manifest_version = ITEMS // 2, began.version
    second = await searcher.stub.Search(request)
    assert (second.generation, second.manifest_version) == (began.generation, began.version)
    assert {hit.item_id for hit in (*first.hits, *second.hits)} == {f"item-{number}" for number in range(ITEMS)}
