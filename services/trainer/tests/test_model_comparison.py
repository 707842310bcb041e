"""Two models beside each other: who wins what, the sheet, the report, the loss by an index."""

from contextlib import nullcontext

import numpy as np
import pytest
from sightwire_trainer.data.samples import Sample
from sightwire_trainer.evaluation.comparison import compare
from sightwire_trainer.evaluation.encoding import TaskVectors
from sightwire_trainer.evaluation.evaluation import BootstrapOptions, run_evaluation
from sightwire_trainer.evaluation.evaluation_sheet import evaluation_sheet
from sightwire_trainer.evaluation.index_search import ranks_of_hits, search_through
from sightwire_trainer.evaluation.model import measure_tasks
from sightwire_trainer.evaluation.ranks import nearest
from sightwire_trainer.evaluation.report import json_document, markdown_report, measure_headings, measure_rows
from sightwire_trainer.evaluation.sheets import chosen_queries
from sightwire_trainer.evaluation.task import image_to_image_task, image_to_text_task, text_to_image_task

from services.trainer.tests.drawn_samples import ListedSamples, drawing
from sightwire.errors import InvalidInputError

COUNT = 12
SAMPLES = ListedSamples(
    [Sample(str(n), f"drawing {n}", image=drawing(n), concept=str(n // 2)) for n in range(COUNT)], "drawings"
)
BOOTSTRAP = BootstrapOptions(resamples=100)


class Noisy:
    """Vectors of the samples with noise; `confused` samples lie where the sample after them should."""

    def __init__(self, *confused: int) -> None:
        self._vectors = np.eye(COUNT, dtype=np.float32) + np.random.default_rng(0).random((COUNT, COUNT)) / 10
        self._vectors /= np.linalg.norm(self._vectors, axis=1, keepdims=True)
        self._place = {n: (n + 1) % COUNT if n in confused else n for n in range(COUNT)}

    def encode_images(self, images):
        return self._vectors[: len(images)].astype(np.float32)

    def encode_texts(self, texts):
        return self._vectors[[self._place[int(text.split()[1])] for text in texts]].astype(np.float32)


def test_wins_losses_and_ties_are_told_apart():
    task = text_to_image_task(SAMPLES)
    first, second = (measure_tasks(TaskVectors(model), [task], resamples=0)[0] for model in (Noisy(3), Noisy(5, 7)))
    comparison = compare(first, second, resamples=200)
    assert {duel.label for duel in comparison.wins} == {"drawing 5", "drawing 7"}
    assert [(duel.query, duel.label, duel.second_rank) for duel in comparison.losses] == [(3, "drawing 3", 1)]
    assert len(comparison.ties) == COUNT - 3
    assert comparison.differences["recall_at_1"].value == pytest.approx(1 / COUNT)
    assert all(a.gain >= b.gain for a, b in zip(comparison.wins, comparison.wins[1:], strict=False))


def test_results_of_other_queries_are_not_compared():
    tasks = [text_to_image_task(SAMPLES), image_to_text_task(SAMPLES)]
    forth, back = measure_tasks(TaskVectors(Noisy()), tasks, resamples=0)
    with pytest.raises(InvalidInputError, match="expected results of one task"):
        compare(forth, back)


@pytest.mark.parametrize("make_task", [text_to_image_task, image_to_text_task, image_to_image_task])
@pytest.mark.parametrize("models", [1, 2])
def test_every_direction_is_pictured_and_reported(make_task, models):
    named = [("first", Noisy(3)), ("second", Noisy(5, 7))][:models]
    evaluation = run_evaluation(named, [make_task(SAMPLES)], BOOTSTRAP)
    sheet = evaluation_sheet(evaluation, rows=4)
    assert sheet.width > models * 500
    report = markdown_report(evaluation, sheet="sheet.png")
    assert "drawings: 12 queries, 12 candidates" in report
    assert "](sheet.png)" in report
    (row, *_) = measure_rows(evaluation)
    assert len(row) == len(measure_headings())
    document = json_document(evaluation)
    assert [model["name"] for model in document["models"]] == [name for name, _ in named]
    assert len(document["comparisons"]) == models - 1


def test_wins_and_losses_stand_in_the_reports():
    evaluation = run_evaluation([("a", Noisy(3)), ("b", Noisy(5, 7))], [text_to_image_task(SAMPLES)], BOOTSTRAP)
    assert "a answers 2 better, 1 worse, 9 alike" in markdown_report(evaluation)
    (comparison,) = json_document(evaluation)["comparisons"]
    assert [duel["label"] for duel in comparison["losses"]] == ["drawing 3"]
    assert len(comparison["ties"]) == 9


def test_right_answers_are_framed_in_green():
    evaluation = run_evaluation([("a", Noisy())], [text_to_image_task(SAMPLES)], BOOTSTRAP)
    pixels = np.asarray(evaluation_sheet(evaluation, rows=3))
    green = np.all(pixels == (24, 140, 60), axis=2)
    red = np.all(pixels == (200, 60, 50), axis=2)
    assert red.sum() == pytest.approx(4 * green.sum(), rel=0.01), "of five answers one is right"


def test_a_sheet_of_one_model_has_right_and_wrong_answers():
    (result,) = measure_tasks(TaskVectors(Noisy(1, 2, 3)), [text_to_image_task(SAMPLES)], resamples=0)
    ranks = result.report.by_query.first_ranks
    chosen = chosen_queries(result, 6)
    assert sorted(ranks[chosen] <= 1) == [False] * 3 + [True] * 3
    assert len(chosen_queries(result, 8)) == len(set(chosen_queries(result, 8))) == 8
    assert len(chosen_queries(result, 50)) == COUNT


class Forgetful:
    """An index over vectors that never finds some of them."""

    def __init__(self, candidates, *forgotten: int) -> None:
        self._candidates = candidates
        self._forgotten = forgotten

    def search(self, queries, k):
        found = nearest(queries, self._candidates, k)
        return np.where(np.isin(found, self._forgotten), -1, found)


@pytest.mark.parametrize(
    ("forgotten", "lost"), [pytest.param((), 0, id="nothing"), pytest.param((2, 9), 2 / COUNT, id="two candidates")]
)
def test_what_an_index_loses(forgotten, lost):
    vectors, task = TaskVectors(Noisy()), text_to_image_task(SAMPLES)
    index = Forgetful(vectors.of(task.candidates), *forgotten)
    report = search_through(index, vectors, task, resamples=50)
    assert report.differences["recall_at_1"].value == pytest.approx(-lost)
    assert (report.overlap_at_10 < 1) == bool(forgotten)


def test_a_picture_does_not_find_itself_through_an_index():
    vectors, task = TaskVectors(Noisy()), image_to_image_task(SAMPLES)
    report = search_through(Forgetful(vectors.of(task.candidates)), vectors, task, resamples=50)
    assert report.overlap_at_10 == 1
    assert all(interval.value == 0 for interval in report.differences.values())


def test_an_index_is_made_for_each_task():
    made = []

    def index(candidates):
        made.append(len(candidates))
        return nullcontext(Forgetful(candidates))

    tasks = [text_to_image_task(SAMPLES), image_to_text_task(SAMPLES)]
    evaluation = run_evaluation([("a", Noisy())], tasks, BOOTSTRAP, index=index)
    assert made == [COUNT, COUNT]
    assert "finds 100.0% of the exact ten nearest" in markdown_report(evaluation)
    assert len(json_document(evaluation)["through_index"]) == 2


def test_what_was_not_found_is_last():
    ranks = ranks_of_hits(np.array([[4, 2, -1], [0, 1, 3]]), ((2, 4), (7,)), candidates=50)
    assert ranks.ranks.tolist() == [1, 2, 50]
    assert ranks.offsets.tolist() == [0, 2, 3]
