"""The value of an expression for given variables."""

from collections.abc import Iterable, Mapping
from typing import Any

from sightwire_orchestrator.definitions.errors import shown
from sightwire_orchestrator.definitions.expressions.budget import MAX_COST, Budget
from sightwire_orchestrator.definitions.expressions.errors import EvaluationError
from sightwire_orchestrator.definitions.expressions.functions import FUNCTIONS, contained, is_number
from sightwire_orchestrator.definitions.expressions.nodes import (
    Call,
    Choice,
    Comprehension,
    Decision,
    Elements,
    Has,
    Index,
    Literal,
    Macro,
    Members,
    Name,
    Node,
    Select,
)


def value_of(node: Node, variables: Mapping[str, Any], *, max_cost: int = MAX_COST) -> Any:
    """The value, of JSON's types.

    Raises:
        EvaluationError: it has none for these variables.
        TooCostlyError: it takes more than `max_cost` steps.
    """
    return _Evaluation(Budget(max_cost)).value(node, variables)


class _Evaluation:
    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def value(self, node: Node, variables: Mapping[str, Any]) -> Any:
        self._budget.spend(1)
        match node:
            case Literal():
                return node.value
            case Name():
                if node.name not in variables:
                    raise EvaluationError(f"there is no variable {shown(node.name)}")
                return variables[node.name]
            case Select():
                return self._member(self.value(node.operand, variables), node.key)
            case Call():
                arguments = [self.value(argument, variables) for argument in node.arguments]
                return FUNCTIONS[node.function].call(self._budget, *arguments)
            case Decision():
                return self._decision(node, variables)
            case Choice():
                holds = self._truth(node.condition, variables)
                return self.value(node.then if holds else node.otherwise, variables)
            case Index():
                return self._indexed(self.value(node.operand, variables), self.value(node.index, variables))
            case Has():
                return self._has(self.value(node.operand, variables), node.key)
            case Comprehension():
                return self._comprehension(node, variables)
            case Elements():
                return [self.value(element, variables) for element in node.elements]
            case Members():
                return self._mapping(node, variables)

    def _truth(self, node: Node, variables: Mapping[str, Any]) -> bool:
        value = self.value(node, variables)
        if isinstance(value, bool):
            return value
        raise EvaluationError(f"expected true or false, got {shown(value)}")

    def _decision(self, node: Decision, variables: Mapping[str, Any]) -> bool:
        """One side that decides is enough, even if the other has no value: neither comes first."""
        try:
            if self._truth(node.left, variables) is node.decisive:
                return node.decisive
        except EvaluationError:
            if self._truth(node.right, variables) is node.decisive:
                return node.decisive
            raise
        return self._truth(node.right, variables)

    def _member(self, value: Any, key: str) -> Any:
        if not isinstance(value, dict):
            raise EvaluationError(f"only mappings have members such as {shown(key)}, got {shown(value)}")
        if key not in value:
            raise EvaluationError(f"there is no member {shown(key)}; has(…) tells whether there is one")
        return value[key]

    def _has(self, value: Any, key: str) -> bool:
        if not isinstance(value, dict):
            raise EvaluationError(f"only mappings have members such as {shown(key)}, got {shown(value)}")
        return key in value

    def _indexed(self, value: Any, index: Any) -> Any:
        if isinstance(value, dict):
            if isinstance(index, str):
                return self._member(value, index)
            raise EvaluationError(f"the keys of mappings are texts, got {shown(index)}")
        if not isinstance(value, list):
            raise EvaluationError(f"only lists and mappings have elements, got {shown(value)}")
        if not is_number(index) or index != int(index):
            raise EvaluationError(f"the elements of lists have whole numbers, got {shown(index)}")
        if not 0 <= index < len(value):
            raise EvaluationError(f"there is no element {shown(index)} in a list of {len(value)}")
        return value[int(index)]

    def _mapping(self, node: Members, variables: Mapping[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key_node, value_node in node.members:
            key = self.value(key_node, variables)
            if not isinstance(key, str):
                raise EvaluationError(f"the keys of mappings are texts, got {shown(key)}")
            if contained(self._budget, key, made):
                raise EvaluationError(f"the key {shown(key)} is there twice")
            made[key] = self.value(value_node, variables)
        return made

    def _comprehension(self, node: Comprehension, variables: Mapping[str, Any]) -> Any:
        whole = self.value(node.operand, variables)
        if not isinstance(whole, list | dict):
            raise EvaluationError(f"{node.macro}(…) goes through a list or the keys of a mapping, got {shown(whole)}")
        # One mapping for all elements: nothing keeps it when the value of an element is there.
        self._budget.spend(len(variables) // 16)
        inner = dict(variables)
        match node.macro:
            case Macro.ALL:
                return not self._any(node, whole, inner, wanted=False)
            case Macro.EXISTS:
                return self._any(node, whole, inner, wanted=True)
            case Macro.EXISTS_ONE:
                return sum(1 for element in whole if self._holds(node, element, inner)) == 1
            case Macro.FILTER:
                return [element for element in whole if self._holds(node, element, inner)]
            case Macro.MAP:
                return [self._result(node, element, inner) for element in whole if self._holds(node, element, inner)]

    def _holds(self, node: Comprehension, element: Any, variables: dict[str, Any]) -> bool:
        if node.condition is None:
            return True
        variables[node.variable] = element
        return self._truth(node.condition, variables)

    def _result(self, node: Comprehension, element: Any, variables: dict[str, Any]) -> Any:
        assert node.result is not None
        variables[node.variable] = element
        return self.value(node.result, variables)

    def _any(self, node: Comprehension, whole: Iterable[Any], variables: dict[str, Any], *, wanted: bool) -> bool:
        """Whether the condition is `wanted` for an element; one that is decides, even if others have no value."""
        failure: EvaluationError | None = None
        for element in whole:
            try:
                if self._holds(node, element, variables) is wanted:
                    return True
            except EvaluationError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return False
