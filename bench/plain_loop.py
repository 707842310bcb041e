"""The baseline of ingest: the models of the default bundle, called in a plain loop in one process.

What somebody would write who has the models and no platform: all cores for each call, one picture or one batch of texts
after the other, vectors kept in memory. ONNX Runtime's threads do not spin between calls, as in the embedder: with
several models in one process, spinning threads take the cores from each other (13 pictures a second instead of 20).
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from sightwire_embedder.detector import Detector, DetectorInput
from sightwire_embedder.settings import EmbedderSettings

from sightwire.bundles import load_bundle
from sightwire.bundles.encoders import ImageEncoder, TextEncoder, Vector
from sightwire.bundles.inference import OnnxRuntimeLoader
from sightwire.bundles.pictures import PictureLimits, decode_picture
from sightwire.bundles.preprocessing import encoder_pixels, letterbox
from sightwire.bundles.tokenization import TextTokenizer

Output = TypeVar("Output")


class PlainLoop:
    """The default bundle's models, ready to be called."""

    def __init__(self, bundle_folder: Path | None = None) -> None:
        self._bundle = load_bundle(bundle_folder or EmbedderSettings().model_bundle)
        spec = self._bundle.spec
        normalise = spec.metric == "cosine"
        assert spec.text_encoder is not None
        assert spec.image_encoder is not None
        assert spec.detector is not None
        self._limits = PictureLimits()
        self._tokenizer = TextTokenizer(self._bundle.path(spec.text_encoder.tokenizer), spec.text_encoder.max_tokens)
        loader = OnnxRuntimeLoader(threads_per_call=os.cpu_count() or 1)
        text_graph = loader.load(self._bundle.path(spec.text_encoder.file), [spec.text_encoder.output])
        image_graph = loader.load(self._bundle.path(spec.image_encoder.file), [spec.image_encoder.output])
        detector_outputs = [spec.detector.boxes_output, spec.detector.scores_output]
        detector_graph = loader.load(self._bundle.path(spec.detector.file), detector_outputs)
        self._text_encoder = TextEncoder(text_graph, spec.text_encoder, normalise=normalise)
        self._image_encoder = ImageEncoder(image_graph, spec.image_encoder, normalise=normalise)
        self._detector = Detector(detector_graph, spec.detector)

    def embed_texts(self, texts: Sequence[str], *, batch_size: int) -> int:
        """Embeds all texts; how many vectors came of them."""
        return sum(
            len(self.text_vectors(texts[start : start + batch_size])) for start in range(0, len(texts), batch_size)
        )

    def text_vectors(self, texts: Sequence[str]) -> list[Vector]:
        """One vector a text, made by one call; float32 [dimension]."""
        return _all_good(self._text_encoder.embed(self._tokenizer.tokenize(texts)))

    def analyse_pictures(self, files: Sequence[bytes]) -> int:
        """Decodes, detects, embeds each picture and its objects; how many vectors came of them."""
        return sum(len(self._analyse(data)) for data in files)

    def _analyse(self, data: bytes) -> list[Vector]:
        picture = decode_picture(data, self._limits, self._bundle.spec.background)
        letterboxed = letterbox(picture.pixels, self._detector.spec)
        (objects,) = _all_good(self._detector.detect([DetectorInput(letterboxed, (picture.width, picture.height))]))
        crops = [encoder_pixels(picture.pixels, self._image_encoder.spec.size)]
        for found in objects:
            right, bottom = max(found.x2, found.x1 + 1), max(found.y2, found.y1 + 1)
            box = (found.x1, found.y1, min(right, picture.pixels.width), min(bottom, picture.pixels.height))
            crops.append(encoder_pixels(picture.pixels, self._image_encoder.spec.size, box))
        # The picture and its objects together: nobody would call the model once for each.
        return _all_good(self._image_encoder.embed(crops))


def _all_good(outputs: Sequence[Output | Exception]) -> list[Output]:
    good = []
    for output in outputs:
        if isinstance(output, Exception):
            raise output
        good.append(output)
    return good
