"""Asks an endpoint. The protocol, retries and waits (`Retry-After`, else doubling with jitter) are the library's."""

import asyncio
from collections.abc import Callable, Mapping
from json import JSONDecodeError
from typing import Any, Final

import httpx
import openai
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from sightwire.errors import (
    DeadlineError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    SightwireError,
    UnauthorizedError,
    UnavailableError,
)
from sightwire.security.keys import is_loopback
from sightwire_orchestrator.tasks.endpoints.answer_reading import PartReader, read_whole
from sightwire_orchestrator.tasks.endpoints.completion import Completion, CompletionRequest
from sightwire_orchestrator.tasks.endpoints.settings import EndpointSettings, StructuredOutput
from sightwire_orchestrator.tasks.errors import BadAnswerError

#: The library wants a key; servers of one's own mostly do not.
_NO_KEY: Final = "none"
_MAX_REASON_CHARACTERS: Final = 500

#: Called with the number of characters so far.
TextListener = Callable[[int], None]


class ChatEndpoint:
    """One endpoint, for the life of a worker."""

    def __init__(self, name: str, settings: EndpointSettings) -> None:
        self.name = name
        self.settings = settings
        self._client = AsyncOpenAI(
            base_url=settings.base_url,
            api_key=settings.api_key.get_secret_value() if settings.api_key else _NO_KEY,
            max_retries=settings.max_retries,
            timeout=openai.Timeout(settings.idle_seconds, connect=settings.connect_seconds),
            # A proxy for the internet must not be asked about a server on this machine.
            http_client=DefaultAsyncHttpxClient(trust_env=not is_loopback(httpx.URL(settings.base_url).host)),
        )
        self._room = asyncio.Semaphore(settings.max_concurrent)

    async def complete(self, request: CompletionRequest, *, on_text: TextListener | None = None) -> Completion:
        """A whole answer.

        Args:
            on_text: hears how long a streamed answer has grown.

        Raises:
            InvalidInputError: the endpoint refuses the request as it is, or no model is named.
            UnauthorizedError, NotFoundError: it refuses the key, or has no such model or address.
            OverloadedError, UnavailableError, DeadlineError: it does not answer now, and did not after retries.
            BadAnswerError: what it answers is no completion, or breaks off.
        """
        arguments = self._arguments(request)
        async with self._room:
            try:
                if self.settings.streaming:
                    return await self._streamed(arguments, on_text)
                return read_whole(await self._client.chat.completions.create(**arguments), endpoint=self.name)
            except (openai.OpenAIError, JSONDecodeError, UnicodeDecodeError) as error:
                raise platform_error(error, endpoint=self.name) from error

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def _streamed(self, arguments: Mapping[str, Any], on_text: TextListener | None) -> Completion:
        reader = PartReader(self.name)
        async with await self._client.chat.completions.create(
            **arguments, stream=True, stream_options={"include_usage": True}
        ) as parts:
            async for part in parts:
                reader.take(part)
                if on_text is not None:
                    on_text(reader.characters)
        return reader.finished()

    def _arguments(self, request: CompletionRequest) -> dict[str, Any]:
        model = request.model or self.settings.model
        if model is None:
            raise InvalidInputError(
                f"no model is named: give the task a `model`, or endpoint {self.name!r} a default one in its settings"
            )
        sampling = request.sampling
        limit = min(sampling.max_tokens or self.settings.max_tokens, self.settings.max_tokens)
        arguments: dict[str, Any] = {
            "model": model,
            "messages": [message.model_dump() for message in request.messages],
            self.settings.max_tokens_parameter: limit,
            **sampling.model_dump(exclude={"max_tokens", "stop"}, exclude_none=True),
        }
        if sampling.stop:
            arguments["stop"] = list(sampling.stop)
        if request.answer_schema is not None:
            arguments.update(_response_format(request.answer_schema, self.settings.structured_output))
        return arguments


def _response_format(schema: Mapping[str, Any], support: StructuredOutput) -> dict[str, Any]:
    match support:
        case StructuredOutput.JSON_SCHEMA:
            return {
                "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema)}}
            }
        case StructuredOutput.JSON_OBJECT:
            return {"response_format": {"type": "json_object"}}
        case StructuredOutput.NONE:
            return {}


def platform_error(error: Exception, *, endpoint: str) -> SightwireError:
    """The platform's error for one of the client library's."""
    who = f"endpoint {endpoint!r}"
    match error:
        case openai.APITimeoutError():
            return DeadlineError(f"{who} was silent for longer than it may be; raise its `idle_seconds` if it is slow")
        case openai.APIConnectionError():
            return UnavailableError(f"the connection to {who} failed: {error.__cause__ or error}")
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return UnauthorizedError(f"{who} refuses its configured key: {_reason(error)}")
        case openai.NotFoundError():
            return NotFoundError(f"{who} has no such model or address: {_reason(error)}")
        case openai.RateLimitError():
            return OverloadedError(f"{who} asks for fewer requests: {_reason(error)}")
        case openai.APIStatusError() if error.status_code >= 500 or error.status_code in {408, 409}:
            return UnavailableError(f"{who} answers {error.status_code}: {_reason(error)}")
        case openai.APIStatusError():
            return InvalidInputError(f"{who} refuses the request with {error.status_code}: {_reason(error)}")
        case openai.APIResponseValidationError() | JSONDecodeError() | UnicodeDecodeError():
            return BadAnswerError(f"{who} answered with something that is no JSON: {_reason(error)}")
        case _:
            return UnavailableError(f"{who} broke its answer off: {_reason(error)}")


def _reason(error: Exception) -> str:
    return str(error)[:_MAX_REASON_CHARACTERS]
