"""CLIP's tokenizer, as open_clip has it in Python, as a `tokenizer.json` of the tokenizers library."""

from typing import Any, Final

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from sightwire_trainer.export.errors import ExportError

_WORDS: Final = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
_END_OF_WORD: Final = "</w>"
#: What open_clip's cleaning makes plain (ftfy's `uncurl_quotes`).
_CURLY_QUOTES: Final = {"[\u2018-\u201b]": "'", "[\u201c-\u201f]": '"'}
_PUNCTUATION: Final = r"""[!-/:-@\[-`{-~]"""
_CLEANINGS: Final = ("lower", "whitespace", "canonicalize")


def clip_tokenizer(tokenizer: Any) -> tuple[Tokenizer, int]:
    """The tokenizer and the number of tokens that it fills each text up to, with id 0, or cuts it at.

    `tokenizer` is open_clip's `SimpleTokenizer`. Texts that hold HTML entities, or letters that were decoded wrongly,
    are not repaired as open_clip does before it reads them.

    Raises:
        ExportError: it is another tokenizer, such as those that open_clip fetches from Hugging Face.
    """
    if type(tokenizer).__name__ != "SimpleTokenizer":
        raise ExportError(
            f"expected a model that reads with CLIP's tokenizer, got one with {type(tokenizer).__name__}; import its "
            "graphs with `onnx:` and its own tokenizer.json"
        )
    cleaning = tokenizer.clean_fn.__name__.removeprefix("_clean_")
    if cleaning not in _CLEANINGS:
        raise ExportError(f"expected one of the cleanings {', '.join(_CLEANINGS)}, got {cleaning}")
    ranked = sorted(tokenizer.bpe_ranks.items(), key=lambda entry: entry[1])
    made = Tokenizer(
        models.BPE(
            vocab=dict(tokenizer.encoder),
            merges=[pair for pair, _ in ranked],
            continuing_subword_prefix="",
            end_of_word_suffix=_END_OF_WORD,
        )
    )
    made.normalizer = _normalizer(cleaning)
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    start, end = (tokenizer.decoder[number] for number in (tokenizer.sot_token_id, tokenizer.eot_token_id))
    made.add_special_tokens([tokenizer.decoder[number] for number in tokenizer.all_special_ids])
    made.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, tokenizer.sot_token_id), (end, tokenizer.eot_token_id)]
    )
    made.decoder = decoders.ByteLevel()
    return made, int(tokenizer.context_length)


def _normalizer(cleaning: str) -> normalizers.Normalizer:
    steps: list[normalizers.Normalizer] = [normalizers.NFC()]
    steps += [normalizers.Replace(Regex(quotes), plain) for quotes, plain in _CURLY_QUOTES.items()]
    if cleaning == "canonicalize":
        steps += [normalizers.Replace("_", " "), normalizers.Replace(Regex(_PUNCTUATION), "")]
    steps += [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    if cleaning != "whitespace":
        steps.append(normalizers.Lowercase())
    return normalizers.Sequence(steps)
