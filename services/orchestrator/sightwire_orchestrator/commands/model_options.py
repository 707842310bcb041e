"""Options of `sightwire models` that say several things in one text."""

from collections.abc import Iterable

import typer

from sightwire.contracts.models import ModelId
from sightwire.errors import InvalidInputError
from sightwire_orchestrator.registry.references import parse_reference


def named_texts(options: Iterable[str], option: str) -> dict[str, str]:
    """`KEY=TEXT` options as a mapping; a usage error when one is something else."""
    named = {}
    for text in options:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise typer.BadParameter(f"expected KEY=VALUE, got {text!r}", param_hint=option)
        named[key] = value
    return named


def named_numbers(options: Iterable[str], option: str) -> dict[str, float]:
    """`KEY=NUMBER` options as a mapping; a usage error when one is something else."""
    try:
        return {key: float(value) for key, value in named_texts(options, option).items()}
    except ValueError as error:
        raise typer.BadParameter(f"expected KEY=NUMBER: {error}", param_hint=option) from None


def model_id(text: str) -> ModelId:
    """The model that `NAME:VERSION` names.

    Raises:
        InvalidInputError: it is something else.
    """
    reference = parse_reference(text)
    if reference.version is None:
        raise InvalidInputError(f"expected NAME:VERSION, got {text!r}")
    return ModelId(name=reference.name, version=reference.version)
