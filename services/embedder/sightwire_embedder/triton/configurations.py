"""Configurations (config.pbtxt) of a bundle's models on Triton."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf import text_format

from sightwire.bundles import BundleSpec
from sightwire.bundles.spec import DetectorSpec, ImageEncoderSpec, TextEncoderSpec
from sightwire.v1 import triton_pb2
from sightwire_embedder.triton import naming
from sightwire_embedder.triton.options import ServingOptions, TritonBackend

#: Of the file that a model is made of, so that nobody takes its vectors for those of another bundle.
SHA256_PARAMETER: Final = "sightwire_sha256"
BUNDLE_PARAMETER: Final = "sightwire_bundle"
#: Largest batches of one call: of pictures, and of texts.
MAX_PICTURES: Final = 128
MAX_TEXTS: Final = 64
#: Texts of this length are what TensorRT is to be quickest at.
_CAPTION_TOKENS: Final = 16

UINT8: Final = triton_pb2.TYPE_UINT8
INT32: Final = triton_pb2.TYPE_INT32
INT64: Final = triton_pb2.TYPE_INT64
FP32: Final = triton_pb2.TYPE_FP32
#: A size that differs from call to call.
ANY: Final = -1


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output without its batch dimension; `optimal` and `largest` fill what `dims` leaves open."""

    name: str
    type: "triton_pb2.DataType.ValueType"
    dims: tuple[int, ...]
    smallest: tuple[int, ...] = ()
    optimal: tuple[int, ...] = ()
    largest: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ServedGraph:
    """One graph of a bundle as a model on a server."""

    model: str
    #: Its path in the bundle.
    file: str
    max_batch: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def graphs_of(spec: BundleSpec) -> tuple[ServedGraph, ...]:
    """The graphs of a bundle, each with what goes in and comes out."""
    return tuple(_graphs(spec))


def graph_configuration(graph: ServedGraph, spec: BundleSpec, options: ServingOptions) -> triton_pb2.ModelConfig:
    """How a server runs one graph."""
    sha256 = next(listed.sha256 for listed in spec.files if listed.path == graph.file)
    configuration = triton_pb2.ModelConfig(
        name=graph.model,
        max_batch_size=graph.max_batch,
        input=map(_as_input, graph.inputs),
        output=map(_as_output, graph.outputs),
        instance_group=[triton_pb2.ModelInstanceGroup(count=options.instances, kind=_kind(options.backend))],
        # Even without a wait: calls that come while all instances are busy share the next one.
        dynamic_batching=triton_pb2.ModelDynamicBatching(
            preferred_batch_size=[size for size in options.preferred_batch_sizes if size <= graph.max_batch],
            max_queue_delay_microseconds=options.max_queue_delay_microseconds,
        ),
        parameters=own_parameters(spec, {SHA256_PARAMETER: sha256}),
    )
    if options.backend is TritonBackend.TENSORRT:
        configuration.platform = "tensorrt_plan"
    else:
        configuration.backend = options.backend.value
    return configuration


def own_parameters(spec: BundleSpec, others: Mapping[str, str]) -> dict[str, triton_pb2.ModelParameter]:
    """Parameters of a model that is made of a bundle."""
    named = {BUNDLE_PARAMETER: f"{spec.name}:{spec.version}", **others}
    return {name: triton_pb2.ModelParameter(string_value=value) for name, value in named.items()}


def step_configuration(
    model: str, spec: BundleSpec, *, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...], step: str
) -> triton_pb2.ModelConfig:
    """One of the ensemble's steps in Python, of one picture at a time."""
    return triton_pb2.ModelConfig(
        name=model,
        backend="python",
        input=map(_as_input, inputs),
        output=map(_as_output, outputs),
        instance_group=[triton_pb2.ModelInstanceGroup(count=1, kind=triton_pb2.ModelInstanceGroup.KIND_CPU)],
        parameters=own_parameters(spec, {"step": step}),
    )


def ensemble_configuration(
    model: str,
    spec: BundleSpec,
    *,
    inputs: tuple[Tensor, ...],
    outputs: tuple[Tensor, ...],
    steps: list[triton_pb2.ModelEnsembling.Step],
) -> triton_pb2.ModelConfig:
    """A model that is nothing but others, one after the other."""
    return triton_pb2.ModelConfig(
        name=model,
        platform="ensemble",
        input=map(_as_input, inputs),
        output=map(_as_output, outputs),
        parameters=own_parameters(spec, {}),
        ensemble_scheduling=triton_pb2.ModelEnsembling(step=steps),
    )


def as_text(configuration: triton_pb2.ModelConfig) -> str:
    """The content of config.pbtxt."""
    return text_format.MessageToString(configuration)


def read_text(text: str) -> triton_pb2.ModelConfig:
    """What a config.pbtxt says; what this project does not use is passed over."""
    return text_format.Parse(text, triton_pb2.ModelConfig(), allow_unknown_field=True)


def _graphs(spec: BundleSpec) -> Iterator[ServedGraph]:
    for role, texts in (
        (naming.TEXT_ENCODER, spec.text_encoder),
        (naming.DOCUMENT_ENCODER, spec.document_encoder),
    ):
        if texts is not None:
            yield _text_graph(naming.model_name(spec, role), texts, spec.dimension)
    if spec.image_encoder is not None:
        yield _image_graph(naming.model_name(spec, naming.IMAGE_ENCODER), spec.image_encoder, spec.dimension)
    if spec.detector is not None:
        yield _detector_graph(naming.model_name(spec, naming.DETECTOR), spec.detector, len(spec.classes))


def _text_graph(model: str, spec: TextEncoderSpec, dimension: int) -> ServedGraph:
    length = spec.padded_length or ANY
    sizes = [(spec.padded_length or size,) for size in (1, min(_CAPTION_TOKENS, spec.max_tokens), spec.max_tokens)]
    names = [spec.ids_input, *([] if spec.mask_input is None else [spec.mask_input])]
    return ServedGraph(
        model,
        spec.file,
        min(MAX_TEXTS, spec.max_batch or MAX_TEXTS),
        tuple(Tensor(name, INT64, (length,), *sizes) for name in names),
        (Tensor(spec.output, FP32, (dimension,)),),
    )


def _image_graph(model: str, spec: ImageEncoderSpec, dimension: int) -> ServedGraph:
    shape = (3, spec.size, spec.size)
    return ServedGraph(
        model,
        spec.file,
        min(MAX_PICTURES, spec.max_batch or MAX_PICTURES),
        (Tensor(spec.input, FP32, shape, shape, shape, shape),),
        (Tensor(spec.output, FP32, (dimension,)),),
    )


def _detector_graph(model: str, spec: DetectorSpec, classes: int) -> ServedGraph:
    least = (spec.size_multiple, spec.size_multiple, 3)
    largest = (spec.size, spec.size, 3)
    return ServedGraph(
        model,
        spec.file,
        min(MAX_PICTURES, spec.max_batch or MAX_PICTURES),
        (Tensor(spec.input, UINT8, (ANY, ANY, 3), least, largest, largest),),
        (Tensor(spec.boxes_output, FP32, (ANY, 4)), Tensor(spec.scores_output, FP32, (ANY, classes))),
    )


def _as_input(tensor: Tensor) -> triton_pb2.ModelInput:
    return triton_pb2.ModelInput(name=tensor.name, data_type=tensor.type, dims=tensor.dims)


def _as_output(tensor: Tensor) -> triton_pb2.ModelOutput:
    return triton_pb2.ModelOutput(name=tensor.name, data_type=tensor.type, dims=tensor.dims)


def _kind(backend: TritonBackend) -> "triton_pb2.ModelInstanceGroup.Kind.ValueType":
    if backend is TritonBackend.TENSORRT:
        return triton_pb2.ModelInstanceGroup.KIND_GPU
    if backend is TritonBackend.PYTHON:
        return triton_pb2.ModelInstanceGroup.KIND_CPU
    return triton_pb2.ModelInstanceGroup.KIND_AUTO
