"""CLIP's tokenizer as a tokenizer.json reads texts as open_clip reads them."""

import string
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer
from sightwire_trainer.export.errors import ExportError
from sightwire_trainer.importing.clip_tokenizer import clip_tokenizer

from sightwire.bundles.tokenization import TextTokenizer, pad_batch

TEXTS = [
    "a photo of a red apple",
    "",
    "   ",
    "IT'S THE CAT'S",
    "It's the cat's, isn't it? I'll see; they've gone.",
    "  Many   spaces\tand\nlines ",
    "ÉCOLE straße naïve",
    "12345 3.14 a1b2",
    "日本語のテキスト",
    "emoji 🦊🍎 !!! ...",
    "snow " * 200,
    "\u201ccurly\u201d \u2018quotes\u2019",
    "snake_case and #hashtags @names",
]


@pytest.fixture(scope="module", params=["lower", "whitespace", "canonicalize"])
def pair(request, tmp_path_factory):
    theirs = SimpleTokenizer(clean=request.param)
    tokenizer, length = clip_tokenizer(theirs)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return theirs, partial(_ids, TextTokenizer(path, length), length)


def _ids(tokenizer, length, texts):
    return pad_batch(tokenizer.tokenize(texts), 0, length)[0]


def test_the_same_ids(pair):
    theirs, ours = pair
    for text, expected, found in zip(TEXTS, theirs(TEXTS).tolist(), ours(TEXTS).tolist(), strict=True):
        assert found == expected, text


@given(st.lists(st.text(string.ascii_letters + string.digits + " .,:;!?'\"-_()#%$/é日", max_size=60), max_size=4))
def test_the_same_ids_for_any_text(pair, texts):
    theirs, ours = pair
    if texts:
        assert ours(texts).tolist() == theirs(texts).tolist()


def test_other_tokenizers_are_refused():
    with pytest.raises(ExportError, match="expected a model that reads with CLIP's tokenizer, got one with dict"):
        clip_tokenizer({})
