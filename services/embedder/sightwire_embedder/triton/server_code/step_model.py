"""A step of a bundle's ensemble in Triton's Python backend: what the embedder does around graphs, by its code."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# The backend's interpreter passes over it.
sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))

import numpy as np  # noqa: E402
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found] # noqa: E402

_Arrays = dict[str, Any]


class TritonPythonModel:
    """What the backend makes an instance of, in a process of its own."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Reads which step it is, and the bundle's description."""
        folder = Path(args["model_repository"], args["model_version"])
        sys.path.insert(0, str(folder / "sightwire.zip"))
        from sightwire.bundles.loading import read_spec

        configuration = json.loads(args["model_config"])
        self._spec = read_spec(folder / "bundle.yaml")
        self._inputs = [tensor["name"] for tensor in configuration["input"]]
        self._types = {tensor["name"]: tensor["data_type"] for tensor in configuration["output"]}
        steps = {"decode": self._decode, "objects": self._find_objects, "vectors": self._split_vectors}
        self._step = steps[configuration["parameters"]["step"]["string_value"]]

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """One after the other; what is wrong with one is its own error."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        from sightwire.errors import SightwireError

        inputs = {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs}
        try:
            outputs = self._step(inputs)
        except SightwireError as error:
            return pb_utils.InferenceResponse([], pb_utils.TritonError(error.detail))
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor(name, np.ascontiguousarray(array, pb_utils.triton_string_to_numpy(self._types[name])))
                for name, array in outputs.items()
            ]
        )

    def _decode(self, inputs: _Arrays) -> _Arrays:
        from sightwire.bundles.pictures import PictureLimits, decode_picture
        from sightwire.bundles.preprocessing import letterbox

        assert self._spec.detector is not None, "a bundle without a detector has no ensemble"
        picture = decode_picture(inputs["encoded_images"].tobytes(), PictureLimits(), self._spec.background)
        letterboxed = letterbox(picture.pixels, self._spec.detector)
        return {
            "picture": np.asarray(picture.pixels),
            "detector_input": letterboxed.pixels[np.newaxis],
            "sizes": np.array(
                [picture.width, picture.height, letterboxed.content_width, letterboxed.content_height], np.int64
            ),
        }

    def _find_objects(self, inputs: _Arrays) -> _Arrays:
        from PIL import Image

        from sightwire.bundles.preprocessing import encoder_batch, fitted_pixels
        from sightwire_embedder.crops import cut_out
        from sightwire_embedder.detection import find_objects

        encoder, detector = self._spec.image_encoder, self._spec.detector
        assert encoder is not None, "a bundle without an image encoder has no ensemble"
        assert detector is not None, "a bundle without a detector has no ensemble"
        width, height, content_width, content_height = inputs["sizes"].tolist()
        found = find_objects(
            inputs["boxes"][0],
            inputs["scores"][0],
            detector,
            content_size=(content_width, content_height),
            picture_size=(width, height),
        )
        picture = Image.fromarray(inputs["picture"])
        crops = cut_out(picture, (width, height), found, encoder)
        return {
            "num_dets": np.array([len(found)]),
            "det_boxes": np.array([(one.x1, one.y1, one.x2, one.y2) for one in found]).reshape(-1, 4),
            "det_scores": np.array([one.confidence for one in found]),
            "det_classes": np.array([one.class_id for one in found]),
            "pictures": encoder_batch([fitted_pixels(picture, encoder), *crops], encoder),
        }

    def _split_vectors(self, inputs: _Arrays) -> _Arrays:
        vectors = inputs["embeddings"]
        if self._spec.metric == "cosine":
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return {"global_embeddings": vectors[0], "box_embeddings": vectors[1:]}
