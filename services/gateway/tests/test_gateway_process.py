"""The gateway as a process: which settings it refuses, and how it stops."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE

import httpx
import pytest

from sightwire.platform.nats_server import NatsServer
from sightwire.platform.ports import find_free_port
from tests.plugin.waiting import Eventually

COMMAND = (sys.executable, "-m", "sightwire_gateway")


async def run(**settings: str) -> tuple[int | None, str]:
    """Exit status and what was printed."""
    environment = {**os.environ, **{f"SIGHTWIRE_{name}": value for name, value in settings.items()}}
    process = await asyncio.create_subprocess_exec(*COMMAND, stdout=PIPE, stderr=PIPE, env=environment)
    async with asyncio.timeout(30):
        _, errors = await process.communicate()
    return process.returncode, errors.decode()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"GATEWAY_HOST": "0.0.0.0"}, "needs an admin key"),
        ({"GATEWAY_HOST": "::"}, "needs an admin key"),
        ({"GATEWAY_HOST": "0.0.0.0", "GATEWAY_ADMIN_KEY": "short"}, "at least 16 characters"),
        ({"GATEWAY_PORT": "eighty"}, "GATEWAY_PORT"),
    ],
)
async def test_settings_that_cannot_be_meant_end_the_process(settings: dict[str, str], message: str):
    status, errors = await run(**settings)
    assert status == 78
    assert message in errors
    assert "Traceback" not in errors


async def test_it_stops_cleanly_while_it_serves(nats_server: NatsServer, tmp_path, eventually: Eventually):
    port = find_free_port()
    environment = {
        **os.environ,
        "SIGHTWIRE_NATS_URL": nats_server.access.url,
        "SIGHTWIRE_NATS_USER": nats_server.access.user,
        "SIGHTWIRE_NATS_PASSWORD": nats_server.access.password,
        "SIGHTWIRE_BLOBS_URL": str(tmp_path),
        "SIGHTWIRE_GATEWAY_PORT": str(port),
        "SIGHTWIRE_GATEWAY_SEARCHER_ADDRESS": f"127.0.0.1:{find_free_port()}",
        "SIGHTWIRE_GATEWAY_EMBEDDER_ADDRESS": f"127.0.0.1:{find_free_port()}",
    }
    process = await asyncio.create_subprocess_exec(*COMMAND, stderr=PIPE, env=environment)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as http:

        async def is_alive() -> bool:
            try:
                return (await http.get("/livez")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(is_alive, deadline=30)
        # Nobody can search with neither embedder nor searcher, and it says so.
        health = await http.get("/health")
        assert health.status_code == 503
        assert health.json()["nats"] == "healthy"
        assert health.json()["faiss"].startswith("unhealthy")
        assert (await http.get("/readyz")).status_code == 503
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert b"Traceback" not in errors
