"""What a model must beat: pictures compared pixel by pixel, and a trunk that has learnt nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sightwire.bundles.preprocessing import Pixels, encoder_pixels
from sightwire.errors import InvalidInputError
from sightwire_trainer.configuration import (
    DetectorTrunk,
    EfficientNetLiteTrunk,
    ImageTrunk,
    ModelConfiguration,
    OpenClipTower,
)
from sightwire_trainer.evaluation.encoding import Encoders
from sightwire_trainer.evaluation.ranks import Matrix


@dataclass(frozen=True, slots=True)
class PixelEncoder:
    """Pictures as their own pixels, scaled down, mean taken off, length 1: the cosine is the correlation."""

    side: int = 16

    def encode_images(self, images: Sequence[Pixels]) -> Matrix:
        """uint8 [height, width, 3] to float32 [images, 3 * side * side]; a picture of one colour is all zeros."""
        rows = [encoder_pixels(Image.fromarray(image), self.side).reshape(-1) for image in images]
        vectors = np.stack(rows).astype(np.float32)
        vectors -= vectors.mean(axis=1, keepdims=True)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return vectors

    def encode_texts(self, texts: Sequence[str]) -> Matrix:
        """Raises `InvalidInputError`: texts have no pixels."""
        raise InvalidInputError(f"pixels compare pictures with pictures only; cannot place {len(texts)} texts")


def random_trunk(configuration: ModelConfiguration, *, seed: int = 0) -> Encoders:
    """A model of that architecture whose trunk and head for pictures have random weights; texts are encoded as always.

    From text to image it guesses; from image to image it does not, as random filters tell colours and shapes apart too.

    Raises:
        InvalidInputError: it is a text-text model.
        BundleError: the bundle that the text tower is read from is not there.
    """
    # Imported here: whoever compares bundles or pixels need not load torch's models.
    from sightwire_trainer.evaluation.model_encoders import ModelEncoders
    from sightwire_trainer.models.building import build_model

    if configuration.image is None:
        raise InvalidInputError("expected a model with an image trunk; a text-text model has none to leave untrained")
    untrained = configuration.model_copy(update={"image": _untrained(configuration.image), "init_from": None})
    return ModelEncoders(build_model(untrained, seed=seed).eval(), size=configuration.size)


def _untrained(trunk: ImageTrunk) -> ImageTrunk:
    if isinstance(trunk, DetectorTrunk | EfficientNetLiteTrunk):
        return trunk.model_copy(update={"pretrained": False})
    if isinstance(trunk, OpenClipTower):
        return trunk.model_copy(update={"pretrained": None})
    return trunk
