"""Everything that routes use, in one place."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from sightwire.blobs import BlobStore
from sightwire.bus.control import ControlClient
from sightwire.bus.item_status import ItemStatusStore
from sightwire.bus.orchestrator import OrchestratorClient
from sightwire.bus.pipelines import PipelinesClient
from sightwire.bus.records import RecordReader
from sightwire.contracts.operations import OperationRecord
from sightwire.contracts.schedules import ScheduleRecord
from sightwire.service.reloading import Configuration
from sightwire_gateway.backends import SearcherClient
from sightwire_gateway.bodies import BodyReader
from sightwire_gateway.caches import GatewayCaches
from sightwire_gateway.clicks import Clicks
from sightwire_gateway.collections import CollectionDesk
from sightwire_gateway.doctor import Doctor
from sightwire_gateway.health import GatewayHealth
from sightwire_gateway.ingest import Ingest
from sightwire_gateway.owners import IndexOwners
from sightwire_gateway.pictures import PictureDesk
from sightwire_gateway.pipeline_runs import PipelineRuns
from sightwire_gateway.product_similarity import ProductSimilarity
from sightwire_gateway.restoring import Restoring
from sightwire_gateway.searching import SearchDesk
from sightwire_gateway.settings import GatewaySettings
from sightwire_gateway.thumbnails import Thumbnails
from sightwire_gateway.training import TrainingRuns


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway's parts. `stopping` is set when it begins to drain."""

    configuration: Configuration[GatewaySettings]
    blobs: BlobStore
    bodies: BodyReader
    caches: GatewayCaches
    clicks: Clicks
    collections: CollectionDesk
    control: ControlClient
    doctor: Doctor
    health: GatewayHealth
    ingest: Ingest
    operations: RecordReader[OperationRecord]
    orchestrator: OrchestratorClient
    owners: IndexOwners
    pictures: PictureDesk
    pipelines: PipelinesClient
    restoring: Restoring
    runs: PipelineRuns
    schedules: RecordReader[ScheduleRecord]
    search: SearchDesk
    searcher: SearcherClient
    similarity: ProductSimilarity
    statuses: ItemStatusStore
    thumbnails: Thumbnails
    training: TrainingRuns
    stopping: asyncio.Event

    @property
    def settings(self) -> GatewaySettings:
        """The settings in force; some may change while the gateway runs."""
        return self.configuration.settings


async def gateway_of(request: Request) -> Gateway:
    """The gateway that answers a request."""
    gateway: Gateway = request.app.state.gateway
    return gateway


GatewayParts = Annotated[Gateway, Depends(gateway_of)]
