"""Getting and running the engines that search is compared with."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.search.catalogue import ENGINES
from bench.search.peers import opensearch_home
from bench.search.peers.installing import PACKAGES, Installable, NotAvailableError
from bench.search.peers.server_process import server_process

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_a_peer_is_installed_once(cache: Path) -> None:
    calls: list[Path] = []

    def install(path: Path) -> None:
        calls.append(path)
        path.mkdir()

    peer = Installable("peer-1", install)
    assert peer.installed() == peer.installed() == cache / "sightwire/bench/peers/peer-1"
    assert len(calls) == 1


def test_a_peer_that_cannot_be_had_says_why() -> None:
    def install(_path: Path) -> None:
        subprocess.run(["a-program-that-nobody-has"], check=True)

    with pytest.raises(NotAvailableError, match=r"peer-2 cannot be installed: .*a-program-that-nobody-has"):
        Installable("peer-2", install).installed()


def test_the_project_itself_needs_nothing_of_the_peers() -> None:
    own = [name for name, entry in ENGINES.items() if not entry.is_peer]
    assert own == ["faiss", "bare-grpc", "sightwire", "sightwire-two"]
    assert all(PACKAGES in entry.needs for name, entry in ENGINES.items() if name not in own)


def test_maven_is_asked_for_each_artifact_once(tmp_path: Path) -> None:
    project = ElementTree.fromstring(opensearch_home.maven_project(tmp_path / "a & b"))
    space = {"maven": "http://maven.apache.org/POM/4.0.0"}
    executions = project.findall(".//maven:execution", space)
    found = {
        (
            execution.findtext(".//maven:outputDirectory", "", space),
            execution.findtext(".//maven:artifactId", "", space),
        )
        for execution in executions
    }
    assert len(found) == len(executions) > 50
    assert (str(tmp_path / "a & b/lib"), "opensearch") in found
    assert (str(tmp_path / "a & b/plugins/opensearch-knn"), "opensearch-knn") in found


async def test_a_server_that_ends_early_shows_the_end_of_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such port')"]
    with pytest.raises(RuntimeError, match=r"ended with 1:\s+no such port"):
        async with server_process(command, is_ready=never, log=tmp_path / "log", environment={}):
            pytest.fail("it was not ready")


async def test_a_server_is_ended_with_its_block(tmp_path: Path) -> None:
    async with server_process(SLEEPER, is_ready=at_once, log=tmp_path / "log", environment={}) as process_id:
        os.kill(process_id, 0)  # raises unless there is such a process
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


async def never() -> bool:
    return False


async def at_once() -> bool:
    return True
