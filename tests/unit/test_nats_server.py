"""The launcher against the real nats-server."""

import json
import os
import signal
import stat
from pathlib import Path

import nats
import pytest
from nats.js.api import StreamConfig

from sightwire.platform.errors import PlatformError
from sightwire.platform.nats_server import NatsServer, prepare_nats_server, read_nats_access
from sightwire.platform.ports import find_free_port


async def test_credentials_and_streams_survive_a_restart(tmp_path: Path) -> None:
    async with NatsServer(tmp_path) as server:
        first = server.access
        connection = await nats.connect(first.url_with_credentials)
        await connection.jetstream().add_stream(StreamConfig(name="KEPT", subjects=["kept.>"]))
        await connection.jetstream().publish("kept.one", b"payload")
        await connection.close()
    async with NatsServer(tmp_path) as server:
        assert (server.access.user, server.access.password) == (first.user, first.password)
        assert server.access.url == first.url
        connection = await nats.connect(server.access.url_with_credentials)
        assert (await connection.jetstream().get_msg("KEPT", 1)).data == b"payload"
        await connection.close()


async def test_acknowledged_messages_survive_a_kill(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    access = await server.start()
    connection = await nats.connect(access.url_with_credentials, allow_reconnect=False)
    stream = connection.jetstream()
    await stream.add_stream(StreamConfig(name="KEPT", subjects=["kept.>"]))
    acknowledged = [(await stream.publish("kept.one", b"payload")).seq for _ in range(20)]
    await server.kill()
    await connection.close()
    access = await server.start()
    connection = await nats.connect(access.url_with_credentials)
    assert (await connection.jetstream().stream_info("KEPT")).state.last_seq == acknowledged[-1]
    await connection.close()
    await server.stop()


async def test_nobody_enters_without_the_password(nats_server: NatsServer) -> None:
    refusals: list[Exception] = []

    async def remember(error: Exception) -> None:
        refusals.append(error)

    with pytest.raises(Exception, match=r"(?i)authorization"):
        await nats.connect(nats_server.access.url, allow_reconnect=False, error_cb=remember)


def test_files_with_credentials_are_closed_to_others(tmp_path: Path) -> None:
    launch = prepare_nats_server(tmp_path)
    for name in ("access.json", "nats-server.conf"):
        assert stat.S_IMODE((launch.directory / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(launch.directory.stat().st_mode) == 0o700


def test_configuration_syncs_every_acknowledged_message(tmp_path: Path) -> None:
    launch = prepare_nats_server(tmp_path)
    text = (launch.directory / "nats-server.conf").read_text()
    assert "sync_interval: always" in text
    assert 'listen: "127.0.0.1:' in text


def test_damaged_access_file_is_a_clear_error(tmp_path: Path) -> None:
    prepare_nats_server(tmp_path)
    (tmp_path / "nats" / "access.json").write_text(json.dumps({"address": "?"}))
    with pytest.raises(PlatformError, match="delete it"):
        read_nats_access(tmp_path)


async def test_taken_port_is_reported_with_the_servers_own_words(nats_server: NatsServer, tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"(?i)address already in use"):
        await NatsServer(tmp_path, port=nats_server.access.port).start()


async def test_stop_ends_the_process(tmp_path: Path) -> None:
    server = NatsServer(tmp_path, port=find_free_port())
    await server.start()
    process_id = server.process_id
    assert process_id is not None
    await server.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, signal.SIG_DFL)
    await server.stop()
