"""Reads YAML and JSON with the place of every value.

YAML is read by the core schema of YAML 1.2, of which JSON is a part: `yes` and `on` are texts, and so are dates.
Events of the parser are put together here and not by PyYAML's loaders, which recurse, forget places, keep the last of
equal keys and let aliases grow without bounds.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from sightwire_orchestrator.definitions.documents import (
    MAX_DEPTH,
    MAX_WEIGHT,
    Document,
    fault_of_scalar,
    too_much,
    weight_of,
)
from sightwire_orchestrator.definitions.errors import DefinitionError, Path, Place, Problem, shown

MAX_BYTES: Final = 512 * 1024

_TEXT_TAG: Final = "tag:yaml.org,2002:str"
_NULL: Final = re.compile(r"null|Null|NULL|~|")
_BOOLEAN: Final = re.compile(r"(true|True|TRUE)|false|False|FALSE")
_DECIMAL: Final = re.compile(r"[-+]?[0-9]{1,4000}")
_OTHER_BASE: Final = re.compile(r"0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
#: Half of a pair is an error in YAML, where JSON writes characters beyond the first 65,536 in this way.
_SURROGATES: Final = re.compile(r"(\\\\)|\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


def read_text(text: str | bytes, origin: str) -> Document:
    """What a text in YAML or JSON holds.

    Raises:
        DefinitionError: it is neither, holds nothing or more than one document, or is too large.
    """
    return _Building(origin).document(_decoded(text, origin))


def _decoded(text: str | bytes, origin: str) -> str:
    too_long = Problem((), f"it is longer than {MAX_BYTES // 1024} KiB, {too_much(False)}")
    if len(text) > MAX_BYTES:
        raise DefinitionError.of(origin, [too_long])
    try:
        # Round and back: a str may hold what cannot be encoded, too.
        encoded = text.encode() if isinstance(text, str) else text
        decoded = encoded.decode()
    except (UnicodeEncodeError, UnicodeDecodeError) as error:
        raise DefinitionError.of(origin, [Problem((), f"it is not UTF-8: {error.reason} at {error.start}")]) from None
    return _as_yaml(decoded) if _is_json(decoded) else decoded


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _as_yaml(json_text: str) -> str:
    """JSON that is YAML as well; all values keep their lines, and their columns up to such characters."""

    def joined(match: re.Match[str]) -> str:
        escaped_backslash, high, low = match.groups()
        if escaped_backslash:
            return match[0]
        return f"\\U{0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00:08X}"

    # A tab within a text of JSON is written \t; between values YAML does not take it.
    return _SURROGATES.sub(joined, json_text).replace("\t", " ")


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet."""

    path: Path
    content: dict[str, Any] | list[Any]
    anchor: str | None
    weight_before: int
    #: Of a mapping, whose value comes next.
    key: str | None = None
    #: The value that comes next belongs to a key that is no good.
    key_is_bad: bool = False


@dataclass(slots=True)
class _Building:
    origin: str
    places: dict[Path, Place] = field(default_factory=dict)
    key_places: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    anchored: dict[str, tuple[Any, int]] = field(default_factory=dict)
    weight: int = 0
    documents: int = 0
    whole: Any = None

    def document(self, text: str) -> Document:
        try:
            for event in self._events(text):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            raise self._error(_fault(error), _place(error.problem_mark or error.context_mark)) from None
        except yaml.YAMLError as error:
            raise self._error(f"it is neither YAML nor JSON: {' '.join(str(error).split())}") from None
        if not self.documents:
            raise self._error("it is empty")
        return Document(self.origin, self.whole, self.places, self.key_places, tuple(self.problems))

    def _error(self, message: str, place: Place | None = None, path: Path = ()) -> DefinitionError:
        """What makes the rest unreadable, after what was found before it."""
        return DefinitionError.of(self.origin, [*self.problems, Problem(path, message, place)])

    def _events(self, text: str) -> Iterator[yaml.Event]:
        parsed: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.CSafeLoader)
        return parsed

    def _take(self, event: yaml.Event) -> None:
        place = _place(event.start_mark)
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise self._error("a second document begins; expected one", place)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event, place)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                ended = self.stack.pop()
                if ended.anchor is not None:
                    self.anchored[ended.anchor] = (ended.content, self.weight - ended.weight_before)
            case yaml.ScalarEvent():
                self._scalar(event, place)
            case yaml.AliasEvent():
                self._alias(event, place)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent, place: Place) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise self._error(too_much(True), place, self._path()[:3])
        content: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        if event.tag is not None and event.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self._tell(f"the tag {shown(event.tag)} is not known; write the value without it", place)
        opened = _Open(self._path(), content, event.anchor, self.weight)
        if event.anchor is not None:
            self.anchored.pop(event.anchor, None)
        self._add(content, place, weight=1, is_key=self._is_at_key())
        self.stack.append(opened)

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> None:
        value: Any = event.value
        if event.tag not in (None, "!", _TEXT_TAG):
            self._tell(f"the tag {shown(event.tag)} is not known; write the value without it", place)
        elif event.tag is None and event.implicit[0]:
            value = _resolved(event.value)
            fault = fault_of_scalar(value)
            if fault is not None:
                self._tell(fault, place)
                value = None
        if event.anchor is not None:
            self.anchored[event.anchor] = (value, weight_of(value))
        self._add(value, place, weight=weight_of(event.value), is_key=self._is_at_key(), written=event.value)

    def _alias(self, event: yaml.AliasEvent, place: Place) -> None:
        found = self.anchored.get(event.anchor or "")
        if found is None:
            within = any(opened.anchor == event.anchor for opened in self.stack)
            self._tell(
                f"*{event.anchor} stands within what it stands for"
                if within
                else f"*{event.anchor} stands for nothing: there is no &{event.anchor} before it",
                place,
            )
        value, weight = found or (None, 1)
        self._add(value, place, weight=weight, is_key=self._is_at_key())

    def _is_at_key(self) -> bool:
        if not self.stack:
            return False
        top = self.stack[-1]
        return isinstance(top.content, dict) and top.key is None and not top.key_is_bad

    def _path(self) -> Path:
        """Of the value that comes next."""
        if not self.stack:
            return ()
        top = self.stack[-1]
        if isinstance(top.content, list):
            return (*top.path, len(top.content))
        return top.path if top.key is None else (*top.path, top.key)

    def _add(self, value: Any, place: Place, *, weight: int, is_key: bool, written: str | None = None) -> None:
        self.weight += weight
        if self.weight > MAX_WEIGHT:
            raise self._error(too_much(False), place)
        if is_key:
            self._take_key(value, place, written)
            return
        if not self.stack:
            self.places[()] = place
            self.whole = value
            return
        top = self.stack[-1]
        if isinstance(top.content, list):
            self.places[(*top.path, len(top.content))] = place
            top.content.append(value)
        elif top.key is not None:
            self.places.setdefault((*top.path, top.key), place)
            top.content.setdefault(top.key, value)
        top.key, top.key_is_bad = None, False

    def _take_key(self, key: Any, place: Place, written: str | None) -> None:
        top = self.stack[-1]
        if not isinstance(key, str):
            hint = f'; write "{written}"' if written else ""
            self._tell(f"keys are texts, got {shown(key)}{hint}", place)
            top.key_is_bad = True
            return
        path = (*top.path, key)
        if key in top.content:
            first = self.key_places[path]
            self.problems.append(
                Problem(path, f"the key is here for the second time; first in line {first.line}", place)
            )
        self.key_places.setdefault(path, place)
        top.key = key

    def _tell(self, message: str, place: Place) -> None:
        self.problems.append(Problem(self._path(), message, place))


def _resolved(text: str) -> Any:
    """What an unquoted scalar is by the core schema of YAML 1.2."""
    if _NULL.fullmatch(text):
        return None
    if boolean := _BOOLEAN.fullmatch(text):
        return boolean[1] is not None
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, base=0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _fault(error: yaml.MarkedYAMLError) -> str:
    context = f", {error.context}" if error.context else ""
    return f"it is neither YAML nor JSON: {error.problem}{context}"
