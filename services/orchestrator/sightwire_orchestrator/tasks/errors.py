"""How attempts fail, and what is told of it."""

import asyncio

from pydantic import ValidationError

from sightwire.client.problems import ApiError
from sightwire.contracts.pipelines import TaskError
from sightwire.errors import InvalidInputError, NotFoundError, SightwireError, UnavailableError

_MAX_DETAIL_CHARACTERS = 4000
_MAX_PROBLEMS = 10


class UnknownTaskTypeError(NotFoundError):
    """No handler has that name here."""

    code = "unknown-task-type"


class InvalidParametersError(InvalidInputError):
    """Parameters that do not fit the task's type."""

    code = "invalid-parameters"


class ValidationFailedError(InvalidInputError):
    """A value that does not hold what a `validation` task asks of it."""

    code = "validation-failed"


class BadAnswerError(SightwireError):
    """A server answered with something that is no answer; asked again it may do better."""

    code = "bad-answer"
    status = 502
    transient = True


class BusyError(UnavailableError):
    """The platform does something else of the kind now; it has an end."""

    code = "busy"
    status = 409


class OperationFailedError(SightwireError):
    """Work that the platform carried out for a task, such as building an index, has failed."""

    code = "operation-failed"


class TaskTimeoutError(SightwireError):
    """An attempt took longer than it may."""

    code = "timeout"
    status = 504
    transient = True


class TaskCancelledError(SightwireError):
    """The run was cancelled while an attempt was under way."""

    code = "cancelled"
    status = 409


class BadOutputError(SightwireError):
    """A handler returned what is no JSON value."""

    code = "bad-output"


def task_error(error: Exception) -> TaskError:
    """What a result says of an attempt that ended with `error`.

    What the platform does not know, such as any error of a custom handler, counts as transient: whether to try again is
    then for the task's retry policy to say.
    """
    if isinstance(error, ApiError):
        return TaskError(
            code=error.kind or error.code, detail=_shortened(str(error)), transient=error.may_succeed_later
        )
    if isinstance(error, SightwireError):
        return TaskError(code=error.code, detail=_shortened(str(error)), transient=error.transient)
    if isinstance(error, asyncio.TimeoutError):
        return TaskError(code="timeout", detail=_shortened(str(error) or "something took too long"), transient=True)
    detail = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return TaskError(code="handler-failed", detail=_shortened(detail), transient=True)


def problems_in_words(error: ValidationError) -> str:
    """All that pydantic found, as `path: message; …`."""
    problems = [
        f"{'.'.join(map(str, problem['loc'])) or 'the whole'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    ]
    hidden = len(problems) - _MAX_PROBLEMS
    return "; ".join(problems[:_MAX_PROBLEMS]) + (f"; and {hidden} more" if hidden > 0 else "")


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_DETAIL_CHARACTERS else f"{text[: _MAX_DETAIL_CHARACTERS - 1]}…"
