"""WebDataset tars whose keys mean something: `KEY.webp` beside `KEY.json`. The same drawings make the same tar."""

import io
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image

from sightwire.errors import CorruptDataError, TooLargeError
from sightwire_trainer.datasets.drawings import Drawing
from sightwire_trainer.datasets.rendering import as_webp


class KeyedTar:
    """A tar that takes its place once it is whole: leaving the context by an error leaves what was there before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._partial = path.with_name(f".{path.name}.partial")

    def __enter__(self) -> "KeyedTar":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._tar = tarfile.open(self._partial, "w")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._tar.close()
        if kind is None:
            self._partial.replace(self.path)
        else:
            self._partial.unlink(missing_ok=True)

    def add(self, key: str, drawing: Drawing, picture: Image.Image) -> None:
        """Adds a sample."""
        self._add_file(f"{key}.webp", as_webp(picture))
        self._add_file(f"{key}.json", drawing.facts())
        self.count += 1

    def _add_file(self, name: str, content: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        self._tar.addfile(member, io.BytesIO(content))


def write_keyed_tar(
    path: Path,
    drawings: Iterable[tuple[str, Drawing]],
    *,
    refused: Callable[[Image.Image], bool] = lambda _: False,
) -> tuple[int, int]:
    """Renders drawings, each with its key, into a tar; how many it has, and how many were left out.

    Left out are those that cannot be rendered and those whose picture is `refused`.
    """
    left_out = 0
    with KeyedTar(path) as tar:
        for key, drawing in drawings:
            try:
                picture = drawing.render()
            except (CorruptDataError, TooLargeError):
                left_out += 1
                continue
            if refused(picture):
                left_out += 1
                continue
            tar.add(key, drawing, picture)
    return tar.count, left_out
