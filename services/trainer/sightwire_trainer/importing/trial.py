"""Whether the models of a bundle load, and answer what its description says."""

from typing import Final

import numpy as np

from sightwire.bundles import Bundle
from sightwire.bundles.bundle_encoder import BundleEncoder
from sightwire.bundles.inference import OnnxRuntimeLoader, limited
from sightwire.bundles.spec import DetectorSpec
from sightwire.errors import SightwireError
from sightwire_trainer.importing.errors import ImportRefusedError

_TEXTS: Final = ("a cat", "a photo of a red apple on a table, with knife and fork", "")
#: One that is wide and one that is high, so that both are fitted.
_SIZES: Final = ((60, 90, 3), (90, 60, 3))


def try_models(bundle: Bundle) -> None:
    """Has every model answer small inputs, alone and in a batch.

    Raises:
        BundleError: a file cannot be loaded.
        ImportRefusedError: a model fails, or answers something of another shape than is described.
    """
    try:
        _try_encoders(bundle)
        if bundle.spec.detector is not None:
            _try_detector(bundle, bundle.spec.detector)
    except SightwireError:
        raise
    except Exception as error:  # what an engine raises for graphs that fail has no common base class
        raise ImportRefusedError(
            f"a model of {bundle.spec.name} {bundle.spec.version} fails on small inputs: {error}"
        ) from error


def _try_encoders(bundle: Bundle) -> None:
    encoder = BundleEncoder(bundle)
    random = np.random.default_rng(0)
    if bundle.spec.text_encoder is not None:
        encoder.encode_texts(_TEXTS)
        encoder.encode_documents(_TEXTS)
    if bundle.spec.image_encoder is not None:
        encoder.encode_images([random.integers(0, 256, size, np.uint8) for size in _SIZES])


def _try_detector(bundle: Bundle, spec: DetectorSpec) -> None:
    graph = OnnxRuntimeLoader().load(bundle.path(spec.file), [spec.boxes_output, spec.scores_output])
    for batch in (1, 2):
        pictures = np.full((batch, spec.size, spec.size, 3), 127, np.uint8)
        boxes, scores = limited(graph, spec.max_batch).run({spec.input: pictures})
        cells = boxes.shape[1] if boxes.ndim == 3 else 0
        expected = (batch, cells, 4), (batch, cells, len(bundle.spec.classes))
        if (boxes.shape, scores.shape) != expected:
            raise ImportRefusedError(
                f"the detector: for {batch} pictures, expected boxes [{batch}, n, 4] and scores "
                f"[{batch}, n, {len(bundle.spec.classes)}], got {list(boxes.shape)} and {list(scores.shape)}; "
                "export it with a dynamic batch, and check the names of its classes"
            )
