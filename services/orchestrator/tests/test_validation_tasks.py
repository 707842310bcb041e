"""`validation` and `custom`: schemas, expressions, handlers by name."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from pydantic import JsonValue
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.errors import InvalidParametersError, UnknownTaskTypeError, ValidationFailedError
from sightwire_orchestrator.tasks.json_schemas import schema_problems, schema_validator
from sightwire_orchestrator.tasks.registry import HandlerRegistry, handler
from sightwire_orchestrator.tasks.resources import open_resources

from services.orchestrator.tests.task_world import TaskWorld, task_settings
from sightwire.errors import InvalidInputError, SightwireError

VALUE = {"title": "Boats", "count": 3}


@handler("is_even")
def is_even(_context: TaskContext, parameters: dict[str, JsonValue]) -> bool:
    value = parameters["value"]
    assert isinstance(value, int)
    return value % 2 == 0


@handler("verdict")
async def verdict(_context: TaskContext, parameters: dict[str, JsonValue]) -> JsonValue:
    return parameters["says"]


@pytest_asyncio.fixture(loop_scope="session")
async def world() -> AsyncIterator[TaskWorld]:
    handlers = HandlerRegistry.with_builtin_types()
    handlers.add(is_even)
    handlers.add(verdict)
    async with open_resources(task_settings()) as resources:
        yield TaskWorld(resources, handlers)


def schema(**members: Any) -> dict[str, Any]:
    return {"kind": "schema", "schema": {"type": "object", **members}}


def expression(text: str, **members: Any) -> dict[str, Any]:
    return {"kind": "expression", "expression": text, **members}


def by(name: str, **parameters: Any) -> dict[str, Any]:
    return {"kind": "handler", "handler": name, "parameters": parameters}


@pytest.mark.parametrize(
    ("check", "problems"),
    [
        (schema(required=["title"]), []),
        (schema(required=["author"]), ["$: 'author' is a required property"]),
        (schema(properties={"count": {"type": "string"}}), ["$.count: 3 is not of type 'string'"]),
        (expression("value.count == 3"), []),
        (expression("value.count > limit", variables={"limit": 2}), []),
        (expression("value.count > 5"), ["value.count > 5 is false"]),
        (expression("value.count > 5", message="too few"), ["too few"]),
        (by("verdict", says=True), []),
        (by("verdict", says=False), ["verdict says that it is not valid"]),
        (by("verdict", says={"valid": True}), []),
        (by("verdict", says={"valid": False, "problems": ["dull"]}), ["dull"]),
        (by("verdict", says={"valid": False}), ["verdict says that it is not valid"]),
    ],
)
async def test_each_kind_of_check(world: TaskWorld, check: dict[str, Any], problems: list[str]):
    output = await world.run("validation", {"value": VALUE, "checks": [check], "on_failure": "report"})
    assert output == {"valid": not problems, "problems": problems, "value": VALUE}


async def test_a_value_that_is_not_valid_fails_the_task_with_all_problems(world: TaskWorld):
    checks = [schema(required=["author"]), expression("false", message="never good")]
    with pytest.raises(ValidationFailedError, match="'author' is a required property; never good") as raised:
        await world.run("validation", {"value": VALUE, "checks": checks})
    assert not raised.value.transient


@pytest.mark.parametrize(
    ("check", "error", "message"),
    [
        (schema(properties=5), InvalidInputError, "not a JSON Schema"),
        ({"kind": "schema", "schema": {"$ref": "http://127.0.0.1:9/schema"}}, InvalidInputError, "not within it"),
        (expression("value.count >"), InvalidInputError, "character"),
        (by("nobody"), UnknownTaskTypeError, "no handler"),
        (by("verdict", says="yes"), SightwireError, "is to return true, false"),
        ({"kind": "guess"}, InvalidParametersError, "checks"),
    ],
)
async def test_a_check_that_cannot_be_made_is_an_error_and_no_verdict(
    world: TaskWorld, check: dict[str, Any], error: type[SightwireError], message: str
):
    with pytest.raises(error, match=message):
        await world.run("validation", {"value": VALUE, "checks": [check], "on_failure": "report"})


async def test_a_custom_handler_is_called_by_its_name(world: TaskWorld):
    assert await world.run("custom", {"handler": "is_even", "parameters": {"value": 4}}) is True
    assert await world.run("is_even", {"value": 3}) is False
    with pytest.raises(UnknownTaskTypeError, match="'nobody'"):
        await world.run("custom", {"handler": "nobody"})
    with pytest.raises(InvalidInputError, match="name another one"):
        await world.run("custom", {"handler": "custom"})


def test_formats_are_checked_and_drafts_respected():
    dated = schema_validator({"type": "string", "format": "date"})
    assert schema_problems(dated, "2026-11-21") == []
    assert schema_problems(dated, "tomorrow") == ["$: 'tomorrow' is not a 'date'"]
    draft_4 = schema_validator(
        {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 3, "exclusiveMinimum": True}
    )
    assert schema_problems(draft_4, 3) != []


def test_problems_are_some_dozens_at_most_and_short():
    validator = schema_validator({"items": {"type": "string", "const": "x" * 5000}})
    problems = schema_problems(validator, list(range(1000)))
    assert len(problems) == 20
    assert all(len(problem) < 400 for problem in problems)
