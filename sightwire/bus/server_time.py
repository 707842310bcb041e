"""How far this machine's clock is from that of the NATS server."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from nats.errors import Error as NatsError

from sightwire.bus.connection import Bus
from sightwire.contracts.streams import INDEX
from sightwire.errors import UnavailableError

_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """Seconds that the server's clock is ahead, give or take `uncertainty`: half of what the question took."""

    seconds: float
    uncertainty: float


async def measure_clock_offset(bus: Bus) -> ClockOffset:
    """Compares clocks by an answer of JetStream, which carries the server's time.

    Raises:
        UnavailableError: the bus does not answer, or not with a time.
    """
    asked = datetime.now(UTC)
    try:
        response = await bus.client.request(f"$JS.API.STREAM.INFO.{INDEX.name}", b"", timeout=_SECONDS)
    except (NatsError, TimeoutError) as error:
        raise UnavailableError(f"the bus does not tell its time: {error!r}") from error
    answered = datetime.now(UTC)
    try:
        server_time = datetime.fromisoformat(json.loads(response.data)["ts"])
    except (ValueError, KeyError) as error:
        raise UnavailableError(f"the bus does not tell its time: {response.data[:200]!r}") from error
    middle = asked + (answered - asked) / 2
    return ClockOffset((server_time - middle).total_seconds(), (answered - asked).total_seconds() / 2)
