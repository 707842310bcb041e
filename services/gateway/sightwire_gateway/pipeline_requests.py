"""Requests about pipelines as they come in."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.requests import Request

from sightwire.contracts.pipelines import RunId
from sightwire_gateway.bodies import BodyReader, media_type_of
from sightwire_gateway.errors import MalformedRequestError, UnsupportedMediaTypeError

#: What a definition may be called besides JSON.
YAML_TYPES: Final = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")
#: More than the orchestrator takes, which says why it does not.
_MAX_DEFINITION_BYTES: Final = 1024 * 1024


class RunCommand(BaseModel):
    """Begin a run of a pipeline."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str | None = Field(default=None, description="Of the pipeline; null: the newest")
    parameters: dict[str, JsonValue] = Field(
        default_factory=dict, description="In the place of the definition's `global_parameters`"
    )
    run: RunId | None = Field(default=None, description="Its id; refused when there is a run of this id; null: any")


async def read_definition(request: Request, bodies: BodyReader) -> str:
    """The text of a definition.

    Raises:
        UnsupportedMediaTypeError: called neither YAML nor JSON.
        MalformedRequestError: not text.
        TooLargeError, SlowRequestError: more than the limit.
    """
    media_type = media_type_of(request)
    is_known = media_type in ("application/json", "", *YAML_TYPES) or media_type.endswith(("+json", "+yaml"))
    if not is_known:
        raise UnsupportedMediaTypeError(
            f"this route takes a definition as application/yaml or application/json, got {media_type!r}"
        )
    body = await bodies.read(request, _MAX_DEFINITION_BYTES, what="definition")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise MalformedRequestError(f"the definition is not UTF-8: {error.reason} at byte {error.start}") from None
