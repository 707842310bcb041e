"""A bundle's text encoder whose vectors are computed once for each text."""

import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch

from sightwire.bundles import Bundle, BundleError, load_bundle
from sightwire.bundles.encoders import TextEncoder, Vector
from sightwire.bundles.inference import OnnxRuntimeLoader
from sightwire.bundles.tokenization import TextTokenizer, TokenIds

_TEXTS_PER_BATCH = 64
#: Some 300 MB of vectors of 384 numbers; the oldest make room.
_VECTORS_AT_MOST = 200_000


class CachedTextEncoder:
    """Texts to vectors, through ONNX Runtime. Copies are the same object. Safe to call from several threads."""

    def __init__(self, bundle: Bundle, *, vectors_at_most: int = _VECTORS_AT_MOST) -> None:
        """Raises `BundleError` when the bundle has no text encoder, or one that cannot be loaded."""
        spec = bundle.spec.text_encoder
        if spec is None:
            raise BundleError(f"{bundle.folder} has no text encoder, which the frozen text tower is")
        graph = OnnxRuntimeLoader(torch.get_num_threads()).load(bundle.path(spec.file), [spec.output])
        self.dimension = bundle.spec.dimension
        self._encoder = TextEncoder(graph, spec, normalise=True)
        self._tokenizer = TextTokenizer(bundle.path(spec.tokenizer), spec.max_tokens)
        self._vectors: dict[str, Vector] = {}
        self._vectors_at_most = vectors_at_most
        self._lock = threading.Lock()

    def vectors_of(self, texts: Sequence[str]) -> dict[str, Vector]:
        """The vector of each text, float32 [dimension], L2-normalised."""
        with self._lock:
            known = {text: self._vectors[text] for text in texts if text in self._vectors}
        computed = self._compute([text for text in dict.fromkeys(texts) if text not in known])
        with self._lock:
            self._vectors.update(computed)
            for oldest in list(self._vectors)[: max(0, len(self._vectors) - self._vectors_at_most)]:
                del self._vectors[oldest]
        return known | computed

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def _compute(self, texts: Sequence[str]) -> dict[str, Vector]:
        # Only texts of one length share a batch: padding would change the last bits of a vector with its neighbours,
        # and a resumed run, which has computed others before, would no longer be the one that was interrupted.
        by_length: dict[int, list[tuple[str, TokenIds]]] = {}
        for text, ids in zip(texts, self._tokenizer.tokenize(texts), strict=True):
            by_length.setdefault(len(ids), []).append((text, ids))
        computed: dict[str, Vector] = {}
        for alike in by_length.values():
            for begin in range(0, len(alike), _TEXTS_PER_BATCH):
                batch = alike[begin : begin + _TEXTS_PER_BATCH]
                for (text, _), vector in zip(batch, self._encoder.embed([ids for _, ids in batch]), strict=True):
                    if isinstance(vector, Exception):
                        raise vector
                    # A row would keep its whole batch in memory.
                    computed[text] = vector.copy()
        return computed


@functools.lru_cache(maxsize=2)
def shared_text_encoder(folder: Path) -> CachedTextEncoder:
    """The one encoder of the verified bundle in `folder`: models of one process, as of several seeds, share vectors.

    Raises:
        BundleError: there is no such bundle, or it has no text encoder.
    """
    return CachedTextEncoder(load_bundle(folder))
