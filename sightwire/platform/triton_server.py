"""A Triton server of its own for one model repository: to try the platform with Triton, and for tests."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

import sightwire
from sightwire.platform.errors import PlatformError
from sightwire.platform.ports import LOOPBACK, find_free_port

_PROGRAM: Final = "tritonserver"
#: Where `make setup-triton` puts it.
_HOME: Final = ".triton"
_ANSWER_SECONDS: Final = 2.0


@dataclass(frozen=True)
class TritonLaunch:
    """What it takes to run the server: `command` starts it, clients find it at `grpc_url`."""

    command: tuple[str, ...]
    #: Host and port, as `SIGHTWIRE_TRITON_URL` names it.
    grpc_url: str
    http_url: str


def find_triton_server() -> Path:
    """The server's program: the one on PATH, else the one that `make setup-triton` installed.

    Raises:
        PlatformError: there is neither.
    """
    on_path = shutil.which(_PROGRAM)
    if on_path is not None:
        return Path(on_path)
    for folder in (Path.cwd(), Path(sightwire.__file__).parents[1]):
        program = folder / _HOME / _PROGRAM
        if program.is_file():
            return program
    raise PlatformError(
        f"no Triton server found: expected {_PROGRAM} on PATH or in {_HOME}; `make setup-triton` installs it there, or "
        "says why it cannot; or name one that runs elsewhere in SIGHTWIRE_TRITON_URL"
    )


def prepare_triton_server(repository: Path) -> TritonLaunch:
    """How to run a server, on free ports of this machine alone, that serves the models of `repository`."""
    http, grpc = find_free_port(LOOPBACK), find_free_port(LOOPBACK)
    return TritonLaunch(
        (
            *(str(find_triton_server()), "--model-repository", str(repository.absolute())),
            *(f"--http-address={LOOPBACK}", f"--http-port={http}"),
            *(f"--grpc-address={LOOPBACK}", f"--grpc-port={grpc}"),
            "--allow-metrics=false",
            # The configurations are complete; the Python backend would start each model twice to ask it.
            "--disable-auto-complete-config",
        ),
        grpc_url=f"{LOOPBACK}:{grpc}",
        http_url=f"http://{LOOPBACK}:{http}",
    )


async def triton_is_ready(launch: TritonLaunch) -> bool:
    """Whether the server answers and has loaded its models."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=_ANSWER_SECONDS) as client:
            answer = await client.get(f"{launch.http_url}/v2/health/ready")
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK
