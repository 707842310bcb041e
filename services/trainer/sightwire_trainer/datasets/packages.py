"""Packages of fixed content, brought by the machine's own package managers, whose configuration says where from."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sightwire.errors import ConfigurationError, CorruptDataError, UnavailableError

#: What archives of a package manager end with.
_SUFFIXES: Final = {"npm": ".tgz", "debian": ".deb", "pypi": ".whl"}
_NAMES: Final = {"npm": "npm", "debian": "Debian", "pypi": "PyPI"}
_PIP_DOWNLOAD: Final = ("-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:")


@dataclass(frozen=True, slots=True)
class Package:
    """One version of a package; its archive has exactly one content."""

    manager: Literal["npm", "debian", "pypi"]
    name: str
    version: str
    #: Hexadecimal, of the archive's bytes.
    sha256: str

    @property
    def filename(self) -> str:
        """Of the archive in a cache."""
        stem = f"{self.name}-{self.version}".replace("@", "").replace("/", "-").replace(":", "-")
        return stem + _SUFFIXES[self.manager]

    @property
    def label(self) -> str:
        """For messages."""
        return f"{self.name} {self.version} of {_NAMES[self.manager]}"


def fetch_package(package: Package, cache: Path) -> Path:
    """The archive of the package in the cache, downloaded if it is not there whole.

    A download that was interrupted leaves nothing that a later one would take for the archive.

    Raises:
        ConfigurationError: the package manager is not installed.
        UnavailableError: it could not download the package.
        CorruptDataError: what it downloaded is not the expected content.
    """
    archive = cache / package.filename
    if archive.is_file() and _sha256(archive) == package.sha256:
        return archive
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".download-") as scratch:
        downloaded = _download(package, Path(scratch))
        found = _sha256(downloaded)
        if found != package.sha256:
            raise CorruptDataError(
                f"{package.label}: expected an archive with the sha256 {package.sha256}, got {found}; the source has "
                f"another build of it, or the download was altered. If you have the right archive, put it at {archive}"
            )
        downloaded.replace(archive)
    return archive


def _download(package: Package, folder: Path) -> Path:
    command = {
        "npm": ["npm", "pack", "--silent", "--ignore-scripts", f"{package.name}@{package.version}"],
        "debian": ["apt-get", "download", "--quiet", f"{package.name}={package.version}"],
        "pypi": [sys.executable, *_PIP_DOWNLOAD, f"{package.name}=={package.version}"],
    }[package.manager]
    if shutil.which(command[0]) is None:
        raise ConfigurationError(f"{command[0]} is needed to download {package.label}; install it")
    # apt drops root's rights for downloads when the folder lets it.
    folder.chmod(0o755)
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    archives = [path for path in folder.iterdir() if path.suffix == _SUFFIXES[package.manager]]
    if ended.returncode or len(archives) != 1:
        said = ended.stderr.strip() or ended.stdout.strip() or "nothing"
        raise UnavailableError(
            f"cannot download {package.label}: `{' '.join(command)}` ended with {ended.returncode} and said: "
            f"{said[-500:]}"
        )
    return archives[0]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
