"""The page about the default model's measures, made of what `sightwire eval` writes."""

from pathlib import Path

import pytest
import typer
from sightwire_trainer.commands.evaluate import evaluate
from sightwire_trainer.data.samples import Sample
from sightwire_trainer.data.tar_writing import write_tar
from typer.testing import CliRunner

from models.recipes.default_model_page import BEGIN, END, tables, with_tables
from services.trainer.tests.drawn_samples import drawing


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Of the pixels, who find the enlarged drawing but no text."""
    for name, side in (("test-new-artist", 32), ("train", 48)):
        samples = [
            Sample(f"{side}-{n}", f"drawing {n}", image=drawing(n, side=side), concept=str(n), origin="noto")
            for n in range(6)
        ]
        write_tar(tmp_path / f"{name}.tar", samples)
    app = typer.Typer()
    app.command()(evaluate)
    for name, options in (("pictures", []), ("without-flags", ["--leave-out", "[01]$"])):
        arguments = ["pixels", tmp_path / "test-new-artist.tar", "--direction", "image_to_image", "--resamples", 20]
        arguments += ["--candidates", tmp_path / "train.tar", "--json", tmp_path / f"pixels.{name}.json", *options]
        CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    return tmp_path


def test_a_row_for_each_model_that_was_measured(reports: Path) -> None:
    lines = tables(reports).splitlines()
    assert lines[0] == "### Recall@1"
    assert lines[1].endswith("| OpenClipart | picture by picture (6) | without flags (4) |")
    assert lines[3].startswith("| pixels compared | – | – | – | – | 1.000 [1.000, 1.000] |")
    assert lines[5] == "### Recall@10"
    assert len(lines) == 9


def test_models_that_were_asked_different_things_are_not_put_beside_each_other(reports: Path) -> None:
    (reports / "start.pictures.json").write_bytes((reports / "pixels.without-flags.json").read_bytes())
    with pytest.raises(ValueError, match=r"different sets: picture by picture has \[4, 6\]"):
        tables(reports)


def test_nothing_but_the_tables_of_a_page_changes() -> None:
    page = f"# Title\n{BEGIN}\nold\n{END}\nMore.\n"
    assert with_tables(page, "new\n") == f"# Title\n{BEGIN}\nnew\n{END}\nMore.\n"
    with pytest.raises(ValueError, match="no lines"):
        with_tables("# Title\n", "new\n")


def test_without_reports_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"such as average\.sets\.json"):
        tables(tmp_path)
