"""Ports for processes that are yet to start."""

import socket

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


def test_a_port_with_a_listener_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert not port_is_free("127.0.0.1", taken)
        assert preferred_or_free_port("127.0.0.1", taken) != taken
    free = find_free_port()
    assert preferred_or_free_port("127.0.0.1", free) == free
