"""Writing the tars of the clip-art dataset, each whole or not at all; those that are there already are kept."""

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image

from sightwire.errors import InvalidInputError
from sightwire_trainer.data.tars import TarSamples
from sightwire_trainer.datasets.clipart import FIXED_SETS, TEST_SETS, ClipArtPackages, drawings_of_fixed_set
from sightwire_trainer.datasets.clipart_styles import STYLES
from sightwire_trainer.datasets.drawings import numbered
from sightwire_trainer.datasets.held_out import HeldOutPictures
from sightwire_trainer.datasets.keyed_tars import write_keyed_tar


@dataclass(frozen=True, slots=True)
class PreparedTar:
    """A tar that is whole."""

    path: Path
    samples: int
    #: Drawings that could not be rendered, or are nearly a picture of an evaluation set.
    left_out: int
    #: It was there before.
    kept: bool = False


class ClipArtPreparation:
    """Makes the tars of a folder. After a run that was ended, the next keeps what is whole."""

    def __init__(self, folder: Path, packages: ClipArtPackages) -> None:
        self._folder = folder
        self._packages = packages

    def run(self, styles: Iterable[str], *, written: Callable[[PreparedTar], None] = lambda _: None) -> None:
        """Writes the fixed sets, and a tar `train-STYLE.tar` for each of the styles.

        Raises:
            InvalidInputError: there is no such style.
            SightwireError: a package cannot be had, as `fetch_package`.
        """
        wanted = tuple(dict.fromkeys(styles))
        if unknown := [style for style in wanted if style not in STYLES]:
            raise InvalidInputError(f"there is no style {', '.join(unknown)}; the styles are {', '.join(STYLES)}")
        for name in FIXED_SETS:
            written(self._fixed_set(name))
        for style in wanted:
            written(self._style(style))

    def _fixed_set(self, name: str) -> PreparedTar:
        path = self._folder / f"{name}.tar"
        if path.is_file():
            return _kept(path)
        return PreparedTar(path, *write_keyed_tar(path, numbered(drawings_of_fixed_set(name, self._packages))))

    def _style(self, style: str) -> PreparedTar:
        path = self._folder / f"train-{style}.tar"
        if path.is_file():
            return _kept(path)
        drawings = numbered(STYLES[style](self._packages))
        return PreparedTar(path, *write_keyed_tar(path, drawings, refused=self._held_out.include))

    @cached_property
    def _held_out(self) -> HeldOutPictures:
        return HeldOutPictures(picture for name in TEST_SETS for picture in _pictures(self._folder / f"{name}.tar"))


def _pictures(path: Path) -> Iterator[Image.Image]:
    for sample in TarSamples(path):
        assert sample.image is not None, "it was written with a picture"
        with closing(io.BytesIO(sample.image)) as file:
            yield Image.open(file)


def _kept(path: Path) -> PreparedTar:
    return PreparedTar(path, samples=len(TarSamples(path)), left_out=0, kept=True)
