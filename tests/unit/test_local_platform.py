"""The plan of a platform on one machine, and the data directory that it runs on."""

import importlib
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from sightwire.platform.data_directory import DataDirectory, PlatformInfo
from sightwire.platform.errors import PlatformError
from sightwire.platform.local_platform import LocalPlatform, SearcherPorts, ServicePorts, plan_local_platform
from sightwire.platform.nats_cluster import prepare_nats_servers
from sightwire.platform.s3_server import S3Launch, prepare_s3_server
from sightwire.settings import SharedSettings

ROOT = Path(__file__).parents[2]
SERVICES = ("gateway", "embedder", "indexer", "searcher", "orchestrator")


def plan(tmp_path: Path, host: str = "127.0.0.1", s3: S3Launch | None = None, **environment: str) -> LocalPlatform:
    return plan_local_platform(
        data=DataDirectory(tmp_path),
        nats=prepare_nats_servers(tmp_path, 1),
        ports=ServicePorts(8200, 1, 2, 3, 4, (SearcherPorts(5, 6),)),
        host=host,
        bundle=None,
        environment=environment,
        s3=s3,
    )


def environment_of(platform: LocalPlatform, name: str) -> dict[str, str]:
    (spec,) = [spec for group in platform.start_groups for spec in group if spec.name == name]
    return dict(spec.environment)


def settings_class(service: str) -> type[SharedSettings]:
    module = importlib.import_module(f"sightwire_{service}.settings")
    return getattr(module, f"{service.capitalize()}Settings")


def unknown_settings(service: str, variables: Any) -> set[str]:
    known = {f"SIGHTWIRE_{field.upper()}" for field in settings_class(service).model_fields}
    return {variable for variable in variables if variable.startswith("SIGHTWIRE_")} - known


@pytest.mark.parametrize("service", SERVICES)
def test_services_know_every_setting_they_are_given(service: str, tmp_path: Path) -> None:
    assert unknown_settings(service, environment_of(plan(tmp_path), service)) == set()


@pytest.mark.parametrize("service", SERVICES)
def test_containers_know_every_setting_they_are_given(service: str) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert unknown_settings(service, compose["services"][service]["environment"]) == set()


def test_only_the_gateway_leaves_loopback(tmp_path: Path) -> None:
    platform = plan(tmp_path, host="0.0.0.0")
    assert environment_of(platform, "gateway")["SIGHTWIRE_GATEWAY_HOST"] == "0.0.0.0"
    assert {environment_of(platform, service)["SIGHTWIRE_HOST"] for service in SERVICES} == {"127.0.0.1"}
    assert platform.gateway_url == "http://127.0.0.1:8200"


@pytest.mark.parametrize(
    ("host", "url"),
    [("::1", "http://[::1]:8200"), ("192.0.2.1", "http://192.0.2.1:8200"), ("::", "http://127.0.0.1:8200")],
)
def test_addresses_can_be_reached_from_here(tmp_path: Path, host: str, url: str) -> None:
    assert plan(tmp_path, host=host).gateway_url == url


def test_bus_starts_first_and_the_gateway_stops_first(tmp_path: Path) -> None:
    order = [spec.name for group in plan(tmp_path).start_groups for spec in group]
    assert order[0] == "nats"
    assert order[-1] == "gateway"


def test_plan_wins_over_the_environment_but_keeps_the_users_settings(tmp_path: Path) -> None:
    environment = environment_of(
        plan(tmp_path, SIGHTWIRE_NATS_URL="nats://elsewhere:1", SIGHTWIRE_LOG_LEVEL="DEBUG"), "indexer"
    )
    assert environment["SIGHTWIRE_NATS_URL"].startswith("nats://127.0.0.1:")
    assert environment["SIGHTWIRE_LOG_LEVEL"] == "DEBUG"


@pytest.mark.parametrize(
    ("setting", "folder"), [("SIGHTWIRE_BLOBS_URL", "blobs"), ("SIGHTWIRE_INDEXER_BACKUPS_URL", "backups")]
)
def test_stores_are_in_the_data_directory_unless_the_user_says_where(tmp_path: Path, setting: str, folder: str) -> None:
    assert environment_of(plan(tmp_path), "indexer")[setting] == str(tmp_path / folder)
    elsewhere = {setting: "s3://bucket/prefix"}
    assert environment_of(plan(tmp_path, **elsewhere), "indexer")[setting] == "s3://bucket/prefix"


def test_an_s3_server_of_its_own_has_the_blobs_and_starts_before_the_services(tmp_path: Path) -> None:
    s3 = prepare_s3_server(tmp_path)
    platform = plan(tmp_path, s3=s3, SIGHTWIRE_BLOBS_URL="s3", AWS_ENDPOINT_URL="http://elsewhere")
    assert "s3" in {spec.name for spec in platform.start_groups[0]}
    for service in SERVICES:
        environment = environment_of(platform, service)
        assert environment["SIGHTWIRE_BLOBS_URL"] == "s3://sightwire"
        assert environment["AWS_ENDPOINT_URL_S3"] == s3.access.endpoint
    again = prepare_s3_server(tmp_path).access
    assert again == s3.access
    assert stat.S_IMODE((tmp_path / "s3/access.json").stat().st_mode) == 0o600


def test_orchestrator_has_its_database_in_the_data_directory_unless_the_user_says_where(tmp_path: Path) -> None:
    url = "SIGHTWIRE_ORCHESTRATOR_DATABASE_URL"
    assert environment_of(plan(tmp_path), "orchestrator")[url] == f"sqlite:///{tmp_path}/orchestrator/orchestrator.db"
    elsewhere = {url: "postgresql://somebody@somewhere/sightwire"}
    assert environment_of(plan(tmp_path, **elsewhere), "orchestrator")[url] == elsewhere[url]


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        ({}, None),
        ({"SIGHTWIRE_GATEWAY_ADMIN_KEY": "k" * 16}, "k" * 16),
        ({"SIGHTWIRE_GATEWAY_ADMIN_KEY": "k" * 16, "SIGHTWIRE_ORCHESTRATOR_PLATFORM_API_KEY": "own"}, "own"),
    ],
)
def test_orchestrator_has_the_key_of_the_gateway(tmp_path: Path, environment: dict[str, str], key: str | None) -> None:
    given = environment_of(plan(tmp_path, **environment), "orchestrator")
    assert given.get("SIGHTWIRE_ORCHESTRATOR_PLATFORM_API_KEY") == key
    assert given["SIGHTWIRE_ORCHESTRATOR_PLATFORM_URL"] == "http://127.0.0.1:8200"


INFO = PlatformInfo(
    version="1",
    supervisor_pid=1,
    started_at="2026-01-31T00:00:00+00:00",
    data_directory="data",
    gateway_url="http://127.0.0.1:8200",
    nats_url="nats://127.0.0.1:4222",
)


def test_directory_serves_one_platform_at_a_time(tmp_path: Path) -> None:
    first, second = DataDirectory(tmp_path), DataDirectory(tmp_path)
    first.lock()
    with pytest.raises(PlatformError, match="already runs"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


def test_addresses_left_by_a_killed_platform_do_not_count(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.lock()
    directory.write_info(INFO)
    assert DataDirectory(tmp_path).read_info() == INFO
    directory.unlock()  # as the system does for a process that was killed
    assert DataDirectory(tmp_path).read_info() is None


def test_new_directory_has_no_platform(tmp_path: Path) -> None:
    assert DataDirectory(tmp_path / "nothing").read_info() is None
    assert not DataDirectory(tmp_path / "nothing").is_in_use
