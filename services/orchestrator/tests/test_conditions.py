"""Conditions in CEL, and how little time they may take."""

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sightwire_orchestrator.definitions.conditions import check_condition, evaluate
from sightwire_orchestrator.definitions.expressions.errors import (
    EvaluationError,
    ExpressionError,
    MalformedExpressionError,
    TooCostlyError,
)
from sightwire_orchestrator.definitions.expressions.names import names_in_condition

VARIABLES: dict[str, Any] = {
    "draft_output": {"score": 0.7, "tags": ["a", "b"], "n": 1, "text": "Cats sleep.", "nothing": None},
    "numbers": list(range(5000)),
    "limit": 3,
    "long": "a" * 1_000_000,
}


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("draft_output.score > 0.5 && size(draft_output.tags) < limit", True),
        ("draft_output['n'] == 1.0 && draft_output.n + 0.5 == 1.5", True),
        ("1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 7 - 2 - 1 == 4", True),
        ("7 / -2 == -3 && 7 % -2 == 1 && -7 % 2 == -1 && 7.0 / 2.0 == 3.5", True),
        ("-9223372036854775808 < 0 && 0x10 == 16 && 1.5e3 == 1500.0", True),
        ("has(draft_output.n) && !has(draft_output.nope)", True),
        ("draft_output.nope > 1 || true", True),
        ("draft_output.nope > 1 && false", False),
        ("draft_output.nothing == null", True),
        ("draft_output.n == '1' || draft_output.n == true", False),
        ("'b' in draft_output.tags && !('c' in draft_output.tags) && 'n' in draft_output", True),
        ("draft_output.tags == ['a', 'b'] && {'a': [1]} == {'a': [1.0]} && [1] != [1, 2]", True),
        ("draft_output.tags.exists(tag, tag == 'b') && !draft_output.tags.all(tag, tag == 'b')", True),
        ("numbers.exists_one(n, n == 7) && numbers.filter(n, n % 2 == 0).size() == 2500", True),
        ("numbers.map(n, n < 3, n * n) == [0, 1, 4] && [1, 2].map(n, -n) == [-1, -2]", True),
        ("numbers.exists(n, n == 1 || draft_output.nope)", True),
        ("[[1, 2], [3]].all(row, row.exists(n, n > 1))", True),
        ("draft_output.text.startsWith('Cats') && draft_output.text.endsWith('.')", True),
        (r"draft_output.text.contains('sleep') && draft_output.text.matches('(?i)^cats\\b')", True),
        (r"""r'\d' == '\\d' && '\u00e9' == 'é' && '''a'b''' == "a'b" && 'a' + 'b' == 'ab'""", True),
        ("int('12') == 12 && int(2.9) == 2 && double('1.5') == 1.5 && string(1) == '1' && bool('true')", True),
        ("limit > 2 ? 'a' < 'b' : false // and a comment", True),
        ("!!true && - - 1 == 1", True),
    ],
)
def test_what_holds(expression: str, holds: bool) -> None:
    check_condition(expression)
    assert evaluate(expression, VARIABLES) is holds


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("draft_output.nope", 'there is no member "nope"'),
        ("unknown", 'there is no variable "unknown"'),
        ("draft_output.tags[2] == 'a'", "there is no element 2 in a list of 2"),
        ("1 / 0 == 1", "1 / 0 has no value"),
        ("9223372036854775807 + 1 > 0", "does not fit into 64 bits"),
        ("draft_output.n", "a condition is true or false"),
        ("draft_output.n && true", "expected true or false, got 1"),
        ("draft_output.text > 1", '> does not go with "Cats sleep." and 1'),
        ("numbers.all(n, n)", "expected true or false"),
        ("long.matches('(' + draft_output.text)", "is no regular expression"),
        ("int('a') == 1", '"a" is no whole number'),
    ],
)
def test_what_has_no_value(expression: str, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression, VARIABLES)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "expected a value, got the end at character 1"),
        ("a = 1", "equality is ==, at character 3"),
        ("a and b", 'expected an operator or the end, got "and" at character 3'),
        ("siez(a) > 1", 'did you mean "size"?, at character 1'),
        ("a.contains(b, c)", "takes 1 arguments, got 2"),
        ("contains(a, b)", "is called on a value"),
        ("a.all(1, true)", "is the name of a variable"),
        ("has(a)", "has(…) takes a member"),
        ("'a", "a text that does not end begins at character 1"),
        (r"'\q' == a", "is no escape"),
        ("a.matches('(')", "is no regular expression"),
        ("1u == a", "unsigned numbers are not known"),
        ("9223372036854775808 > a", "does not fit into 64 bits"),
        ("for == 1", "is a reserved word"),
        ("(" * 100, "deep at character 61"),
        ("||".join(["a"] * 100), "more than 60 deep"),
        ("a" * 3000, "expected at most 2,000"),
        ("__import__('os').system('true') == 0", "is no function"),
        ("size(a)", "a condition is true or false"),
        ("[true]", "a condition is true or false"),
    ],
)
def test_what_is_no_condition(expression: str, message: str) -> None:
    with pytest.raises(MalformedExpressionError) as caught:
        check_condition(expression)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "expression",
    [
        "numbers.all(n, numbers.all(m, true))",
        "numbers.all(n, !long.contains('aaaaab'))",
        "numbers.all(n, !long.matches('(a|b)*c' + string(n)))",
        "numbers.map(n, long + long) == []",
        "numbers.all(n, numbers == numbers)",
        "numbers.map(n, numbers + numbers) == []",
    ],
)
def test_what_costs_too_much_is_ended(expression: str) -> None:
    began = time.process_time()
    with pytest.raises(TooCostlyError):
        evaluate(expression, VARIABLES)
    assert time.process_time() - began < 5


def test_variables_of_comprehensions_are_no_names() -> None:
    names = names_in_condition("a_output.list.all(x, x > y) && x && has(b.c) && d[e] == {f: g}[h] && (i ? j : -k)")
    assert names == set("xybdefghijk") | {"a_output"}
    assert names_in_condition("a >") == frozenset()


WORDS = ["draft_output", ".", "(", ")", "[", "]", "{", "}", "&&", "||", "!", "-", "1", "0.5", "'x'", "size", ",", "?"]
SENTENCES = st.lists(st.sampled_from([*WORDS, "==", "<", "in", "all", "map", ":", "+"])).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40) | SENTENCES)
def test_no_expression_crashes(expression: str) -> None:
    with suppress(ExpressionError):
        evaluate(expression, VARIABLES)
