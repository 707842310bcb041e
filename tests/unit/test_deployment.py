"""What docker-compose.yml promises, read from the file."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parents[1].name for path in ROOT.glob("services/*/sightwire_*/__main__.py"))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_every_service_has_a_container_with_its_own_requirements(compose: dict[str, Any]) -> None:
    assert sorted(compose["services"]) == sorted([*SERVICES, "nats", "s3", "valkey"])
    for name in SERVICES:
        assert compose["services"][name]["build"]["args"] == {"SERVICE": name}
        assert (ROOT / "requirements" / f"{name}.txt").exists()


def test_only_the_gateway_is_published_and_only_on_loopback(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert list(published) == ["gateway"]
    assert all(port.startswith("127.0.0.1:") for port in published["gateway"])


def test_no_secret_has_a_default(compose: dict[str, Any]) -> None:
    assert compose["x-settings"]["SIGHTWIRE_NATS_PASSWORD"].startswith("${SIGHTWIRE_NATS_PASSWORD:?")
    admin_key = compose["services"]["gateway"]["environment"]["SIGHTWIRE_GATEWAY_ADMIN_KEY"]
    assert admin_key.startswith("${SIGHTWIRE_ADMIN_KEY:?")


def test_services_only_carry_packages_of_their_own() -> None:
    names = {service: (ROOT / "requirements" / f"{service}.txt").read_text() for service in SERVICES}
    assert "\nfaiss-cpu==" not in names["gateway"]
    assert "\nonnxruntime==" not in names["searcher"]
    assert "\nfastapi==" not in names["indexer"]
    assert [service for service, text in names.items() if "\ntorch==" in text] == ["trainer"]


def test_bus_of_the_containers_writes_before_it_acknowledges() -> None:
    assert "sync_interval: always" in (ROOT / "deploy" / "nats.conf").read_text()
