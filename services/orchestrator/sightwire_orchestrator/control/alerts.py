"""Answers requests on `control.alerts`, as long as this orchestrator is the active one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import assert_never

from pydantic import BaseModel

from sightwire.bus.connection import Bus
from sightwire.bus.responding import Responder
from sightwire.contracts import subjects
from sightwire.contracts.alerts import (
    ALERTS_REQUESTS,
    AlertHistory,
    AlertList,
    AlertsRequest,
    DeleteAlert,
    ListAlerts,
    PutAlert,
    ReadAlert,
    ReadAlertHistory,
    SilenceAlert,
)
from sightwire_orchestrator.alerts.opening import AlertOffice


class AlertsDesk:
    """Alert rules, for those who ask over the bus."""

    def __init__(self, bus: Bus, office: AlertOffice) -> None:
        self._bus = bus
        self._office = office

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answers requests while the block runs."""
        async with Responder(self._bus, subjects.CONTROL_ALERTS, ALERTS_REQUESTS, self.answer).answering():
            yield

    async def answer(self, request: AlertsRequest) -> BaseModel:
        """What is asked for; see `sightwire.contracts.alerts`."""
        match request:
            case ListAlerts():
                rules = await self._office.store.rules()
                return AlertList(alerts=tuple(one for one in rules if request.state in {None, one.standing.state}))
            case ReadAlert():
                return await self._office.store.get(request.name)
            case PutAlert():
                return await self._office.keeper.put(request.rule)
            case DeleteAlert():
                return await self._office.keeper.delete(request.name)
            case SilenceAlert():
                return await self._office.keeper.silence(request.name, request.seconds)
            case ReadAlertHistory():
                return AlertHistory(events=tuple(await self._office.store.history(request.name, request.limit)))
            case _:
                assert_never(request)
