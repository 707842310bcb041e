"""Why an expression has no value."""

from typing import ClassVar

from sightwire.errors import InvalidInputError


class ExpressionError(InvalidInputError):
    """An expression that cannot be read, or has no value for these variables."""

    code: ClassVar[str] = "bad-expression"


class MalformedExpressionError(ExpressionError):
    """A text that is no expression, whatever the variables are."""

    code: ClassVar[str] = "malformed-expression"


class EvaluationError(ExpressionError):
    """No value for these variables: a key that is missing, types that do not go together."""

    code: ClassVar[str] = "no-value"


class TooCostlyError(ExpressionError):
    """The value would take too many steps."""

    code: ClassVar[str] = "too-costly"


def malformed(message: str, at: int) -> MalformedExpressionError:
    """The error about a text, at an offset in it."""
    return MalformedExpressionError(f"{message} at character {at + 1}")
