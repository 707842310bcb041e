"""The contact sheet of a whole evaluation."""

from PIL import Image

from sightwire_trainer.evaluation.evaluation import Evaluation
from sightwire_trainer.evaluation.sheets import (
    ModelColumn,
    chosen_queries,
    contact_sheet,
    contested_queries,
    stacked,
)


def evaluation_sheet(evaluation: Evaluation, rows: int) -> Image.Image:
    """`rows` queries of each task: where two models differ most, or a sample of right and wrong answers of one."""
    sheets = []
    for number, result in enumerate(evaluation.models[0].results):
        queries = (
            contested_queries(evaluation.comparisons[number], rows)
            if evaluation.comparisons
            else chosen_queries(result, rows, seed=evaluation.bootstrap.seed)
        )
        columns = [ModelColumn(model.name, model.vectors, model.results[number]) for model in evaluation.models]
        sheets.append(contact_sheet(columns, queries))
    return stacked(sheets)
