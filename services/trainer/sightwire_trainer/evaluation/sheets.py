"""Contact sheets: queries and the first answers of one or two models, right ones framed in green, wrong ones in red."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sightwire_trainer.evaluation.comparison import Comparison
from sightwire_trainer.evaluation.encoding import TaskVectors, sample_pixels
from sightwire_trainer.evaluation.model import TaskResult
from sightwire_trainer.evaluation.ranks import nearest
from sightwire_trainer.evaluation.task import Captions, Documents, RetrievalTask

ANSWERS: Final = 5
_CELL: Final = 96
_FRAME: Final = 4
_GAP: Final = 10
_LABEL_WIDTH: Final = 190
_LINE_CHARACTERS: Final = 26
_CELL_CHARACTERS: Final = 13
_HEADING: Final = 44
_RIGHT: Final = (24, 140, 60)
_WRONG: Final = (200, 60, 50)
_INK: Final = (20, 20, 20)


@dataclass(frozen=True, slots=True)
class ModelColumn:
    """One model on a sheet."""

    name: str
    vectors: TaskVectors
    result: TaskResult


def chosen_queries(result: TaskResult, count: int, *, seed: int = 0) -> list[int]:
    """Queries that show a model as it is: half of them right at once, half wrong, each drawn by lot."""
    generator = np.random.default_rng(seed)
    right = result.report.by_query.first_ranks <= 1
    halves = [np.flatnonzero(right), np.flatnonzero(~right)]
    wanted = min(count - count // 2, len(halves[0]))
    counts = [max(wanted, count - len(halves[1])), count - wanted]
    drawn = [
        generator.choice(half, min(size, len(half)), replace=False) for half, size in zip(halves, counts, strict=True)
    ]
    return [int(query) for part in drawn for query in np.sort(part)]


def contested_queries(comparison: Comparison, count: int) -> list[int]:
    """Queries on which two models differ most: the first's largest gains, then its largest losses."""
    half = count // 2
    return [duel.query for duel in (*comparison.wins[: count - half], *comparison.losses[:half])]


def contact_sheet(models: Sequence[ModelColumn], queries: Sequence[int]) -> Image.Image:
    """One row a query (numbers of the models' common task): the query, then the first answers of each model."""
    task = models[0].result.task
    column_width = ANSWERS * (_CELL + _GAP) + _GAP
    width = _LABEL_WIDTH + len(models) * column_width
    sheet = Image.new("RGB", (width, _HEADING + len(queries) * (_CELL + _GAP) + _GAP), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=13)
    pen.text((_GAP, 6), f"{task.direction.words}, {task.dataset}", _INK, font)
    for place, model in enumerate(models):
        pen.text((_LABEL_WIDTH + place * column_width + _GAP, _HEADING // 2), model.name, _INK, font)
    answers = [_answers(model, queries) for model in models]
    for row, query in enumerate(queries):
        top = _HEADING + row * (_CELL + _GAP)
        _draw_query(sheet, task, query, (_GAP, top), _ranks_text(models, query))
        for place, of_model in enumerate(answers):
            for rank, candidate in enumerate(of_model[row]):
                left = _LABEL_WIDTH + place * column_width + _GAP + rank * (_CELL + _GAP)
                is_right = int(candidate) in task.relevant[query]
                frame = (left, top, left + _CELL - 1, top + _CELL - 1)
                pen.rectangle(frame, outline=_RIGHT if is_right else _WRONG, width=_FRAME)
                _draw_entry(sheet, task.candidates, int(candidate), (left + _FRAME, top + _FRAME))
    return sheet


def _answers(model: ModelColumn, queries: Sequence[int]) -> NDArray[np.int64]:
    task = model.result.task
    rows = np.asarray(queries, np.int64)
    itself = None if task.itself is None else task.itself[rows]
    return nearest(model.vectors.of(task.queries)[rows], model.vectors.of(task.candidates), ANSWERS, itself=itself)


def _ranks_text(models: Sequence[ModelColumn], query: int) -> str:
    ranks = [model.result.report.by_query.first_ranks[query] for model in models]
    return f"rank {' / '.join(f'{rank:g}' for rank in ranks)}"


def _draw_query(sheet: Image.Image, task: RetrievalTask, query: int, corner: tuple[int, int], ranks: str) -> None:
    left, top = corner
    characters = _LINE_CHARACTERS
    if isinstance(task.queries, Documents):
        _draw_entry(sheet, task.queries, query, corner)
        left += _CELL
        characters = _CELL_CHARACTERS - 2
    lines = [*textwrap.wrap(task.queries.labels[query], characters)[:5], ranks]
    ImageDraw.Draw(sheet).multiline_text((left, top), "\n".join(lines), _INK, ImageFont.load_default(size=12))


def _draw_entry(sheet: Image.Image, side: Captions | Documents, row: int, corner: tuple[int, int]) -> None:
    inner = _CELL - 2 * _FRAME
    if isinstance(side, Documents) and side.samples[side.numbers[row]].image is not None:
        picture = Image.fromarray(sample_pixels(side.samples, side.numbers[row]))
        picture.thumbnail((inner, inner))
        sheet.paste(picture, (corner[0] + (inner - picture.width) // 2, corner[1] + (inner - picture.height) // 2))
        return
    lines = textwrap.wrap(side.labels[row], _CELL_CHARACTERS)[:6]
    place = (corner[0] + 2, corner[1] + 2)
    ImageDraw.Draw(sheet).multiline_text(place, "\n".join(lines), _INK, ImageFont.load_default(size=11))


def stacked(sheets: Sequence[Image.Image]) -> Image.Image:
    """Sheets of several tasks as one picture, one below the other."""
    whole = Image.new("RGB", (max(sheet.width for sheet in sheets), sum(sheet.height for sheet in sheets)), "white")
    top = 0
    for sheet in sheets:
        whole.paste(sheet, (0, top))
        top += sheet.height
    return whole
