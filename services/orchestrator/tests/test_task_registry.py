import importlib.metadata
import threading
from typing import Any

import pytest
from pydantic import BaseModel, JsonValue
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.errors import InvalidParametersError, UnknownTaskTypeError
from sightwire_orchestrator.tasks.parameter_problems import ParameterProblem, parameter_problems
from sightwire_orchestrator.tasks.registry import ENTRY_POINTS, HandlerRegistry, handler

from sightwire.errors import ConfigurationError

BUILTIN = {
    "abandon_migration",
    "build_index",
    "canary",
    "classification",
    "compare_answers",
    "compare_quality",
    "custom",
    "embed",
    "evaluate",
    "extraction",
    "ingest",
    "load_model",
    "notify",
    "prepare_shadow",
    "promote",
    "reembed",
    "retire_copy",
    "roll_back_collection",
    "rollback",
    "text_generation",
    "train",
    "validate",
    "validate_shadow",
    "validation",
}


class Size(BaseModel):
    width: int
    names: list[str] = []


@handler("resize")
async def resize(_context: TaskContext, parameters: Size) -> JsonValue:
    """Make something larger.

    Or smaller.
    """
    return {"width": parameters.width}


@handler("where")
def where(_context: TaskContext, parameters: dict[str, JsonValue]) -> JsonValue:
    return {"thread": threading.current_thread().name, **parameters}


def untyped(_context: Any, parameters: Any) -> Any:
    return parameters


def test_the_platforms_own_types_are_there_and_have_schemas_and_descriptions():
    registry = HandlerRegistry.with_builtin_types()
    assert set(registry.types) == BUILTIN
    for name in registry.types:
        assert registry.parameter_schema(name)["properties"]
        assert registry.get(name).description


def test_a_decorated_function_is_known_by_its_name_model_and_first_paragraph():
    registry = HandlerRegistry()
    registry.add(resize)
    assert registry.types == ("resize",)
    assert registry.get("resize").parameters is Size
    assert registry.get("resize").description == "Make something larger."
    assert registry.parameter_schema("resize")["required"] == ["width"]


def test_a_function_without_a_model_takes_any_mapping():
    registry = HandlerRegistry()
    registry.add(where)
    registry.add(untyped, task_type="untyped")
    assert registry.get("where").parameters is None
    assert registry.get("untyped").read({"a": 1}) == {"a": 1}
    assert registry.parameter_schema("where") == {"type": "object"}


def test_an_unknown_type_is_told_with_those_that_there_are():
    registry = HandlerRegistry()
    registry.add(resize)
    with pytest.raises(UnknownTaskTypeError, match="type 'crop' is installed; there are resize"):
        registry.get("crop")


def test_parameters_that_do_not_fit_are_named():
    registry = HandlerRegistry()
    registry.add(resize)
    with pytest.raises(InvalidParametersError, match=r"width: .*valid integer.*; names\.1: .*valid string"):
        registry.get("resize").read({"width": "wide", "names": ["a", 2]})


@pytest.mark.parametrize(
    ("function", "task_type", "expected"),
    [
        (untyped, None, "handles no type"),
        (untyped, "Bad Name", "is no name for a type"),
        (lambda: None, "nothing", "is no handler"),
        (lambda context, one, two: None, "much", "is no handler"),
    ],
)
def test_what_is_no_handler_is_refused(function: Any, task_type: str | None, expected: str):
    with pytest.raises(ConfigurationError, match=expected):
        HandlerRegistry().add(function, task_type=task_type)


def test_a_name_is_given_once_but_one_function_may_be_added_twice():
    registry = HandlerRegistry()
    registry.add(resize)
    registry.add(resize)
    with pytest.raises(ConfigurationError, match="'resize' has two handlers"):
        registry.add(untyped, task_type="resize")


def test_installed_entry_points_are_functions_or_modules(monkeypatch: pytest.MonkeyPatch):
    points = [
        importlib.metadata.EntryPoint("untyped", "json:dumps", ENTRY_POINTS),
        importlib.metadata.EntryPoint("several", "sightwire_orchestrator.tasks.builtin.custom", ENTRY_POINTS),
    ]
    monkeypatch.setattr("sightwire_orchestrator.tasks.registry.entry_points", lambda group: points)
    registry = HandlerRegistry()
    with pytest.raises(ConfigurationError, match=r"json\.dumps is no handler"):
        registry.add_installed()
    del points[0]
    registry.add_installed()
    assert "custom" in registry.types


def test_an_entry_point_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch):
    point = importlib.metadata.EntryPoint("gone", "no_such_module:function", ENTRY_POINTS)
    monkeypatch.setattr("sightwire_orchestrator.tasks.registry.entry_points", lambda group: [point])
    with pytest.raises(ConfigurationError, match=r"'gone' \(no_such_module:function\) cannot be imported"):
        HandlerRegistry().add_installed()


def has_reference(value: JsonValue) -> bool:
    if isinstance(value, dict):
        return any(map(has_reference, value.values()))
    if isinstance(value, list):
        return any(map(has_reference, value))
    return isinstance(value, str) and "{" in value


@pytest.mark.parametrize(
    ("task_type", "parameters", "expected"),
    [
        ("text_generation", {"prompt": "{draft_output.text}", "max_tokens": "{limit}"}, []),
        ("text_generation", {"prompt": "a", "max_tokens": "many"}, [("max_tokens",)]),
        ("text_generation", {"prompt": "a", "propmt": "{draft_output}"}, [("propmt",)]),
        ("text_generation", {}, [()]),
        ("extraction", {"input": "{page}"}, [("schema",)]),
        ("extraction", {"input": "{page}", "schema": "{the_schema}"}, []),
        ("ingest", {"collection": "photos", "items": "{split_output.items}"}, []),
        ("ingest", {"collection": "No Name", "items": [{"text": "{a}"}, 5]}, [("collection",), ("items", 1)]),
        ("notify", {"via": {"kind": "webhook", "url": "{hook}"}}, []),
        ("notify", {"via": {"kind": "pigeon"}}, [("via",)]),
        ("validation", {"value": "{v}", "checks": [{"kind": "expression"}]}, [("checks", 0, "expression")]),
    ],
)
def test_parameters_of_a_definition_are_checked_as_far_as_references_leave_them(
    task_type: str, parameters: dict[str, JsonValue], expected: list[tuple[str | int, ...]]
):
    registry = HandlerRegistry.with_builtin_types()
    problems = parameter_problems(registry, task_type, parameters, has_reference=has_reference)
    assert [problem.path for problem in problems] == expected
    assert all(isinstance(problem, ParameterProblem) and problem.message for problem in problems)
