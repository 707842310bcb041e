"""Small ONNX graphs and tokenizers in the forms in which other people publish their models."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

WORDS = ["[PAD]", "[UNK]", "a", "red", "apple", "cat", "photo", "of"]
Sizes = Sequence[int | str]

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
INT64, INT32 = TensorProto.INT64, TensorProto.INT32


def image_encoder(
    path: Path, *, shape: Sizes = ("batch", 3, 32, 32), kind: int = FLOAT, dimension: int = 5, opset: int = 13
) -> Path:
    """Mean colours, times a matrix."""
    weights = np.random.default_rng(0).normal(size=(3, dimension))
    nodes = [
        helper.make_node("ReduceMean", ["pixels"], ["colours"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["colours", "weights"], ["image_embeds"]),
    ]
    inputs = [helper.make_tensor_value_info("pixels", kind, shape)]
    outputs = [helper.make_tensor_value_info("image_embeds", kind, [shape[0], dimension])]
    return _saved(path, nodes, inputs, outputs, {"weights": weights.astype(_numpy(kind))}, opset)


def text_encoder(
    path: Path,
    *,
    shape: Sizes = ("batch", "length"),
    kind: int = INT64,
    mask: bool = True,
    segments: bool = False,
    dimension: int = 5,
    pooled: bool = True,
) -> Path:
    """The sum of the vectors of a text's tokens."""
    weights = {"tokens": np.random.default_rng(1).normal(size=(len(WORDS), dimension)).astype(np.float32)}
    nodes = [helper.make_node("Gather", ["tokens", "input_ids"], ["gathered"])]
    names, last = ["input_ids"], "gathered"
    for name, operator, used in (("attention_mask", "Mul", mask), ("token_type_ids", "Add", segments)):
        if not used:
            continue
        names.append(name)
        nodes.append(helper.make_node("Cast", [name], [f"{name}_float"], to=FLOAT))
        weights["axis"] = np.array([2], np.int64)
        nodes.append(helper.make_node("Unsqueeze", [f"{name}_float", "axis"], [f"{name}_column"]))
        nodes.append(helper.make_node(operator, [last, f"{name}_column"], [f"with_{name}"]))
        last = f"with_{name}"
    weights["length_axis"] = np.array([1], np.int64)
    if pooled:
        nodes.append(helper.make_node("ReduceSum", [last, "length_axis"], ["text_embeds"], keepdims=0))
    else:
        nodes.append(helper.make_node("Identity", [last], ["text_embeds"]))
    inputs = [helper.make_tensor_value_info(name, kind, shape) for name in names]
    sizes = [shape[0], dimension] if pooled else [*shape, dimension]
    return _saved(path, nodes, inputs, [helper.make_tensor_value_info("text_embeds", FLOAT, sizes)], weights)


def detector(
    path: Path,
    answer: NDArray[np.float32],
    *,
    shape: Sizes = ("batch", 3, 64, 64),
    names: str | None = "{0: 'person', 1: 'bicycle'}",
    times_brightness: bool = True,
) -> Path:
    """Answers `answer`, [1, n, m], for each picture, times its mean brightness; [n, m] of one picture as it is."""
    rank = answer.ndim
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["brightness_4"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Reshape", ["brightness_4", "shape"], ["brightness"]),
        helper.make_node("Mul", ["brightness", "zero"], ["nothing"]),
        helper.make_node("Mul", ["brightness", "answer"], ["output0"])
        if times_brightness
        else helper.make_node("Add", ["nothing", "answer"], ["output0"]),
    ]
    weights = {
        "shape": np.array([-1] + [1] * (rank - 1), np.int64),
        "zero": np.array(0, np.float32),
        "answer": answer.astype(np.float32),
    }
    sizes: Sizes = [shape[0], *answer.shape[1:]] if rank == 3 else ["boxes", 6]
    inputs = [helper.make_tensor_value_info("images", FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("output0", FLOAT, sizes)]
    saved = _saved(path, nodes, inputs, outputs, weights)
    if names is not None:
        model = onnx.load(saved)
        model.metadata_props.add(key="names", value=names)
        onnx.save(model, saved)
    return saved


def tokenizer(path: Path, *, padded_length: int | None = None, max_tokens: int | None = None) -> Path:
    """A tokenizer.json of a few words."""
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.add_special_tokens(["[PAD]"])
    if padded_length is not None:
        made.enable_padding(pad_id=0, pad_token="[PAD]", length=padded_length)
    if max_tokens is not None:
        made.enable_truncation(max_tokens)
    made.save(str(path))
    return path


def _saved(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    weights: dict[str, NDArray[np.generic]],
    opset: int = 13,
) -> Path:
    initializers = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    graph = helper.make_graph(nodes, "small", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, path)
    return path


def _numpy(kind: int) -> type[np.generic]:
    return np.float16 if kind == HALF else np.float32
