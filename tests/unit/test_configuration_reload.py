"""Settings that a running service reads again: all of the file is checked first, then what can change is applied."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from pydantic import Field, SecretStr

from sightwire.errors import ConfigurationError
from sightwire.platform.ports import find_free_port
from sightwire.service.health import Health
from sightwire.service.operations import OperationsApp, operations_pages, reload_action
from sightwire.service.reloading import Configuration, SettingChange, changes_between
from sightwire.settings import (
    CONFIG_FILE_VARIABLE,
    RELOADABLE,
    SharedSettings,
    load_settings,
    problems_of_file,
    read_settings_file,
)
from tests.plugin.waiting import wait_until


class ToySettings(SharedSettings):
    """Settings of a service that does not exist."""

    toy_size: int = Field(default=1, ge=0, json_schema_extra=RELOADABLE)
    toy_port: int = Field(default=1)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes the settings file that the environment names."""
    path = tmp_path / "settings.yml"
    monkeypatch.setenv(CONFIG_FILE_VARIABLE, str(path))

    def write_text(text: str) -> Path:
        path.write_text(text)
        return path

    return write_text


def succeeded() -> float | None:
    return REGISTRY.get_sample_value("sightwire_config_last_reload_successful")


async def test_what_can_change_is_applied_and_the_rest_is_named(write: Callable[[str], Path]) -> None:
    write("toy_size: 1\ntoy_port: 1\n")
    configuration = Configuration(load_settings(ToySettings))
    heard: list[ToySettings] = []
    configuration.add_listener(heard.append)
    write("toy_size: 2\ntoy_port: 2\n")
    outcome = await configuration.reload()
    assert outcome.applied == (SettingChange(name="toy_size", before="1", after="2"),)
    assert outcome.needs_restart == (SettingChange(name="toy_port", before="1", after="2"),)
    assert [(settings.toy_size, settings.toy_port) for settings in heard] == [(2, 1)]
    # What needs a restart is said again until there was one; listeners hear of changes alone.
    again = await configuration.reload()
    assert (again.applied, again.needs_restart) == ((), outcome.needs_restart)
    assert len(heard) == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("toy_size: -1\nlog_level: DEBUG\n", ["SIGHTWIRE_TOY_SIZE"]),
        ("toy_size: many\nlog_level: LOUD\n", ["SIGHTWIRE_TOY_SIZE", "SIGHTWIRE_LOG_LEVEL", "'LOUD'"]),
        ("toy_size: [1\n", ["settings.yml"]),
        ("just words", ["settings.yml"]),
        ("- toy_size\n", ["settings.yml"]),
    ],
)
async def test_nothing_is_applied_if_anything_is_wrong(
    write: Callable[[str], Path], text: str, named: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    write("toy_size: 1\n")
    configuration = Configuration(load_settings(ToySettings))
    configuration.add_listener(lambda _: pytest.fail("a refused file was applied"))
    present = configuration.settings
    write(text)
    with pytest.raises(ConfigurationError) as refused:
        await configuration.reload()
    assert all(name in refused.value.detail for name in named)
    assert refused.value.detail in str(caplog.records[-1].__dict__["reason"])
    assert configuration.settings == present
    assert succeeded() == 0.0
    write("toy_size: 1\n")
    await configuration.reload()
    assert succeeded() == 1.0


async def test_without_a_file_there_is_nothing_to_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG_FILE_VARIABLE, raising=False)
    with pytest.raises(ConfigurationError, match=CONFIG_FILE_VARIABLE):
        await Configuration(ToySettings()).reload()
    assert succeeded() == 1.0


async def test_the_environment_wins_over_the_file(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTWIRE_TOY_SIZE", "5")
    write("toy_size: 1\n")
    configuration = Configuration(load_settings(ToySettings))
    write("toy_size: 2\n")
    assert (await configuration.reload()).applied == ()
    assert configuration.settings.toy_size == 5


def test_secrets_are_not_shown() -> None:
    outcome = changes_between(
        ToySettings(nats_password=SecretStr("old-secret")), ToySettings(nats_password=SecretStr("new-secret"))
    )
    assert [change.name for change in outcome.needs_restart] == ["nats_password"]
    assert "secret" not in outcome.model_dump_json()


def test_a_file_is_checked_for_all_its_problems_whatever_the_environment_says(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTWIRE_TOY_SIZE", "5")
    monkeypatch.setenv("SIGHTWIRE_TOY_PORT", "none")
    path = write("toy_size: -1\nlog_level: LOUD\nother_size: x\n")
    values = read_settings_file(path)
    monkeypatch.setenv(CONFIG_FILE_VARIABLE, "elsewhere.yml")
    problems = problems_of_file(ToySettings, values)
    assert {problem.name for problem in problems} == {"toy_size", "log_level"}


async def test_reload_is_answered_on_this_machine_alone(write: Callable[[str], Path]) -> None:
    write("toy_size: 1\n")
    configuration = Configuration(load_settings(ToySettings))
    app = OperationsApp(operations_pages(Health()), {"/-/reload": reload_action(configuration)})

    async def post(client: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=app, client=(client, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
            return await http.post("/-/reload")

    write("toy_size: 3\n")
    assert (await post("10.0.0.7")).status_code == 403
    assert configuration.settings.toy_size == 1
    answer = await post("127.0.0.1")
    assert answer.status_code == 200
    assert answer.json()["applied"] == [{"name": "toy_size", "before": "1", "after": "3"}]
    write("toy_size: -3\n")
    answer = await post("::1")
    assert answer.status_code == 422
    assert answer.json()["code"] == "bad-configuration"
    assert "SIGHTWIRE_TOY_SIZE" in answer.json()["detail"]


_SERVICE = """
from sightwire.service.runner import run_service
from sightwire.settings import SharedSettings

async def main(context):
    await context.stopping.wait()

run_service("toy", SharedSettings, main)
"""


async def test_a_signal_makes_a_service_read_its_settings_again(write: Callable[[str], Path], tmp_path: Path) -> None:
    write("log_level: ERROR\n")
    port = find_free_port()
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _SERVICE,
            stderr=stderr,
            env={**os.environ, "SIGHTWIRE_OPS_PORT": str(port), "SIGHTWIRE_LOG_FORMAT": "text"},
        )
    try:
        await wait_until(lambda: _page(port, "/livez"), 30)
        write("log_level: INFO\n")
        process.send_signal(signal.SIGHUP)
        await wait_until(lambda: "settings were read again" in log.read_text())
        write("log_level: LOUD\n")
        process.send_signal(signal.SIGHUP)
        await wait_until(lambda: "the new settings were refused" in log.read_text())
        assert "sightwire_config_last_reload_successful 0.0" in await _page(port, "/metrics")
        process.terminate()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _page(port: int, path: str) -> Any:
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}{path}")).text
        except httpx.TransportError:
            return None
