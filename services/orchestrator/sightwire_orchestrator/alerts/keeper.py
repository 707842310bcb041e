"""Looks at rules again and again, changes them, and keeps what becomes of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from sightwire.contracts.alerts import AlertReport, AlertRule
from sightwire.errors import SightwireError
from sightwire_orchestrator.alerts.deciding import look_at
from sightwire_orchestrator.alerts.messages import check_template, event_of
from sightwire_orchestrator.alerts.metric_names import read_metric_name
from sightwire_orchestrator.alerts.store import AlertStore

logger = logging.getLogger(__name__)

ReadValue = Callable[[AlertRule, datetime], Awaitable[float | None]]


class AlertKeeper:
    """Of one term. Looks and changes wait for each other, so that none undoes another one.

    Args:
        value: the number that a rule is about, at a time.
    """

    def __init__(self, store: AlertStore, value: ReadValue) -> None:
        self._store = store
        self._value = value
        self._changing = asyncio.Lock()

    async def look(self) -> None:
        """Looks at all rules once; those whose number cannot be had now stay as they are.

        Raises:
            UnavailableError: the database does not answer.
        """
        for report in await self._store.rules():
            async with self._changing:
                await self._look_at(report.rule.name)

    async def put(self, rule: AlertRule) -> AlertReport:
        """Stores a rule in place of the one of its name, which begins anew.

        Raises:
            InvalidInputError: there is no such metric, or its message names what there is not.
        """
        read_metric_name(rule.metric_name)
        check_template(rule.message_template)
        async with self._changing:
            return await self._store.put(rule)

    async def delete(self, name: str) -> AlertReport:
        """Deletes a rule, and returns what it was.

        Raises:
            NotFoundError: there is none of that name.
        """
        async with self._changing:
            return await self._store.delete(name)

    async def silence(self, name: str, seconds: float) -> AlertReport:
        """Tells nobody of a rule for some time; for none ends that.

        Raises:
            NotFoundError: there is none of that name.
        """
        async with self._changing:
            report = await self._store.get(name)
            until = datetime.now(UTC) + timedelta(seconds=seconds) if seconds else None
            standing = report.standing.model_copy(update={"silenced_until": until})
            await self._store.stand(report.rule, standing)
            return AlertReport(rule=report.rule, standing=standing)

    async def _look_at(self, name: str) -> None:
        report = await self._store.get(name)
        rule, now = report.rule, datetime.now(UTC)
        try:
            value = await self._value(rule, now)
        except SightwireError as error:
            logger.warning("an alert rule cannot be looked at", extra={"rule": rule.name, "error": str(error)})
            return
        look = look_at(rule, report.standing, value, now)
        event = None
        if look.kind is not None:
            event = event_of(rule, look.kind, value, now, is_silenced=look.is_silenced)
            logger.warning("alert %s: %s", event.kind, event.message, extra={"rule": rule.name})
        await self._store.stand(rule, look.standing, event)
