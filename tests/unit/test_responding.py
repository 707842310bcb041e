"""Requests over the bus that cannot be answered as asked: the one who asks hears why."""

from collections.abc import Callable
from typing import Annotated, Literal

import pytest
from nats.aio.msg import Msg
from pydantic import BaseModel, Field, TypeAdapter

from sightwire.bus.connection import Bus
from sightwire.bus.control import ask
from sightwire.bus.responding import Responder
from sightwire.contracts.control import ControlReply
from sightwire.errors import ConflictError, InvalidInputError, SightwireError, TooLargeError


class Echo(BaseModel):
    ask: Literal["echo"] = "echo"
    times: int = Field(default=1, ge=0)


class Refuse(BaseModel):
    ask: Literal["refuse"] = "refuse"
    is_known: bool = True


REQUESTS: TypeAdapter[Echo | Refuse] = TypeAdapter(Annotated[Echo | Refuse, Field(discriminator="ask")])


async def answer(request: Echo | Refuse) -> str:
    match request:
        case Echo():
            return "x" * request.times
        case Refuse(is_known=True):
            raise ConflictError("somebody was faster")
        case Refuse():
            raise RuntimeError("a secret")


async def test_what_cannot_be_answered_is_said(bus: Bus, unique_name: Callable[..., str]) -> None:
    subject = f"test.{unique_name()}"
    async with Responder(bus, subject, REQUESTS, answer).answering():
        assert await ask(bus, subject, Echo(times=3)) == "xxx"
        with pytest.raises(TooLargeError, match="ask for less"):
            await ask(bus, subject, Echo(times=bus.client.max_payload))
        with pytest.raises(ConflictError, match="somebody was faster"):
            await ask(bus, subject, Refuse())
        with pytest.raises(SightwireError, match="internal error"):
            await ask(bus, subject, Refuse(is_known=False))
        with pytest.raises(InvalidInputError, match=r"echo\.times"):
            await ask(bus, subject, Echo.model_construct(ask="echo", times=-1))


async def test_an_error_of_a_stranger_is_what_it_is_more_generally(bus: Bus, unique_name: Callable[..., str]) -> None:
    reply = ControlReply(error_code="too-odd", error_kinds=("odd", "conflict", "internal-error"), error="it is odd")

    async def refuse(message: Msg) -> None:
        await message.respond(reply.model_dump_json().encode())

    subject = f"test.{unique_name()}"
    subscription = await bus.client.subscribe(subject, cb=refuse)
    with pytest.raises(ConflictError, match="it is odd"):
        await ask(bus, subject, Echo())
    await subscription.unsubscribe()
