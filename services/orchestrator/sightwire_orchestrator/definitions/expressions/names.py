"""Which variables an expression refers to."""

from sightwire_orchestrator.definitions.expressions.errors import MalformedExpressionError
from sightwire_orchestrator.definitions.expressions.nodes import Comprehension, Name, Node, children_of
from sightwire_orchestrator.definitions.expressions.parsing import parse


def names_in(node: Node) -> frozenset[str]:
    """Variables, without those of comprehensions where these are meant."""
    if isinstance(node, Name):
        return frozenset((node.name,))
    if isinstance(node, Comprehension):
        within = [names_in(part) for part in (node.condition, node.result) if part is not None]
        return names_in(node.operand) | (frozenset().union(*within) - {node.variable})
    return frozenset().union(*map(names_in, children_of(node)))


def names_in_condition(expression: str) -> frozenset[str]:
    """Variables of a text; none when it is malformed."""
    try:
        return names_in(parse(expression))
    except MalformedExpressionError:
        return frozenset()
