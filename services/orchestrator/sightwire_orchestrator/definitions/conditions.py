"""Conditions: expressions in CEL that are true or false."""

from collections.abc import Mapping

from pydantic import JsonValue

from sightwire_orchestrator.definitions.errors import shown
from sightwire_orchestrator.definitions.expressions.budget import MAX_COST
from sightwire_orchestrator.definitions.expressions.errors import EvaluationError, MalformedExpressionError
from sightwire_orchestrator.definitions.expressions.evaluation import value_of
from sightwire_orchestrator.definitions.expressions.nodes import (
    Call,
    Comprehension,
    Elements,
    Literal,
    Macro,
    Members,
    Node,
)
from sightwire_orchestrator.definitions.expressions.parsing import parse

_NEVER_TRUTHS = frozenset(("+", "-", "*", "/", "%", "-_", "size", "int", "double", "string"))


def evaluate(expression: str, variables: Mapping[str, JsonValue], *, max_cost: int = MAX_COST) -> bool:
    """Whether a condition holds. It takes a fraction of a second at the longest.

    Example::

        evaluate("draft_output.score > 0.5 && size(draft_output.text) < limit", {"draft_output": …, "limit": 200})

    Args:
        max_cost: steps, each of about a microsecond.

    Raises:
        MalformedExpressionError: it is no condition.
        EvaluationError: it is neither true nor false for these variables.
        TooCostlyError: it takes more than `max_cost` steps.
    """
    value = value_of(parse(expression), variables, max_cost=max_cost)
    if isinstance(value, bool):
        return value
    raise EvaluationError(f"a condition is true or false, {shown(expression)} is {shown(value)}")


def check_condition(expression: str) -> None:
    """Looks at a condition without variables.

    Raises:
        MalformedExpressionError: it is no expression, or one that can be neither true nor false.
    """
    if _is_never_truth(parse(expression)):
        raise MalformedExpressionError(f"a condition is true or false, which {shown(expression)} can never be")


def _is_never_truth(node: Node) -> bool:
    match node:
        case Literal():
            return not isinstance(node.value, bool)
        case Call():
            return node.function in _NEVER_TRUTHS
        case Comprehension():
            return node.macro in (Macro.FILTER, Macro.MAP)
        case _:
            return isinstance(node, Elements | Members)
