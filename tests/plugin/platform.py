"""The whole platform, real processes and all, for tests across services."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sightwire.client import AsyncSightwire
from sightwire.platform.ports import find_free_port
from sightwire.platform.running_platform import PlatformOptions, RunningPlatform, run_platform
from tests.plugin.otlp import TraceReceiver


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def platform(
    tmp_path_factory: pytest.TempPathFactory, trace_receiver: TraceReceiver
) -> AsyncIterator[RunningPlatform]:
    """A platform without the demo, started once for all tests that ask for it; its traces go to `trace_receiver`.

    Tests give their collections names of their own (`unique_name`). Those that kill processes leave it as they found
    it: every process is restarted by the supervisor.
    """
    options = PlatformOptions(
        data_directory=tmp_path_factory.mktemp("platform"),
        port=find_free_port(),
        environment={"SIGHTWIRE_OTLP_ENDPOINT": trace_receiver.endpoint},
    )
    async with run_platform(options) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def async_client(platform: RunningPlatform) -> AsyncIterator[AsyncSightwire]:
    """A client of `platform` whose methods are coroutines."""
    async with AsyncSightwire(platform.gateway_url) as client:
        yield client


@pytest.fixture
def gateway_url(platform: RunningPlatform) -> str:
    """Base URL of `platform`."""
    return platform.gateway_url
