"""The text encoder of a bundle, out of a model's text tower: its graph, its tokenizer, and how they are described."""

from typing import Final

from sightwire.bundles import Bundle
from sightwire.bundles.spec import TextEncoderSpec
from sightwire_trainer.export.bundle_writer import BundleWriter
from sightwire_trainer.export.errors import ExportError
from sightwire_trainer.export.onnx_graphs import onnx_graph
from sightwire_trainer.export.tower_programs import text_program
from sightwire_trainer.importing.clip_tokenizer import clip_tokenizer
from sightwire_trainer.models.frozen_minilm import FrozenMiniLmTower
from sightwire_trainer.models.open_clip_towers import OpenClipTextTower
from sightwire_trainer.models.text_transformer import TextTransformerTower
from sightwire_trainer.models.two_tower import TextTowerModule

_CLIP_TOKENIZER: Final = "clip-tokenizer.json"
_TOKENIZER_ORIGIN: Final = "CLIP's byte pairs (github.com/openai/CLIP), from open_clip"


def write_text_encoder(
    writer: BundleWriter, tower: TextTowerModule, base: Bundle, *, stem: str, licence: str, origin: str
) -> TextEncoderSpec:
    """Adds the graph of a tower as `<stem>.onnx`, and its tokenizer, to the bundle that `writer` makes.

    A frozen tower is the text encoder of `base`, file by file; a transformer reads with the tokenizer of `base`.

    Raises:
        ExportError: the tower cannot be exported, or its tokenizer has no form that a bundle knows.
    """
    if isinstance(tower, FrozenMiniLmTower):
        return _from_base(writer, base)
    graph = writer.add_graph(f"{stem}.onnx", onnx_graph(text_program(tower)), licence=licence, origin=origin)
    if isinstance(tower, TextTransformerTower):
        return TextEncoderSpec(
            file=graph, tokenizer=_base_tokenizer(writer, base), max_tokens=tower.max_tokens, output="text_embeddings"
        )
    return write_open_clip_tokenizer(writer, tower, graph)


def write_open_clip_tokenizer(writer: BundleWriter, tower: OpenClipTextTower, graph: str) -> TextEncoderSpec:
    """Adds the tokenizer of an open_clip tower, whose graph is in the bundle already.

    Raises:
        ExportError: it is not CLIP's.
    """
    tokenizer, length = clip_tokenizer(tower.tokenizer)
    if not writer.has(_CLIP_TOKENIZER):
        writer.add(_CLIP_TOKENIZER, tokenizer.to_str().encode(), licence="MIT", origin=_TOKENIZER_ORIGIN)
    return TextEncoderSpec(
        file=graph, tokenizer=_CLIP_TOKENIZER, max_tokens=length, padded_length=length, mask_input=None
    )


def _from_base(writer: BundleWriter, base: Bundle) -> TextEncoderSpec:
    _base_tokenizer(writer, base)
    spec = base.spec.text_encoder
    assert spec is not None, "it has a tokenizer"
    if not writer.has(spec.file):
        writer.add_from(base, spec.file)
    return spec


def _base_tokenizer(writer: BundleWriter, base: Bundle) -> str:
    spec = base.spec.text_encoder
    if spec is None:
        raise ExportError(f"{base.folder} has no text encoder, whose tokenizer the model reads with")
    return spec.tokenizer if writer.has(spec.tokenizer) else writer.add_from(base, spec.tokenizer)
