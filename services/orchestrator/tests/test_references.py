"""References are found, and replaced by values of the same type."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sightwire_orchestrator.definitions.references import (
    MalformedReferenceError,
    Reference,
    Scope,
    UnresolvedReferenceError,
    escaped,
    find_references,
    parse_text,
    resolve,
    single_reference,
)

SCOPE = Scope(
    parameters={"topic": "cats", "limits": {"words": 200}, "on": True, "nothing": None},
    outputs={"draft": {"text": "Cats sleep.", "scores": [0.5, {"best": 1}]}, "skipped": None},
    item={"id": "a1"},
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{draft_output.text}", "Cats sleep."),
        ("{draft_output.scores[1].best}", 1),
        ("{draft_output.scores}", [0.5, {"best": 1}]),
        ("{limits.words}", 200),
        ("{on}", True),
        ("{nothing}", None),
        ("{item.id}", "a1"),
        ("{skipped_output.any[3].part}", None),
        (
            "{topic}: {limits.words}, {on}, {nothing}, {draft_output.scores}",
            'cats: 200, true, null, [0.5, {"best": 1}]',
        ),
        ("{{topic}} stays, {{{topic}}} does not", "{topic} stays, {cats} does not"),
        ({"a": ["{topic}", 1, None, "plain"]}, {"a": ["cats", 1, None, "plain"]}),
        ("", ""),
    ],
)
def test_what_texts_stand_for(value: Any, expected: Any) -> None:
    resolved = resolve(value, SCOPE)
    assert resolved == expected
    assert type(resolved) is type(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{draf_output.text}", 'there is no output of a task "draf", but of "draft", "skipped"'),
        ("{draft_output.title}", '{draft_output} has no "title", but "text", "scores"'),
        ("{draft_output.text.length}", '{draft_output.text} is no mapping but "Cats sleep."'),
        ("{draft_output.scores[2]}", "{draft_output.scores} has 2 elements"),
        ("{draft_output.text[0]}", "{draft_output.text} is no list but"),
        ("{tpoic}", 'the run has no parameter "tpoic", but "topic"'),
    ],
)
def test_what_stands_for_nothing(text: str, message: str) -> None:
    with pytest.raises(UnresolvedReferenceError) as caught:
        resolve(text, SCOPE)
    assert message in str(caught.value)


def test_the_item_is_there_in_mapped_tasks_only() -> None:
    with pytest.raises(UnresolvedReferenceError):
        resolve("{item}", Scope())
    assert resolve("{item}", Scope(item=None)) is None


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "a {b", "{a b}", "{a.}", "{a[x]}", "{a[-1]}", '{"a": 1}', "{1a}", "{a}}"]
)
def test_other_braces_are_refused(text: str) -> None:
    with pytest.raises(MalformedReferenceError):
        resolve(text, SCOPE)
    assert find_references(text) == frozenset()
    assert single_reference(text) is None


def test_references_say_what_they_refer_to() -> None:
    found = find_references({"a": ["{x_output.b[2].c}", {"d": "{topic}, {item}"}]})
    assert found == {Reference("x_output", ("b", 2, "c")), Reference("topic"), Reference("item")}
    assert {(reference.task, reference.parameter, reference.is_item) for reference in found} == {
        ("x", None, False),
        (None, "topic", False),
        (None, None, True),
    }


NAMES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,8}\Z")
KEYS = st.from_regex(r"\A[A-Za-z0-9_-]{1,8}\Z")
REFERENCES = st.builds(Reference, NAMES, st.lists(KEYS | st.integers(0, 999), max_size=4).map(tuple))


@given(st.lists(REFERENCES | st.text(min_size=1, max_size=10), max_size=6))
def test_texts_are_read_as_they_were_put_together(parts: list[str | Reference]) -> None:
    text = "".join(str(part) if isinstance(part, Reference) else escaped(part) for part in parts)
    joined: list[str | Reference] = []
    for part in parts:
        if joined and isinstance(part, str) and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    assert parse_text(text) == tuple(joined or [""])
    assert find_references(text) == frozenset(part for part in parts if isinstance(part, Reference))


@given(st.text())
def test_escaped_texts_stand_for_themselves(text: str) -> None:
    assert resolve(escaped(text), SCOPE) == text
