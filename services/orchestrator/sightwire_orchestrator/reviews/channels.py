"""Ways on which people hear of reviews."""

from typing import ClassVar, Protocol

from sightwire.contracts.reviews import ReviewNotification
from sightwire_orchestrator.callbacks.mail import MailSender
from sightwire_orchestrator.callbacks.webhooks import WebhookSender
from sightwire_orchestrator.reviews.rendering import mail_of, webhook_of
from sightwire_orchestrator.reviews.reviewer_store import ReviewerStore


class Channel(Protocol):
    """One way."""

    name: ClassVar[str]

    def concerns(self, notification: ReviewNotification) -> bool:
        """Whether the notification goes this way."""
        ...

    async def send(self, notification: ReviewNotification) -> None:
        """Sends it, with whatever retries the way has.

        Raises:
            DeliveryRefusedError: it is refused for good.
            DeliveryFailedError: it may be taken later.
        """
        ...


class MailChannel:
    """Mails to the reviewer whom a notification is for."""

    name: ClassVar[str] = "mail"

    def __init__(self, sender: MailSender, reviewers: ReviewerStore) -> None:
        self._sender = sender
        self._reviewers = reviewers

    def concerns(self, notification: ReviewNotification) -> bool:
        return notification.to is not None

    async def send(self, notification: ReviewNotification) -> None:
        assert notification.to is not None, f"notification {notification.id} is for nobody"
        await self._sender.send(mail_of(notification, await self._reviewers.get(notification.to)))


class WebhookChannel:
    """All notifications to one address, signed if a key is named."""

    name: ClassVar[str] = "webhook"

    def __init__(self, sender: WebhookSender, url: str, *, key: str | None = None) -> None:
        self._sender = sender
        self._url = url
        self._key = key

    def concerns(self, notification: ReviewNotification) -> bool:  # noqa: ARG002
        return True

    async def send(self, notification: ReviewNotification) -> None:
        await self._sender.send(webhook_of(notification, url=self._url, key=self._key))
