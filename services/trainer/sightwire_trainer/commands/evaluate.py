"""`sightwire eval`: how well a model finds, with intervals, beside another model, pictured, and through an index."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sightwire.cli.options import ApiKey, Url
from sightwire.cli.output import notices, print_table
from sightwire.client.connection import DEFAULT_URL
from sightwire.errors import InvalidInputError
from sightwire_trainer.evaluation.directions import Direction

if TYPE_CHECKING:
    from sightwire_trainer.evaluation.evaluation import Evaluation
    from sightwire_trainer.evaluation.task import RetrievalTask


def evaluate(
    bundle: Annotated[str, typer.Argument(help="Folder of a model bundle; or a baseline: `pixels` or `random-trunk`.")],
    data: Annotated[
        list[Path], typer.Argument(metavar="DATA...", help="Tars, or tables of captions beside their pictures.")
    ],
    against: Annotated[str | None, typer.Option(help="Another bundle or a baseline, on the same queries.")] = None,
    direction: Annotated[
        list[Direction] | None,
        typer.Option(help="Which side searches which; may be repeated. Without: texts and pictures for each other."),
    ] = None,
    candidates: Annotated[
        Path | None,
        typer.Option(help="Tar with the pictures that image_to_image searches; without, those of the same set."),
    ] = None,
    origin: Annotated[str | None, typer.Option(help="Only candidates of this origin: the `source` in a tar.")] = None,
    leave_out: Annotated[
        str | None,
        typer.Option(help="Regular expression: samples of DATA whose name it matches are left out, say '^flag: '."),
    ] = None,
    sheet: Annotated[Path | None, typer.Option(help="Picture to write: queries and their first answers.")] = None,
    sheet_rows: Annotated[int, typer.Option(min=1, max=200, help="Queries on the sheet for each task.")] = 16,
    json: Annotated[Path | None, typer.Option(help="JSON file to write, with every win and loss.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Markdown report to write.")] = None,
    through_collection: Annotated[
        str | None,
        typer.Option(help="Also search a collection of a running platform: its name; made and deleted again."),
    ] = None,
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap resamples of the queries; 0: no intervals.")] = 2000,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples and of the queries on the sheet.")] = 0,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Measure how well a model finds: recall, median rank, MRR, mAP and nDCG, each with its interval.

    A text should find a picture of its name, a picture one of its concept. For example:

    sightwire eval .models/sightwire-default-2 test.tar --markdown report.md --sheet report.png
    """
    from sightwire.client import Sightwire
    from sightwire_trainer.evaluation.collection_index import collection_index
    from sightwire_trainer.evaluation.evaluation import BootstrapOptions, run_evaluation
    from sightwire_trainer.evaluation.opening import open_encoders
    from sightwire_trainer.evaluation.report import measure_headings, measure_rows

    tasks = _tasks(data, direction or [], candidates, origin, leave_out)
    if against is not None and not resamples:
        raise InvalidInputError("--against compares by intervals; give more --resamples than 0")
    models = [open_encoders(model) for model in (bundle, against) if model is not None]
    with Sightwire(url, api_key=api_key) as sightwire:
        evaluation = run_evaluation(
            models,
            tasks,
            BootstrapOptions(resamples, confidence, seed),
            index=None
            if through_collection is None
            else lambda vectors: collection_index(sightwire, through_collection, vectors),
        )
    print_table(measure_headings(), measure_rows(evaluation))
    _write(evaluation, sheet=sheet, sheet_rows=sheet_rows, json=json, markdown=markdown)


def _tasks(
    data: list[Path],
    directions: list[Direction],
    candidates: Path | None,
    origin: str | None,
    leave_out: str | None,
) -> list["RetrievalTask"]:
    """All directions of each set; `candidates` are what pictures search instead of their own set."""
    from sightwire_trainer.evaluation.opening import of_origin, open_set, without_names
    from sightwire_trainer.evaluation.task import image_to_image_task, tasks_of

    if candidates is None and origin is not None:
        raise InvalidInputError("--origin chooses among --candidates; give both")
    if candidates is not None and Direction.IMAGE_TO_IMAGE not in directions:
        raise InvalidInputError("--candidates are for pictures that search pictures; add --direction image_to_image")
    sets = [open_set(path) for path in data]
    if leave_out is not None:
        sets = [without_names(samples, leave_out) for samples in sets]
    if candidates is None:
        return [task for samples in sets for task in tasks_of(samples, directions)]
    among = open_set(candidates)
    among = among if origin is None else of_origin(among, origin)
    others = [direction for direction in directions if direction is not Direction.IMAGE_TO_IMAGE]
    tasks = []
    for samples in sets:
        tasks += tasks_of(samples, others) if others else []
        tasks.append(image_to_image_task(samples, among))
    return tasks


def _write(
    evaluation: "Evaluation", *, sheet: Path | None, sheet_rows: int, json: Path | None, markdown: Path | None
) -> None:
    import orjson

    from sightwire_trainer.evaluation.evaluation_sheet import evaluation_sheet
    from sightwire_trainer.evaluation.report import json_document, markdown_report

    if sheet is not None:
        evaluation_sheet(evaluation, sheet_rows).save(sheet)
    if json is not None:
        json.write_bytes(orjson.dumps(json_document(evaluation), option=orjson.OPT_INDENT_2))
    if markdown is not None:
        shown = None if sheet is None else Path(os.path.relpath(sheet, markdown.parent)).as_posix()
        markdown.write_text(markdown_report(evaluation, sheet=shown), encoding="utf-8")
    for written in (sheet, json, markdown):
        if written is not None:
            notices.print(f"wrote {written}")
