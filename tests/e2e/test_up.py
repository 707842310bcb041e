"""`sightwire up` as a user runs it: a process of its own, stopped with Ctrl-C."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sightwire.client import AsyncSightwire
from sightwire.platform.ports import find_free_port
from tests.plugin.processes import run_to_end
from tests.plugin.waiting import Eventually

START_SECONDS = 60
COMMAND = (sys.executable, "-m", "sightwire.cli")


async def sightwire(*arguments: str) -> tuple[int, str]:
    """Exit status of `sightwire` with these arguments, and what it printed, on one line."""
    exit_status, printed = await run_to_end(*COMMAND, *arguments)
    return exit_status, " ".join(printed.split())


@pytest.fixture
def write_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], object]:
    """Writes the settings file that the environment names."""
    path = tmp_path / "settings.yml"
    monkeypatch.setenv("SIGHTWIRE_CONFIG", str(path))
    return path.write_text


@asynccontextmanager
async def up(data: Path, port: int) -> AsyncIterator[tuple[Process, dict[str, Any]]]:
    """A platform in the state "ready", with what it said when it became so."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "up", "--data-dir", str(data), "--port", str(port), "--no-demo", "--json", stdout=PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            async for line in process.stdout:
                event = json.loads(line)
                if event["event"] == "ready":
                    break
            else:
                pytest.fail("sightwire up ended before it was ready")
        # Nobody reads on: the pipe is large enough for what a healthy platform says.
        yield process, event
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def process_ids(ready: dict[str, Any]) -> list[int]:
    return [process["pid"] for process in ready["processes"]]


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


async def test_services_read_their_settings_again(tmp_path: Path, write_settings: Callable[[str], object]) -> None:
    write_settings("log_level: INFO\n")
    data, port = tmp_path / "data", find_free_port()
    command = ("config", "reload", "--data-dir", str(data), "--json")
    async with up(data, port) as (process, ready):
        write_settings("log_level: WARNING\nsearcher_keep_seconds: 7\ngateway_port: 1\n")
        exit_status, printed = await sightwire(*command)
        assert exit_status == 0
        applied = {entry["service"]: [change["name"] for change in entry["applied"]] for entry in json.loads(printed)}
        assert applied == {
            "gateway": ["log_level"],
            "embedder": ["log_level"],
            "indexer": ["log_level"],
            "searcher": ["log_level", "searcher_keep_seconds"],
            "orchestrator": ["log_level"],
        }
        write_settings("log_level: LOUD\n")
        exit_status, printed = await sightwire(*command)
        assert exit_status == 1
        assert all("SIGHTWIRE_LOG_LEVEL" in entry["problem"] for entry in json.loads(printed))
        # A terminal that is closed ends the platform, as it always did.
        process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(30):
            assert await process.wait() == 0
        assert not any(map(is_alive, process_ids(ready)))


async def test_ctrl_c_stops_everything_and_the_next_start_finds_everything(
    tmp_path: Path, eventually: Eventually
) -> None:
    data, port = tmp_path / "data", find_free_port()
    async with up(data, port) as (process, ready):
        assert ready["gateway_url"] == f"http://127.0.0.1:{port}"
        async with AsyncSightwire(ready["gateway_url"]) as client:
            await client.collections.create("kept")
            status = await client.items.put("kept", id="note", text="a lighthouse in the storm", wait=True)
            assert status.state == "searchable"

        exit_status, printed = await sightwire("status", "--data-dir", str(data), "--json")
        assert exit_status == 0
        assert {entry["process"] for entry in json.loads(printed)["processes"]} == {
            *("nats", "gateway", "embedder", "indexer", "orchestrator", "searcher")
        }

        exit_status, printed = await sightwire("up", "--data-dir", str(data), "--port", str(find_free_port()))
        assert exit_status == 1
        assert f"a platform already runs on {data} (process {process.pid})" in printed

        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            assert await process.wait() == 0
        assert not any(map(is_alive, process_ids(ready)))
        assert not (data / "run" / "platform.json").exists()

    async with up(data, port) as (process, ready):
        async with AsyncSightwire(ready["gateway_url"]) as client:
            found = await client.search("kept", text="storm")
            assert [hit.id for hit in found.hits] == ["note"]
        process.kill()
        await process.wait()
        await eventually(lambda: not any(map(is_alive, process_ids(ready))), describe="no process outlives `up`")

    exit_status, printed = await sightwire("status", "--data-dir", str(data))
    assert exit_status == 1
    assert "no platform runs on" in printed


def test_logs_of_every_process_are_json(platform: Any) -> None:
    for process in platform.info().processes:
        lines = Path(process.log).read_text().splitlines()
        assert lines, process.name
        assert all("message" in json.loads(line) for line in lines)


async def test_taken_port_is_a_clear_error(tmp_path: Path, nats_server: Any) -> None:
    port = str(nats_server.access.port)
    exit_status, printed = await sightwire("up", "--data-dir", str(tmp_path), "--port", port)
    assert exit_status == 1
    assert f"something already listens on 127.0.0.1:{port}" in printed


async def test_gateway_for_other_machines_needs_a_key(tmp_path: Path) -> None:
    port = str(find_free_port())
    exit_status, printed = await sightwire("up", "--data-dir", str(tmp_path), "--host", "0.0.0.0", "--port", port)
    assert exit_status == 1
    assert "admin key" in printed
    assert not (tmp_path / "nats").exists()


async def test_unusable_data_directory_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    exit_status, printed = await sightwire("up", "--data-dir", str(tmp_path / "file" / "data"))
    assert exit_status == 1
    assert "cannot be used" in printed
