"""From the text of an expression to its parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

from sightwire_orchestrator.definitions.errors import shown
from sightwire_orchestrator.definitions.expressions.errors import MalformedExpressionError, malformed
from sightwire_orchestrator.definitions.expressions.functions import FUNCTIONS, check_pattern
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
    children_of,
)
from sightwire_orchestrator.definitions.expressions.tokens import Kind, Token, tokens_of
from sightwire_orchestrator.definitions.suggestions import nearest

MAX_CHARACTERS: Final = 2_000
#: Expressions within each other, in the text and in what it means.
MAX_DEPTH: Final = 60

Part = TypeVar("Part")

_CONSTANTS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None}
_RESERVED: Final = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "package",
        "return",
        "var",
        "void",
        "while",
    ]
)
#: How firmly operators bind their operands.
_BINDING: Final[Mapping[str, int]] = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 3),
    **dict.fromkeys("+-", 4),
    **dict.fromkeys("*/%", 5),
}
_MACROS: Final = frozenset(macro.value for macro in Macro)
_CALLABLE: Final = ("has", *Macro, *(name for name in FUNCTIONS if name.isidentifier()))
_MACRO_ARGUMENTS: Final[Mapping[Macro, tuple[int, ...]]] = dict.fromkeys(Macro, (2,)) | {Macro.MAP: (2, 3)}


@lru_cache(maxsize=256)
def parse(text: str) -> Node:
    """What a text means.

    Raises:
        MalformedExpressionError: it is no expression, too long, too deep, or calls what is not known.
    """
    if len(text) > MAX_CHARACTERS:
        raise MalformedExpressionError(f"it has {len(text):,} characters; expected at most {MAX_CHARACTERS:,}")
    reading = _Reading(tokens_of(text))
    node = reading.expression()
    if reading.next.kind is not Kind.END:
        raise malformed(f"expected an operator or the end, got {reading.next}", reading.next.at)
    if _depth(node) > MAX_DEPTH:
        raise MalformedExpressionError(f"its parts stand within each other more than {MAX_DEPTH} deep; split it")
    return node


@dataclass(slots=True)
class _Reading:
    tokens: list[Token]
    position: int = 0
    depth: int = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.position]

    def expression(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise malformed(f"parts stand within each other more than {MAX_DEPTH} deep", self.next.at)
        condition = self._operators(1)
        if self._take("?"):
            then = self._operators(1)
            self._expect(":")
            condition = Choice(condition, then, self.expression())
        self.depth -= 1
        return condition

    def _operators(self, least: int) -> Node:
        left = self._unary()
        while (binding := _BINDING.get(self.next.text, 0)) >= least and self.next.kind in (Kind.SYMBOL, Kind.NAME):
            operator = self._advance().text
            right = self._operators(binding + 1)
            if operator in ("&&", "||"):
                left = Decision(operator == "||", left, right)
            else:
                left = Call(operator, (left, right))
        return left

    def _unary(self) -> Node:
        signs = []
        while self.next.kind is Kind.SYMBOL and self.next.text in ("!", "-"):
            signs.append(self._advance().text)
        if len(signs) > MAX_DEPTH:
            raise malformed("too many signs stand", self.next.at)
        negated = bool(signs) and signs[-1] == "-" and self.next.kind is Kind.LITERAL
        if negated and isinstance(number := self.next.value, int | float):
            # Not a sign and a number: the least whole number has no positive counterpart.
            signs.pop()
            node = self._members(self._literal(self._advance(), -number))
        else:
            node = self._members(self._primary())
        for sign in reversed(signs):
            node = Call(f"{sign}_", (node,))
        return node

    def _members(self, operand: Node) -> Node:
        while True:
            if self._take("."):
                key = self._name()
                if self.next.text == "(" and self.next.kind is Kind.SYMBOL:
                    operand = self._call(key, operand)
                else:
                    operand = Select(operand, key.text)
            elif self._take("["):
                operand = Index(operand, self.expression())
                self._expect("]")
            else:
                return operand

    def _primary(self) -> Node:
        token = self._advance()
        if token.kind is Kind.LITERAL:
            return self._literal(token, token.value)
        if token.kind is Kind.NAME:
            if token.text in _CONSTANTS:
                return Literal(_CONSTANTS[token.text])
            if token.text in _RESERVED:
                raise malformed(f"{token} is a reserved word,", token.at)
            if self.next.text == "(" and self.next.kind is Kind.SYMBOL:
                return self._call(token, None)
            return Name(token.text)
        match token.text:
            case "(":
                node = self.expression()
                self._expect(")")
                return node
            case "[":
                return Elements(tuple(self._until("]", self.expression)))
            case "{":
                return Members(tuple(self._until("}", self._key_and_value)))
            case _:
                raise malformed(f"expected a value, got {token}", token.at)

    def _literal(self, token: Token, value: str | int | float | None) -> Literal:
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise malformed(f"{token} does not fit into 64 bits,", token.at)
        if isinstance(value, float) and value - value != 0:
            raise malformed(f"{token} is too large,", token.at)
        return Literal(value)

    def _key_and_value(self) -> tuple[Node, Node]:
        key = self.expression()
        self._expect(":")
        return key, self.expression()

    def _call(self, name: Token, target: Node | None) -> Node:
        self._expect("(")
        arguments = self._until(")", self.expression)
        if target is None and name.text == "has":
            return self._has(name, arguments)
        if target is not None and name.text in _MACROS:
            return self._comprehension(name, target, arguments)
        function = FUNCTIONS.get(name.text)
        if function is None:
            raise malformed(f"{_called(name.text)} is no function{nearest(name.text, _CALLABLE)},", name.at)
        if target is None and function.is_member_only:
            raise malformed(f"{_called(name.text)} is called on a value, as in text.{name.text}(…),", name.at)
        if target is not None and function.is_global_only:
            raise malformed(f"{_called(name.text)} is called with a value, as in {name.text}(value),", name.at)
        every = arguments if target is None else [target, *arguments]
        if len(every) != function.arguments:
            expected = function.arguments - (target is not None)
            raise malformed(f"{_called(name.text)} takes {expected} arguments, got {len(arguments)},", name.at)
        if name.text == "matches" and isinstance(pattern := every[1], Literal) and isinstance(pattern.value, str):
            check_pattern(pattern.value, name.at)
        return Call(name.text, tuple(every))

    def _has(self, name: Token, arguments: list[Node]) -> Node:
        if len(arguments) == 1 and isinstance(selected := arguments[0], Select):
            return Has(selected.operand, selected.key)
        raise malformed("has(…) takes a member of something, as in has(draft_output.text),", name.at)

    def _comprehension(self, name: Token, target: Node, arguments: list[Node]) -> Node:
        macro = Macro(name.text)
        if len(arguments) not in _MACRO_ARGUMENTS[macro]:
            raise malformed(f"{_called(macro)} takes a variable and an expression, got {len(arguments)},", name.at)
        variable, *others = arguments
        if not isinstance(variable, Name):
            raise malformed(f"the first argument of {_called(macro)} is the name of a variable,", name.at)
        if macro is not Macro.MAP:
            return Comprehension(macro, target, variable.name, others[0], None)
        return Comprehension(macro, target, variable.name, others[0] if len(others) == 2 else None, others[-1])

    def _until(self, end: str, read: Callable[[], Part]) -> list[Part]:
        """What stands between commas; one may stand after the last."""
        parts: list[Part] = []
        while not self._take(end):
            if parts:
                self._expect(",")
                if self._take(end):
                    break
            parts.append(read())
        return parts

    def _name(self) -> Token:
        token = self._advance()
        if token.kind is not Kind.NAME:
            raise malformed(f"expected a name after the dot, got {token}", token.at)
        return token

    def _advance(self) -> Token:
        token = self.next
        if token.kind is not Kind.END:
            self.position += 1
        return token

    def _take(self, symbol: str) -> bool:
        taken = self.next.kind is Kind.SYMBOL and self.next.text == symbol
        self.position += taken
        return taken

    def _expect(self, symbol: str) -> None:
        if not self._take(symbol):
            raise malformed(f"expected {shown(symbol)}, got {self.next}", self.next.at)


def _depth(node: Node) -> int:
    deepest = 0
    waiting = [(node, 1)]
    while waiting:
        part, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting.extend((child, depth + 1) for child in children_of(part))
    return deepest


def _called(function: str) -> str:
    return f"{function}(…)"
