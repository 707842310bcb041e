"""What an expression is made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Name:
    """A variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.key`."""

    operand: "Node"
    key: str


@dataclass(frozen=True, slots=True)
class Has:
    """`has(operand.key)`."""

    operand: "Node"
    key: str


@dataclass(frozen=True, slots=True)
class Index:
    """`operand[index]`."""

    operand: "Node"
    index: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator; what stands before the dot of `text.contains(part)` is its first argument."""

    function: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """`left && right`, for which `decisive` is false, or `left || right`, for which it is true."""

    decisive: bool
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Choice:
    """`condition ? then : otherwise`."""

    condition: "Node"
    then: "Node"
    otherwise: "Node"


@dataclass(frozen=True, slots=True)
class Elements:
    """`[first, second]`."""

    elements: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Members:
    """`{key: value}`."""

    members: tuple[tuple["Node", "Node"], ...]


class Macro(StrEnum):
    """Ways to go through a list, or the keys of a mapping."""

    ALL = "all"
    EXISTS = "exists"
    EXISTS_ONE = "exists_one"
    FILTER = "filter"
    MAP = "map"


@dataclass(frozen=True, slots=True)
class Comprehension:
    """`operand.macro(variable, condition)`, or `operand.map(variable, condition, result)`."""

    macro: Macro
    operand: "Node"
    variable: str
    #: None: of a `map` of all elements.
    condition: "Node | None"
    #: Of `map` alone.
    result: "Node | None"


Node = Literal | Name | Select | Has | Index | Call | Decision | Choice | Elements | Members | Comprehension


def children_of(node: Node) -> Iterator[Node]:
    """Expressions directly within one."""
    match node:
        case Select() | Has():
            yield node.operand
        case Index():
            yield from (node.operand, node.index)
        case Call():
            yield from node.arguments
        case Decision():
            yield from (node.left, node.right)
        case Choice():
            yield from (node.condition, node.then, node.otherwise)
        case Elements():
            yield from node.elements
        case Members():
            for member in node.members:
                yield from member
        case Comprehension():
            yield from (part for part in (node.operand, node.condition, node.result) if part is not None)
        case _:
            return
