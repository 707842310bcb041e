"""`validation`: whether a value is as it should be."""

from typing import Annotated, Any, Final, Literal

from pydantic import Discriminator, Field, JsonValue

from sightwire.errors import SightwireError
from sightwire_orchestrator.definitions.conditions import evaluate
from sightwire_orchestrator.tasks.builtin.parameters import TaskParameters
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.errors import ValidationFailedError
from sightwire_orchestrator.tasks.json_schemas import schema_problems, schema_validator
from sightwire_orchestrator.tasks.registry import handler
from sightwire_orchestrator.tasks.threads import in_own_thread

_NAMED_PROBLEMS: Final = 10


class FitsSchema(TaskParameters):
    """The value fits a JSON Schema."""

    kind: Literal["schema"]
    json_schema: dict[str, JsonValue] = Field(alias="schema")


class HoldsExpression(TaskParameters):
    """A CEL expression about `value`, and `variables` besides, is true."""

    kind: Literal["expression"]
    expression: str = Field(min_length=1)
    variables: dict[str, JsonValue] = Field(default_factory=dict)
    message: str = Field(default="", description="What it means when it is false")


class PassesHandler(TaskParameters):
    """A registered handler, called with `value` beside its parameters, returns true, or {valid, problems}."""

    kind: Literal["handler"]
    handler: str = Field(min_length=1)
    parameters: dict[str, JsonValue] = Field(default_factory=dict)


Check = Annotated[FitsSchema | HoldsExpression | PassesHandler, Discriminator("kind")]


class ValidationParameters(TaskParameters):
    """A value, and what it is to hold."""

    value: JsonValue
    checks: list[Check] = Field(min_length=1)
    on_failure: Literal["fail", "report"] = "fail"


@handler("validation")
async def validation(context: TaskContext, parameters: ValidationParameters) -> JsonValue:
    """Check a value: {valid, problems, value}. One that is not valid fails the task, unless it is to be reported."""
    problems: list[JsonValue] = []
    for check in parameters.checks:
        problems += await _problems(context, check, parameters.value)
    if problems and parameters.on_failure == "fail":
        named = "; ".join(str(problem) for problem in problems[:_NAMED_PROBLEMS])
        raise ValidationFailedError(f"the value is not valid: {named}")
    return {"valid": not problems, "problems": problems, "value": parameters.value}


async def _problems(context: TaskContext, check: Check, value: JsonValue) -> list[str]:
    match check:
        case FitsSchema():
            return await in_own_thread(_schema_problems, check.json_schema, value, name="validation")
        case HoldsExpression():
            variables = {**check.variables, "value": value}
            holds = await in_own_thread(evaluate, check.expression, variables, name="validation")
            return [] if holds else [check.message or f"{check.expression} is false"]
        case PassesHandler():
            return await _problems_by_handler(context, check, value)


def _schema_problems(schema: dict[str, JsonValue], value: JsonValue) -> list[str]:
    return schema_problems(schema_validator(schema), value)


async def _problems_by_handler(context: TaskContext, check: PassesHandler, value: JsonValue) -> list[str]:
    found = context.handlers.get(check.handler)
    verdict: Any = await found.call(context, {**check.parameters, "value": value})
    if isinstance(verdict, dict) and isinstance(verdict.get("valid"), bool):
        problems = [str(problem) for problem in verdict.get("problems") or ()]
        return [] if verdict["valid"] else problems or [f"{check.handler} says that it is not valid"]
    if isinstance(verdict, bool):
        return [] if verdict else [f"{check.handler} says that it is not valid"]
    raise SightwireError(
        f"the handler {check.handler!r} is to return true, false or {{valid, problems}}, got {type(verdict).__name__}"
    )
