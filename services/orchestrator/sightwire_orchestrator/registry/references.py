"""How people name a version: `NAME`, `NAME:VERSION` or `NAME@ALIAS`."""

from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from sightwire.contracts.models import AliasName, ModelName
from sightwire.errors import InvalidInputError

_NAME: TypeAdapter[str] = TypeAdapter(ModelName)
_ALIAS: TypeAdapter[str] = TypeAdapter(AliasName)


@dataclass(frozen=True, slots=True)
class ModelReference:
    """A model, and at most one of version and alias."""

    name: str
    version: str | None = None
    alias: str | None = None


def parse_reference(text: str) -> ModelReference:
    """Reads `NAME`, `NAME:VERSION` or `NAME@ALIAS`.

    Raises:
        InvalidInputError: it is something else.
    """
    name, separator, rest = text.partition(":") if ":" in text else text.partition("@")
    try:
        _NAME.validate_python(name)
        match separator:
            case ":":
                return ModelReference(name, version=_NAME.validate_python(rest))
            case "@":
                return ModelReference(name, alias=_ALIAS.validate_python(rest))
            case _:
                return ModelReference(name)
    except ValidationError:
        raise InvalidInputError(
            f"expected a model as NAME, NAME:VERSION or NAME@ALIAS, in small letters, digits and . _ -, got {text!r}"
        ) from None
