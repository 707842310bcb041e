"""Who makes a request, as trails of acts tell it."""

import ipaddress
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request

from sightwire.contracts.reviews import Actor
from sightwire.errors import InvalidInputError
from sightwire.security.keys import ADMIN
from sightwire_gateway.errors import ForbiddenError
from sightwire_gateway.guard import KEY_NAME

#: Of callers where no key is needed.
_NOBODY_IN_PARTICULAR: Final = "api"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a request.

    Args:
        key: name of the key; None where none is needed.
        address: IP address, or `unknown`.
    """

    key: str | None
    address: str

    @property
    def name(self) -> str:
        """What records tell."""
        return self.key or _NOBODY_IN_PARTICULAR

    def acting_as(self, person: str | None) -> Actor:
        """Who acts: the caller, or `person` for whom it speaks.

        Raises:
            ForbiddenError: the caller's key is that of somebody else.
        """
        if person is not None and person != self.key and not self._speaks_for_anyone:
            raise ForbiddenError(f"the key is that of {self.key!r}, who cannot act as {person!r}")
        return Actor(name=person or self.name, origin=f"api {self.address}")

    def deciding_as(self, reviewer: str | None) -> Actor:
        """Who decides: the caller's key says it, or `reviewer` where it does not.

        Raises:
            InvalidInputError: nothing says it.
            ForbiddenError: the caller's key is that of somebody else.
        """
        if reviewer is None and self._speaks_for_anyone:
            raise InvalidInputError("by: expected the id of the reviewer who decides, since no key of a person says it")
        return self.acting_as(reviewer)

    @property
    def _speaks_for_anyone(self) -> bool:
        return self.key is None or self.key == ADMIN


async def caller_of(request: Request) -> Caller:
    """Who makes a request."""
    return Caller(getattr(request.state, KEY_NAME, None), _address_of(request))


RequestCaller = Annotated[Caller, Depends(caller_of)]


def _address_of(request: Request) -> str:
    try:
        # A proxy on this machine may have put any text there.
        return str(ipaddress.ip_address(request.client.host if request.client is not None else ""))
    except ValueError:
        return "unknown"
