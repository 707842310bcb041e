"""Loads a bundle's models, runs each once so that the first request is not slow, and measures their batches."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sightwire.bundles import Bundle
from sightwire.bundles.encoders import ImageEncoder
from sightwire.bundles.inference import GraphLoader, OnnxRuntimeLoader
from sightwire.bundles.pictures import PictureLimits
from sightwire.bundles.preprocessing import LetterboxedPicture
from sightwire_embedder.batching import BatchPolicy, policy_from_latencies
from sightwire_embedder.batching.calibration import CalibrationCache, Latencies, measure_latencies
from sightwire_embedder.detector import Detector, DetectorInput
from sightwire_embedder.text_model import TextModel, load_text_model

logger = logging.getLogger(__name__)

TEXT_MODEL = "text-encoder"
DOCUMENT_MODEL = "document-encoder"
IMAGE_MODEL = "image-encoder"
DETECTOR_MODEL = "detector"


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How a bundle is served."""

    #: Model calls at once; 0 for one per core.
    workers: int = 0
    #: Cores that one call uses.
    threads_per_call: int = 1
    #: No batch is planned that takes longer.
    max_call_seconds: float = 0.1
    #: Requests that may wait for each model and priority.
    max_waiting: int = 1024
    picture_limits: PictureLimits = field(default_factory=PictureLimits)

    @property
    def worker_count(self) -> int:
        return self.workers or max(1, (os.cpu_count() or 1) // self.threads_per_call)


@dataclass(frozen=True, slots=True)
class LoadedModels:
    """The models of one bundle, warm, and how each is to be batched."""

    text: TextModel | None
    #: Of texts that are to be found, where they are not encoded as those that search.
    documents: TextModel | None
    image: ImageEncoder | None
    detector: Detector | None
    policies: dict[str, BatchPolicy]


def load_models(
    bundle: Bundle, data_folder: Path, options: EngineOptions, loader: GraphLoader | None = None
) -> LoadedModels:
    """Loads the models of a verified bundle. Blocks for about a second, and for some more where it measures.

    Measured latencies are kept in `data_folder`. Raises `BundleError` when a file cannot be loaded.
    """
    loader = loader or OnnxRuntimeLoader(options.threads_per_call)
    spec = bundle.spec
    normalise = spec.metric == "cosine"
    text = load_text_model(bundle, spec.text_encoder, loader, normalise=normalise)
    documents = load_text_model(bundle, spec.document_encoder, loader, normalise=normalise)
    image = detector = None
    if spec.image_encoder is not None:
        graph = loader.load(bundle.path(spec.image_encoder.file), [spec.image_encoder.output])
        image = ImageEncoder(graph, spec.image_encoder, normalise=normalise)
    if spec.detector is not None:
        graph = loader.load(bundle.path(spec.detector.file), [spec.detector.boxes_output, spec.detector.scores_output])
        detector = Detector(graph, spec.detector)
    texts = {model: loaded for model, loaded in ((TEXT_MODEL, text), (DOCUMENT_MODEL, documents)) if loaded}
    calls = _batch_calls(texts, image, detector)
    for call in calls.values():
        call(1)
    latencies = _measured(bundle, data_folder, options, loader, calls)
    policies = {
        model: policy_from_latencies(
            latencies[model],
            unit_cost=texts[model].shape_of(texts[model].measured_text).length if model in texts else 1,
            max_call_seconds=options.max_call_seconds,
        )
        for model in calls
    }
    logger.info("batch policies", extra={"policies": {model: str(policy) for model, policy in policies.items()}})
    return LoadedModels(text, documents, image, detector, policies)


def _batch_calls(
    texts: Mapping[str, TextModel], image: ImageEncoder | None, detector: Detector | None
) -> dict[str, Callable[[int], object]]:
    """For each model, how to run it on a batch of a given size."""
    calls: dict[str, Callable[[int], object]] = {}
    for model, text in texts.items():
        calls[model] = lambda size, text=text: text.encoder.embed([text.measured_text] * size)  # type: ignore[misc]
    if image is not None:
        picture = np.full((image.spec.size, image.spec.size, 3), 127, np.uint8)
        calls[IMAGE_MODEL] = lambda size, embed=image.embed: embed([picture] * size)  # type: ignore[misc]
    if detector is not None:
        side = detector.spec.size
        letterboxed = LetterboxedPicture(np.full((side, side, 3), 127, np.uint8), side, side)
        detector_input = DetectorInput(letterboxed, (side, side))
        calls[DETECTOR_MODEL] = lambda size, detect=detector.detect: detect([detector_input] * size)  # type: ignore[misc]
    return calls


def _measured(
    bundle: Bundle,
    data_folder: Path,
    options: EngineOptions,
    loader: GraphLoader,
    calls: dict[str, Callable[[int], object]],
) -> dict[str, Latencies]:
    """Latencies of each model by batch size, from the cache if this bundle was measured on this machine before."""
    key_parts = [
        *(file.sha256 for file in bundle.spec.files),
        loader.engine,
        str(options.threads_per_call),
        str(options.max_call_seconds),
    ]
    cache = CalibrationCache(data_folder / "calibration", key_parts)
    known = cache.load()
    if known is not None and known.keys() >= calls.keys():
        return dict(known)
    logger.info("measuring the models' batch latencies")
    clock = time.thread_time if loader.computes_in_callers_thread else time.perf_counter
    latencies = {
        model: measure_latencies(call, max_call_seconds=options.max_call_seconds, clock=clock)
        for model, call in calls.items()
    }
    cache.store(latencies)
    return latencies
