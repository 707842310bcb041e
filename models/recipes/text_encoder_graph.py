"""Builds the ONNX graph of all-MiniLM-L6-v2, a sentence encoder, from its weights alone (no torch).

The graph takes `input_ids` and `attention_mask`, int64 [batch, length], and answers `text_embeddings`,
float32 [batch, 384]: the mean of the last layer over the unmasked tokens, L2-normalised. It is written in standard
operators that ONNX Runtime fuses by itself (layer norms with their residuals, biases with GELU). The three attention
projections of a layer are one matrix, so that one large product replaces three small ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

# 20 is the first opset with a Gelu operator.
OPSET = 20
IR_VERSION = 9
LAYERS = 6
HEADS = 12
WIDTH = 384
HEAD_WIDTH = WIDTH // HEADS
LAYER_NORM_EPSILON = 1e-12
# Added to the attention scores of padding. Finite, so that a row of padding alone gives numbers, not NaN.
MASKED_SCORE = -10_000.0

Weights = Mapping[str, NDArray[np.float32]]


@dataclass
class _GraphParts:
    """Nodes and constants while the graph grows; every method answers the name of its result."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def integers(self, name: str, *values: int) -> str:
        return self.constant(name, np.array(values, np.int64))


def build_text_encoder(weights: Weights) -> onnx.ModelProto:
    """The encoder as an ONNX model; `weights` are named as in the model's safetensors.

    Raises `KeyError` when a weight is missing.
    """
    parts = _GraphParts()
    parts.integers("heads_shape", 0, 0, HEADS, HEAD_WIDTH)
    parts.integers("joined_shape", 0, 0, WIDTH)
    hidden = _embeddings(parts, weights)
    attention_bias = _attention_bias(parts)
    for layer in range(LAYERS):
        hidden = _layer(parts, weights, layer, hidden, attention_bias)
    _mean_pooling(parts, hidden)
    graph = helper.make_graph(
        parts.nodes,
        "all-MiniLM-L6-v2",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"]),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "length"]),
        ],
        [helper.make_tensor_value_info("text_embeddings", TensorProto.FLOAT, ["batch", WIDTH])],
        initializer=parts.constants,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="sightwire",
    )
    onnx.checker.check_model(model)
    return model


def _embeddings(parts: _GraphParts, weights: Weights) -> str:
    """Word, position and segment embeddings, summed and normalised."""
    words = parts.constant("word_embeddings", weights["embeddings.word_embeddings.weight"])
    # Every token is of segment 0, so that segment's vector is a part of each position's.
    segment = weights["embeddings.token_type_embeddings.weight"][0]
    positions = parts.constant("position_embeddings", weights["embeddings.position_embeddings.weight"] + segment)
    parts.node("Gather", [words, "input_ids"], "words")
    parts.node("Shape", ["input_ids"], "length_of_input", start=1, end=2)
    parts.node("Slice", [positions, parts.integers("from_start", 0), "length_of_input"], "positions")
    parts.node("Add", ["words", "positions"], "embedded")
    return _layer_norm(parts, weights, "embeddings.LayerNorm", "embedded", "hidden_0")


def _attention_bias(parts: _GraphParts) -> str:
    """0 where a token may be attended, `MASKED_SCORE` where it is padding; float32 [batch, 1, 1, length]."""
    parts.node("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    parts.node("Sub", [parts.constant("one", np.array(1, np.float32)), "mask"], "padding")
    parts.node("Mul", ["padding", parts.constant("masked_score", np.array(MASKED_SCORE, np.float32))], "padding_bias")
    return parts.node("Unsqueeze", ["padding_bias", parts.integers("head_and_query_axes", 1, 2)], "attention_bias")


def _layer(parts: _GraphParts, weights: Weights, layer: int, hidden: str, attention_bias: str) -> str:
    """One transformer layer: attention and a feed-forward block, each with a residual and a layer norm."""
    source, here = f"encoder.layer.{layer}", f"layer_{layer}"
    attended = _attention(parts, weights, source, here, hidden, attention_bias)
    projected = _linear(parts, weights, f"{source}.attention.output.dense", attended, f"{here}_projected")
    attention_sum = parts.node("Add", [projected, hidden], f"{here}_attention_sum")
    attention_norm = _layer_norm(
        parts, weights, f"{source}.attention.output.LayerNorm", attention_sum, f"{here}_attention_norm"
    )
    widened = _linear(parts, weights, f"{source}.intermediate.dense", attention_norm, f"{here}_widened")
    activated = parts.node("Gelu", [widened], f"{here}_activated")
    narrowed = _linear(parts, weights, f"{source}.output.dense", activated, f"{here}_narrowed")
    feed_forward_sum = parts.node("Add", [narrowed, attention_norm], f"{here}_feed_forward_sum")
    return _layer_norm(parts, weights, f"{source}.output.LayerNorm", feed_forward_sum, f"hidden_{layer + 1}")


def _attention(parts: _GraphParts, weights: Weights, source: str, here: str, hidden: str, attention_bias: str) -> str:
    """Multi-head self-attention of `hidden`, float32 [batch, length, width], before its output projection."""
    projections = [f"{source}.attention.self.{name}" for name in ("query", "key", "value")]
    # The 1/sqrt(head width) of the scores is put into the query's weights, which saves a pass over the scores.
    scales = [np.float32(HEAD_WIDTH**-0.5), np.float32(1), np.float32(1)]
    matrix = np.concatenate(
        [weights[f"{name}.weight"].T * scale for name, scale in zip(projections, scales, strict=True)], axis=1
    )
    bias = np.concatenate([weights[f"{name}.bias"] * scale for name, scale in zip(projections, scales, strict=True)])
    product = parts.node("MatMul", [hidden, parts.constant(f"{here}_qkv_weight", matrix)], f"{here}_qkv_product")
    qkv = parts.node("Add", [product, parts.constant(f"{here}_qkv_bias", bias)], f"{here}_qkv")
    joined = [f"{here}_{name}_joined" for name in ("query", "key", "value")]
    parts.nodes.append(helper.make_node("Split", [qkv], joined, name=f"{here}_split", axis=2, num_outputs=3))
    split = [parts.node("Reshape", [name, "heads_shape"], f"{name}_heads") for name in joined]
    query = parts.node("Transpose", [split[0]], f"{here}_query", perm=[0, 2, 1, 3])
    key = parts.node("Transpose", [split[1]], f"{here}_key", perm=[0, 2, 3, 1])
    value = parts.node("Transpose", [split[2]], f"{here}_value", perm=[0, 2, 1, 3])
    scores = parts.node("MatMul", [query, key], f"{here}_scores")
    masked = parts.node("Add", [scores, attention_bias], f"{here}_masked_scores")
    attention = parts.node("Softmax", [masked], f"{here}_weights", axis=-1)
    mixed = parts.node("MatMul", [attention, value], f"{here}_mixed")
    reordered = parts.node("Transpose", [mixed], f"{here}_mixed_reordered", perm=[0, 2, 1, 3])
    return parts.node("Reshape", [reordered, "joined_shape"], f"{here}_attended")


def _linear(parts: _GraphParts, weights: Weights, source: str, inputs: str, output: str) -> str:
    matrix = parts.constant(f"{output}_weight", weights[f"{source}.weight"].T)
    bias = parts.constant(f"{output}_bias", weights[f"{source}.bias"])
    product = parts.node("MatMul", [inputs, matrix], f"{output}_product")
    return parts.node("Add", [product, bias], output)


def _layer_norm(parts: _GraphParts, weights: Weights, source: str, inputs: str, output: str) -> str:
    scale = parts.constant(f"{output}_scale", weights[f"{source}.weight"])
    shift = parts.constant(f"{output}_shift", weights[f"{source}.bias"])
    return parts.node("LayerNormalization", [inputs, scale, shift], output, axis=-1, epsilon=LAYER_NORM_EPSILON)


def _mean_pooling(parts: _GraphParts, hidden: str) -> None:
    """The mean over unmasked tokens, then L2 normalisation: `text_embeddings`.

    The mean's division is left out: normalising the sum gives the same vector.
    """
    parts.node("Unsqueeze", ["mask", parts.integers("query_axis", 1)], "mask_row")
    parts.node("MatMul", ["mask_row", hidden], "token_sum_row")
    parts.node("Squeeze", ["token_sum_row", "query_axis"], "token_sum")
    parts.node("ReduceL2", ["token_sum", parts.integers("last_axis", -1)], "norm", keepdims=1)
    parts.node("Max", ["norm", parts.constant("smallest_norm", np.array(1e-12, np.float32))], "safe_norm")
    parts.node("Div", ["token_sum", "safe_norm"], "text_embeddings")
