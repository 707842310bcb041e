"""What a JSON document or a row of a table says of a sample, checked, as a `Sample`."""

import re
from collections.abc import Mapping

from sightwire.errors import CorruptDataError
from sightwire_trainer.data.samples import Sample

#: Separate the keywords of a table's cell; JSON and Parquet have lists.
_BETWEEN_KEYWORDS = re.compile(r"[,;]")


def captioned_sample(
    facts: Mapping[str, object], *, key: str, where: str, image: bytes | None = None, text: str | None = None
) -> Sample:
    """The sample with the captions in `facts`; `where` names its file and key in messages.

    Members that are missing, null or NaN (an empty cell of Parquet) count as empty. A text-text pair may have its
    `text` among the facts.

    Raises:
        CorruptDataError: no caption, a member of another type, or not exactly one of a picture and a text.
    """
    text = text if text is not None else _text(facts, "text", where) or None
    if (image is None) == (text is None):
        raise CorruptDataError(
            f"{where}: expected either a picture or a text, got {'neither' if text is None else 'both'}"
        )
    name = _text(facts, "name", where)
    if not name:
        raise CorruptDataError(f"{where}: the caption, its 'name', is empty; give it one or leave the sample out")
    return Sample(
        key=_text(facts, "key", where) or key,
        name=name,
        image=image,
        text=text,
        keywords=_keywords(facts.get("keywords"), where),
        description=_text(facts, "description", where),
        concept=_text(facts, "concept", where),
        origin=_text(facts, "source", where),
        licence=_text(facts, "licence", where),
    )


def sample_facts(sample: Sample) -> dict[str, object]:
    """What `captioned_sample` makes the sample of again, but for its picture; what is empty is left out."""
    facts: dict[str, object] = {
        "key": sample.key,
        "name": sample.name,
        "text": sample.text,
        "keywords": list(sample.keywords),
        "description": sample.description,
        "concept": sample.concept,
        "source": sample.origin,
        "licence": sample.licence,
    }
    return {name: value for name, value in facts.items() if value}


def _text(facts: Mapping[str, object], member: str, where: str) -> str:
    value = facts.get(member)
    if _is_missing(value):
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise CorruptDataError(f"{where}: expected a text as '{member}', got {type(value).__name__} {value!r}")
    return value.strip()


def _keywords(value: object, where: str) -> tuple[str, ...]:
    if _is_missing(value):
        return ()
    if isinstance(value, str):
        value = _BETWEEN_KEYWORDS.split(value)
    if not isinstance(value, list | tuple) or not all(isinstance(keyword, str) for keyword in value):
        raise CorruptDataError(f"{where}: expected a list of texts as 'keywords', got {value!r}")
    return tuple(keyword.strip() for keyword in value if keyword.strip())


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and value != value)
