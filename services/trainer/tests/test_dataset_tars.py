"""Tars of a dataset: keyed, the same for the same drawings, whole or not there."""

from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from sightwire_trainer.data.tars import TarSamples
from sightwire_trainer.datasets.clipart import FIXED_SETS, ClipArtPackages
from sightwire_trainer.datasets.drawings import Drawing, numbered
from sightwire_trainer.datasets.keyed_tars import write_keyed_tar
from sightwire_trainer.datasets.preparation import ClipArtPreparation, PreparedTar
from sightwire_trainer.datasets.rendering import SIDE, laid_on_white

from sightwire.errors import InvalidInputError


def coloured(colour: str, **facts: str) -> Drawing:
    picture = Image.new("RGBA", (SIDE, SIDE), colour)
    return Drawing(
        name=f"{colour} square",
        keywords=("square", colour),
        source="squares",
        licence="public domain",
        render=partial(laid_on_white, picture),
        **facts,
    )


def test_samples_are_read_as_they_were_written(tmp_path: Path) -> None:
    drawings = [
        coloured("red", concept="1f7e5"),
        coloured("blue", path="squares/blue", description="Ein Rechteck, blau"),
    ]
    counts = [write_keyed_tar(tmp_path / name, numbered(drawings)) for name in ("one.tar", "two.tar")]
    assert counts == [(2, 0), (2, 0)]
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    red, blue = TarSamples(tmp_path / "one.tar")
    assert (red.key, red.name, red.keywords, red.concept) == ("squares-00000", "red square", ("square", "red"), "1f7e5")
    assert (blue.description, blue.concept, blue.licence) == ("Ein Rechteck, blau", "", "public domain")
    assert red.image is not None
    assert red.image[8:12] == b"WEBP"


def test_empty_and_refused_pictures_are_left_out_and_keep_their_numbers(tmp_path: Path) -> None:
    drawings = [coloured("white"), coloured("red"), coloured("blue")]
    counts = write_keyed_tar(
        tmp_path / "squares.tar", numbered(drawings), refused=lambda picture: picture.getpixel((0, 0)) == (255, 0, 0)
    )
    assert counts == (1, 2)
    assert [sample.key for sample in TarSamples(tmp_path / "squares.tar")] == ["squares-00002"]


def test_a_tar_that_was_not_finished_leaves_the_one_before(tmp_path: Path) -> None:
    def broken() -> Image.Image:
        raise KeyboardInterrupt

    write_keyed_tar(tmp_path / "squares.tar", numbered([coloured("red")]))
    before = (tmp_path / "squares.tar").read_bytes()
    drawing = Drawing(name="x", keywords=(), source="squares", licence="MIT", render=broken)
    with pytest.raises(KeyboardInterrupt):
        write_keyed_tar(tmp_path / "squares.tar", numbered([coloured("blue"), drawing]))
    assert [path.name for path in tmp_path.iterdir()] == ["squares.tar"]
    assert (tmp_path / "squares.tar").read_bytes() == before


def test_whole_tars_are_kept_and_nothing_is_downloaded_for_them(tmp_path: Path) -> None:
    names = [*(f"{name}.tar" for name in FIXED_SETS), "train-noto-v1.tar"]
    for name in names:
        write_keyed_tar(tmp_path / name, numbered([coloured("red")]))
    told: list[PreparedTar] = []
    packages = ClipArtPackages(tmp_path / "no cache", downloading=pytest.fail)
    ClipArtPreparation(tmp_path, packages).run(["noto-v1"], written=told.append)
    assert told == [PreparedTar(tmp_path / name, samples=1, left_out=0, kept=True) for name in names]


def test_unknown_styles_are_told_before_anything_is_done(tmp_path: Path) -> None:
    packages = ClipArtPackages(tmp_path, downloading=pytest.fail)
    with pytest.raises(InvalidInputError, match="no style twemoji; the styles are fluent-flat"):
        ClipArtPreparation(tmp_path / "out", packages).run(["noto-v1", "twemoji"])
    assert not (tmp_path / "out").exists()
