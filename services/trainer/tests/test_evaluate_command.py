"""`sightwire eval` on small sets, alone and against a running platform."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from sightwire_trainer.commands.evaluate import evaluate
from sightwire_trainer.data.samples import Sample
from sightwire_trainer.data.tar_writing import write_tar
from typer.testing import CliRunner, Result

from services.trainer.tests.drawn_samples import drawing
from sightwire.client import AsyncSightwire
from sightwire.errors import InvalidInputError
from sightwire.platform.running_platform import RunningPlatform

COUNT = 8


def written_set(path: Path, *, side: int, origin: str = "drawn") -> Path:
    samples = [
        Sample(f"{side}-{n}", f"drawing {n}", image=drawing(n, side=side), concept=str(n), origin=origin)
        for n in range(COUNT)
    ]
    write_tar(path, samples)
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return written_set(tmp_path / "small.tar", side=32)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return written_set(tmp_path / "large.tar", side=48, origin="enlarged")


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(evaluate)
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


def test_two_models_with_all_reports(small: Path, large: Path, tmp_path: Path, bundle_folder: Path) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    result = run(
        *(bundle_folder, small, "--against", "pixels", "--direction", "image_to_image", "--resamples", 50),
        *("--candidates", large, "--origin", "enlarged", "--sheet", tmp_path / "sheet.png"),
        *("--json", reports / "report.json", "--markdown", reports / "report.md"),
    )
    assert result.exit_code == 0, result.output
    document = json.loads((reports / "report.json").read_bytes())
    assert [model["name"] for model in document["models"]] == ["sightwire-default-2", "pixels"]
    (task,) = document["models"][1]["tasks"]
    assert (task["dataset"], task["queries"]) == ("small.tar to large.tar (enlarged)", COUNT)
    assert task["measures"]["recall_at_1"] > 0.8
    assert "](../sheet.png)" in (reports / "report.md").read_text()
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_texts_and_pictures_search_each_other_unless_told_otherwise(small: Path, bundle_folder: Path) -> None:
    result = run(bundle_folder, small, "--resamples", 0)
    assert "text to image" in result.output
    assert "image to text" in result.output


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--origin", "x"], "--origin chooses among --candidates"),
        (["--candidates", "x.tar"], "add --direction image_to_image"),
        (["--against", "pixels", "--resamples", "0"], "more --resamples than 0"),
    ],
)
def test_options_that_do_not_fit(small: Path, options: list[str], reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        run("pixels", small, *options)


def test_an_origin_that_is_not_there_names_those_that_are(small: Path, large: Path) -> None:
    with pytest.raises(InvalidInputError, match="no samples of origin 'noto', only of enlarged"):
        run("pixels", small, "--direction", "image_to_image", "--candidates", large, "--origin", "noto")


def test_samples_are_left_out_by_their_names(small: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = ("--direction", "image_to_image", "--candidates", small, "--resamples", 0, "--json", report)
    run("pixels", small, *options, "--leave-out", "[0-3]$")
    (task,) = json.loads(report.read_bytes())["models"][0]["tasks"]
    assert (task["queries"], task["candidates"]) == (COUNT - 4, COUNT)
    assert task["dataset"].startswith("small.tar without [0-3]$")


@pytest.mark.parametrize(("pattern", "reason"), [("(", "expected a regular expression"), (".", "nothing is left")])
def test_names_to_leave_out_that_leave_nothing(small: Path, pattern: str, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        run("pixels", small, "--leave-out", pattern)


async def test_through_a_collection_that_is_gone_afterwards(
    platform: RunningPlatform,
    async_client: AsyncSightwire,
    unique_name: Callable[..., str],
    small: Path,
    large: Path,
    tmp_path: Path,
) -> None:
    name, report = unique_name("evaluated"), tmp_path / "report.json"
    result = await asyncio.to_thread(
        run,
        *("pixels", small, "--direction", "image_to_image", "--candidates", large),
        *("--through-collection", name, "--json", report, "--url", platform.gateway_url),
    )
    assert result.exit_code == 0, result.output
    (through_index,) = json.loads(report.read_bytes())["through_index"]
    assert through_index["overlap_at_10"] == 1, "so few vectors are searched exactly"
    assert name not in {summary.name for summary in await async_client.collections.list()}
