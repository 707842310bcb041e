"""JSON Schemas that users write, and what is wrong with a value by one."""

from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from pydantic import JsonValue
from referencing import Registry
from referencing.exceptions import Unresolvable

from sightwire.errors import InvalidInputError

_MAX_PROBLEMS: Final = 20
_MAX_MESSAGE_CHARACTERS: Final = 300


def schema_validator(schema: dict[str, Any]) -> Validator:
    """A validator of the draft that the schema names, else of 2020-12.

    Raises:
        InvalidInputError: it is no JSON Schema.
    """
    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise InvalidInputError(f"not a JSON Schema: at {error.json_path}: {error.message}") from None
    # With a registry of its own it fetches no references from addresses that the schema names.
    return kind(schema, registry=Registry(), format_checker=kind.FORMAT_CHECKER)


def schema_problems(validator: Validator, value: JsonValue) -> list[str]:
    """What is wrong with a value, as `path: message`, some dozens at most; empty if nothing is.

    Raises:
        InvalidInputError: the schema refers to another one that it does not contain.
    """
    problems = []
    try:
        for error in validator.iter_errors(value):
            problems.append(_in_words(error))
            if len(problems) == _MAX_PROBLEMS:
                break
    except Unresolvable as error:
        raise InvalidInputError(f"the schema refers to {error.ref!r}, which is not within it") from None
    return problems


def _in_words(error: ValidationError) -> str:
    message = error.message
    if len(message) > _MAX_MESSAGE_CHARACTERS:
        message = f"{message[:_MAX_MESSAGE_CHARACTERS]}…"
    return f"{error.json_path}: {message}"
