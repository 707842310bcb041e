"""`text_generation`: text by a language model."""

import time

from pydantic import Field, JsonValue, model_validator

from sightwire_orchestrator.tasks.builtin.parameters import EndpointParameters
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.endpoints.completion import CompletionRequest, Message, with_feedback
from sightwire_orchestrator.tasks.registry import handler


class TextGenerationParameters(EndpointParameters):
    """Either a prompt or a whole conversation."""

    prompt: str | None = Field(default=None, min_length=1)
    messages: tuple[Message, ...] = Field(default=(), description="A conversation, instead of a prompt")
    system: str | None = Field(default=None, min_length=1, description="What comes before either")

    @model_validator(mode="after")
    def _has_one_question(self) -> "TextGenerationParameters":
        if (self.prompt is None) == (not self.messages):
            raise ValueError("give either `prompt` or `messages`")
        return self

    def conversation(self) -> tuple[Message, ...]:
        """All messages."""
        before = () if self.system is None else (Message(role="system", content=self.system),)
        asked = self.messages if self.prompt is None else (Message(role="user", content=self.prompt),)
        return (*before, *asked)


@handler("text_generation")
async def text_generation(context: TaskContext, parameters: TextGenerationParameters) -> JsonValue:
    """Write a text: {text, model, finish_reason, usage, seconds}.

    A `finish_reason` of `length` means that it is cut off.
    """
    started = time.monotonic()
    endpoint = await context.resources.endpoints.get(parameters.endpoint)
    context.progress("waiting for the endpoint")
    completion = await endpoint.complete(
        CompletionRequest(
            messages=with_feedback(parameters.conversation(), context.feedback),
            model=context.model,
            sampling=parameters.sampling(),
        ),
        on_text=lambda characters: context.progress("generating", done=characters, unit="characters"),
    )
    return {**completion.model_dump(mode="json"), "seconds": round(time.monotonic() - started, 3)}
