"""What waits on the bus while a shadow is filled."""

from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError as NothingFoundError

from sightwire.bus.connection import Bus
from sightwire.contracts import subjects
from sightwire.contracts.collections import CollectionRecord
from sightwire.contracts.streams import EMBEDDED, EMBEDDER_CONSUMER, INGEST, REEMBED
from sightwire.errors import UnavailableError
from sightwire_orchestrator.migrations.pace import Lag


async def read_lag(bus: Bus, shadow: str) -> Lag:
    """Messages for a shadow, and messages of people that embedders have not taken yet.

    Raises:
        UnavailableError: the bus does not answer.
    """
    try:
        return Lag(await _waiting(bus, shadow), await _ingest_lag(bus))
    except (NatsError, TimeoutError) as error:
        raise UnavailableError(f"the bus does not say what waits for {shadow!r}: {error!r}; try again") from error


async def has_passed(bus: Bus, shadow: str, sequence: int) -> bool:
    """Whether all messages for a shadow up to a sequence of REEMBED were carried out.

    Raises:
        UnavailableError: the bus does not answer.
    """
    subject = subjects.reembed(shadow)
    try:
        first = await bus.jetstream.get_msg(REEMBED.name, seq=1, next=True, subject=subject, direct=True)
    except NothingFoundError:
        return True
    except (NatsError, TimeoutError) as error:
        raise UnavailableError(f"the bus does not say what waits for {shadow!r}: {error!r}; try again") from error
    return (first.seq or 0) > sequence


async def last_sequence(bus: Bus) -> int:
    """Sequence of the last message of REEMBED.

    Raises:
        UnavailableError: the bus does not answer.
    """
    try:
        return (await bus.jetstream.stream_info(REEMBED.name)).state.last_seq
    except (NatsError, TimeoutError) as error:
        raise UnavailableError(f"the bus does not describe stream {REEMBED.name}: {error!r}; try again") from error


async def last_embedded(bus: Bus, shadow: CollectionRecord) -> int:
    """Sequence in the log of the last message with embedded items for a shadow; 0 if there is none.

    Raises:
        UnavailableError: the bus does not answer.
    """
    subject = subjects.embedded(shadow.name, shadow.space)
    try:
        return (await bus.jetstream.get_last_msg(EMBEDDED.name, subject, direct=True)).seq or 0
    except NothingFoundError:
        return 0
    except (NatsError, TimeoutError) as error:
        raise UnavailableError(f"the bus does not say what {shadow.name!r} is to hold: {error!r}; try again") from error


async def _waiting(bus: Bus, shadow: str) -> int:
    subject = subjects.reembed(shadow)
    info = await bus.jetstream.stream_info(REEMBED.name, subjects_filter=subject)
    return (info.state.subjects or {}).get(subject, 0)


async def _ingest_lag(bus: Bus) -> int:
    try:
        return (await bus.jetstream.consumer_info(INGEST.name, EMBEDDER_CONSUMER)).num_pending or 0
    except NothingFoundError:
        # No embedder ever ran here.
        return 0
