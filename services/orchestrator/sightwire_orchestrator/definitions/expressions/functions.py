"""Operators and functions of expressions, on values of JSON."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeGuard

import re2  # type: ignore[import-untyped]

from sightwire_orchestrator.definitions.errors import shown
from sightwire_orchestrator.definitions.expressions.budget import Budget
from sightwire_orchestrator.definitions.expressions.errors import EvaluationError, malformed

_LONGEST_PATTERN: Final = 500
_LONGEST_NUMBER: Final = 40
#: States of a pattern's automaton that are gone through in a step, for one character.
_STATES_PER_STEP: Final = 32

Implementation = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Function:
    """One that expressions call; it gets the budget and its arguments."""

    call: Implementation
    #: What stands before the dot included.
    arguments: int
    is_member_only: bool = False
    is_global_only: bool = False


def equal(budget: Budget, left: Any, right: Any) -> bool:
    """Whether two values are the same; of different types they never are, but 1 is 1.0."""
    waiting = [(left, right)]
    while waiting:
        one, other = waiting.pop()
        budget.spend(1)
        match one:
            case str():
                budget.spend_for_text(len(one))
                same = isinstance(other, str) and one == other
            case list():
                same = isinstance(other, list) and len(one) == len(other)
                if same:
                    budget.spend(len(one))
                    waiting.extend(zip(one, other, strict=True))
            case dict():
                same = isinstance(other, dict) and one.keys() == other.keys()
                if same:
                    budget.spend(len(one))
                    waiting.extend((member, other[key]) for key, member in one.items())
            case _:
                same = type_of(one) == type_of(other) and one == other
        if not same:
            return False
    return True


def contained(budget: Budget, element: Any, container: Any) -> bool:
    """Whether a list has an element, or a mapping a key."""
    if isinstance(container, list):
        return any(equal(budget, element, each) for each in container)
    if isinstance(container, dict):
        return isinstance(element, str) and element in container
    raise EvaluationError(f"`in` looks into a list or a mapping, got {shown(container)}")


def type_of(value: Any) -> str:
    """The name of a value's type; there is one for all numbers."""
    match value:
        case None:
            return "null"
        case bool():
            return "a truth value"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "a mapping"


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether it is one; truth values are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_pattern(pattern: str, at: int) -> None:
    """Looks at a constant pattern.

    Raises:
        MalformedExpressionError: it is no regular expression in RE2's syntax, or too long.
    """
    try:
        _compiled(pattern)
    except EvaluationError as error:
        raise malformed(f"{error.detail},", at) from None


def _compared(decide: Callable[[Any, Any], bool], sign: str) -> Implementation:
    def compared(budget: Budget, left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            budget.spend_for_text(min(len(left), len(right)))
            return decide(left, right)
        if (is_number(left) and is_number(right)) or (isinstance(left, bool) and isinstance(right, bool)):
            return decide(left, right)
        raise _no_operation(sign, left, right)

    return compared


def _added(budget: Budget, left: Any, right: Any) -> Any:
    if is_number(left) and is_number(right):
        return _checked(left + right)
    if isinstance(left, str) and isinstance(right, str):
        budget.spend_for_text(16 * (len(left) + len(right)))
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        budget.spend(len(left) + len(right))
        return left + right
    raise _no_operation("+", left, right)


def _arithmetic(operate: Callable[[Any, Any], Any], sign: str) -> Implementation:
    def calculated(_budget: Budget, left: Any, right: Any) -> int | float:
        if not (is_number(left) and is_number(right)):
            raise _no_operation(sign, left, right)
        try:
            return _checked(operate(left, right))
        except (ZeroDivisionError, OverflowError):
            raise EvaluationError(f"{shown(left)} {sign} {shown(right)} has no value") from None

    return calculated


def _divided(left: int | float, right: int | float) -> int | float:
    if isinstance(left, int) and isinstance(right, int):
        # Towards zero, which // is not.
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    return left / right


def _remainder(left: int | float, right: int | float) -> int:
    if not (isinstance(left, int) and isinstance(right, int)):
        raise EvaluationError(f"% is for whole numbers, got {shown(left)} and {shown(right)}")
    return int(math.copysign(1, left)) * (abs(left) % abs(right))


def _negated(_budget: Budget, value: Any) -> int | float:
    if not is_number(value):
        raise EvaluationError(f"- is for numbers, got {shown(value)}")
    return _checked(-value)


def _not(_budget: Budget, value: Any) -> bool:
    if not isinstance(value, bool):
        raise EvaluationError(f"! is for true and false, got {shown(value)}")
    return not value


def _size(_budget: Budget, value: Any) -> int:
    if isinstance(value, str | list | dict):
        return len(value)
    raise EvaluationError(f"size(…) is of a text, a list or a mapping, got {shown(value)}")


def _about_texts(decide: Callable[[str, str], bool], name: str) -> Implementation:
    def decided(budget: Budget, text: Any, part: Any) -> bool:
        if not (isinstance(text, str) and isinstance(part, str)):
            raise EvaluationError(f"{name}(…) is about two texts, got {shown(text)} and {shown(part)}")
        budget.spend_for_text(len(text) + len(part))
        return decide(text, part)

    return decided


def _matches(budget: Budget, text: Any, pattern: Any) -> bool:
    if not (isinstance(text, str) and isinstance(pattern, str)):
        raise EvaluationError(f"matches(…) is about two texts, got {shown(text)} and {shown(pattern)}")
    # For a pattern that is not constant: its compilation.
    budget.spend(100)
    compiled = _compiled(pattern)
    budget.spend(len(text) * compiled.programsize // _STATES_PER_STEP)
    try:
        return compiled.search(text) is not None
    except UnicodeEncodeError:
        raise EvaluationError("the text has half of a surrogate pair") from None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    if len(pattern) > _LONGEST_PATTERN:
        raise EvaluationError(f"a pattern has at most {_LONGEST_PATTERN} characters, got {len(pattern)}")
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else error
        raise EvaluationError(f"{shown(pattern)} is no regular expression: {reason}") from None


def _as_integer(_budget: Budget, value: Any) -> int:
    if is_number(value):
        return int(_checked(int(value)))
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER and value.lstrip("-").isdecimal() and value.isascii():
        try:
            return int(_checked(int(value)))
        except ValueError:
            pass
    raise EvaluationError(f"{shown(value)} is no whole number")


def _as_double(_budget: Budget, value: Any) -> float:
    if is_number(value):
        return float(value)
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER and "_" not in value and value.isascii():
        try:
            return float(_checked(float(value)))
        except ValueError:
            pass
    raise EvaluationError(f"{shown(value)} is no number")


def _as_text(_budget: Budget, value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value).removesuffix(".0")
        case int():
            return str(value)
        case _:
            raise EvaluationError(f"string(…) is of a text, a number, true or false, got {shown(value)}")


def _as_truth(_budget: Budget, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise EvaluationError(f"{shown(value)} is neither true nor false")


def _checked(number: int | float) -> int | float:
    if isinstance(number, int):
        if -(2**63) <= number < 2**63:
            return number
        raise EvaluationError("a whole number does not fit into 64 bits")
    if math.isfinite(number):
        return number
    raise EvaluationError("a number is not finite")


def _no_operation(sign: str, left: Any, right: Any) -> EvaluationError:
    return EvaluationError(f"{sign} does not go with {shown(left)} and {shown(right)}")


#: By what they are called in nodes: operators by their signs, those with one operand with `_` behind.
FUNCTIONS: Final[Mapping[str, Function]] = {
    "==": Function(equal, 2),
    "!=": Function(lambda budget, left, right: not equal(budget, left, right), 2),
    "<": Function(_compared(lambda left, right: left < right, "<"), 2),
    "<=": Function(_compared(lambda left, right: left <= right, "<="), 2),
    ">": Function(_compared(lambda left, right: left > right, ">"), 2),
    ">=": Function(_compared(lambda left, right: left >= right, ">="), 2),
    "in": Function(contained, 2),
    "+": Function(_added, 2),
    "-": Function(_arithmetic(lambda left, right: left - right, "-"), 2),
    "*": Function(_arithmetic(lambda left, right: left * right, "*"), 2),
    "/": Function(_arithmetic(_divided, "/"), 2),
    "%": Function(_arithmetic(_remainder, "%"), 2),
    "!_": Function(_not, 1),
    "-_": Function(_negated, 1),
    "size": Function(_size, 1),
    "contains": Function(_about_texts(lambda text, part: part in text, "contains"), 2, is_member_only=True),
    "startsWith": Function(_about_texts(str.startswith, "startsWith"), 2, is_member_only=True),
    "endsWith": Function(_about_texts(str.endswith, "endsWith"), 2, is_member_only=True),
    "matches": Function(_matches, 2),
    "int": Function(_as_integer, 1, is_global_only=True),
    "double": Function(_as_double, 1, is_global_only=True),
    "string": Function(_as_text, 1, is_global_only=True),
    "bool": Function(_as_truth, 1, is_global_only=True),
}
