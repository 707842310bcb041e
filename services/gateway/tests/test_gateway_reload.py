"""A gateway that takes new limits while it runs."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.http_gateway import run_gateway
from sightwire.settings import CONFIG_FILE_VARIABLE

KEY = {"authorization": "Bearer the-key"}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], object]:
    """Writes the settings file that the environment names."""
    path = tmp_path / "settings.yml"
    path.touch()
    monkeypatch.setenv(CONFIG_FILE_VARIABLE, str(path))
    return path.write_text


async def test_new_limits_hold_from_then_on(gateway_settings: SettingsFactory, write: Callable[[str], object]) -> None:
    async with run_gateway(gateway_settings, gateway_max_batch_items=1) as gateway:
        batch = {"items": [{"id": "a", "text": "x"}, {"id": "b", "text": "y"}]}

        async def put() -> httpx.Response:
            return await gateway.http.post("/v1/collections/reloaded/items:batch", json=batch)

        await gateway.http.post("/v1/collections", json={"name": "reloaded"})
        assert (await put()).status_code == 413
        write("gateway_max_batch_items: 2\ngateway_max_query_characters: 5\n")
        answer = await gateway.http.post("/-/reload")
        assert answer.status_code == 200
        assert {"name": "gateway_max_batch_items", "before": "1", "after": "2"} in answer.json()["applied"]
        assert (await put()).status_code != 413
        query = {"query": {"text": "more than five characters"}}
        refused = await gateway.http.post("/v1/collections/reloaded/search", json=query)
        assert refused.status_code == 422
        assert "5" in refused.json()["detail"]


async def test_wrong_settings_are_refused_and_the_key_is_asked_for(
    gateway_settings: SettingsFactory, write: Callable[[str], object]
) -> None:
    async with run_gateway(gateway_settings, admin_key="the-key") as gateway:
        write("gateway_max_batch_items: 0\n")
        assert (await gateway.http.post("/-/reload")).status_code == 401
        answer = await gateway.http.post("/-/reload", headers=KEY)
        assert answer.status_code == 422
        assert "SIGHTWIRE_GATEWAY_MAX_BATCH_ITEMS" in answer.json()["detail"]
