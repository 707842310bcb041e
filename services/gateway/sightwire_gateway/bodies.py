"""Reads request bodies with their limits enforced while they arrive, not after."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from sightwire.errors import OverloadedError, TooLargeError
from sightwire_gateway.errors import MalformedRequestError, SlowRequestError, UnsupportedMediaTypeError
from sightwire_gateway.problems import invalid_request

ModelType = TypeVar("ModelType", bound=BaseModel)

_SLOT_WAIT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Limits of request bodies; sizes in bytes, times in seconds."""

    picture_bytes: int
    json_bytes: int
    seconds: float


class BodyReader:
    """Reads bodies; large ones, which are held in memory as a whole, only so many at a time."""

    def __init__(self, limits: BodyLimits, *, max_uploads: int) -> None:
        #: May be replaced.
        self.limits = limits
        self._upload_slots = asyncio.Semaphore(max_uploads)

    async def read_json(self, request: Request, model: type[ModelType]) -> ModelType:
        """The body as `model`.

        Raises:
            UnsupportedMediaTypeError: not called JSON.
            MalformedRequestError, InvalidRequestError: not JSON, or not `model`.
            TooLargeError, SlowRequestError: more than the limit.
        """
        media_type = media_type_of(request)
        if media_type not in ("application/json", "") and not media_type.endswith("+json"):
            raise UnsupportedMediaTypeError(f"this route takes application/json, got {media_type!r}")
        return parse_json(await self.read(request, self.limits.json_bytes, what="JSON body"), model)

    async def read(self, request: Request, max_bytes: int, *, what: str) -> bytes:
        """The whole body, at most `max_bytes` of it.

        Raises:
            TooLargeError: it is larger; raised before reading when its length is declared, else while reading.
            SlowRequestError: it took too long.
        """
        body = bytearray()
        async for chunk in self.stream(request, max_bytes, what=what):
            if not body and _declared_length(request) == len(chunk):
                return chunk
            body += chunk
        return bytes(body)

    async def stream(
        self, request: Request, max_bytes: int | None, *, what: str, seconds: float | None = None
    ) -> AsyncIterator[bytes]:
        """The body in chunks as they arrive; raises as `read` does. `seconds` replaces the usual limit of time."""
        allowed_seconds = seconds if seconds is not None else self.limits.seconds
        declared = _declared_length(request)
        if max_bytes is not None and declared is not None and declared > max_bytes:
            raise TooLargeError(f"the {what} may have {max_bytes} bytes, got {declared}")
        received = 0
        deadline = asyncio.get_running_loop().time() + allowed_seconds
        chunks = request.stream()
        while True:
            try:
                # Around each step rather than around the loop: a deadline must not outlive a consumer that stops early.
                async with asyncio.timeout_at(deadline):
                    chunk = await anext(chunks, None)
            except TimeoutError:
                raise SlowRequestError(
                    f"the {what} did not arrive within {allowed_seconds:g} s ({received} bytes came)"
                ) from None
            except ClientDisconnect:
                raise MalformedRequestError(f"the caller left after {received} bytes of the {what}") from None
            if chunk is None:
                return
            received += len(chunk)
            if max_bytes is not None and received > max_bytes:
                raise TooLargeError(f"the {what} may have {max_bytes} bytes, got more")
            if chunk:
                yield chunk

    @asynccontextmanager
    async def upload_slot(self) -> AsyncIterator[None]:
        """Holds one of the places for large bodies.

        Raises:
            OverloadedError: none became free in time.
        """
        try:
            async with asyncio.timeout(_SLOT_WAIT_SECONDS):
                await self._upload_slots.acquire()
        except TimeoutError:
            raise OverloadedError("too many uploads at once; send fewer in parallel, or try again soon") from None
        try:
            yield
        finally:
            self._upload_slots.release()


def parse_json(body: bytes, model: type[ModelType], *, prefix: tuple[str | int, ...] = ()) -> ModelType:
    """`body` as `model`.

    Raises:
        MalformedRequestError, InvalidRequestError: not JSON, or not `model`.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise invalid_request(error, prefix=prefix) from None


def media_type_of(request: Request) -> str:
    """Media type of the body without parameters, in lower case; empty when the request does not say."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _declared_length(request: Request) -> int | None:
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdigit() else None
