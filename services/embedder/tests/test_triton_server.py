"""The default bundle on a real Triton server: the same vectors as here, and what happens when the server is away."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import grpc.aio
import httpx
import numpy as np
import pytest
import pytest_asyncio
from sightwire_embedder.batching import Priority
from sightwire_embedder.engine import EmbeddingEngine
from sightwire_embedder.triton.connection import TritonConnection
from sightwire_embedder.triton.errors import ModelServerAwayError
from sightwire_embedder.triton.graphs import TritonLoader
from sightwire_embedder.triton.options import ServingOptions, TritonBackend
from sightwire_embedder.triton.repository import write_repository
from sightwire_embedder.triton.tensors import outputs_of, request_of

from services.embedder.tests.embedder_world import EmbedderProcess, embedder_process, followed, vectors_of
from services.embedder.tests.small_bundles import make_small_bundle
from sightwire.bundles import BundleError, load_bundle
from sightwire.bus.connection import Bus
from sightwire.contracts.collections import CollectionRecord, CollectionSpec, VectorField
from sightwire.errors import ConfigurationError
from sightwire.platform.ports import find_free_port
from sightwire.v1 import embedder_pb2, embedder_pb2_grpc
from tests.plugin.triton_server import TritonProcess, triton_or_skip

pytestmark = pytest.mark.timeout(600)

QUERY, INGEST = Priority.QUERY, Priority.INGEST
TEXTS = ["a cat", "a red apple on a table", "tax returns " * 200, "", "ein Segelboot bei Sonnenuntergang 🌅"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def triton(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TritonProcess]:
    """A server of the default bundle."""
    triton_or_skip()
    folder = tmp_path_factory.mktemp("triton")
    bundle = load_bundle(bundle_folder, verify=False)
    await asyncio.to_thread(write_repository, bundle, folder / "models", ServingOptions(TritonBackend.PYTHON))
    server = TritonProcess(folder / "models", folder / "triton.log")
    await server.start()
    yield server
    await server.kill()


@pytest.fixture
def connection(triton):
    opened = TritonConnection(triton.url, call_seconds=20)
    yield opened
    opened.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def remote(
    triton: TritonProcess, bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[EmbeddingEngine]:
    """The default bundle, whose models the server runs."""
    opened = TritonConnection(triton.url, call_seconds=20)
    folder = tmp_path_factory.mktemp("measured")
    async with EmbeddingEngine(
        bundle_folder, folder, make_loader=lambda bundle: TritonLoader(opened, bundle)
    ) as entered:
        yield entered
    opened.close()


async def test_texts_have_the_same_vectors(engine, remote):
    for texts in (TEXTS, TEXTS[:1], TEXTS * 20):
        expected = await engine.embed_texts(texts, INGEST)
        found = await remote.embed_texts(texts, INGEST)
        np.testing.assert_allclose([answer.value for answer in found], [answer.value for answer in expected], atol=1e-3)


async def test_pictures_have_the_same_objects_and_vectors(engine, remote, photos):
    files = [path.read_bytes() for path in sorted(photos.glob("*.jpg"))]
    expected = [await engine.analyse_picture(data, QUERY) for data in files]
    found = await asyncio.gather(*(remote.analyse_picture(data, INGEST) for data in files * 3))
    for number, analysis in enumerate(found):
        same = expected[number % len(files)]
        assert [one.class_id for one in analysis.objects] == [one.class_id for one in same.objects]
        np.testing.assert_allclose(analysis.image_vector, same.image_vector, atol=1e-3)
        np.testing.assert_allclose(analysis.object_vectors, same.object_vectors, atol=1e-3)


async def test_the_ensemble_answers_what_the_embedder_does(engine, connection, photos):
    outputs = ["num_dets", "det_boxes", "det_scores", "det_classes", "global_embeddings", "box_embeddings"]
    for path in sorted(photos.glob("*.jpg")):
        data = path.read_bytes()
        request = request_of("sightwire_default_2_ensemble", {"encoded_images": np.frombuffer(data, np.uint8)}, outputs)
        answer = outputs_of(await asyncio.to_thread(connection.infer, request), outputs)
        found = dict(zip(outputs, answer, strict=True))
        same = await engine.analyse_picture(data, QUERY)
        assert found["num_dets"].tolist() == [len(same.objects)]
        assert found["det_classes"].tolist() == [one.class_id for one in same.objects]
        np.testing.assert_allclose(found["det_scores"], [one.confidence for one in same.objects], atol=1e-3)
        boxes = [(one.x1, one.y1, one.x2, one.y2) for one in same.objects]
        np.testing.assert_allclose(found["det_boxes"], boxes, atol=0.5)
        np.testing.assert_allclose(found["global_embeddings"], same.image_vector, atol=1e-3)
        np.testing.assert_allclose(found["box_embeddings"], same.object_vectors, atol=1e-3)


async def test_bytes_that_are_no_picture(connection):
    request = request_of(
        "sightwire_default_2_ensemble", {"encoded_images": np.frombuffer(b"nothing", np.uint8)}, ["num_dets"]
    )
    with pytest.raises(RuntimeError, match="are not a picture in a known format"):
        await asyncio.to_thread(connection.infer, request)


async def test_a_bundle_that_the_server_does_not_have(connection, tmp_path):
    small = make_small_bundle(tmp_path, "1", dimension=5)
    with pytest.raises(BundleError, match=r"has no model 'small_text_encoder'; run `sightwire models triton .*small-1"):
        async with EmbeddingEngine(small, tmp_path, make_loader=lambda bundle: TritonLoader(connection, bundle)):
            pytest.fail("served what is not there")


async def test_a_model_of_another_file(connection, bundle_folder, tmp_path):
    (tmp_path / "other").mkdir()
    for path in bundle_folder.iterdir():
        (tmp_path / "other" / path.name).symlink_to(path)
    bundle = load_bundle(tmp_path / "other", verify=False)
    files = [file.model_copy(update={"sha256": "0" * 64}) for file in bundle.spec.files]
    bundle.spec.__dict__["files"] = files
    with pytest.raises(BundleError, match=r"of another file: expected sha256 0000.*, found e8cb44e"):
        TritonLoader(connection, bundle).load(bundle.path("text-encoder.onnx"), ["text_embeddings"])


async def test_a_server_that_is_not_there(bundle_folder, tmp_path):
    nobody = TritonConnection(f"127.0.0.1:{find_free_port()}", call_seconds=1)
    with pytest.raises(ModelServerAwayError, match=r"does not answer .*; start it, or name the one that runs"):
        async with EmbeddingEngine(bundle_folder, tmp_path, make_loader=lambda bundle: TritonLoader(nobody, bundle)):
            pytest.fail("served without a server")
    nobody.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8001", "triton"])
def test_an_address_that_is_none(url):
    with pytest.raises(ConfigurationError, match="should be host and port of Triton's gRPC endpoint"):
        TritonConnection(url, call_seconds=1)


async def test_an_embedder_survives_a_server_that_is_killed(
    fresh_nats_server, triton, bundle_folder, engine, tmp_path, eventually
):
    process = embedder_process(
        fresh_nats_server,
        tmp_path / "blobs",
        bundle_folder,
        tmp_path,
        SIGHTWIRE_EMBEDDER_BACKEND="triton",
        SIGHTWIRE_TRITON_URL=triton.url,
        SIGHTWIRE_EMBEDDER_MAX_DELIVERIES="2",
    )
    await triton.kill()
    async with process, Bus(process.settings, name="test") as bus:
        # It waits for the server, and says so.
        await eventually(lambda: waits_for_triton(process), deadline=120, describe="an embedder without its server")
        await triton.start()
        await eventually(process.is_ready, deadline=240, describe="an embedder with its server")
        record = CollectionRecord(
            spec=CollectionSpec(name="notes", fields={"text": VectorField(source="text", dimension=384)}),
            uid="uid-of-notes",
            created_at=datetime.now(UTC),
            space="sightwire-default-2",
        )
        collection = await followed(bus, record)

        await triton.kill()
        await eventually(lambda: waits_for_triton(process), deadline=60, describe="an embedder that misses its server")
        await collection.publish({"id": "late", "text": "a red apple"})
        # More often than any other failure is forgiven.
        await eventually(lambda: has_retried(process, 3), deadline=120, describe="three tries")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{process.port}") as channel:
            request = embedder_pb2.EmbedTextsRequest(texts=["a red apple"])
            with pytest.raises(grpc.aio.AioRpcError, match=r"Triton at .* does not answer") as refusal:
                await embedder_pb2_grpc.EmbedderStub(channel).EmbedTexts(request, timeout=10)
            described = await embedder_pb2_grpc.EmbedderStub(channel).DescribeModel(embedder_pb2.DescribeModelRequest())
        assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
        assert described.triton.startswith(f"Triton at {triton.url} does not answer")
        assert await collection.dead_letters() == []

        await triton.start()
        await eventually(process.is_ready, deadline=120, describe="the embedder with its server back")
        item = await eventually(lambda: collection.by_id.get("late"), deadline=120, describe="the item that waited")
        (expected,) = await engine.embed_texts(["a red apple"], INGEST)
        np.testing.assert_allclose(vectors_of(item, "text")[0], expected.value, atol=1e-3)
        assert await process.stop(signal.SIGTERM) == 0


async def waits_for_triton(process: EmbedderProcess) -> bool:
    """Whether the embedder is not ready, and says that its server is away."""
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            answer = await client.get(process.url("/readyz"))
        except httpx.TransportError:
            return False
    return answer.status_code == 503 and "does not answer" in answer.text and "Triton at" in answer.text


async def has_retried(process: EmbedderProcess, times: int) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        numbers = (await client.get(process.url("/metrics"))).text
    found = re.search(r'sightwire_ingest_events_total\{outcome="retried"\} (\S+)', numbers)
    return found is not None and float(found[1]) >= times
