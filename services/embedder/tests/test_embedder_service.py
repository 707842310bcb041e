"""The embedder as a process of its own, on a real bus: what goes in, what comes out, and what is never lost."""

import asyncio
import base64
import hashlib
import json
import re
import signal
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import grpc
import grpc.aio
import httpx
import numpy as np
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.embedder.tests.embedder_world import (
    CollectionOnTheBus,
    EmbedderProcess,
    embedder_process,
    followed,
    vectors_of,
)
from sightwire.blobs import open_blob_store
from sightwire.blobs.pictures import picture_key, store_picture
from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.dead_letters import DeadLetter, list_dead_letters
from sightwire.bus.item_status import ItemStatusStore
from sightwire.contracts import ingest_batches
from sightwire.contracts.collections import CollectionRecord, CollectionSpec, VectorField
from sightwire.contracts.events import ItemState
from sightwire.contracts.ingest_batches import BatchedEvent, encode_batch
from sightwire.v1 import embedder_pb2, embedder_pb2_grpc, events_pb2

pytest_plugins = ["tests.plugin.otlp"]

SPACE = "sightwire-default-2"
COCO = tuple(f"class {number}" for number in range(80))
FIELDS = {
    "image": {"source": "image", "dimension": 384},
    "object": {"source": "object", "dimension": 384},
    "text": {"source": "text", "dimension": 384},
    "mine": {"source": "user", "dimension": 3},
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def embedder(
    module_nats_server, tmp_path_factory, bundle_folder, engine_data_folder, trace_receiver, eventually
) -> AsyncIterator[EmbedderProcess]:
    process = embedder_process(
        module_nats_server,
        tmp_path_factory.mktemp("blobs"),
        bundle_folder,
        engine_data_folder,
        SIGHTWIRE_OTLP_ENDPOINT=trace_receiver.endpoint,
        SIGHTWIRE_FETCH_ALLOW="127.0.0.1",
        SIGHTWIRE_EMBEDDER_MAX_DELIVERIES="3",
    )
    async with process:
        await eventually(process.is_ready, deadline=60)
        yield process
        assert await process.stop() == 0


@pytest_asyncio.fixture(loop_scope="session")
async def embedder_bus(embedder) -> AsyncIterator[Bus]:
    async with Bus(embedder.settings, name="test") as connected:
        yield connected


async def registered(bus: Bus, name: str, **changes: Any) -> CollectionOnTheBus:
    record = CollectionRecord(
        spec=CollectionSpec(
            name=name, fields={key: VectorField.model_validate(value) for key, value in FIELDS.items()}
        ),
        uid=f"uid-of-{name}",
        created_at=datetime.now(UTC),
        space=SPACE,
        class_names=COCO,
    ).model_copy(update=changes)
    return await followed(bus, record)


@pytest_asyncio.fixture(loop_scope="session")
async def collection(embedder_bus: Bus, unique_name: Callable[..., str]) -> CollectionOnTheBus:
    return await registered(embedder_bus, unique_name())


async def test_a_text_with_everything(collection, eventually):
    sequence = await collection.publish(
        {
            "id": "Ünïcode/1",
            "text": "a red apple",
            "tags": ["fruit", "red"],
            "metadata": {"price": 3},
            "time": "2024-05-06T07:08:09+02:00",
            "vectors": {"mine": [1.0, 2.0, 3.5]},
        }
    )
    await eventually(lambda: collection.items)
    (item,) = collection.items
    assert (item.item_id, item.version, item.deleted) == ("Ünïcode/1", sequence, False)
    assert (item.text, list(item.tags), json.loads(item.metadata)) == ("a red apple", ["fruit", "red"], {"price": 3})
    assert item.time.ToDatetime(UTC) == datetime(2024, 5, 6, 5, 8, 9, tzinfo=UTC)
    assert vectors_of(item, "mine").tolist() == [[1.0, 2.0, 3.5]]
    assert np.linalg.norm(vectors_of(item, "text")) == pytest.approx(1.0, abs=1e-5)
    assert {vectors.field for vectors in item.vectors} == {"mine", "text"}
    (message,) = collection.messages
    assert (message.collection, message.collection_uid, message.space) == (
        collection.name,
        collection.record.uid,
        SPACE,
    )
    assert await collection.state("Ünïcode/1") is ItemState.EMBEDDED


async def test_a_picture_by_claim_check(collection, embedder, photos, eventually):
    data = (photos / "astronaut.jpg").read_bytes()
    blobs = open_blob_store(embedder.settings.blobs_url)
    reference = await store_picture(blobs, data, media_type="image/jpeg", width=512, height=512)
    await collection.publish({"id": "p", "image": {"blob": reference.model_dump(), "filename": "astronaut.jpg"}})
    item = (await eventually(lambda: collection.items))[0]
    assert item.picture.blob == picture_key(hashlib.sha256(data).hexdigest())
    assert (item.picture.width, item.picture.height, item.picture.bytes) == (512, 512, len(data))
    assert (item.picture.media_type, item.picture.filename) == ("image/jpeg", "astronaut.jpg")
    assert item.objects[0].class_name == "person"
    assert vectors_of(item, "image").shape == (1, 384)
    assert vectors_of(item, "object").shape == (len(item.objects), 384)


async def test_a_picture_inside_the_event_is_stored(collection, embedder, photos, eventually):
    data = (photos / "chelsea.jpg").read_bytes()
    await collection.publish({"id": "p", "image": {"data": base64.b64encode(data).decode()}})
    item = (await eventually(lambda: collection.items))[0]
    assert item.objects[0].class_name == "cat"
    assert await open_blob_store(embedder.settings.blobs_url).get(item.picture.blob) == data


async def test_a_picture_at_a_url_is_fetched_and_stored(collection, embedder, photos, eventually):
    data = (photos / "coffee.jpg").read_bytes()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await collection.publish({"id": "p", "image": {"url": f"http://127.0.0.1:{port}/my%20coffee.jpg"}})
        item = (await eventually(lambda: collection.items))[0]
    assert item.picture.filename == "my coffee.jpg"
    assert await open_blob_store(embedder.settings.blobs_url).get(item.picture.blob) == data


async def test_a_deletion_is_passed_on(collection, eventually):
    sequence = await collection.publish({"id": "gone", "operation": "delete"})
    (item,) = await eventually(lambda: collection.items)
    assert (item.item_id, item.version, item.deleted, len(item.vectors)) == ("gone", sequence, True, 0)


JPEG_START = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(200)).decode()


@pytest.mark.parametrize(
    ("event", "code", "reason"),
    [
        pytest.param(b"{ not json", "invalid-input", "Invalid JSON", id="not JSON"),
        pytest.param({"id": "bad"}, "invalid-input", "at least one of", id="nothing to store"),
        pytest.param(
            {"id": "bad", "vectors": {"mine": [1.0, 2.0]}}, "invalid-vector", "3 float32", id="wrong dimension"
        ),
        pytest.param(b'{"id": "bad", "vectors": {"mine": [1.0, NaN, 1.0]}}', "invalid-", "finite", id="NaN"),
        pytest.param(
            {"id": "bad", "vectors": {"text": [1.0]}},
            "invalid-vector",
            "takes vectors for mine",
            id="not the user's field",
        ),
        pytest.param(
            {"id": "bad", "image": {"data": JPEG_START}}, "invalid-picture", "not a picture|damaged", id="not a picture"
        ),
        pytest.param({"id": "bad", "image": {"data": "%%%"}}, "invalid-picture", "not base64", id="not base64"),
        pytest.param(
            {"id": "bad", "image": {"url": "http://10.0.0.1/a.jpg"}}, "fetch-refused", "public address", id="private"
        ),
        pytest.param(
            {
                "id": "bad",
                "image": {"blob": {"blob": "pictures/00/none", "sha256": "0" * 64, "bytes": 9}},
            },
            "not-found",
            "there is no blob",
            id="a claim check for nothing",
        ),
    ],
)
async def test_a_bad_event_is_buried_and_its_neighbours_go_on(collection, eventually, event, code, reason):
    await collection.publish({"id": "before", "text": "a cat"})
    sequence = await collection.publish(event)
    # Neither "{ not json" nor NaN is JSON.
    has_readable_id = not isinstance(event, bytes)
    await collection.publish({"id": "after", "text": "a dog"})
    await eventually(lambda: {"before", "after"} == set(collection.by_id))
    (letter,) = await eventually(collection.dead_letters)
    assert letter.code.startswith(code)
    assert re.search(reason, letter.reason)
    assert letter.payload == (event if isinstance(event, bytes) else json.dumps(event).encode())
    assert letter.service == "embedder"
    if has_readable_id:
        status = await ItemStatusStore(collection.bus).get(collection.name, "bad")
        assert status is not None
        assert (status.state, status.reason, status.version) == (ItemState.FAILED, letter.reason, sequence)


async def test_an_event_for_an_unknown_collection_is_buried(embedder_bus, unique_name, eventually):
    name = unique_name("nobodys")
    await embedder_bus.publish(f"ingest.{name}", b'{"id": "a", "text": "a cat"}', {})

    async def letter() -> DeadLetter | None:
        letters = await list_dead_letters(embedder_bus, limit=10_000)
        return next((letter for letter in letters if letter.original_subject == f"ingest.{name}"), None)

    buried = await eventually(letter)
    assert buried.code == "unknown-collection"
    assert f"no collection '{name}'" in buried.reason


async def test_items_of_a_space_that_nobody_serves_are_tried_again_for_ever(embedder_bus, unique_name, eventually):
    collection = await registered(embedder_bus, unique_name("elsewhere"), space="another-space-9")
    await collection.publish({"id": "a", "text": "a cat"})

    async def has_been_tried_often() -> bool:
        info = await embedder_bus.jetstream.consumer_info("INGEST", "embedder")
        return (info.num_redelivered or 0) >= 1

    await eventually(has_been_tried_often)
    assert await collection.dead_letters() == []
    await CollectionRegistry(embedder_bus).delete(collection.name)


async def test_an_external_collection_needs_no_model(embedder_bus, unique_name, eventually):
    fields = {"mine": VectorField(dimension=2)}
    collection = await registered(
        embedder_bus,
        (name := unique_name("external")),
        spec=CollectionSpec(name=name, fields=fields),
        space="external",
        class_names=(),
    )
    encoded = base64.b64encode(np.array([0.5, -1.0], "<f4").tobytes()).decode()
    await collection.publish({"id": "a", "vectors": {"mine": encoded}})
    (item,) = await eventually(lambda: collection.items)
    assert vectors_of(item, "mine").tolist() == [[0.5, -1.0]]
    assert collection.messages[0].space == "external"


async def test_many_events_leave_in_few_messages_and_every_one_is_acknowledged(collection, eventually):
    texts = [f"text number {number}" for number in range(300)]
    sequences = await asyncio.gather(
        *(collection.publish({"id": str(number), "text": text}) for number, text in enumerate(texts))
    )
    await eventually(lambda: len(collection.items) >= 300, deadline=30)
    assert {item.item_id: item.version for item in collection.items} == {
        str(number): sequence for number, sequence in enumerate(sequences)
    }
    assert len(collection.messages) < 150

    async def unanswered() -> bool:
        info = await collection.bus.jetstream.consumer_info("INGEST", "embedder")
        return (info.num_pending or 0) + (info.num_ack_pending or 0) == 0

    await eventually(unanswered)


async def test_events_in_one_message_have_one_version_and_fates_of_their_own(collection, eventually):
    events = [
        {"id": "a", "vectors": {"mine": [1, 2, 3]}},
        {"id": "b", "vectors": {"mine": [1, 2]}},
        {"id": "c", "vectors": {"mine": [4, 5, 6]}},
    ]
    payload = encode_batch([BatchedEvent(json.dumps(event).encode()) for event in events])
    sequence = await collection.publish(payload, {"content-type": ingest_batches.CONTENT_TYPE})
    await eventually(lambda: len(collection.items) == 2)
    assert {item.item_id: item.version for item in collection.items} == {"a": sequence, "c": sequence}
    (letter,) = await eventually(collection.dead_letters)
    assert json.loads(letter.payload) == events[1], "a dead letter can be mended and replayed alone"
    assert letter.headers["content-type"] == "application/json"
    assert await collection.state("b") is ItemState.FAILED

    async def is_answered() -> bool:
        return (await collection.bus.jetstream.stream_info("INGEST")).state.messages == 0

    await eventually(is_answered)


async def test_each_item_of_a_batch_continues_its_own_trace(collection, trace_receiver, eventually):
    parents = {f"item-{number}": (f"{number + 1:032x}", f"{number + 1:016x}") for number in range(32)}
    await asyncio.gather(
        *(
            collection.publish(
                {"id": item_id, "text": f"a cat named {item_id}"}, {"traceparent": f"00-{trace_id}-{span_id}-01"}
            )
            for item_id, (trace_id, span_id) in parents.items()
        )
    )
    await eventually(lambda: len(collection.by_id) == 32)
    for item_id, (trace_id, span_id) in parents.items():
        traceparent = collection.by_id[item_id].traceparent
        assert traceparent.startswith(f"00-{trace_id}-"), "the item carries its own trace on"
        own_span_id = traceparent.split("-")[2]

        def exported(trace_id: str = trace_id, own: str = own_span_id) -> list[Any]:
            return [span for span in trace_receiver.trace(trace_id) if span.span_id == own]

        (span,) = await eventually(exported)
        assert (span.service, span.name, span.parent_id) == ("embedder", "embed item", span_id)

    def linked() -> bool:
        publishing = [span for span in trace_receiver.spans if span.name == "publish embedded"]
        links = {link for span in publishing for link in span.links}
        return {item.traceparent.split("-")[2] for item in collection.items} <= links

    await eventually(linked)


@pytest_asyncio.fixture(loop_scope="session")
async def channel(embedder) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{embedder.port}") as opened:
        yield opened


@pytest.fixture
def stub(channel) -> Any:
    return embedder_pb2_grpc.EmbedderStub(channel)


def rows(matrix: embedder_pb2.Matrix) -> np.ndarray:
    return np.frombuffer(matrix.data, "<f4").reshape(matrix.rows, matrix.dimension)


async def test_grpc_texts_and_pictures_share_a_space(stub, photos):
    texts = await stub.EmbedTexts(embedder_pb2.EmbedTextsRequest(texts=["a cat", "a kitten"]))
    image = await stub.EmbedImages(
        embedder_pb2.EmbedImagesRequest(images=[(photos / name).read_bytes() for name in ("chelsea.jpg", "coffee.jpg")])
    )
    assert texts.space == image.space == SPACE
    assert rows(texts.vectors).shape == rows(image.vectors).shape == (2, 384)
    assert texts.model_seconds > 0
    assert image.model_seconds > 0


async def test_grpc_analyze(stub, photos):
    answer = await stub.AnalyzeImage(embedder_pb2.AnalyzeImageRequest(image=(photos / "chelsea.jpg").read_bytes()))
    assert answer.detections[0].class_name == "cat"
    assert rows(answer.object_vectors).shape == (len(answer.detections), 384)
    assert rows(answer.image_vector).shape == (1, 384)
    assert (answer.width, answer.height, answer.space) == (451, 300, SPACE)


async def test_grpc_describe(stub):
    model = await stub.DescribeModel(embedder_pb2.DescribeModelRequest())
    assert (model.name, model.version, model.space) == ("sightwire-default", "2", SPACE)
    assert (model.dimension, model.metric, len(model.class_names)) == (384, "cosine", 80)


@pytest.mark.parametrize(
    ("method", "request_message", "detail"),
    [
        ("EmbedTexts", embedder_pb2.EmbedTextsRequest(), "expected 1 to 256 texts in one call, got 0"),
        ("EmbedTexts", embedder_pb2.EmbedTextsRequest(texts=["x"] * 257), "got 257"),
        ("EmbedTexts", embedder_pb2.EmbedTextsRequest(texts=["a", " "]), "an empty one"),
        ("EmbedImages", embedder_pb2.EmbedImagesRequest(images=[b"text"]), "not a picture"),
        ("AnalyzeImage", embedder_pb2.AnalyzeImageRequest(), "0 bytes"),
    ],
)
async def test_grpc_refuses_bad_input(stub, method, request_message, detail):
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await getattr(stub, method)(request_message)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert detail in raised.value.details()


async def test_grpc_deadlines_are_respected_and_harm_nobody(stub):
    texts = [f"a rather long text about {number} " * 40 for number in range(256)]
    hurried = stub.EmbedTexts(embedder_pb2.EmbedTextsRequest(texts=texts), timeout=0.05)
    neighbour = stub.EmbedTexts(embedder_pb2.EmbedTextsRequest(texts=["a cat"]), timeout=30)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await hurried
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert rows((await neighbour).vectors).shape == (1, 384)


async def test_grpc_health(channel):
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", "sightwire.v1.Embedder"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_operations_pages(embedder, collection, eventually):
    await collection.publish({"id": "a", "text": "counted"})
    await eventually(lambda: collection.items)
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(embedder.url("/metrics"))).text
        document = (await client.get(embedder.url("/asyncapi.json"))).json()
    for name in (
        'embeddings_generated_total{type="text"}',
        'triton_inference_duration_seconds_bucket{le="0.005",model="text-encoder"}',
        'sightwire_model_batch_size_count{model="text-encoder",priority="ingest"}',
        'sightwire_model_queue_seconds_count{model="text-encoder",priority="ingest"}',
        'sightwire_ingest_events_total{outcome="embedded"}',
        "sightwire_ingest_in_flight",
    ):
        assert name in metrics
    assert document["asyncapi"].startswith("3.")


async def test_nothing_is_lost_when_the_embedder_is_killed(
    fresh_nats_server, tmp_path, bundle_folder, engine_data_folder, eventually
):
    process = embedder_process(fresh_nats_server, tmp_path / "blobs", bundle_folder, engine_data_folder)
    async with process, Bus(process.settings, name="test") as bus:
        collection = await registered(bus, "survivors")
        for number in range(400):
            await collection.publish({"id": str(number), "text": f"number {number} survives"})
        for at_least in (50, 150):
            await eventually(lambda count=at_least: len(collection.by_id) >= count, deadline=60)
            await process.stop(signal.SIGKILL)
            await process.start()
        await eventually(lambda: len(collection.by_id) == 400, deadline=60)
        assert await process.stop() == 0
        versions = {(item.item_id, item.version) for item in collection.items}
        assert len(versions) == 400, "what comes twice comes with the same version"


async def test_it_goes_on_after_the_bus_was_killed(
    fresh_nats_server, tmp_path, bundle_folder, engine_data_folder, eventually
):
    process = embedder_process(fresh_nats_server, tmp_path / "blobs", bundle_folder, engine_data_folder)
    async with process, Bus(process.settings, name="test") as bus:
        collection = await registered(bus, "patients")
        for number in range(300):
            await collection.publish({"id": str(number), "text": f"number {number} waits"})
        await eventually(lambda: collection.items, deadline=60)
        await fresh_nats_server.kill()
        await eventually(lambda: is_unready(process))
        await fresh_nats_server.start()
        await eventually(process.is_ready, deadline=20)

        async def left_to_embed() -> int:
            return (await bus.jetstream.stream_info("INGEST")).state.messages

        async def all_is_embedded() -> bool:
            return await left_to_embed() == 0

        await eventually(all_is_embedded, deadline=40)
        stored = await bus.jetstream.stream_info("EMBEDDED")
        embedded = set()
        for sequence in range(1, stored.state.last_seq + 1):
            message = await bus.jetstream.get_msg("EMBEDDED", sequence)
            embedded |= {item.item_id for item in events_pb2.EmbeddedBatch.FromString(message.data).items}
        assert embedded == {str(number) for number in range(300)}
        assert await process.stop() == 0


async def is_unready(process: EmbedderProcess) -> bool:
    return not await process.is_ready()


async def test_stopping_finishes_what_has_begun(
    fresh_nats_server, tmp_path, bundle_folder, engine_data_folder, eventually
):
    process = embedder_process(fresh_nats_server, tmp_path / "blobs", bundle_folder, engine_data_folder)
    async with process, Bus(process.settings, name="test") as bus:
        collection = await registered(bus, "leavers")
        for number in range(200):
            await collection.publish({"id": str(number), "text": f"number {number}"})
        await eventually(lambda: collection.items, deadline=60)
        assert await process.stop() == 0
        info = await bus.jetstream.stream_info("INGEST")
        await eventually(lambda: len(collection.items) + info.state.messages == 200)
        await process.start()
        await eventually(process.is_ready, deadline=60)
        await eventually(lambda: len(collection.by_id) == 200, deadline=40)
        assert len(collection.items) == 200, "nothing that was finished is done again"
        assert await process.stop() == 0


async def test_a_bad_bundle_keeps_it_from_starting(fresh_nats_server, tmp_path, engine_data_folder):
    process = embedder_process(fresh_nats_server, tmp_path / "blobs", tmp_path / "nothing", engine_data_folder)
    await process.start()
    assert process.process is not None
    async with asyncio.timeout(30):
        assert await process.process.wait() == 78, "a supervisor need not try again"
