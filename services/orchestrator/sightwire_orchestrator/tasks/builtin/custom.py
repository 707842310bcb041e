"""`custom`: a handler that somebody registered, by its name."""

from typing import Any, Final

from pydantic import Field, JsonValue

from sightwire.errors import InvalidInputError
from sightwire_orchestrator.tasks.builtin.parameters import TaskParameters
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.registry import handler

_TYPE: Final = "custom"


class CustomParameters(TaskParameters):
    """Which handler, and its parameters."""

    handler: str = Field(min_length=1, description="Name that it is registered under")
    parameters: dict[str, JsonValue] = Field(default_factory=dict)


@handler(_TYPE)
async def custom(context: TaskContext, parameters: CustomParameters) -> Any:
    """Call a registered handler; the output is whatever it returns. Its name as the task's type does the same."""
    if parameters.handler == _TYPE:
        raise InvalidInputError(f"a task of type {_TYPE!r} cannot name {_TYPE!r} as its handler; name another one")
    return await context.handlers.get(parameters.handler).call(context, parameters.parameters)
