"""The one error hierarchy: every error says what was expected, what came, and what to do about it.

An error knows its kind, not its transport. The gateway turns kinds into HTTP problem documents (RFC 9457), gRPC
services turn them into status codes, and bus consumers decide by `transient` between a retry and the dead-letter queue.
"""

from typing import ClassVar


class SightwireError(Exception):
    """Base of all errors that the platform raises on purpose."""

    #: Short, stable, machine-readable name; the last part of a problem document's `type`.
    code: ClassVar[str] = "internal-error"
    #: HTTP status that says the same.
    status: ClassVar[int] = 500
    #: Whether trying again later, with nothing changed, may succeed.
    transient: ClassVar[bool] = False

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class InvalidInputError(SightwireError):
    """The caller sent something that can never be accepted as it is."""

    code = "invalid-input"
    status = 422


class InvalidDefinitionError(InvalidInputError):
    """A definition of a pipeline that cannot be carried out as it is; a line for each problem."""

    code = "invalid-definition"


class InvalidPictureError(InvalidInputError):
    """Bytes that are not a whole picture of a supported format and size."""

    code = "invalid-picture"


class InvalidVectorError(InvalidInputError):
    """A vector with a wrong dimension or with values that are not finite."""

    code = "invalid-vector"


class InvalidFilterError(InvalidInputError):
    """A filter that does not fit the collection's schema."""

    code = "invalid-filter"


class TooLargeError(InvalidInputError):
    """More bytes, pixels or items than the limit allows."""

    code = "too-large"
    status = 413


class FetchRefusedError(InvalidInputError):
    """A URL that must not or cannot be fetched: private address, wrong scheme, too slow, not a picture."""

    code = "fetch-refused"


class FetchFailedError(FetchRefusedError):
    """A URL whose server cannot be reached, or answers that it cannot now; it may later."""

    code = "fetch-failed"
    transient = True


class NotFoundError(SightwireError):
    """A collection, item or blob that does not exist."""

    code = "not-found"
    status = 404


class UnknownCollectionError(NotFoundError):
    """A collection that nobody created."""

    code = "unknown-collection"


class ConflictError(SightwireError):
    """Something exists already, or changed since it was read."""

    code = "conflict"
    status = 409


class GenerationRefusedError(SightwireError):
    """A generation that must not become live, or stay so: it failed its gates, or searchers did not load it."""

    code = "generation-refused"
    status = 409

    def __init__(self, detail: str, *, generation: str | None = None) -> None:
        super().__init__(detail)
        self.generation = generation


class UnauthorizedError(SightwireError):
    """A key is missing or wrong."""

    code = "unauthorized"
    status = 401


class UnavailableError(SightwireError):
    """A service or server that is needed does not answer now; trying again later may succeed."""

    code = "unavailable"
    status = 503
    transient = True


class OverloadedError(UnavailableError):
    """A queue is full; the caller should slow down."""

    code = "overloaded"
    status = 429


class DeadlineError(UnavailableError):
    """The answer did not come in time."""

    code = "deadline-exceeded"
    status = 504


class CorruptDataError(SightwireError):
    """Stored bytes that do not match their checksum or format."""

    code = "corrupt-data"


class ConfigurationError(SightwireError):
    """Settings that cannot work; the process should not start."""

    code = "bad-configuration"


def kinds_of(error: SightwireError) -> tuple[str, ...]:
    """Codes of the errors that `error` is one of, its own first."""
    codes = (kind.code for kind in type(error).__mro__ if issubclass(kind, SightwireError))
    return tuple(dict.fromkeys(codes))


def error_with_code(code: str | None, detail: str) -> SightwireError | None:
    """The error of that `code`, as it was at the other end of a wire; None for a code that nothing has."""
    for kind in _all_errors(SightwireError):
        if kind.code == code:
            return kind(detail)
    return None


def _all_errors(base: type[SightwireError]) -> list[type[SightwireError]]:
    return [base, *(kind for subclass in base.__subclasses__() for kind in _all_errors(subclass))]
