"""Requests to the orchestrator, of what people typed."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sightwire.errors import InvalidInputError

Request = TypeVar("Request", bound=BaseModel)


def request_of(kind: type[Request], **members: Any) -> Request:
    """A request with these members.

    Raises:
        InvalidInputError: one cannot be so.
    """
    try:
        return kind(**members)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise InvalidInputError(problems) from None
