"""Collections and running gateways for the gateway's tests."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from sightwire_gateway.settings import GatewaySettings

from services.gateway.tests.http_gateway import RunningGateway, run_gateway
from services.orchestrator.tests.orchestrator_world import OrchestratorWorld, orchestrator_world
from sightwire.contracts.collections import CollectionRecord, CollectionSpec
from sightwire.platform.nats_server import NatsServer

DIMENSION = 4


def make_record(**spec: Any) -> CollectionRecord:
    """A record with resolved dimensions; by default with the platform's three fields."""
    spec.setdefault("fields", {name: {"source": name, "dimension": DIMENSION} for name in ("image", "object", "text")})
    return CollectionRecord(
        spec=CollectionSpec.model_validate({"name": "photos", **spec}),
        uid="uid1",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        space="space-1",
        class_names=("person", "cat"),
    )


@pytest.fixture
def record() -> CollectionRecord:
    """A collection of pictures with all the platform's fields and one of the user's own."""
    fields: dict[str, Any] = {name: {"source": name, "dimension": DIMENSION} for name in ("image", "object", "text")}
    return make_record(fields={**fields, "own": {"dimension": 2}})


@pytest.fixture
def user_record() -> CollectionRecord:
    """A collection of the user's own vectors."""
    return make_record(fields={"own": {"dimension": 2}})


SettingsFactory = Callable[..., GatewaySettings]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    module_nats_server: NatsServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OrchestratorWorld]:
    """What it takes to run an orchestrator, for the tests of one module."""
    async with orchestrator_world(module_nats_server, tmp_path_factory.mktemp("orchestrator")) as world:
        yield world


@pytest.fixture(scope="module")
def gateway_settings(nats_server: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> SettingsFactory:
    """Makes settings for gateways on the session's bus, with small limits, for tests to change."""
    blobs = tmp_path_factory.mktemp("blobs")

    def settings(**changes: Any) -> GatewaySettings:
        return GatewaySettings.model_validate(
            {
                "nats_url": nats_server.access.url,
                "nats_user": nats_server.access.user,
                "nats_password": nats_server.access.password,
                "blobs_url": str(blobs),
                "gateway_max_picture_bytes": 200_000,
                "gateway_max_pixels": 1_000_000,
                "gateway_max_json_bytes": 300_000,
                "gateway_max_batch_items": 50,
                "gateway_max_stream_items": 2000,
                "gateway_default_collection": "default-of-tests",
                **changes,
            }
        )

    return settings


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(gateway_settings: SettingsFactory) -> AsyncIterator[RunningGateway]:
    """A gateway that the tests of one module share."""
    async with run_gateway(gateway_settings) as gateway:
        yield gateway
