"""Whether a document has the shape of a definition: keys and types, in words for whoever wrote it."""

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sightwire.contracts.pipelines import (
    Callback,
    Escalation,
    PipelineDefinition,
    RetryPolicy,
    ReviewDemand,
    TaskDefinition,
)
from sightwire_orchestrator.definitions.documents import Document
from sightwire_orchestrator.definitions.errors import Path, Problem, shown
from sightwire_orchestrator.definitions.suggestions import Suggestions

#: By the path to them, with 0 for every position.
_MODELS: Final[Mapping[Path, type[BaseModel]]] = {
    (): PipelineDefinition,
    ("tasks", 0): TaskDefinition,
    ("tasks", 0, "retry"): RetryPolicy,
    ("tasks", 0, "review"): ReviewDemand,
    ("tasks", 0, "review", "escalation", 0): Escalation,
    ("on_completion", 0): Callback,
    ("on_error", 0): Callback,
}
_EXPECTED: Final[Mapping[str, str]] = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}
_TASK_NAME: Final = "letters, digits and _, no digit first, at most 63"
_NAMES: Final[Mapping[Path, str]] = {
    ("name",): "lower-case letters, digits, - and _, a letter or digit first, at most 63",
    ("tasks", 0, "name"): _TASK_NAME,
    ("tasks", 0, "dependencies", 0): _TASK_NAME,
    ("tasks", 0, "type"): "lower-case letters, digits and _, a letter first, at most 63",
}


def definition_or_problems(document: Document) -> PipelineDefinition | list[Problem]:
    """The definition that a document has the shape of, or what it lacks for that.

    Types are taken as they are: "5" is no number, and 1 is no text.
    """
    try:
        # From JSON, where lists are tuples too and texts are members of enumerations.
        return PipelineDefinition.model_validate_json(json.dumps(document.value), strict=True)
    except ValidationError as error:
        suggestions = Suggestions()
        return [
            _problem(document, found, suggestions)
            for found in error.errors(include_url=False, include_context=True)
            # A list whose elements have faults counts as empty.
            if found["type"] != "too_short" or not found["input"]
        ]


def _problem(document: Document, found: ErrorDetails, suggestions: Suggestions) -> Problem:
    path: Path = found["loc"]
    match found["type"]:
        case "missing":
            return document.problem(path, "is missing")
        case "extra_forbidden":
            *around, key = path
            keys = _MODELS[_pattern(tuple(around))].model_fields
            hint = suggestions.nearest(str(key), keys) or f"; there are {', '.join(keys)}"
            return document.problem(path, f"{shown(key)} is no key here{hint}", at_key=True)
        case "string_pattern_mismatch":
            return document.problem(path, f"expected {_NAMES[_pattern(path)]}, got {shown(found['input'])}")
        case "too_short":
            return document.problem(path, "expected at least one task")
        case _:
            return document.problem(path, _in_words(found))


def _in_words(found: ErrorDetails) -> str:
    expected = _EXPECTED.get(found["type"]) or found["msg"].removeprefix("Input should be ")
    value: Any = found["input"]
    hint = f'; write "{json.dumps(value)}"' if found["type"] == "string_type" and _is_scalar(value) else ""
    return f"expected {expected}, got {shown(value)}{hint}"


def _is_scalar(value: Any) -> bool:
    return isinstance(value, bool | int | float)


def _pattern(path: Path) -> Path:
    return tuple(0 if isinstance(part, int) else part for part in path)
