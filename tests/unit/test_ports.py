"""Ports for processes that are yet to start."""

import asyncio
import socket
import sys

import pytest

from sightwire.platform import ports
from sightwire.platform.errors import PlatformError
from sightwire.platform.ports import find_free_port, port_is_free, preferred_or_free_port


def test_a_port_is_promised_once_though_nothing_listens_on_it_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_CHOICE", range(21_000, 21_200))
    monkeypatch.setattr(ports, "_promised", set())
    found = [find_free_port() for _ in range(50)]
    assert len(set(found)) == 50
    monkeypatch.setattr(ports, "_promised", set(range(21_000, 21_200)))
    with pytest.raises(PlatformError, match="no free port"):
        find_free_port()


_PROMISED_ONE = """
import sys
from sightwire.platform import ports
ports._CHOICE = range(21_200, 21_400)
print(ports.find_free_port(), flush=True)
sys.stdin.read()
"""


async def test_a_port_is_promised_to_one_process_for_as_long_as_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_CHOICE", range(21_200, 21_400))
    other = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PROMISED_ONE), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert other.stdout is not None
    theirs = int(await other.stdout.readline())
    monkeypatch.setattr(ports, "_promised", set(ports._CHOICE) - {theirs})
    with pytest.raises(PlatformError, match="no free port"):
        find_free_port()
    await other.communicate(b"")
    assert find_free_port() == theirs


def test_a_port_with_a_listener_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert not port_is_free("127.0.0.1", taken)
        assert preferred_or_free_port("127.0.0.1", taken) != taken
    free = find_free_port()
    assert preferred_or_free_port("127.0.0.1", free) == free
