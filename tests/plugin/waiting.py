"""Waiting for a condition with a deadline: what tests do instead of sleeping."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, overload

import pytest

Value = TypeVar("Value")
_POLL_SECONDS = 0.02


class Eventually(Protocol):
    @overload
    async def __call__(
        self, condition: Callable[[], Awaitable[Value]], deadline: float = 10.0, describe: str = ""
    ) -> Value: ...

    @overload
    async def __call__(self, condition: Callable[[], Value], deadline: float = 10.0, describe: str = "") -> Value: ...


async def wait_until(condition: Callable[[], Any], deadline: float = 10.0, describe: str = "") -> Any:
    """Call `condition` (plain or async) until what it returns is truthy, and return that.

    An AssertionError inside `condition` counts as "not yet". Fails the test after `deadline` seconds with the
    last value or assertion seen.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + deadline
    while True:
        try:
            outcome = condition()
            value = await outcome if inspect.isawaitable(outcome) else outcome
            last_seen = f"last value: {value!r}"
        except AssertionError as error:
            value, last_seen = None, f"last assertion: {error}"
        if value:
            return value
        if loop.time() >= give_up_at:
            what = describe or getattr(condition, "__name__", "the condition")
            pytest.fail(f"{what} did not hold within {deadline:g} s; {last_seen}")
        await asyncio.sleep(_POLL_SECONDS)


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    """`await eventually(condition, deadline=10)`: see `wait_until`."""
    return wait_until
