"""References in the texts of a definition, and the values that they stand for in a run.

`{draft_output.text}` is a part of the output of task `draft`, `{topic}` or `{settings.model}` of a parameter, `{item}`
of the element of a mapped task; `{{` and `}}` are braces. A text that is one reference and nothing else stands for the
value with its type; within a text the value is written: texts as they are, everything else as JSON.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import EllipsisType
from typing import Any, ClassVar, Final

from pydantic import JsonValue

from sightwire.errors import InvalidInputError
from sightwire_orchestrator.definitions.errors import Path, shown

ITEM: Final = "item"
OUTPUT_SUFFIX: Final = "_output"

_LONGEST_REFERENCE: Final = 500
_LISTED: Final = 10
_LONGEST_REMEMBERED: Final = 1_000
_REFERENCE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)((?:\.[A-Za-z0-9_-]+|\[[0-9]{1,9}\])*)")
_STEP: Final = re.compile(r"\.([A-Za-z0-9_-]+)|\[([0-9]+)\]")
_BRACES: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class UnresolvedReferenceError(InvalidInputError):
    """A reference that stands for nothing in this run."""

    code: ClassVar[str] = "unresolved-reference"


class MalformedReferenceError(InvalidInputError):
    """Braces in a text that hold no reference and are not doubled."""

    code: ClassVar[str] = "malformed-reference"


@dataclass(frozen=True, slots=True)
class Reference:
    """What stands between braces."""

    root: str
    path: Path = ()

    @property
    def task(self) -> str | None:
        """The task whose output it is; None: it is none."""
        if self.is_item or not self.root.endswith(OUTPUT_SUFFIX):
            return None
        return self.root.removesuffix(OUTPUT_SUFFIX) or None

    @property
    def parameter(self) -> str | None:
        """The global or run parameter that it is; None: it is none."""
        return None if self.is_item or self.task is not None else self.root

    @property
    def is_item(self) -> bool:
        """Whether it is the element of a mapped task."""
        return self.root == ITEM

    def __str__(self) -> str:
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return f"{{{self.root}{steps}}}"


@dataclass(frozen=True, slots=True)
class Scope:
    """Values that references can stand for."""

    #: Global parameters, and those of the run instead of them.
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    #: By the names of tasks. A task that was skipped, or failed and is optional, has the output null.
    outputs: Mapping[str, JsonValue] = field(default_factory=dict)
    #: Of a mapped task.
    item: JsonValue | EllipsisType = ...

    def value_of(self, reference: Reference) -> JsonValue:
        """What a reference stands for.

        Every part of the output of a task that was skipped or failed is null, like the whole of it.

        Raises:
            UnresolvedReferenceError: there is no such thing.
        """
        value = self._root(reference)
        if value is None and reference.task is not None:
            return None
        for depth, step in enumerate(reference.path):
            value = _member(value, step, reference, Reference(reference.root, reference.path[:depth]))
        return value

    def _root(self, reference: Reference) -> JsonValue:
        if reference.is_item:
            if self.item is ...:
                raise UnresolvedReferenceError(f"{reference} stands for something in mapped tasks only")
            return self.item
        if reference.task is not None:
            if reference.task not in self.outputs:
                raise UnresolvedReferenceError(
                    f"{reference} stands for nothing: there is no output of a task {shown(reference.task)}, but of "
                    f"{_listed(self.outputs)}"
                )
            return self.outputs[reference.task]
        if reference.root not in self.parameters:
            raise UnresolvedReferenceError(
                f"{reference} stands for nothing: the run has no parameter {shown(reference.root)}, but "
                f"{_listed(self.parameters)}"
            )
        return self.parameters[reference.root]


def find_references(value: JsonValue) -> frozenset[Reference]:
    """All references in the texts of a value, however deep; texts with malformed ones are passed over."""
    return frozenset(reference for text in texts_in(value) for reference in _well_formed(text))


def resolve(value: JsonValue, scope: Scope) -> JsonValue:
    """The value with each reference replaced by what it stands for.

    Raises:
        UnresolvedReferenceError: a reference stands for nothing.
        MalformedReferenceError: a text has braces that are neither a reference's nor doubled.
    """
    match value:
        case str():
            return _resolved_text(value, scope)
        case dict():
            return {key: resolve(member, scope) for key, member in value.items()}
        case list():
            return [resolve(element, scope) for element in value]
        case _:
            return value


def single_reference(text: str) -> Reference | None:
    """The reference that a text consists of; None: it is something else."""
    parts = _well_formed_parts(text)
    return parts[0] if len(parts) == 1 and isinstance(parts[0], Reference) else None


def escaped(text: str) -> str:
    """A text that stands for itself, whatever braces are in it."""
    return text.replace("{", "{{").replace("}", "}}")


def texts_in(value: JsonValue) -> Iterator[str]:
    """Every text in a value, keys of mappings excepted."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def parse_text(text: str) -> tuple[str | Reference, ...]:
    """A text as its literal parts and its references, in order.

    Raises:
        MalformedReferenceError: it has braces that are neither a reference's nor doubled.
    """
    if "{" not in text and "}" not in text:
        return (text,)
    return _parse_remembered(text) if len(text) <= _LONGEST_REMEMBERED else _parse(text)


def _parse(text: str) -> tuple[str | Reference, ...]:
    parts: list[str | Reference] = []
    literal = ""
    end = 0
    for braces in _BRACES.finditer(text):
        literal += text[end : braces.start()]
        end = braces.end()
        if braces[0] in ("{{", "}}"):
            literal += braces[0][0]
            continue
        if braces[1] is None:
            raise MalformedReferenceError(
                f"{shown(braces[0])} at character {braces.start() + 1} belongs to no reference; "
                f"write {shown(braces[0] * 2)} for the brace itself"
            )
        reference = _parse_reference(braces[1], braces.start())
        parts += [literal, reference] if literal else [reference]
        literal = ""
    literal += text[end:]
    return (*parts, literal) if literal or not parts else tuple(parts)


_parse_remembered = lru_cache(maxsize=2048)(_parse)


def _parse_reference(text: str, start: int) -> Reference:
    found = _REFERENCE.fullmatch(text) if len(text) <= _LONGEST_REFERENCE else None
    if found is None:
        raise MalformedReferenceError(
            f"{shown(f'{{{text}}}')} at character {start + 1} is no reference, such as {{draft_output.text}} or "
            '{items_output.list[0]}; write "{{" and "}}" for the braces themselves'
        )
    steps = tuple(int(index) if index else key for key, index in _STEP.findall(found[2]))
    return Reference(found[1], steps)


def _resolved_text(text: str, scope: Scope) -> JsonValue:
    parts = parse_text(text)
    if len(parts) == 1:
        return scope.value_of(parts[0]) if isinstance(parts[0], Reference) else parts[0]
    return "".join(_written(scope.value_of(part)) if isinstance(part, Reference) else part for part in parts)


def _written(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _well_formed_parts(text: str) -> tuple[str | Reference, ...]:
    try:
        return parse_text(text)
    except MalformedReferenceError:
        return ()


def _well_formed(text: str) -> Iterator[Reference]:
    return (part for part in _well_formed_parts(text) if isinstance(part, Reference))


def _member(value: Any, step: str | int, reference: Reference, around: Reference) -> JsonValue:
    if isinstance(step, str):
        if isinstance(value, dict):
            if step in value:
                found: JsonValue = value[step]
                return found
            raise UnresolvedReferenceError(
                f"{reference} stands for nothing: {around} has no {shown(step)}, but {_listed(value)}"
            )
        raise UnresolvedReferenceError(f"{reference} stands for nothing: {around} is no mapping but {shown(value)}")
    if not isinstance(value, list):
        raise UnresolvedReferenceError(f"{reference} stands for nothing: {around} is no list but {shown(value)}")
    if step >= len(value):
        raise UnresolvedReferenceError(f"{reference} stands for nothing: {around} has {len(value)} elements")
    element: JsonValue = value[step]
    return element


def _listed(names: Mapping[str, JsonValue]) -> str:
    if not names:
        return "nothing"
    listed = ", ".join(shown(name) for name in list(names)[:_LISTED])
    return listed if len(names) <= _LISTED else f"{listed} and {len(names) - _LISTED} more"
