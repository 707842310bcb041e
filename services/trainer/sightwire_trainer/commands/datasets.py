"""`sightwire datasets`: makes the datasets that the default model is trained and measured on, from nothing."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sightwire.cli.output import notices
from sightwire.platform.local_platform import machine_cache

if TYPE_CHECKING:
    from sightwire_trainer.datasets.preparation import PreparedTar

app = typer.Typer(help="Make datasets for training and evaluation.", no_args_is_help=True)
prepare_app = typer.Typer(help="Download what a dataset is made of, and write its tars.", no_args_is_help=True)
app.add_typer(prepare_app, name="prepare")


@app.callback()
def _datasets() -> None:
    """Keeps `prepare` a command of its own."""


@prepare_app.callback()
def _prepare() -> None:
    """Keeps the name of the dataset a command of its own."""


@prepare_app.command("clipart")
def prepare_clipart(
    out: Annotated[Path, typer.Option(help="Folder for the tars; those that are in it are kept.")],
    styles: Annotated[
        str,
        typer.Option(help="More styles to train on, separated by commas; `all`, or `none` for the fixed sets alone."),
    ] = "all",
    cache: Annotated[
        Path | None, typer.Option(help="Folder for the downloaded packages, 250 MB. [default: the user's cache]")
    ] = None,
) -> None:
    """Write the clip-art tars: train, three test sets, and train-STYLE for each style.

    Packages come through npm and apt-get, as they are configured on this machine, and are checked against known sums.
    A run that was ended goes on where it was: whole packages and tars are kept.
    """
    # Pillow and NumPy take a while, and every command of sightwire imports this module.
    from sightwire_trainer.datasets.clipart import ClipArtPackages
    from sightwire_trainer.datasets.clipart_styles import STYLES
    from sightwire_trainer.datasets.preparation import ClipArtPreparation
    from sightwire_trainer.datasets.rendering import check_renderer

    check_renderer()
    packages = ClipArtPackages(
        cache or machine_cache(os.environ) / "datasets" / "packages",
        downloading=lambda package: notices.print(f"Downloading {package}"),
    )
    chosen = {"all": list(STYLES), "none": []}.get(styles, [style.strip() for style in styles.split(",")])
    ClipArtPreparation(out, packages).run(chosen, written=_tell)


def _tell(tar: "PreparedTar") -> None:
    what = "kept" if tar.kept else f"written, {tar.left_out:,} left out"
    typer.echo(f"{tar.path}: {tar.samples:,} samples ({what})")
