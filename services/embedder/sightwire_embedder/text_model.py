"""A text encoder with its tokenizer, and what its texts cost."""

from dataclasses import dataclass

import numpy as np

from sightwire.bundles import Bundle
from sightwire.bundles.encoders import TextEncoder
from sightwire.bundles.inference import GraphLoader
from sightwire.bundles.spec import TextEncoderSpec
from sightwire.bundles.tokenization import TextTokenizer, TokenIds
from sightwire_embedder.batching.selection import RequestShape

#: Tokens per text when text batches are measured: about a caption. A batch's cost is counted in tokens.
_MEASURED_TEXT_LENGTH = 16


@dataclass(frozen=True, slots=True)
class TextModel:
    """One of a bundle's text encoders, loaded."""

    spec: TextEncoderSpec
    tokenizer: TextTokenizer
    encoder: TextEncoder

    @property
    def measured_text(self) -> TokenIds:
        """Ids, int64 [length], of a text as long as a caption; of a small model, such as it has and can take."""
        length = min(_MEASURED_TEXT_LENGTH, self.spec.max_tokens)
        return np.arange(1000, 1000 + length, dtype=np.int64) % self.tokenizer.vocabulary_size

    def shape_of(self, token_ids: TokenIds) -> RequestShape:
        """Where all texts are padded to one length, each costs the same."""
        return RequestShape(length=self.spec.padded_length or len(token_ids))


def load_text_model(
    bundle: Bundle, spec: TextEncoderSpec | None, loader: GraphLoader, *, normalise: bool
) -> TextModel | None:
    """The encoder that `spec` describes, if there is one. Raises `BundleError` when a file cannot be loaded."""
    if spec is None:
        return None
    graph = loader.load(bundle.path(spec.file), [spec.output])
    tokenizer = TextTokenizer(bundle.path(spec.tokenizer), spec.max_tokens)
    return TextModel(spec, tokenizer, TextEncoder(graph, spec, normalise=normalise))
