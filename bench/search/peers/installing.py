"""Gets the peers onto this machine, once, into the user's cache folder: `python -m bench.search.peers.installing`.

Their Python packages have a virtual environment of their own, as they would not agree with those of the project.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.cache import cache_folder
from bench.search.peers import opensearch_home

_REPOSITORY: Final = Path(__file__).parents[3]
_REQUIREMENTS: Final = _REPOSITORY / "requirements/bench-peers.in"
WEAVIATE_VERSION: Final = "1.35.2"
_WEAVIATE_MODULE: Final = f"github.com/weaviate/weaviate/cmd/weaviate-server@v{WEAVIATE_VERSION}"


class NotAvailableError(Exception):
    """A peer cannot be had on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Installable:
    """Something in the cache folder: made by `install(path)` when it is not there."""

    name: str
    install: Callable[[Path], None]

    def installed(self) -> Path:
        """Where it is.

        Raises:
            NotAvailableError: it could not be installed.
        """
        path = cache_folder("peers") / self.name
        if path.exists():
            return path
        print(f"installing {self.name} …", file=sys.stderr, flush=True)
        try:
            self.install(path)
        except (OSError, subprocess.CalledProcessError) as error:
            raise NotAvailableError(f"{self.name} cannot be installed: {error}") from error
        return path


def _install_packages(path: Path) -> None:
    # Beside the path, so that an installation that was cut off is not taken for a whole one.
    made = path.with_name(f"{path.name}.new")
    shutil.rmtree(made, ignore_errors=True)
    uv = [str(Path(sys.executable).with_name("uv")), "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, made], check=True)
    # The environment is moved afterwards; only its interpreter is used, which finds its packages beside itself.
    subprocess.run([*uv, "pip", "install", "--python", made / "bin/python", "-r", _REQUIREMENTS], check=True)
    made.rename(path)


def _install_weaviate(path: Path) -> None:
    made = path.with_name(f"{path.name}.new")
    environment = {**os.environ, "GOBIN": str(made)}
    subprocess.run(["go", "install", "-ldflags", "-s -w", _WEAVIATE_MODULE], check=True, env=environment)
    made.rename(path)


#: Another list of packages is another environment.
_DIGEST: Final = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()[:8]
PACKAGES: Final = Installable(f"python-{_DIGEST}", _install_packages)
WEAVIATE: Final = Installable(f"weaviate-{WEAVIATE_VERSION}", _install_weaviate)
OPENSEARCH: Final = Installable(f"opensearch-{opensearch_home.VERSION}", opensearch_home.install_opensearch)


def main() -> None:
    """Installs all; prints where, or why not."""
    for each in (PACKAGES, WEAVIATE, OPENSEARCH):
        try:
            print(f"{each.name}: {each.installed()}")
        except NotAvailableError as error:
            print(error)


if __name__ == "__main__":
    main()
