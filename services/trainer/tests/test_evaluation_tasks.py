"""What a set of samples asks, and a model measured by it."""

import numpy as np
import pytest
import torch
from PIL import Image
from sightwire_trainer.configuration import ConvNetTrunk, FrozenMiniLm, ModelConfiguration
from sightwire_trainer.data.samples import Sample
from sightwire_trainer.evaluation.baselines import PixelEncoder, random_trunk
from sightwire_trainer.evaluation.directions import Direction
from sightwire_trainer.evaluation.encoding import TaskVectors
from sightwire_trainer.evaluation.measures import MEASURES
from sightwire_trainer.evaluation.model import evaluate_model, measure_tasks
from sightwire_trainer.evaluation.model_encoders import ModelEncoders
from sightwire_trainer.evaluation.task import (
    image_to_image_task,
    image_to_text_task,
    tasks_of,
    text_to_image_task,
)

from services.trainer.tests.drawn_samples import ListedSamples, drawing, encoded
from sightwire.errors import CorruptDataError, InvalidInputError


def picture(key: str, name: str, concept: str = "") -> Sample:
    return Sample(key, name, image=drawing(0), concept=concept)


TWO_CATS = ListedSamples([picture("a", "cat"), picture("b", "dog"), picture("c", "cat")], "pets")


class KnowsNames:
    """A perfect model for pictures that are `numbered` in the order of the names: vectors are unit vectors."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self.encoded_pictures = 0

    def encode_images(self, images):
        self.encoded_pictures += len(images)
        return np.eye(len(self._names), dtype=np.float32)[[image[0, 0, 0] for image in images]]

    def encode_texts(self, texts):
        return np.eye(len(self._names), dtype=np.float32)[[self._names.index(text) for text in texts]]


def numbered(number: int, name: str) -> Sample:
    return Sample(name, name, image=encoded(Image.new("RGB", (8, 8), (number, 0, 0))))


def test_distinct_names_search_among_all_pictures():
    task = text_to_image_task(TWO_CATS)
    assert (task.direction, task.dataset) == (Direction.TEXT_TO_IMAGE, "pets")
    assert task.queries.labels == ("cat", "dog")
    assert task.candidates.labels == ("cat", "dog", "cat")
    assert task.relevant == ((0, 2), (1,))


def test_pictures_search_among_the_distinct_names():
    task = image_to_text_task(TWO_CATS)
    assert task.candidates.labels == ("cat", "dog")
    assert task.relevant == ((0,), (1,), (0,))


def test_pictures_search_among_the_others_of_their_set():
    samples = ListedSamples([picture("a", "x", "1"), picture("b", "y", "2"), picture("c", "z", "1"), picture("d", "w")])
    task = image_to_image_task(samples)
    assert task.queries.labels == ("x", "z")
    assert task.candidates.labels == ("x", "y", "z", "w")
    assert task.relevant == ((2,), (0,))
    assert task.itself is not None
    assert task.itself.tolist() == [0, 2]


def test_pictures_search_in_another_set():
    asking = ListedSamples([picture("a", "x", "1"), picture("b", "y", "9"), picture("c", "z", "2")], "asking")
    among = ListedSamples([picture("d", "u", "2"), picture("e", "v", "1"), picture("f", "w", "1")], "among")
    task = image_to_image_task(asking, among)
    assert (task.dataset, task.itself) == ("asking to among", None)
    assert task.queries.labels == ("x", "z")
    assert task.relevant == ((1, 2), (0,))


def test_samples_without_a_concept_are_not_of_one():
    with pytest.raises(InvalidInputError, match="no two pictures show the same concept"):
        image_to_image_task(TWO_CATS)


def test_text_text_pairs_have_one_task():
    pairs = ListedSamples([Sample("1", "What is a cat?", text="A cat purrs."), Sample("2", "dog?", text="Dogs bark.")])
    (task,) = tasks_of(pairs)
    assert task.direction is Direction.TEXT_TO_TEXT


def test_an_empty_set():
    with pytest.raises(InvalidInputError, match="listed has no samples"):
        tasks_of(ListedSamples([]))


def test_measures_of_a_perfect_model():
    samples = ListedSamples([numbered(0, "red"), numbered(1, "green"), numbered(2, "blue")])
    model = KnowsNames(["red", "green", "blue"])
    measures = evaluate_model(model, samples)
    assert measures.keys() == {f"{way}_{name}" for way in ("text_to_image", "image_to_text") for name in MEASURES}
    assert set(measures.values()) == {1.0}
    assert model.encoded_pictures == 3, "pictures are encoded once for both ways"


def test_a_confused_model_is_seen():
    samples = ListedSamples([numbered(0, "red"), numbered(1, "green"), numbered(2, "blue")])
    measures = evaluate_model(KnowsNames(["green", "red", "blue"]), samples)
    assert measures["text_to_image_recall_at_1"] == pytest.approx(1 / 3)


def test_text_documents_are_encoded_as_documents():
    class Documents(KnowsNames):
        def encode_documents(self, texts):
            return self.encode_texts([text.removeprefix("about ") for text in texts])

    pairs = ListedSamples([Sample(name, name, text=f"about {name}") for name in ("cats", "dogs")])
    assert evaluate_model(Documents(["cats", "dogs"]), pairs)["text_to_text_recall_at_1"] == 1


def test_pixels_find_the_same_drawing_in_another_size():
    small = ListedSamples([Sample(f"s{n}", "", image=drawing(n, side=32), concept=str(n)) for n in range(12)])
    large = ListedSamples([Sample(f"l{n}", "", image=drawing(n, side=48), concept=str(n)) for n in range(12)])
    (result,) = measure_tasks(TaskVectors(PixelEncoder()), [image_to_image_task(small, large)], resamples=20)
    assert (result.report.queries, result.report.candidates) == (12, 12)
    assert result.report.measures["recall_at_1"] > 0.8
    assert result.report.intervals["recall_at_1"].high == 1


def test_a_picture_that_cannot_be_read_is_named():
    samples = ListedSamples([Sample("broken", "x", image=b"nothing")], "set")
    with pytest.raises(CorruptDataError, match="set, broken: the 7 bytes are not a picture"):
        evaluate_model(PixelEncoder(), samples, directions=[Direction.IMAGE_TO_TEXT])


def test_a_model_is_given_what_its_bundle_would_be_given():
    class Means:
        def encode_images(self, images):
            assert images.dtype == torch.float32
            assert images.shape[1:] == (3, 16, 16)
            return images.mean(dim=(2, 3))

    encoders = ModelEncoders(Means(), size=16)
    vectors = encoders.encode_images([np.full((9, 5, 3), (255, 102, 0), np.uint8)] * 70)
    assert vectors.shape == (70, 3)
    np.testing.assert_allclose(vectors[69], [1, 0.4, 0], atol=1e-6)


def test_a_random_trunk_tells_drawings_apart_but_guesses_at_texts(bundle_folder):
    count = 20
    samples = ListedSamples([Sample(f"s{n}", f"drawing {n}", image=drawing(n), concept=str(n)) for n in range(count)])
    again = ListedSamples([Sample(f"a{n}", f"drawing {n}", image=drawing(n), concept=str(n)) for n in range(count)])
    configuration = ModelConfiguration(image=ConvNetTrunk(depths=(1, 1, 1, 1), widths=(8, 8, 16, 16)), size=32)
    vectors = TaskVectors(random_trunk(configuration, seed=1))
    tasks = [image_to_image_task(samples, again), text_to_image_task(samples)]
    images, texts = measure_tasks(vectors, tasks, resamples=0)
    assert images.report.measures["recall_at_1"] == 1
    assert texts.report.measures["recall_at_1"] < 0.4


def test_a_text_text_model_has_no_trunk_to_leave_untrained():
    with pytest.raises(InvalidInputError, match="expected a model with an image trunk"):
        random_trunk(ModelConfiguration(image=None, documents=FrozenMiniLm()))
