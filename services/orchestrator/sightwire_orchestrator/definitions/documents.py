"""A definition as it was given, not yet checked: values of JSON, and where each of them stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import JsonValue

from sightwire_orchestrator.definitions.errors import DefinitionError, Path, Place, Problem, shown

#: Levels of mappings and lists within each other.
MAX_DEPTH: Final = 64
#: Values, and each 16 characters of text as one more; an alias counts as what it stands for.
MAX_WEIGHT: Final = 50_000

_WHOLE_NUMBERS: Final = range(-(2**63), 2**64)


@dataclass(frozen=True, slots=True)
class Document:
    """A value of JSON, and places of its parts."""

    origin: str
    value: JsonValue
    places: Mapping[Path, Place] = field(default_factory=dict)
    #: Of the keys of mappings, by the path of the member.
    key_places: Mapping[Path, Place] = field(default_factory=dict)
    #: What is no JSON in it; null stands for that in the value.
    problems: tuple[Problem, ...] = ()

    def problem(self, path: Path, message: str, *, at_key: bool = False) -> Problem:
        """A problem at `path`; where there is nothing, or only an alias stands for it, at what is around it."""
        if at_key and path in self.key_places:
            return Problem(path, message, self.key_places[path])
        around = path
        while around and around not in self.places:
            around = around[:-1]
        return Problem(path, message, self.places.get(around))


def document_of(value: Mapping[str, Any], origin: str) -> Document:
    """A copy of what Python code gave; tuples become lists.

    Raises:
        DefinitionError: it holds too much, or itself.
    """
    problems: list[Problem] = []
    weight = 0

    def copied(part: Any, path: Path) -> Any:
        nonlocal weight
        weight += weight_of(part)
        if len(path) > MAX_DEPTH or weight > MAX_WEIGHT:
            raise DefinitionError.of(origin, [Problem(path[:3], too_much(len(path) > MAX_DEPTH))])
        match part:
            case Mapping():
                bad_keys = [key for key in part if not isinstance(key, str)]
                problems.extend(Problem(path, f"keys are texts, got {shown(key)}") for key in bad_keys)
                return {key: copied(member, (*path, key)) for key, member in part.items() if isinstance(key, str)}
            case list() | tuple():
                return [copied(element, (*path, position)) for position, element in enumerate(part)]
            case _:
                fault = fault_of_scalar(part)
                if fault is None:
                    return part
                problems.append(Problem(path, fault))
                return None

    whole = copied(value, ())
    return Document(origin, whole, problems=tuple(problems))


def weight_of(value: Any) -> int:
    """What one value, without its members, adds to the weight of a document."""
    return 1 + len(value) // 16 if isinstance(value, str) else 1


def too_much(is_depth: bool) -> str:
    """The message about a definition over the limits."""
    if is_depth:
        return f"mappings and lists stand within each other more than {MAX_DEPTH} deep"
    return "it is too large: a definition refers to large data and does not hold it"


def fault_of_scalar(value: Any) -> str | None:
    """Why a value is none of JSON's scalars, None if it is one."""
    match value:
        case None | bool():
            return None
        case str():
            return None if _is_unicode(value) else "a text with half of a surrogate pair, which no JSON can carry"
        case int():
            return None if value in _WHOLE_NUMBERS else "a whole number that does not fit into 64 bits"
        case float():
            # Neither infinite nor no number.
            return None if value - value == 0 else f"expected a finite number, got {value}"
        case _:
            return f"expected text, a number, true, false, null, a list or a mapping, got {type(value).__name__}"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
