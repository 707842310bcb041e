"""Wires the gateway: bus, blobs, gRPC channels, routes, server."""

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from sightwire import __version__
from sightwire.blobs import open_blob_store
from sightwire.bus.collections import CollectionDirectory, CollectionRegistry
from sightwire.bus.connection import Bus
from sightwire.bus.control import ControlClient
from sightwire.bus.item_status import ItemStatusStore
from sightwire.bus.orchestrator import OrchestratorClient
from sightwire.bus.pipelines import PipelinesClient
from sightwire.bus.records import RecordReader
from sightwire.bus.searchers import SearcherDirectory
from sightwire.contracts.operations import OperationRecord
from sightwire.contracts.schedules import ScheduleRecord
from sightwire.contracts.streams import OPERATIONS, SCHEDULES
from sightwire.errors import SightwireError
from sightwire.security.addresses import AddressPolicy
from sightwire.security.fetch import FetchLimits, PictureFetcher
from sightwire.security.keys import KeyCheck, require_key_unless_loopback, require_long_keys
from sightwire.service.operations import EmbeddedServer
from sightwire.service.reloading import Configuration
from sightwire.service.runner import ServiceContext
from sightwire_gateway import problems
from sightwire_gateway.backends import EmbedderClient, SearcherClient
from sightwire_gateway.bodies import BodyLimits, BodyReader
from sightwire_gateway.caches import open_caches
from sightwire_gateway.canaries import Canaries
from sightwire_gateway.channels import open_channel
from sightwire_gateway.clicks import Clicks
from sightwire_gateway.collections import CollectionDesk
from sightwire_gateway.doctor import Doctor
from sightwire_gateway.documentation import PROBLEM_RESPONSES, install_openapi
from sightwire_gateway.embedding_cache import EmbeddingCache
from sightwire_gateway.gateway import Gateway
from sightwire_gateway.guard import Guard
from sightwire_gateway.health import GatewayHealth
from sightwire_gateway.index_search import IndexSearch
from sightwire_gateway.ingest import Ingest
from sightwire_gateway.manifest_versions import ManifestVersions
from sightwire_gateway.migration_doctor import MigrationDoctor
from sightwire_gateway.owners import IndexOwners
from sightwire_gateway.pictures import PictureDesk
from sightwire_gateway.pipeline_runs import PipelineRuns
from sightwire_gateway.product_similarity import ProductSimilarity
from sightwire_gateway.query_cache import QueryCache
from sightwire_gateway.restoring import Restoring
from sightwire_gateway.routes import (
    alerts,
    backups,
    batches,
    clicks,
    collections,
    diagnosis,
    images,
    index,
    items,
    migrations,
    model_aliases,
    models,
    operations,
    pipelines,
    product_similarity,
    reviewers,
    reviews,
    runs,
    schedules,
    search,
    semantic_search,
    status,
    training,
    visual_search,
)
from sightwire_gateway.searching import SearchDesk
from sightwire_gateway.settings import GatewaySettings
from sightwire_gateway.thumbnails import Thumbnails
from sightwire_gateway.training import TrainingRuns

logger = logging.getLogger(__name__)

#: How long an idle connection is kept. Longer than clients and proxies keep theirs (5 to 60 s): if both sides give up
#: at the same age, a request is sometimes sent into a connection that is being closed, and fails.
_KEEP_ALIVE_SECONDS: Final = 75

# Those that answer most often first: routes are tried in order. Whole items last: their ids match everything.
_ROUTERS = (
    search.router,
    visual_search.router,
    semantic_search.router,
    product_similarity.router,
    clicks.router,
    batches.router,
    images.router,
    items.router,
    items.whole_items,
    operations.router,
    schedules.router,
    index.router,
    collections.router,
    backups.router,
    diagnosis.router,
    training.router,
    pipelines.router,
    runs.router,
    models.router,
    model_aliases.router,
    migrations.router,
    reviews.router,
    reviewers.router,
    alerts.router,
    status.router,
)


async def run(context: ServiceContext[GatewaySettings]) -> None:
    """Serves until `context.stopping` is set, then ends streams, finishes requests and returns."""
    settings = context.settings
    admin_key = settings.gateway_admin_key.get_secret_value() if settings.gateway_admin_key is not None else None
    named_keys = {name: key.get_secret_value() for name, key in settings.gateway_keys.items()}
    require_key_unless_loopback(settings.gateway_host, admin_key)
    require_long_keys(named_keys)
    async with open_gateway(context.configuration, stopping=context.stopping) as gateway:
        server = make_server(make_app(gateway, KeyCheck(admin_key, named_keys)), settings)
        serving = asyncio.create_task(server.serve(), name="http")
        stopping = asyncio.create_task(context.stopping.wait())
        # The server also ends by itself, when its port is taken.
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        server.should_exit = True
        await serving


def make_server(app: ASGIApp, settings: GatewaySettings) -> EmbeddedServer:
    """The HTTP server of the gateway's app, at the settings' address."""
    return EmbeddedServer(
        uvicorn.Config(
            app,
            host=settings.gateway_host,
            port=settings.gateway_port,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        )
    )


@asynccontextmanager
async def open_gateway(
    configuration: Configuration[GatewaySettings], *, stopping: asyncio.Event
) -> AsyncIterator[Gateway]:
    """The gateway's parts, connected; waits for the bus as long as it takes."""
    settings = configuration.settings
    async with AsyncExitStack() as resources:
        bus = await resources.enter_async_context(Bus(settings, name="gateway"))
        blobs = open_blob_store(settings.blobs_url)
        threads = ThreadPoolExecutor(settings.gateway_picture_threads, thread_name_prefix="pictures")
        resources.callback(threads.shutdown, wait=False, cancel_futures=True)
        caches = await resources.enter_async_context(open_caches(settings))
        embedder = EmbedderClient(
            await resources.enter_async_context(open_channel(settings.gateway_embedder_address)),
            deadline_seconds=settings.gateway_embed_seconds,
            cache=EmbeddingCache(caches.embeddings),
        )
        searcher = SearcherClient(
            await resources.enter_async_context(open_channel(settings.gateway_searcher_address)),
            deadline_seconds=settings.gateway_search_seconds,
        )
        fetcher = await resources.enter_async_context(
            PictureFetcher(
                AddressPolicy.allowing(entry for entry in settings.fetch_allow.split(",") if entry.strip()),
                FetchLimits(max_bytes=settings.gateway_max_picture_bytes, total_seconds=settings.gateway_fetch_seconds),
            )
        )
        pictures = PictureDesk(
            blobs,
            fetcher,
            threads,
            max_bytes=settings.gateway_max_picture_bytes,
            max_pixels=settings.gateway_max_pixels,
        )
        directory = CollectionDirectory(bus)
        desk = CollectionDesk(
            CollectionRegistry(bus),
            directory,
            embedder,
            searcher,
            default_name=settings.gateway_default_collection,
        )
        await resources.enter_async_context(directory)
        statuses = ItemStatusStore(bus)
        control = ControlClient(bus)
        pipelines_client = PipelinesClient(bus)
        searchers = await resources.enter_async_context(SearcherDirectory(bus))
        bodies = BodyReader(body_limits(settings), max_uploads=settings.gateway_max_uploads)
        manifests = await resources.enter_async_context(ManifestVersions(bus, searchers))
        indexes = IndexSearch(
            embedder,
            searcher,
            QueryCache(caches.answers, manifests),
            max_query_characters=settings.gateway_max_query_characters,
        )
        canaries = await resources.enter_async_context(
            Canaries(
                bus,
                shadow_seconds=settings.gateway_canary_seconds,
                max_in_flight=settings.gateway_canary_queries,
            )
        )
        owners = IndexOwners(control, desk)

        def take_settings(fresh: GatewaySettings) -> None:
            bodies.limits = body_limits(fresh)
            embedder.deadline_seconds = fresh.gateway_embed_seconds
            searcher.deadline_seconds = fresh.gateway_search_seconds
            indexes.max_query_characters = fresh.gateway_max_query_characters
            canaries.shadow_seconds = fresh.gateway_canary_seconds
            canaries.max_in_flight = fresh.gateway_canary_queries

        configuration.add_listener(take_settings)
        yield Gateway(
            configuration=configuration,
            blobs=blobs,
            bodies=bodies,
            caches=caches,
            clicks=Clicks(bus),
            collections=desk,
            control=control,
            doctor=Doctor(bus, owners, searchers, embedder, desk, MigrationDoctor(bus, desk, pipelines_client)),
            health=GatewayHealth(bus, embedder, searcher, caches, stopping),
            ingest=Ingest(bus, statuses, pictures, max_picture_bytes=settings.gateway_max_picture_bytes),
            operations=RecordReader(bus, OPERATIONS, OperationRecord),
            orchestrator=OrchestratorClient(bus),
            owners=owners,
            pictures=pictures,
            pipelines=pipelines_client,
            restoring=Restoring(control, owners, desk),
            runs=PipelineRuns(bus, pipelines_client),
            schedules=RecordReader(bus, SCHEDULES, ScheduleRecord),
            search=SearchDesk(desk, indexes, canaries),
            searcher=searcher,
            similarity=ProductSimilarity(embedder),
            statuses=statuses,
            thumbnails=Thumbnails(blobs, threads, max_pixels=settings.gateway_max_pixels),
            training=TrainingRuns(bus),
            stopping=stopping,
        )


def body_limits(settings: GatewaySettings) -> BodyLimits:
    """How large bodies may be, and how slow, as the settings say."""
    return BodyLimits(
        picture_bytes=settings.gateway_max_picture_bytes,
        json_bytes=settings.gateway_max_json_bytes,
        seconds=settings.gateway_upload_seconds,
    )


def make_app(gateway: Gateway, keys: KeyCheck) -> ASGIApp:
    """The ASGI application around the gateway's parts."""
    app = make_routes()
    app.state.gateway = gateway
    return Guard(app, keys)


def make_routes() -> FastAPI:
    """The routes alone, without parts behind them: enough for the OpenAPI document."""
    app = FastAPI(
        title="Sightwire",
        version=__version__,
        description="Search for images and text. Errors are problem documents (RFC 9457) with a trace id.",
        responses=PROBLEM_RESPONSES,
        # The guard has spans, metrics and logs already, which also cover what never reaches a route.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
        default_response_class=Response,
        redirect_slashes=False,
    )
    for router in _ROUTERS:
        app.include_router(router)
    app.add_exception_handler(SightwireError, problems.answer_platform_error)
    app.add_exception_handler(RequestValidationError, problems.answer_validation_error)
    app.add_exception_handler(ValidationError, problems.answer_validation_error)
    app.add_exception_handler(HTTPException, problems.answer_http_error)
    app.add_exception_handler(NatsError, problems.answer_bus_error)
    app.add_exception_handler(JetStreamError, problems.answer_bus_error)
    app.add_exception_handler(Exception, problems.answer_unexpected_error)
    install_openapi(app)
    return app
