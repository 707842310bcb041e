"""What is asked of a language model, and what it answers."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1)


def with_feedback(messages: tuple[Message, ...], feedback: str | None) -> tuple[Message, ...]:
    """A conversation, and at its end what a reviewer said about an earlier answer to it."""
    if not feedback:
        return messages
    reminder = f"A reviewer has seen an earlier answer and asks for changes:\n{feedback}"
    return (*messages, Message(role="user", content=reminder))


class Sampling(BaseModel):
    """How an answer is drawn; what is not given is the endpoint's choice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_tokens: PositiveInt | None = Field(default=None, description="None: as configured for the endpoint")
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    stop: tuple[str, ...] = Field(default=(), max_length=4)


class Usage(BaseModel):
    """Tokens of a request, as the endpoint counts them."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    prompt_tokens: NonNegativeInt = 0
    completion_tokens: NonNegativeInt = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )


class Completion(BaseModel):
    """A whole answer."""

    model_config = ConfigDict(frozen=True)

    text: str
    #: As the endpoint calls it.
    model: str
    #: `stop`, or why the text ends where it does, such as `length`.
    finish_reason: str
    usage: Usage | None = None


class CompletionRequest(BaseModel):
    """A question."""

    model_config = ConfigDict(frozen=True)

    messages: tuple[Message, ...] = Field(min_length=1)
    model: str | None = None
    sampling: Sampling = Sampling()
    #: JSON Schema that the answer is to fit, as far as the endpoint can be held to it.
    answer_schema: dict[str, Any] | None = None
