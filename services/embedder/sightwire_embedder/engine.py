"""A bundle made ready to serve: models loaded, measured and warm, with their batchers."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sightwire.bundles import Bundle, BundleSpec, load_bundle
from sightwire.bundles.encoders import Vector
from sightwire.bundles.inference import GraphLoader
from sightwire.bundles.preprocessing import Pixels
from sightwire.bundles.tokenization import TextTokenizer, TokenIds
from sightwire.errors import InvalidInputError
from sightwire_embedder.analysis import PictureAnalyser, PictureAnalysis
from sightwire_embedder.batching import Answer, Batcher, BatchObserver, ComputeTurns, Priority
from sightwire_embedder.batching.selection import RequestShape
from sightwire_embedder.detection import DetectedObject
from sightwire_embedder.detector import DetectorInput
from sightwire_embedder.loading import (
    DETECTOR_MODEL,
    DOCUMENT_MODEL,
    IMAGE_MODEL,
    TEXT_MODEL,
    EngineOptions,
    LoadedModels,
    load_models,
)
from sightwire_embedder.text_model import TextModel

Input = TypeVar("Input")
Output = TypeVar("Output")

#: Opens the models of a bundle.
MakeLoader = Callable[[Bundle], GraphLoader]

#: Shorter texts are tokenized where they are: less work than changing threads.
_CHARACTERS_TOKENIZED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class _Texts:
    """Where texts of one kind go."""

    tokenizer: TextTokenizer
    batcher: Batcher[TokenIds, Vector]


class EmbeddingEngine:
    """Embeds texts and pictures into one bundle's space. Entering loads, verifies, measures and warms the bundle::

    async with EmbeddingEngine(Path(".models/sightwire-default-2"), Path("data/embedder")) as engine:
        (vector,) = await engine.embed_texts(["a red apple"], Priority.QUERY)
    """

    def __init__(
        self,
        bundle: Path | Bundle,
        data_folder: Path,
        options: EngineOptions | None = None,
        observer: BatchObserver | None = None,
        turns: ComputeTurns | None = None,
        make_loader: MakeLoader | None = None,
    ) -> None:
        """
        Args:
            bundle: its folder, or the bundle itself if its files were verified already.
            data_folder: where measured latencies are kept.
            turns: threads that are shared with other engines; none: threads of its own.
            make_loader: what opens a bundle's models; none: ONNX Runtime in this process.
        """
        self._bundle = bundle
        self._shared_turns = turns
        self._make_loader = make_loader
        self._data_folder = data_folder
        self._options = options or EngineOptions()
        self._observer = observer
        self._resources = AsyncExitStack()
        self._batchers: list[Batcher[Any, Any]] = []
        self._spec: BundleSpec | None = None
        self._texts: _Texts | None = None
        self._documents: _Texts | None = None
        self._pictures: PictureAnalyser | None = None

    @property
    def spec(self) -> BundleSpec:
        """The loaded bundle's description."""
        assert self._spec is not None, "the engine is used before it was entered"
        return self._spec

    async def __aenter__(self) -> Self:
        """Raises `BundleError` when the bundle is incomplete, altered or cannot be loaded, and `UnavailableError` when
        another server is to run it that does not answer."""
        bundle = self._bundle
        if isinstance(bundle, Path):
            bundle = await asyncio.to_thread(load_bundle, bundle)
        loader = None if self._make_loader is None else self._make_loader(bundle)
        models = await asyncio.to_thread(load_models, bundle, self._data_folder, self._options, loader)
        turns = self._shared_turns
        if turns is None:
            turns = await self._resources.enter_async_context(ComputeTurns(self._options.worker_count))
        self._turns = turns
        self._texts = self._text_side(TEXT_MODEL, models.text, models)
        self._documents = self._text_side(DOCUMENT_MODEL, models.documents, models) or self._texts
        self._pictures = self._picture_analyser(bundle.spec, models)
        self._spec = bundle.spec
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Refuses what comes now, and answers what came before: with shared threads, for as long as those live."""
        for batcher in self._batchers:
            batcher.close()
        await self._resources.aclose()

    async def embed_texts(self, texts: Sequence[str], priority: Priority) -> list[Answer[Vector] | Exception]:
        """For each text its vector or its own error; what is ingested is embedded as a document, if that differs.

        Raises `InvalidInputError` if the bundle embeds no texts.
        """
        side = self._texts if priority is Priority.QUERY else self._documents
        if side is None:
            raise InvalidInputError(f"the bundle {self.spec.name} {self.spec.version} embeds no texts")
        tokenizer = side.tokenizer
        if sum(map(len, texts)) <= _CHARACTERS_TOKENIZED_AT_ONCE:
            token_ids = tokenizer.tokenize(texts)
        else:
            token_ids = await self._turns.run(priority, lambda: tokenizer.tokenize(texts))
        return await side.batcher.submit_all(token_ids, priority)

    async def analyse_picture(
        self,
        data: bytes,
        priority: Priority,
        *,
        image_vector: bool = True,
        detect: bool = True,
        object_vectors: bool = True,
    ) -> PictureAnalysis:
        """A picture file's detections and vectors; see `PictureAnalyser.analyse`.

        Raises `InvalidPictureError` or `TooLargeError` for bytes that are no acceptable picture, and
        `InvalidInputError` if the bundle embeds no pictures.
        """
        if self._pictures is None:
            raise InvalidInputError(f"the bundle {self.spec.name} {self.spec.version} embeds no pictures")
        return await self._pictures.analyse(
            data, priority, image_vector=image_vector, detect=detect, object_vectors=object_vectors
        )

    async def embed_pictures(self, pictures: Sequence[bytes], priority: Priority) -> tuple[list[Vector], float]:
        """The vector of each picture file, and the longest of the model calls that made them, in seconds.

        Raises as `analyse_picture` does when any of them is no acceptable picture.
        """
        analyses = await asyncio.gather(
            *(self.analyse_picture(data, priority, detect=False, object_vectors=False) for data in pictures)
        )
        vectors = [analysis.image_vector for analysis in analyses if analysis.image_vector is not None]
        return vectors, max(analysis.model_seconds for analysis in analyses)

    def _text_side(self, name: str, model: TextModel | None, models: LoadedModels) -> "_Texts | None":
        if model is None:
            return None
        return _Texts(model.tokenizer, self._batcher(name, model.encoder.embed, models, model.shape_of))

    def _picture_analyser(self, spec: BundleSpec, models: LoadedModels) -> PictureAnalyser | None:
        if models.image is None:
            return None
        images = self._batcher(IMAGE_MODEL, models.image.embed, models, _shape_of_pixels)
        detector: Batcher[DetectorInput, list[DetectedObject]] | None = None
        if models.detector is not None:
            detector = self._batcher(DETECTOR_MODEL, models.detector.detect, models, _shape_of_detector_input)
        return PictureAnalyser(spec, self._turns, images, detector, self._options.picture_limits)

    def _batcher(
        self,
        model: str,
        call: Callable[[Sequence[Input]], Sequence[Output | Exception]],
        models: LoadedModels,
        shape_of: Callable[[Input], RequestShape],
    ) -> Batcher[Input, Output]:
        batcher = Batcher(
            model,
            call,
            self._turns,
            models.policies[model],
            shape_of=shape_of,
            max_waiting=self._options.max_waiting,
            observer=self._observer,
        )
        self._batchers.append(batcher)
        return batcher


def _shape_of_pixels(_: Pixels) -> RequestShape:
    return RequestShape()


def _shape_of_detector_input(detector_input: DetectorInput) -> RequestShape:
    return RequestShape(group=detector_input.letterboxed.shape)
