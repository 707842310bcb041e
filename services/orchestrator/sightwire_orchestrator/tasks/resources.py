"""What all tasks of a worker share: connections, clients, keys."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx

from sightwire.bus.connection import Bus
from sightwire.client import AsyncSightwire
from sightwire.errors import ConfigurationError
from sightwire.security.addresses import AddressPolicy
from sightwire.telemetry.tracing import current_trace_headers
from sightwire_orchestrator.callbacks.mail import MailSender
from sightwire_orchestrator.callbacks.signing import WebhookKeys
from sightwire_orchestrator.callbacks.webhooks import WebhookSender
from sightwire_orchestrator.tasks.embedder import EmbedderClient
from sightwire_orchestrator.tasks.endpoints.configured import ChatEndpoints
from sightwire_orchestrator.tasks.settings import TaskSettings

_HTTP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class TaskResources:
    """Open clients. Each connects when it is first used."""

    settings: TaskSettings
    http: httpx.AsyncClient
    endpoints: ChatEndpoints
    embedder: EmbedderClient
    platform: AsyncSightwire
    webhooks: WebhookSender
    mail: MailSender | None
    bus: Bus | None

    def require_mail(self) -> MailSender:
        """Whoever sends mail.

        Raises:
            ConfigurationError: no server for it is configured.
        """
        if self.mail is None:
            raise ConfigurationError("no mail can be sent: set SIGHTWIRE_ORCHESTRATOR_MAIL to an SMTP server")
        return self.mail

    def require_bus(self) -> Bus:
        """The bus.

        Raises:
            ConfigurationError: this worker has none.
        """
        if self.bus is None:
            raise ConfigurationError("this task needs the bus, and runs where there is none")
        return self.bus


@asynccontextmanager
async def open_resources(settings: TaskSettings, *, bus: Bus | None = None) -> AsyncIterator[TaskResources]:
    """Resources until the block ends; `bus` stays open.

    Raises:
        ConfigurationError: keys or addresses in the settings cannot be used.
    """
    allowed = [entry for entry in settings.orchestrator_webhook_allow.split(",") if entry.strip()]
    webhooks = WebhookSender(
        AddressPolicy.allowing(allowed),
        WebhookKeys.of(settings.orchestrator_webhook_keys),
    )
    key = settings.orchestrator_platform_api_key
    async with AsyncExitStack() as stack:
        yield TaskResources(
            settings=settings,
            http=await stack.enter_async_context(
                httpx.AsyncClient(timeout=_HTTP_SECONDS, event_hooks={"request": [_send_trace_context]})
            ),
            endpoints=await stack.enter_async_context(ChatEndpoints(settings.orchestrator_endpoints)),
            embedder=await stack.enter_async_context(
                EmbedderClient(
                    settings.orchestrator_embedder_address,
                    timeout_seconds=settings.orchestrator_embedder_timeout_seconds,
                )
            ),
            platform=await stack.enter_async_context(
                AsyncSightwire(
                    settings.orchestrator_platform_url,
                    api_key=key.get_secret_value() if key is not None else None,
                    on_request=_send_trace_context,
                )
            ),
            webhooks=await stack.enter_async_context(webhooks),
            mail=MailSender(settings.orchestrator_mail) if settings.orchestrator_mail is not None else None,
            bus=bus,
        )


async def _send_trace_context(request: httpx.Request) -> None:
    request.headers.update(current_trace_headers())
