"""Tells of alerts: an event on the bus, and a webhook where one is configured."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Final

from sightwire.bus.connection import Bus
from sightwire.bus.headers import event_headers
from sightwire.contracts import subjects
from sightwire.contracts.alerts import AlertEvent
from sightwire.errors import SightwireError
from sightwire_orchestrator.alerts.store import AlertStore
from sightwire_orchestrator.callbacks.webhooks import Webhook, WebhookSender

logger = logging.getLogger(__name__)

_AT_A_TIME: Final = 100
_GIVE_UP_AFTER: Final = timedelta(days=1)


class AlertTeller:
    """What was not told is told later, for a day; what was may be told again after a crash, with the same id.

    Args:
        url: who hears of alerts besides the bus; None: nobody.
        key: name of the configured key that signs what is sent there.
    """

    def __init__(
        self, store: AlertStore, bus: Bus, webhooks: WebhookSender, *, url: str | None, key: str | None
    ) -> None:
        self._store = store
        self._bus = bus
        self._webhooks = webhooks
        self._url = url
        self._key = key

    async def tell_waiting(self) -> None:
        """Tells of events that nobody was told of, the oldest first.

        Raises:
            UnavailableError: the database does not answer.
        """
        for event in await self._store.untold(_AT_A_TIME):
            try:
                await self._tell(event)
            except SightwireError as error:
                logger.warning("an alert cannot be told", extra={"id": event.id, "error": str(error)})
                if error.transient and datetime.now(UTC) - event.at < _GIVE_UP_AFTER:
                    continue
            await self._store.settle(event, datetime.now(UTC))

    async def _tell(self, event: AlertEvent) -> None:
        type_ = f"sightwire.alert.{event.kind}"
        headers = event_headers(event_type=type_, source="orchestrator", subject=event.rule, message_id=event.id)
        await self._bus.publish(subjects.alert(event.kind, event.rule), event.model_dump_json().encode(), headers)
        if self._url is not None:
            data = event.model_dump(mode="json")
            webhook = Webhook(self._url, id=event.id, type=type_, data=data, key=self._key, occurred_at=event.at)
            await self._webhooks.send(webhook)
