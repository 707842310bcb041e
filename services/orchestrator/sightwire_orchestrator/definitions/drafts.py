"""What can be understood of a definition, whatever else is wrong with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

from sightwire_orchestrator.definitions.errors import Path

OUTPUT_MAPPING: Final = "output_mapping"


@dataclass(frozen=True, slots=True)
class DraftTask:
    """A task; members of a wrong type are as if they were not there."""

    path: Path
    name: str | None
    type: str | None
    parameters: dict[str, JsonValue]
    #: With their paths.
    dependencies: tuple[tuple[Path, str], ...]
    condition: str | None
    map: str | None
    idempotency_key: str | None

    def referring_texts(self) -> Iterator[tuple[Path, str]]:
        """Texts in which references are looked for, with their paths."""
        yield from texts_with_paths(self.parameters, (*self.path, "parameters"))
        for key, text in (("map", self.map), ("idempotency_key", self.idempotency_key)):
            if text is not None:
                yield (*self.path, key), text


@dataclass(frozen=True, slots=True)
class Draft:
    """A definition that may not be valid."""

    tasks: tuple[DraftTask, ...]
    #: Without `output_mapping`.
    parameters: dict[str, JsonValue]
    output_mapping: JsonValue

    @classmethod
    def of(cls, value: JsonValue) -> "Draft":
        """What can be understood of a value."""
        parameters = _member(value, "global_parameters", dict) or {}
        return cls(
            tasks=tuple(
                _task(("tasks", position), task)
                for position, task in enumerate(_member(value, "tasks", list) or ())
                if isinstance(task, dict)
            ),
            parameters={name: member for name, member in parameters.items() if name != OUTPUT_MAPPING},
            output_mapping=parameters.get(OUTPUT_MAPPING, {}),
        )


def texts_with_paths(value: JsonValue, path: Path) -> Iterator[tuple[Path, str]]:
    """Every text in a value at `path`, keys of mappings excepted, in order."""
    match value:
        case str():
            yield path, value
        case dict():
            for key, member in value.items():
                yield from texts_with_paths(member, (*path, key))
        case list():
            for position, element in enumerate(value):
                yield from texts_with_paths(element, (*path, position))


def _task(path: Path, value: dict[str, JsonValue]) -> DraftTask:
    dependencies = _member(value, "dependencies", list) or ()
    return DraftTask(
        path=path,
        name=_member(value, "name", str),
        type=_member(value, "type", str),
        parameters=_member(value, "parameters", dict) or {},
        dependencies=tuple(
            ((*path, "dependencies", position), name)
            for position, name in enumerate(dependencies)
            if isinstance(name, str)
        ),
        condition=_member(value, "condition", str),
        map=_member(value, "map", str),
        idempotency_key=_member(value, "idempotency_key", str),
    )


def _member(value: JsonValue, key: str, kind: type) -> Any:
    member = value.get(key) if isinstance(value, dict) else None
    return member if isinstance(member, kind) else None
