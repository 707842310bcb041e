"""Errors of the HTTP door itself, next to those that all services share."""

from sightwire.errors import InvalidInputError, NotFoundError, SightwireError, UnavailableError


class MalformedRequestError(InvalidInputError):
    """A body that is not in the format that it claims."""

    code = "malformed-request"
    status = 400


class InvalidRequestError(InvalidInputError):
    """Well-formed, but members are missing, of a wrong type or out of range; `errors` lists each one."""

    code = "invalid-request"

    def __init__(self, detail: str, errors: list[dict[str, str]]) -> None:
        super().__init__(detail)
        self.errors = errors


class InvalidCursorError(InvalidInputError):
    """A cursor that this gateway did not make, or that belongs to another query."""

    code = "invalid-cursor"
    status = 400


class UnsupportedMediaTypeError(InvalidInputError):
    """A body of a type that the route does not take."""

    code = "unsupported-media-type"
    status = 415


class SlowRequestError(InvalidInputError):
    """A body that did not arrive in time."""

    code = "request-timeout"
    status = 408


class ForbiddenError(SightwireError):
    """The key is good, but not for this."""

    code = "forbidden"
    status = 403


class NoSuchRouteError(NotFoundError):
    """A path that leads nowhere."""

    code = "no-such-route"


class MethodNotAllowedError(SightwireError):
    """A path that exists, for other methods."""

    code = "method-not-allowed"
    status = 405


class RangeNotSatisfiableError(InvalidInputError):
    """A byte range that lies outside the picture."""

    code = "range-not-satisfiable"
    status = 416


class ItemFailedError(InvalidInputError):
    """The item was accepted, but could not be embedded or indexed."""

    code = "item-failed"


class ItemNotInTimeError(UnavailableError):
    """The item is accepted, but was not final when the caller stopped waiting."""

    code = "not-in-time"
    status = 504
