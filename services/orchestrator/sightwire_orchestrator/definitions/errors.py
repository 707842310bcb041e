"""What is wrong with a definition, and where."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

from sightwire.errors import InvalidDefinitionError

#: Keys and positions that lead from the whole of a document to a part of it.
Path = tuple[str | int, ...]

_SHOWN_PROBLEMS: Final = 100
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_LONGEST_SHOWN: Final = 60


class Place(NamedTuple):
    """Where in a text, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    path: Path
    message: str
    #: None: it was no text.
    place: Place | None = None

    def described(self, origin: str) -> str:
        """`origin:line:column: path: message`."""
        where = origin if self.place is None else f"{origin}:{self.place.line}:{self.place.column}"
        return f"{where}: {path_text(self.path)}: {self.message}" if self.path else f"{where}: {self.message}"


class DefinitionError(InvalidDefinitionError):
    """A definition that cannot be carried out as it is; the message has a line for each problem."""

    def __init__(self, detail: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(detail)
        self.problems = problems

    @classmethod
    def of(cls, origin: str, problems: Iterable[Problem]) -> Self:
        """The error that tells of `problems`, in the order of the text."""
        ordered = tuple(sorted(problems, key=lambda problem: problem.place or Place(0, 0)))
        lines = [problem.described(origin) for problem in ordered[:_SHOWN_PROBLEMS]]
        if len(ordered) > _SHOWN_PROBLEMS:
            lines.append(f"{origin}: {len(ordered) - _SHOWN_PROBLEMS} more problems")
        return cls("\n".join(lines), ordered)


def path_text(path: Path) -> str:
    """A path as people write it: `tasks[0].parameters["a key"]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{shown(part)}]"
    return text


def shown(value: Any) -> str:
    """A value in a message: short, on one line, texts in quotes, JSON's words for the others."""
    match value:
        case None | True | False:
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            short = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}…"
            # Not repr(), whose quotation marks change with the text.
            printable = short if short.isprintable() else short.encode("unicode_escape").decode()
            return f'"{printable}"'
        case list() | tuple():
            return f"a list of {len(value)}"
        case dict():
            return "a mapping"
        case _:
            return f"{value!r:.{_LONGEST_SHOWN}}"
