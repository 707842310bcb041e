"""Turns the object store library's errors into the platform's, with what to do about them."""

import re
from types import TracebackType
from typing import Final

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.exceptions import NotFoundError as ObjectNotFoundError

from sightwire.errors import NotFoundError, UnavailableError

_LONGEST_REASON: Final = 400
#: Not every call of the library has an error of its own for these.
_REFUSALS: Final = ("401 Unauthorized", "403 Forbidden")
#: Where the library looks for credentials when there are none: at the service that Amazon's machines have for it.
_NO_CREDENTIALS: Final = "169.254.169.254"
_SERVERS_WORDS: Final = re.compile(r"<Code>(.*?)</Code>.*?<Message>(.*?)</Message>", re.DOTALL)


class store_failures:  # noqa: N801  reads as a statement
    """`with store_failures(key):` around calls of the library that are about the object or folder `key`.

    Raises:
        NotFoundError: there is no such object.
        UnavailableError: the store cannot be reached or used. A server that refuses the credentials, or has no such
            bucket, is one that somebody has to put right: what waits for it is tried again until then.
    """

    def __init__(self, key: str) -> None:
        self._key = key

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if not isinstance(error, BaseError | OSError):
            return
        text = str(error)
        reason = _reason(text)
        # Servers say with the same status that an object is missing and that its bucket is.
        if "NoSuchBucket" in text:
            raise UnavailableError(
                f"the bucket of the blob store does not exist; create it, or name another one ({reason})"
            ) from error
        if isinstance(error, ObjectNotFoundError | FileNotFoundError):
            raise NotFoundError(f"there is no blob {self._key!r}") from error
        if _NO_CREDENTIALS in text:
            raise UnavailableError(
                "there are no credentials for the blob store; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run "
                f"where a role grants them ({reason})"
            ) from error
        is_refusal = isinstance(error, PermissionDeniedError | UnauthenticatedError)
        if is_refusal or any(refusal in text for refusal in _REFUSALS):
            raise UnavailableError(
                f"the blob store refuses {self._key!r}; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what their "
                f"owner may do ({reason})"
            ) from error
        raise UnavailableError(f"the blob store failed on {self._key!r}: {reason}") from error


def _reason(text: str) -> str:
    """The server's words if it said any, else the library's without its dump of Rust structures."""
    answer = _SERVERS_WORDS.search(text)
    if answer is not None:
        return f"{answer[1]}: {answer[2]}"[:_LONGEST_REASON]
    return text.partition("\n\nDebug source")[0].strip()[:_LONGEST_REASON]
