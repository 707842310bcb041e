"""What is configured of an endpoint. Definitions only name it; addresses and keys are whoever's runs the platform."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr


class StructuredOutput(StrEnum):
    """How an endpoint can be held to JSON."""

    #: `response_format` with a schema, as OpenAI, vLLM, llama.cpp and Ollama have it.
    JSON_SCHEMA = "json_schema"
    #: `response_format` of JSON in general; the schema is in the prompt.
    JSON_OBJECT = "json_object"
    #: By the prompt alone.
    NONE = "none"


class EndpointSettings(BaseModel):
    """An OpenAI-compatible endpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = Field(examples=["https://api.openai.com/v1", "http://127.0.0.1:8000/v1"])
    api_key: SecretStr | None = None
    model: str | None = Field(default=None, description="Of tasks that name none")
    streaming: bool = Field(default=True, description="Take answers as they are written")
    structured_output: StructuredOutput = StructuredOutput.JSON_SCHEMA
    max_tokens: PositiveInt = Field(default=4096, description="Of an answer; no task gets more")
    max_tokens_parameter: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens", description="What the endpoint calls it"
    )
    max_retries: NonNegativeInt = Field(default=4, le=20, description="Of one request, at 408, 409, 429 and 5xx")
    connect_seconds: PositiveFloat = 5.0
    idle_seconds: PositiveFloat = Field(default=60.0, description="Longest silence, before the answer and within it")
    max_concurrent: PositiveInt = Field(default=8, description="Requests of one worker at once")
