"""Files in the archives of packages: tarballs of npm, and Debian's archives of a tar."""

import io
import lzma
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sightwire.errors import CorruptDataError

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER_BYTES = 60


def read_files(archive: Path, folder: str = "") -> dict[str, bytes]:
    """The files below a folder of the archive, by their path in it; npm's leading `package/` is no part of paths.

    Raises:
        CorruptDataError: the archive is damaged or of another kind.
    """
    return dict(each_file(archive, folder))


def each_file(archive: Path, folder: str = "") -> Iterator[tuple[str, bytes]]:
    """As `read_files`, one after the other in the order of the archive: for contents that are too large together.

    A link within the archive is read as the file it leads to.
    """
    prefix = f"{folder}/" if folder else ""
    try:
        with _opened_tar(archive) as tar:
            for member in tar:
                path = member.name.removeprefix("./")
                if archive.suffix == ".tgz":
                    path = path.partition("/")[2]
                if path.startswith(prefix) and not member.isdir() and (content := tar.extractfile(member)) is not None:
                    yield path.removeprefix(prefix), content.read()
    except (tarfile.TarError, EOFError, KeyError, OSError, lzma.LZMAError) as error:
        raise CorruptDataError(f"{archive} is not a whole archive: {error}; remove it to download it again") from error


@contextmanager
def _opened_tar(archive: Path) -> Iterator[tarfile.TarFile]:
    with archive.open("rb") as file:
        if archive.suffix != ".deb":
            with tarfile.open(fileobj=file, mode="r:*") as tar:
                yield tar
            return
        # Decompressed as a whole: links lead back to earlier files, and xz has no way back but from the beginning.
        content = lzma.decompress(_data_member(file, archive))
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            yield tar


def _data_member(file: BinaryIO, archive: Path) -> bytes:
    """The compressed tar of a Debian archive: an ar file with the members debian-binary, control.tar.*, data.tar.xz."""
    if file.read(len(_AR_MAGIC)) != _AR_MAGIC:
        raise CorruptDataError(f"{archive} is not a Debian archive; remove it to download it again")
    while header := file.read(_AR_HEADER_BYTES):
        name, size = header[:16].decode(errors="replace").strip(), header[48:58].strip()
        if len(header) < _AR_HEADER_BYTES or not size.isdigit():
            break
        content = file.read(int(size))
        if name.startswith("data.tar.xz"):
            return content
        file.read(int(size) % 2)
    raise CorruptDataError(f"{archive} has no data.tar.xz; remove it to download it again")
