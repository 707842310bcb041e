"""Calls to one Triton server, from any thread."""

from typing import Final

import grpc

from sightwire.errors import ConfigurationError, OverloadedError, SightwireError
from sightwire.v1 import triton_pb2, triton_pb2_grpc
from sightwire_embedder.triton.errors import ModelServerAwayError

#: Of what is asked about the server, which it knows by heart.
_QUESTION_SECONDS: Final = 3.0

_OPTIONS: Final = (
    # Batches of pictures are as large as their batch sizes make them.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # By default a server that came back is tried again two minutes later.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


class TritonConnection:
    """A channel to a server. It connects by itself whenever it is used, and again after the server was away."""

    def __init__(self, url: str, *, call_seconds: float) -> None:
        """
        Args:
            url: host and port of its gRPC endpoint.
            call_seconds: a model call that takes longer fails.

        Raises:
            ConfigurationError: `url` is not host and port.
        """
        if "://" in url or ":" not in url:
            raise ConfigurationError(
                f"SIGHTWIRE_TRITON_URL should be host and port of Triton's gRPC endpoint, such as 127.0.0.1:8001, "
                f"but is {url!r}"
            )
        self.url = url
        self._call_seconds = call_seconds
        self._channel = grpc.insecure_channel(url, options=_OPTIONS)
        self._stub = triton_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    def close(self) -> None:
        """Ends running calls."""
        self._channel.close()

    def infer(self, request: triton_pb2.ModelInferRequest) -> triton_pb2.ModelInferResponse:
        """Calls a model. Blocks.

        Raises:
            ModelServerAwayError: the server does not answer in time, or does not have the model now.
            OverloadedError: it has too much to do.
            RuntimeError: the model failed; the inputs may be at fault.
        """
        try:
            return self._stub.ModelInfer(request, timeout=self._call_seconds)
        except grpc.RpcError as error:
            failure = self._failure(error, f"the model {request.model_name!r}", self._call_seconds)
            if failure is None:
                raise RuntimeError(
                    f"Triton at {self.url}: the model {request.model_name!r} failed: {_details(error)}"
                ) from error
            raise failure from error

    def model_config(self, model: str) -> triton_pb2.ModelConfig | None:
        """How the server runs a model, None if it has none of that name. Blocks.

        Raises:
            ModelServerAwayError: the server does not answer.
        """
        try:
            request = triton_pb2.ModelConfigRequest(name=model)
            return self._stub.ModelConfig(request, timeout=_QUESTION_SECONDS).config
        except grpc.RpcError as error:
            if _is_about_the_model(error):
                return None
            raise self._away(error, f"a question about the model {model!r}", _QUESTION_SECONDS) from error

    def version(self) -> str:
        """Which Triton it is. Blocks.

        Raises:
            ModelServerAwayError: the server does not answer.
        """
        try:
            answer = self._stub.ServerMetadata(triton_pb2.ServerMetadataRequest(), timeout=_QUESTION_SECONDS)
        except grpc.RpcError as error:
            raise self._away(error, "a question", _QUESTION_SECONDS) from error
        return f"{answer.name} {answer.version}"

    def why_not_ready(self, models: tuple[str, ...] = ()) -> str | None:
        """Why the server, or one of these models on it, cannot be called now; None if all can. Blocks."""
        try:
            if not models:
                is_ready = self._stub.ServerReady(triton_pb2.ServerReadyRequest(), timeout=_QUESTION_SECONDS).ready
                return None if is_ready else f"Triton at {self.url} is not ready: it may be loading models"
            for model in models:
                request = triton_pb2.ModelReadyRequest(name=model)
                if not self._stub.ModelReady(request, timeout=_QUESTION_SECONDS).ready:
                    return f"Triton at {self.url} does not have the model {model!r} ready"
        except grpc.RpcError as error:
            return self._away(error, "a question", _QUESTION_SECONDS).detail
        return None

    def _failure(self, error: grpc.RpcError, what: str, seconds: float) -> SightwireError | None:
        """The error of a call that says nothing about its inputs; None if it may."""
        if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return OverloadedError(f"Triton at {self.url} has too much to do for {what}: {_details(error)}")
        if error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}:
            return self._away(error, what, seconds)
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return ModelServerAwayError(
                f"Triton at {self.url} does not have {what} any more: {_details(error)}; load it there again"
            )
        return None

    def _away(self, error: grpc.RpcError, what: str, seconds: float) -> ModelServerAwayError:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return ModelServerAwayError(f"Triton at {self.url} did not answer {what} within {seconds:g} s")
        return ModelServerAwayError(
            f"Triton at {self.url} does not answer ({_details(error)}); start it, or name the one that runs in "
            "SIGHTWIRE_TRITON_URL"
        )


def _is_about_the_model(error: grpc.RpcError) -> bool:
    """Whether a server answered that it does not have a model; its Python models' states have several codes."""
    if error.code() is grpc.StatusCode.NOT_FOUND:
        return True
    return error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INVALID_ARGUMENT} and (
        "unknown model" in _details(error)
    )


def _details(error: grpc.RpcError) -> str:
    return f"{error.code().name}: {error.details()}"
