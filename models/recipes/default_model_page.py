"""The page about the default model's measures: tables out of the JSON reports that `sightwire eval` wrote.

    python -m models.recipes.default_model_page data/default-model/reports docs/models/default.md

Text around the tables is kept, as long as the two lines that mark them are.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BEGIN: Final = "<!-- Tables by models/recipes/default_model_page.py -->"
END: Final = "<!-- End of the tables -->"

#: Files of reports begin with the first; a model without reports has no row.
ROWS: Final = (
    ("average", "**their average, which is shipped**"),
    ("seed-0", "seed 0"),
    ("seed-1", "seed 1"),
    ("seed-2", "seed 2"),
    ("head", "the head alone, before fine-tuning"),
    ("start", "the model before, sightwire-default-1"),
    ("random-trunk", "a random network"),
    ("pixels", "pixels compared"),
)
MEASURES: Final = (("recall_at_1", "Recall@1"), ("recall_at_10", "Recall@10"))

_SKELETON: Final = f"""# The default model, measured
[`default.yaml`](../../services/trainer/configurations/default.yaml) says how it is trained, and why so.
`make train-default` does all of it, from nothing: the [data](../datasets.md), a head, three runs that go on from it
with the seeds 0, 1 and 2, the average of their weights, and this page. Its values were
chosen on a validation split; two models of which only the head was trained were measured on the test sets on the way.

{BEGIN}
{END}

Texts search pictures by the names of a set; "picture by picture" is Twemoji, by an artist that no picture of training
is of, searching Noto's drawings in the training set. Headings have the numbers of queries. Brackets: where the measure
lies with 95 % confidence for other queries of the same kind; the seeds show what chance does in training. Of the
flags few are in the fixed training set, but most are in its sets of flags, by other artists: hence both.

![Queries and their first answers by the model, and by the one before](default.png)

Pictures: Twemoji, © Twitter, Inc. and other contributors, CC BY 4.0; Noto Emoji, © Google, Apache-2.0; framed, scaled.
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A task that models are measured on."""

    heading: str
    #: The report that has it: `MODEL.REPORT.json`.
    report: str
    direction: str
    #: How the name of its dataset begins.
    dataset: str


COLUMNS: Final = (
    Column("new artist", "sets", "text_to_image", "test-new-artist"),
    Column("without flags", "without-flags", "text_to_image", "test-new-artist"),
    Column("unseen concepts", "sets", "text_to_image", "test-unseen-concept"),
    Column("OpenClipart", "sets", "text_to_image", "test-openclipart"),
    Column("picture by picture", "pictures", "image_to_image", "test-new-artist"),
    Column("without flags", "without-flags", "image_to_image", "test-new-artist"),
)


def tables(reports: Path) -> str:
    """A table of each measure in Markdown: a row a model, a column a task; a dash where nothing was measured.

    Raises:
        FileNotFoundError: there are no reports in the folder.
    """
    rows = [(title, _tasks_of(reports, model)) for model, title in ROWS]
    rows = [(title, tasks) for title, tasks in rows if tasks]
    if not rows:
        raise FileNotFoundError(f"no reports of `sightwire eval --json` in {reports}, such as average.sets.json")
    headings = [_heading(column, [tasks for _, tasks in rows]) for column in COLUMNS]
    lines: list[str] = []
    for measure, title in MEASURES:
        lines += [f"### {title}", _line(["", *headings]), _line(["---", *["--:"] * len(COLUMNS)])]
        lines += [_line([row, *(_cell(tasks.get(column), measure) for column in COLUMNS)]) for row, tasks in rows]
        lines.append("")
    return "\n".join(lines)


def with_tables(page: str, made: str) -> str:
    """The page with these tables in the place of those that it had.

    Raises:
        ValueError: the page lacks the lines that mark them.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no lines {BEGIN!r} and {END!r}, between which its tables are")
    return f"{before}{BEGIN}\n{made}{END}{after}"


def _tasks_of(reports: Path, model: str) -> dict[Column, dict[str, Any]]:
    tasks: dict[Column, dict[str, Any]] = {}
    for column in COLUMNS:
        path = reports / f"{model}.{column.report}.json"
        if not path.is_file():
            continue
        for task in json.loads(path.read_bytes())["models"][0]["tasks"]:
            if task["direction"] == column.direction and task["dataset"].startswith(column.dataset):
                tasks[column] = task
    return tasks


def _heading(column: Column, models: Sequence[dict[Column, dict[str, Any]]]) -> str:
    counts = {tasks[column]["queries"] for tasks in models if column in tasks}
    if len(counts) > 1:
        raise ValueError(f"models were measured by different sets: {column.heading} has {sorted(counts)} queries")
    return column.heading if not counts else f"{column.heading} ({counts.pop():,})"


def _cell(task: dict[str, Any] | None, measure: str) -> str:
    if task is None:
        return "–"
    value, interval = task["measures"][measure], task["intervals"].get(measure)
    return (
        _share(value)
        if interval is None
        else f"{_share(value)} [{_share(interval['low'])}, {_share(interval['high'])}]"
    )


def _share(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the tables of the page about the default model's measures.")
    parser.add_argument("reports", type=Path, help="folder with MODEL.sets.json, MODEL.pictures.json …")
    parser.add_argument("page", type=Path, help="Markdown file; made if it is not there")
    arguments = parser.parse_args()
    page = arguments.page.read_text(encoding="utf-8") if arguments.page.is_file() else _SKELETON
    written = with_tables(page, tables(arguments.reports))
    arguments.page.parent.mkdir(parents=True, exist_ok=True)
    arguments.page.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
