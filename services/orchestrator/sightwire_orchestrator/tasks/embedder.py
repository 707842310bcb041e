"""Asks the platform's embedder for vectors."""

import json
from collections.abc import Awaitable, Sequence
from types import TracebackType
from typing import Final, Self, TypeVar

import grpc.aio
import numpy as np

from sightwire.errors import SightwireError
from sightwire.service.grpc_errors import error_from_call
from sightwire.telemetry.grpc import client_interceptors
from sightwire.v1 import embedder_pb2, embedder_pb2_grpc
from sightwire_orchestrator.tasks.errors import BadAnswerError
from sightwire_orchestrator.tasks.vectors import Vectors

Response = TypeVar("Response")

#: The embedder takes four times as many; queries of people shall not wait long behind one call.
_TEXTS_A_CALL: Final = 64
_IMAGES_A_CALL: Final = 8
_MAX_MESSAGE_BYTES: Final = 128 * 1024 * 1024
_SERVICE_CONFIG: Final = {
    "methodConfig": [
        {
            "name": [{}],
            # Every call is a read. A restarting embedder is back within some seconds.
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


class EmbedderClient:
    """A channel to the embedder, for the life of a worker."""

    def __init__(self, address: str, *, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._channel = grpc.aio.insecure_channel(
            address,
            options=[
                ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
                ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
                ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
                # A proxy of the environment has no business between the platform's services.
                ("grpc.enable_http_proxy", 0),
            ],
            interceptors=client_interceptors(),
        )
        self._stub = embedder_pb2_grpc.EmbedderStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self._channel.close(None)

    async def describe_model(self, space: str = "") -> embedder_pb2.DescribeModelResponse:
        """The bundle of a space, of the default one if it is empty.

        Raises:
            SightwireError: the embedder's, or that it does not answer.
        """
        return await _answer(
            self._stub.DescribeModel(embedder_pb2.DescribeModelRequest(space=space), timeout=self._timeout)
        )

    async def embed_texts(self, texts: Sequence[str], *, space: str = "") -> tuple[Vectors, str]:
        """Vectors of texts, a row each, and the space that they are in: that which is named, or the default one.

        Raises:
            SightwireError: the embedder's, or that it does not answer.
            BadAnswerError: it changed its model in between.
        """
        answers = []
        for start in range(0, len(texts), _TEXTS_A_CALL):
            request = embedder_pb2.EmbedTextsRequest(texts=texts[start : start + _TEXTS_A_CALL], space=space)
            response = await _answer(self._stub.EmbedTexts(request, timeout=self._timeout))
            answers.append((response.vectors, response.space))
        return _joined(answers)

    async def embed_images(self, images: Sequence[bytes]) -> tuple[Vectors, str]:
        """Vectors of pictures' files, a row each, and the space that they are in; raises as `embed_texts` does."""
        answers = []
        for start in range(0, len(images), _IMAGES_A_CALL):
            request = embedder_pb2.EmbedImagesRequest(images=images[start : start + _IMAGES_A_CALL])
            response = await _answer(self._stub.EmbedImages(request, timeout=self._timeout))
            answers.append((response.vectors, response.space))
        return _joined(answers)


def _joined(answers: Sequence[tuple[embedder_pb2.Matrix, str]]) -> tuple[Vectors, str]:
    spaces = {space for _, space in answers}
    if len(spaces) != 1:
        raise BadAnswerError(f"the embedder changed its model between two calls ({', '.join(sorted(spaces))})")
    matrices = [np.frombuffer(m.data, dtype="<f4").reshape(m.rows, m.dimension) for m, _ in answers]
    return np.concatenate(matrices), spaces.pop()


async def _answer(call: Awaitable[Response]) -> Response:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        failure: SightwireError = error_from_call(error, service="embedder")
        raise failure from error
