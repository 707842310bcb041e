"""`canary`: a share of a collection's queries answered by its shadow for a while, and judged."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self

from nats.aio.msg import Msg
from pydantic import Field, JsonValue, PositiveFloat, PositiveInt, ValidationError, model_validator

from sightwire.bus.collections import CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.collections import Canary, CollectionRecord
from sightwire.contracts.migration_plans import CANARY_QUERIES, CanaryThresholds
from sightwire.contracts.migrations import CanaryObservation
from sightwire_orchestrator.migrations.canary_judging import judge_canary
from sightwire_orchestrator.migrations.opened import OpenedMigration
from sightwire_orchestrator.migrations.switching import with_canary, without_canary
from sightwire_orchestrator.tasks.builtin.migration_parameters import MigrationParameters
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.errors import OperationFailedError
from sightwire_orchestrator.tasks.registry import handler

_LOOK_SECONDS: Final = 0.5


class CanaryParameters(MigrationParameters):
    """Which migration, how many queries, and what they are to show."""

    share: float = Field(gt=0, le=1, description="Of the collection's queries")
    queries: PositiveInt = Field(default=CANARY_QUERIES, description="After which it ends")
    seconds: PositiveFloat = Field(default=3600.0, description="After which it ends at the latest")
    thresholds: CanaryThresholds = CanaryThresholds()

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        self.thresholds.require_enough(self.queries)
        return self


@handler("canary")
async def canary(context: TaskContext, parameters: CanaryParameters) -> JsonValue:
    """Let a shadow answer some queries: {queries, answered_by_shadow, errors, overlap, median_seconds, …}.

    However it ends, no query goes to the shadow afterwards. The task fails if the shadow did not do well.
    """
    bus = context.resources.require_bus()
    opened = await parameters.open(bus)
    observations: list[CanaryObservation] = []
    ends_at = time.monotonic() + parameters.seconds
    async with _observed(bus, opened, observations), _sent_to_shadow(bus, opened, parameters.share):
        while len(observations) < parameters.queries and time.monotonic() < ends_at:
            context.progress("observing queries", done=len(observations), total=parameters.queries, unit="queries")
            await asyncio.sleep(_LOOK_SECONDS)
    report = judge_canary(observations, parameters.thresholds)
    if report.problems:
        raise OperationFailedError(f"the canary of {opened.users.name!r} did not do well: {'; '.join(report.problems)}")
    return report.model_dump(mode="json", exclude={"problems"})


@asynccontextmanager
async def _observed(bus: Bus, opened: OpenedMigration, observations: list[CanaryObservation]) -> AsyncIterator[None]:
    async def observe(message: Msg) -> None:
        try:
            seen = CanaryObservation.model_validate_json(message.data)
        except ValidationError:
            # Of a gateway that is newer than this worker.
            return
        if seen.shadow == opened.shadow.name:
            observations.append(seen)

    subscription = await bus.client.subscribe(subjects.canary(opened.users.name), cb=observe)
    try:
        yield
    finally:
        if bus.is_connected:
            await subscription.unsubscribe()


@asynccontextmanager
async def _sent_to_shadow(bus: Bus, opened: OpenedMigration, share: float) -> AsyncIterator[None]:
    registry, users = CollectionRegistry(bus), opened.users.name
    wanted = Canary(shadow=opened.shadow.name, share=share)

    def begun(record: CollectionRecord) -> CollectionRecord:
        return with_canary(record, wanted, source=opened.source.name)

    await registry.change(users, begun)
    try:
        yield
    finally:
        await registry.change(users, lambda record: without_canary(record, wanted.shadow))
