"""Answers that are JSON of a schema: read, checked, and asked for again where they are not, some times at most."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jsonschema.protocols import Validator
from pydantic import JsonValue

from sightwire_orchestrator.tasks.endpoints.completion import CompletionRequest, Message, Sampling, Usage
from sightwire_orchestrator.tasks.errors import BadAnswerError
from sightwire_orchestrator.tasks.json_schemas import schema_problems, schema_validator
from sightwire_orchestrator.tasks.threads import in_own_thread

if TYPE_CHECKING:
    # It loads the client library, which takes a second: too long for who only looks at definitions.
    from sightwire_orchestrator.tasks.endpoints.chat import ChatEndpoint

_FENCE: Final = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL | re.IGNORECASE)
_MAX_NAMED_PROBLEMS: Final = 5
#: Of a wrong answer that is shown to the model again.
_MAX_SHOWN_CHARACTERS: Final = 20_000


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """A value that fits its schema, and what it took to get it."""

    value: JsonValue
    repairs: int
    model: str
    usage: Usage | None


async def ask_for_json(
    endpoint: "ChatEndpoint",
    messages: tuple[Message, ...],
    schema: dict[str, Any],
    *,
    model: str | None,
    sampling: Sampling,
    max_repairs: int,
    on_repair: Callable[[int], None] | None = None,
) -> JsonAnswer:
    """An answer that fits `schema`. A wrong one is sent back with what is wrong, `max_repairs` times at most.

    Args:
        on_repair: hears of each repair, from 1.

    Raises:
        InvalidInputError: the schema is none.
        BadAnswerError: the last answer does not fit either; the message says why.
        SightwireError: as `ChatEndpoint.complete` does.
    """
    validator = schema_validator(schema)
    usage: Usage | None = None
    conversation = messages
    for repairs in range(max_repairs + 1):
        if repairs and on_repair is not None:
            on_repair(repairs)
        completion = await endpoint.complete(
            CompletionRequest(messages=conversation, model=model, sampling=sampling, answer_schema=schema)
        )
        if completion.usage is not None:
            usage = completion.usage if usage is None else usage + completion.usage
        value, problems = await in_own_thread(_read, completion.text, validator, name="read an answer")
        if completion.finish_reason == "length":
            problems = [f"it was cut off at the limit of tokens: {problem}" for problem in problems]
        if not problems:
            return JsonAnswer(value, repairs, completion.model, usage)
        conversation = (*messages, *_repair(completion.text, problems))
    asked = "once" if max_repairs == 0 else f"{max_repairs + 1} times"
    raise BadAnswerError(
        f"endpoint {endpoint.name!r}, asked {asked}, did not answer with JSON that fits the schema: "
        f"{'; '.join(problems[:_MAX_NAMED_PROBLEMS])}"
    )


def read_json(text: str) -> JsonValue:
    """The JSON value in an answer: the whole of it, or what it has in a code fence.

    Raises:
        ValueError: there is none.
    """
    fenced = _FENCE.search(text)
    candidate = fenced.group(1) if fenced is not None else text
    value: JsonValue = json.loads(candidate, parse_constant=_refuse_constant)
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _read(text: str, validator: Validator) -> tuple[JsonValue, list[str]]:
    try:
        value = read_json(text)
    except (ValueError, RecursionError) as error:
        return None, [f"it is no JSON: {error}"]
    return value, schema_problems(validator, value)


def _repair(answer: str, problems: list[str]) -> tuple[Message, Message]:
    listed = "\n".join(f"- {problem}" for problem in problems)
    return (
        Message(role="assistant", content=answer[:_MAX_SHOWN_CHARACTERS]),
        Message(
            role="user",
            content=f"That answer does not fit the schema:\n{listed}\nAnswer with corrected JSON, and nothing else.",
        ),
    )
