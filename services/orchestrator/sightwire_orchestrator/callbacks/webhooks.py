"""POSTs events to addresses that definitions name, without becoming a way into the network around the service."""

import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Final, Self

import httpcore
import orjson

from sightwire.errors import FetchFailedError, FetchRefusedError
from sightwire.security.addresses import AddressPolicy
from sightwire.security.connecting import CheckedBackend
from sightwire.security.fetch import checked_url
from sightwire_orchestrator.callbacks.retrying import (
    DeliveryFailedError,
    DeliveryRefusedError,
    DeliveryRetries,
    with_retries,
)
from sightwire_orchestrator.callbacks.signing import ID_HEADER, TIMESTAMP_HEADER, WebhookKeys, signed_headers

#: Answers of a receiver that may be another one later; so may any of 500 and more.
_TRANSIENT_STATUSES: Final = frozenset({408, 425, 429})
#: Of what a receiver says about a refusal.
_MAX_REASON_BYTES: Final = 500
_MAX_CONNECTIONS: Final = 32


@dataclass(frozen=True, slots=True)
class Webhook:
    """An event to be told; the body is `{"type", "timestamp", "data"}`."""

    url: str
    #: The same for the same event, however often it is sent: receivers drop what they have seen.
    id: str
    type: str
    data: Any
    #: Name of the configured key that signs it.
    key: str | None = None
    occurred_at: datetime | None = None

    def body(self) -> bytes:
        occurred_at = self.occurred_at or datetime.now(UTC)
        return orjson.dumps({"type": self.type, "timestamp": occurred_at.isoformat(), "data": self.data})


@dataclass(frozen=True, slots=True)
class WebhookReceipt:
    """A webhook that was taken."""

    status: int
    attempts: int


class WebhookSender:
    """Sends webhooks; redirects, proxies and cookies play no part. One for the life of a service."""

    def __init__(
        self,
        policy: AddressPolicy,
        keys: WebhookKeys,
        *,
        retries: DeliveryRetries | None = None,
        idle_seconds: float = 10.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._keys = keys
        self._retries = retries or DeliveryRetries()
        self._timeouts = {"connect": idle_seconds, "read": idle_seconds, "write": idle_seconds, "pool": idle_seconds}
        # Connections are not kept: one kept open to a public address could not be checked again.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context if ssl_context is not None else ssl.create_default_context(),
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=0,
            network_backend=CheckedBackend(policy),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self._pool.aclose()

    async def send(self, webhook: Webhook) -> WebhookReceipt:
        """Sends until the receiver takes it, with the same id each time and a new timestamp and signature.

        Raises:
            DeliveryRefusedError: the receiver refuses it, or the address may not be called.
            DeliveryFailedError: no attempt reached it, or it asked to come again too often.
            NotFoundError: the key is not configured.
        """
        key = self._keys.get(webhook.key) if webhook.key is not None else None
        body = webhook.body()

        async def deliver() -> int:
            now = int(time.time())
            own = (
                {ID_HEADER: webhook.id, TIMESTAMP_HEADER: str(now)}
                if key is None
                else signed_headers(key, message_id=webhook.id, timestamp=now, body=body)
            )
            return await self._post(webhook.url, body, own)

        status, attempts = await with_retries(deliver, self._retries)
        return WebhookReceipt(status, attempts)

    async def _post(self, address: str, body: bytes, headers: dict[str, str]) -> int:
        try:
            url = checked_url(address)
            async with self._pool.stream(
                "POST",
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=[
                    ("Host", url.netloc.decode("ascii")),
                    ("User-Agent", "sightwire-webhook"),
                    ("Content-Type", "application/json"),
                    ("Content-Length", str(len(body))),
                    *headers.items(),
                ],
                content=body,
                extensions={"timeout": self._timeouts},
            ) as response:
                if 200 <= response.status < 300:
                    return response.status
                raise await _refusal(response, url.host)
        except FetchFailedError as error:
            raise DeliveryFailedError(error.detail) from None
        except FetchRefusedError as error:
            raise DeliveryRefusedError(
                f"the webhook's address may not be called: {error.detail.partition(';')[0]}; hosts and networks beside "
                "public addresses are named in SIGHTWIRE_ORCHESTRATOR_WEBHOOK_ALLOW"
            ) from None
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise DeliveryFailedError(
                f"the webhook's receiver does not answer: {error or type(error).__name__}"
            ) from None


async def _refusal(response: httpcore.Response, host: str) -> DeliveryFailedError | DeliveryRefusedError:
    said = bytearray()
    async for chunk in response.aiter_stream():
        said += chunk
        if len(said) >= _MAX_REASON_BYTES:
            break
    reason = said[:_MAX_REASON_BYTES].decode("utf-8", "replace").strip()
    detail = f"{host} answered {response.status} to a webhook" + (f": {reason}" if reason else "")
    if response.status < 500 and response.status not in _TRANSIENT_STATUSES:
        return DeliveryRefusedError(detail)
    return DeliveryFailedError(detail, retry_after=retry_after(_header(response, b"retry-after"), datetime.now(UTC)))


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for, in either of its forms; None for none, or nonsense."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max((at - now).total_seconds(), 0.0)


def _header(response: httpcore.Response, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == name), None)
