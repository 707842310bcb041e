"""The ensemble of a bundle: from a picture file's bytes to detections and vectors in one call of the server.

    encoded_images ─► decode ─► detector ─► objects ─► image encoder ─► vectors
                        └────────────────────►┘  └ num_dets, det_*        └ global_embeddings, box_embeddings

The whole picture and its objects are one batch of the image encoder, which is so never an empty one.
"""

from sightwire.bundles import BundleSpec
from sightwire.v1 import triton_pb2
from sightwire_embedder.triton import naming
from sightwire_embedder.triton.configurations import (
    ANY,
    FP32,
    INT32,
    INT64,
    UINT8,
    Tensor,
    ensemble_configuration,
    graphs_of,
    step_configuration,
)

_PICTURE = Tensor("picture", UINT8, (ANY, ANY, 3))
_DETECTOR_INPUT = Tensor("detector_input", UINT8, (ANY, ANY, ANY, 3))
#: Width and height of the picture, and of the content of the detector's input.
_SIZES = Tensor("sizes", INT64, (4,))
_FILE = Tensor("encoded_images", UINT8, (ANY,))
_OBJECTS = (
    Tensor("num_dets", INT32, (1,)),
    Tensor("det_boxes", FP32, (ANY, 4)),
    Tensor("det_scores", FP32, (ANY,)),
    Tensor("det_classes", INT32, (ANY,)),
)


def why_no_ensemble(spec: BundleSpec) -> str | None:
    """What keeps a bundle from having an ensemble, None if it has one."""
    if spec.image_encoder is None or spec.detector is None:
        return "the bundle has no detector" if spec.image_encoder is not None else "the bundle embeds no pictures"
    needed = 1 + spec.detector.max_detections
    taken = next(graph.max_batch for graph in graphs_of(spec) if graph.file == spec.image_encoder.file)
    if taken < needed:
        return f"its image encoder takes {taken} pictures at once, and one with all its objects may be {needed}"
    return None


def ensemble_configurations(spec: BundleSpec) -> dict[str, triton_pb2.ModelConfig]:
    """The ensemble and its own steps, by name; the graphs that it calls are models of their own."""
    assert spec.image_encoder is not None, "see why_no_ensemble"
    assert spec.detector is not None, "see why_no_ensemble"
    ensemble = naming.model_name(spec, naming.ENSEMBLE)
    decode, objects, vectors = (f"{ensemble}_{step}" for step in ("decode", "objects", "vectors"))
    size, dimension = spec.image_encoder.size, spec.dimension
    boxes = Tensor("boxes", FP32, (ANY, ANY, 4))
    scores = Tensor("scores", FP32, (ANY, ANY, len(spec.classes)))
    pictures = Tensor("pictures", FP32, (ANY, 3, size, size))
    embeddings = Tensor("embeddings", FP32, (ANY, dimension))
    split = (Tensor("global_embeddings", FP32, (dimension,)), Tensor("box_embeddings", FP32, (ANY, dimension)))
    decode_outputs = (_PICTURE, _DETECTOR_INPUT, _SIZES)
    object_inputs = (_PICTURE, _SIZES, boxes, scores)
    steps = [
        _step(decode, {_FILE.name: _FILE.name}, _same(decode_outputs)),
        _step(
            naming.model_name(spec, naming.DETECTOR),
            {spec.detector.input: _DETECTOR_INPUT.name},
            {spec.detector.boxes_output: boxes.name, spec.detector.scores_output: scores.name},
        ),
        _step(objects, _same(object_inputs), _same((*_OBJECTS, pictures))),
        _step(
            naming.model_name(spec, naming.IMAGE_ENCODER),
            {spec.image_encoder.input: pictures.name},
            {spec.image_encoder.output: embeddings.name},
        ),
        _step(vectors, _same((embeddings,)), _same(split)),
    ]
    return {
        decode: step_configuration(decode, spec, inputs=(_FILE,), outputs=decode_outputs, step="decode"),
        objects: step_configuration(objects, spec, inputs=object_inputs, outputs=(*_OBJECTS, pictures), step="objects"),
        vectors: step_configuration(vectors, spec, inputs=(embeddings,), outputs=split, step="vectors"),
        ensemble: ensemble_configuration(ensemble, spec, inputs=(_FILE,), outputs=(*_OBJECTS, *split), steps=steps),
    }


def _step(model: str, inputs: dict[str, str], outputs: dict[str, str]) -> triton_pb2.ModelEnsembling.Step:
    return triton_pb2.ModelEnsembling.Step(model_name=model, model_version=-1, input_map=inputs, output_map=outputs)


def _same(tensors: tuple[Tensor, ...]) -> dict[str, str]:
    """Tensors that have the same names in the step and in the ensemble."""
    return {tensor.name: tensor.name for tensor in tensors}
