"""A text encoder of other people as that of a bundle."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from sightwire.bundles.spec import TextEncoderSpec
from sightwire.bundles.tokenization import TextTokenizer, pad_batch
from sightwire_trainer.importing.errors import ImportRefusedError
from sightwire_trainer.importing.foreign_graph import PREFIX, ForeignGraph, Port, largest_batch, vector_output
from sightwire_trainer.importing.imported_encoder import ImportedEncoder

TOKENIZER_FILE: Final = "tokenizer.json"
_TRIED: Final = "a photo of a red apple"
_INTEGERS: Final = (TensorProto.INT64, TensorProto.INT32)


def import_text_graph(
    path: Path, tokenizer: Path, *, max_tokens: int | None, dimension: int | None
) -> ImportedEncoder[TextEncoderSpec]:
    """The encoder in an ONNX file, read with `tokenizer`, a tokenizer.json, which says how texts are padded.

    Texts are padded to the length of a graph that has only one, or without a mask to the tokenizer's; without
    `max_tokens` they are cut there, or where the tokenizer cuts. Inputs of 32 bits are widened, segments of BERT-like
    models left out.

    Raises:
        ImportRefusedError: the graph does not turn ids [batch, length] and maybe a mask into one vector for each text.
        BundleError: the other file is no tokenizer.
    """
    graph = ForeignGraph(path)
    ids, mask = _inputs(graph)
    length = _fixed_length(path, ids, mask)
    settings = _padding_and_truncation(tokenizer)
    limit = max_tokens or length or settings["max_tokens"]
    if limit is None:
        raise ImportRefusedError(f"{path} takes texts of any length: say by --max-tokens how long they may be")
    if length is not None and limit > length:
        raise ImportRefusedError(f"{path}: expected texts of {limit} tokens, it takes {length}; lower --max-tokens")
    spec = TextEncoderSpec(
        file="text-encoder.onnx",
        tokenizer=TOKENIZER_FILE,
        max_tokens=limit,
        # With a mask, a text needs no more padding than the longest of its batch.
        padded_length=length or (settings["padded_length"] if mask is None else None),
        pad_id=settings["pad_id"],
        max_batch=largest_batch(path, ids),
        ids_input=graph.take_as(TensorProto.INT64, ids),
        mask_input=None if mask is None else graph.take_as(TensorProto.INT64, mask),
    )
    answers = graph.run(_tried_inputs(spec, tokenizer))
    output, found = vector_output(path, answers, dimension)
    output = graph.answer_as_float(output, ["batch", found])
    return ImportedEncoder(graph.model, spec.model_copy(update={"output": output}), found)


def _inputs(graph: ForeignGraph) -> tuple[Port, Port | None]:
    """The ids and the mask; segments, which are all of the first kind, are put into the graph."""
    inputs = graph.inputs
    masks = [port for port in inputs if "mask" in port.name.lower()]
    segments = [port for port in inputs if "type" in port.name.lower()]
    ids = [port for port in inputs if port not in masks and port not in segments]
    right = all(port.kind in _INTEGERS and len(port.shape) == 2 for port in inputs)
    if not right or len(ids) != 1 or len(masks) > 1 or len(segments) > 1:
        found = "; ".join(map(str, inputs))
        raise ImportRefusedError(
            f"{graph.path}: expected token ids and maybe a mask, integers [batch, length], got {found}"
        )
    for port in segments:
        _leave_out_segments(graph, ids[0], port)
    return ids[0], masks[0] if masks else None


def _leave_out_segments(graph: ForeignGraph, ids: Port, segments: Port) -> None:
    zeros = f"{PREFIX}zeros" if ids.kind != segments.kind else segments.name
    nodes = [helper.make_node("Sub", [ids.name, ids.name], [zeros])]
    if zeros != segments.name:
        nodes.append(helper.make_node("Cast", [zeros], [segments.name], to=segments.kind))
    graph.prepend(nodes, segments, None)


def _fixed_length(path: Path, ids: Port, mask: Port | None) -> int | None:
    lengths = {port.shape[1] for port in (ids, mask) if port is not None} - {None}
    if len(lengths) > 1:
        raise ImportRefusedError(f"{path}: expected ids and mask of one length, got {ids}; {mask}")
    return lengths.pop() if lengths else None


def _padding_and_truncation(tokenizer: Path) -> dict[str, Any]:
    """What a tokenizer.json says of lengths and of the id that fills texts up."""
    try:
        content = json.loads(tokenizer.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ImportRefusedError(f"cannot read {tokenizer} as a tokenizer.json: {error}") from error
    padding = content.get("padding") or {}
    strategy = padding.get("strategy")
    return {
        "max_tokens": (content.get("truncation") or {}).get("max_length"),
        "padded_length": strategy["Fixed"] if isinstance(strategy, dict) and "Fixed" in strategy else None,
        "pad_id": padding.get("pad_id", 0),
    }


def _tried_inputs(spec: TextEncoderSpec, tokenizer: Path) -> dict[str, NDArray[np.int64]]:
    texts = TextTokenizer(tokenizer, spec.max_tokens).tokenize([_TRIED])
    ids, mask = pad_batch(texts, spec.pad_id, spec.padded_length)
    return {spec.ids_input: ids} | ({} if spec.mask_input is None else {spec.mask_input: mask})
