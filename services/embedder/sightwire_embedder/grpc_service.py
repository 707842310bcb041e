"""The Embedder gRPC service: vectors for queries."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self

import grpc
import grpc.aio
import numpy as np
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection
from typing_extensions import override

from sightwire.bundles.encoders import Vector
from sightwire.errors import ConfigurationError, InvalidInputError
from sightwire.service.grpc_errors import answering_errors
from sightwire.telemetry.grpc import server_interceptors
from sightwire.v1 import embedder_pb2, embedder_pb2_grpc
from sightwire_embedder.batching import Answer, Priority
from sightwire_embedder.ingest.item_embedder import VectorCounter, detections
from sightwire_embedder.models.served_models import ServedModels

SERVICE_NAME: Final = embedder_pb2.DESCRIPTOR.services_by_name["Embedder"].full_name
MAX_TEXTS: Final = 256
MAX_IMAGES: Final = 64

Context = grpc.aio.ServicerContext[Any, Any]


class EmbedderService(embedder_pb2_grpc.EmbedderServicer):
    """Answers with vectors of the space that is asked for, or of the default one.

    A call that is cancelled, or whose deadline passes, leaves its batch alone.
    """

    def __init__(
        self, models: ServedModels, count_vectors: VectorCounter, triton_state: Callable[[], str] = lambda: ""
    ) -> None:
        self._models = models
        self._count_vectors = count_vectors
        self._triton_state = triton_state

    @override
    @answering_errors
    async def EmbedTexts(
        self, request: embedder_pb2.EmbedTextsRequest, _context: Context
    ) -> embedder_pb2.EmbedTextsResponse:
        _check_count(len(request.texts), MAX_TEXTS, "texts")
        if any(not text.strip() for text in request.texts):
            raise InvalidInputError("expected texts with at least one visible character, got an empty one")
        with self._models.use(request.space) as engine:
            answers = _all_good(await engine.embed_texts(request.texts, Priority.QUERY))
        self._count_vectors("text", len(answers))
        return embedder_pb2.EmbedTextsResponse(
            vectors=_matrix([answer.value for answer in answers]),
            space=engine.spec.space,
            model_seconds=max(answer.call_seconds for answer in answers),
        )

    @override
    @answering_errors
    async def EmbedImages(
        self, request: embedder_pb2.EmbedImagesRequest, _context: Context
    ) -> embedder_pb2.EmbedImagesResponse:
        _check_count(len(request.images), MAX_IMAGES, "images")
        with self._models.use(request.space) as engine:
            vectors, longest_call = await engine.embed_pictures(request.images, Priority.QUERY)
        self._count_vectors("image", len(vectors))
        return embedder_pb2.EmbedImagesResponse(
            vectors=_matrix(vectors), space=engine.spec.space, model_seconds=longest_call
        )

    @override
    @answering_errors
    async def AnalyzeImage(
        self, request: embedder_pb2.AnalyzeImageRequest, _context: Context
    ) -> embedder_pb2.AnalyzeImageResponse:
        with self._models.use(request.space) as engine:
            analysis = await engine.analyse_picture(request.image, Priority.QUERY)
        assert analysis.image_vector is not None, "the image vector was asked for"
        self._count_vectors("image", 1)
        self._count_vectors("object", len(analysis.objects))
        return embedder_pb2.AnalyzeImageResponse(
            image_vector=_matrix([analysis.image_vector]),
            object_vectors=_matrix(analysis.object_vectors),
            detections=detections(analysis, engine.spec.classes),
            width=analysis.width,
            height=analysis.height,
            space=engine.spec.space,
            model_seconds=analysis.model_seconds,
        )

    @override
    @answering_errors
    async def DescribeModel(
        self, request: embedder_pb2.DescribeModelRequest, _context: Context
    ) -> embedder_pb2.DescribeModelResponse:
        with self._models.use(request.space) as engine:
            spec = engine.spec
        return embedder_pb2.DescribeModelResponse(
            name=spec.name,
            version=spec.version,
            space=spec.space,
            dimension=spec.dimension,
            metric=spec.metric,
            class_names=spec.classes,
            triton=self._triton_state(),
        )


class QueryServer:
    """The gRPC server with the service, health and reflection. Entering starts it, leaving drains it."""

    def __init__(self, service: EmbedderService, address: str, *, max_message_bytes: int, drain_seconds: float) -> None:
        self._drain_seconds = drain_seconds
        self._health = HealthServicer()
        self._server = grpc.aio.server(
            interceptors=server_interceptors(),
            options=[
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", max_message_bytes),
            ],
        )
        embedder_pb2_grpc.add_EmbedderServicer_to_server(service, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        try:
            self.port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ConfigurationError(f"cannot listen for gRPC at {address}: {error}; choose another port") from error

    async def __aenter__(self) -> Self:
        await self._server.start()
        for name in ("", SERVICE_NAME):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._drain_seconds)


def _check_count(count: int, limit: int, what: str) -> None:
    if not 1 <= count <= limit:
        raise InvalidInputError(f"expected 1 to {limit} {what} in one call, got {count}")


def _all_good(answers: Sequence[Answer[Vector] | Exception]) -> list[Answer[Vector]]:
    """The answers, unless one is an error, which is then raised."""
    good = []
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
        good.append(answer)
    return good


def _matrix(vectors: Sequence[Vector] | np.ndarray[Any, Any]) -> embedder_pb2.Matrix:
    matrix = np.asarray(vectors, dtype="<f4")
    return embedder_pb2.Matrix(
        data=matrix.tobytes(), rows=len(matrix), dimension=matrix.shape[1] if matrix.ndim == 2 else 0
    )
