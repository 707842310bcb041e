"""Whether parameters of a definition can fit the task's type, as far as that shows while they hold references."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue, ValidationError

from sightwire_orchestrator.tasks.registry import HandlerRegistry

#: What is wrong whatever values references stand for.
_ABOUT_NAMES = frozenset({"missing", "extra_forbidden"})


@dataclass(frozen=True, slots=True)
class ParameterProblem:
    """What is wrong with one parameter; `path` leads to it from the parameters."""

    path: tuple[str | int, ...]
    message: str


def parameter_problems(
    registry: HandlerRegistry,
    task_type: str,
    parameters: Mapping[str, JsonValue],
    *,
    has_reference: Callable[[JsonValue], bool],
) -> list[ParameterProblem]:
    """Everything that is wrong with a task's parameters for certain.

    Args:
        has_reference: whether a value, or anything within it, is to be replaced before the task runs.

    Raises:
        UnknownTaskTypeError: no such type is installed.
    """
    model = registry.get(task_type).parameters
    if model is None:
        return []
    try:
        model.model_validate(parameters)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    else:
        return []
    problems = []
    for problem in found:
        path, value = _followed(parameters, problem["loc"])
        if problem["type"] in _ABOUT_NAMES or not has_reference(value):
            missing = problem["loc"][-1:] if problem["type"] == "missing" else ()
            problems.append(ParameterProblem((*path, *missing), problem["msg"]))
    return problems


def _followed(
    parameters: Mapping[str, JsonValue], location: tuple[str | int, ...]
) -> tuple[tuple[str | int, ...], JsonValue]:
    """As far into the parameters as a location of pydantic's leads, which names branches of unions as well."""
    value: JsonValue = dict(parameters)
    path: list[str | int] = []
    for part in location:
        inside = _member(value, part)
        if inside is not None:
            value = inside[0]
            path.append(part)
    return tuple(path), value


def _member(value: JsonValue, part: str | int) -> tuple[JsonValue] | None:
    if isinstance(value, dict) and isinstance(part, str) and part in value:
        return (value[part],)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return (value[part],)
    return None
