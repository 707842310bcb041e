"""Texts to ids, cut and padded."""

from pathlib import Path

import numpy as np
import pytest

from sightwire.bundles import BundleError
from sightwire.bundles.tokenization import TextTokenizer, pad_batch

CLS, SEP = 101, 102


@pytest.fixture(scope="module")
def tokenizer(bundle_folder: Path) -> TextTokenizer:
    return TextTokenizer(bundle_folder / "tokenizer.json", 256)


def test_texts_are_not_padded_to_the_files_fixed_length(tokenizer):
    (ids,) = tokenizer.tokenize(["a red apple"])
    assert ids.dtype == np.int64
    assert len(ids) == 5
    assert (ids[0], ids[-1]) == (CLS, SEP)


def test_long_texts_are_cut_with_their_end_token(tokenizer):
    (ids,) = tokenizer.tokenize(["apple " * 1000])
    assert len(ids) == 256
    assert ids[-1] == SEP


def test_only_the_beginning_of_a_huge_text_is_read(tokenizer):
    (short,) = tokenizer.tokenize(["apple " * 5000])
    (huge,) = tokenizer.tokenize(["apple " * 5000 + "pear " * 1_000_000])
    np.testing.assert_array_equal(short, huge)


@pytest.mark.parametrize("text", ["", "   ", "\x00", "🦊", "ß" * 500, "\ud7ff"])
def test_odd_texts(tokenizer, text):
    (ids,) = tokenizer.tokenize([text])
    assert 2 <= len(ids) <= 256


def test_padding():
    ids, mask = pad_batch([np.array([1, 2, 3]), np.array([4]), np.array([5, 6])])
    assert ids.tolist() == [[1, 2, 3], [4, 0, 0], [5, 6, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    assert ids.dtype == mask.dtype == np.int64


def test_padding_to_a_fixed_length():
    ids, mask = pad_batch([np.array([1, 2]), np.array([4])], 9, 3)
    assert ids.tolist() == [[1, 2, 9], [4, 9, 9]]
    assert mask.tolist() == [[1, 1, 0], [1, 0, 0]]


def test_a_file_that_is_no_tokenizer(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleError, match=r"tokenizer\.json is not a tokenizer"):
        TextTokenizer(tmp_path / "tokenizer.json", 256)
