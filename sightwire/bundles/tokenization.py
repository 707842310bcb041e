"""From texts to token ids."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from sightwire.bundles.loading import BundleError

TokenIds = NDArray[np.int64]

#: A word piece is rarely longer than this; what lies further back in a text than so many times the token limit is
#: not looked at, so that a text of megabytes costs no more than one that fills the model.
_CHARACTERS_PER_TOKEN = 64


class TextTokenizer:
    """Texts to token ids, cut at `max_tokens`. Thread-safe; releases the GIL while it works."""

    def __init__(self, path: Path, max_tokens: int) -> None:
        """Raises `BundleError` when `path` is not a tokenizer.json."""
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain Exception
            raise BundleError(f"{path} is not a tokenizer: {error}") from error
        self._tokenizer.enable_truncation(max_tokens)
        # The file may carry a fixed padding, at which each short text would cost as much as a long one; texts are
        # padded when they meet in a batch, to the longest of it.
        self._tokenizer.no_padding()
        self._max_characters = max_tokens * _CHARACTERS_PER_TOKEN

    @property
    def vocabulary_size(self) -> int:
        """How many token ids there are, special ones included; all are below it."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def tokenize(self, texts: Sequence[str]) -> list[TokenIds]:
        """Token ids of each text, int64 [length], special tokens included."""
        encodings = self._tokenizer.encode_batch_fast([text[: self._max_characters] for text in texts])
        return [np.array(encoding.ids, np.int64) for encoding in encodings]


def pad_batch(
    token_ids: Sequence[TokenIds], pad_id: int = 0, length: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids and mask, both int64 [batch, length or that of the longest]; the mask is 0 where a text is padded."""
    lengths = np.array([len(ids) for ids in token_ids])
    mask = (np.arange(length or lengths.max()) < lengths[:, np.newaxis]).astype(np.int64)
    padded = np.full(mask.shape, pad_id, np.int64)
    padded[mask.astype(bool)] = np.concatenate(token_ids)
    return padded, mask
