"""Who acts, by key and by what is said."""

from collections.abc import Mapping
from typing import Any

import pytest
from fastapi import Request
from sightwire_gateway.callers import Caller, caller_of
from sightwire_gateway.errors import ForbiddenError
from sightwire_gateway.guard import KEY_NAME

from sightwire.errors import InvalidInputError
from sightwire.security.keys import ADMIN

ADDRESS = "203.0.113.4"


@pytest.mark.parametrize(
    ("key", "said", "name"),
    [
        (None, None, "api"),
        (None, "ann", "ann"),
        (ADMIN, None, "admin"),
        (ADMIN, "ann", "ann"),
        ("ann", None, "ann"),
        ("ann", "ann", "ann"),
    ],
)
def test_who_acts(key: str | None, said: str | None, name: str) -> None:
    actor = Caller(key, ADDRESS).acting_as(said)
    assert (actor.name, actor.origin) == (name, f"api {ADDRESS}")


def test_a_key_acts_as_nobody_else() -> None:
    for act in (Caller("ann", ADDRESS).acting_as, Caller("ann", ADDRESS).deciding_as):
        with pytest.raises(ForbiddenError, match="the key is that of 'ann', who cannot act as 'bob'"):
            act("bob")


@pytest.mark.parametrize(("key", "said", "name"), [("ann", None, "ann"), (None, "ann", "ann"), (ADMIN, "ann", "ann")])
def test_who_decides(key: str | None, said: str | None, name: str) -> None:
    assert Caller(key, ADDRESS).deciding_as(said).name == name


@pytest.mark.parametrize("key", [None, ADMIN])
def test_a_decision_is_somebodys(key: str | None) -> None:
    with pytest.raises(InvalidInputError, match="expected the id of the reviewer"):
        Caller(key, ADDRESS).deciding_as(None)


@pytest.mark.parametrize(
    ("client", "address"),
    [((ADDRESS, 50_000), ADDRESS), (("::1", 1), "::1"), (("a proxy's\x00joke", 0), "unknown"), (None, "unknown")],
)
async def test_addresses_are_addresses(client: tuple[str, int] | None, address: str) -> None:
    state: Mapping[str, Any] = {KEY_NAME: "ann"}
    request = Request({"type": "http", "client": client, "state": state, "headers": []})
    assert await caller_of(request) == Caller("ann", address)
