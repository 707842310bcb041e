"""The dead-letter queue: messages that can never be processed, kept with their reason, to be inspected and replayed."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote

from nats.js.errors import NotFoundError as MessageNotFoundError

from sightwire.bus.connection import Bus
from sightwire.bus.headers import header_value
from sightwire.contracts import subjects
from sightwire.contracts.streams import DEAD_LETTERS
from sightwire.errors import NotFoundError

REASON: Final = "Sightwire-Dead-Reason"
CODE: Final = "Sightwire-Dead-Code"
SERVICE: Final = "Sightwire-Dead-Service"
TIME: Final = "Sightwire-Dead-Time"
ORIGINAL_SEQUENCE: Final = "Sightwire-Original-Sequence"

_OWN_HEADERS: Final = frozenset({REASON, CODE, SERVICE, TIME, ORIGINAL_SEQUENCE})
_MAX_REASON_CHARACTERS: Final = 2000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message in the dead-letter queue."""

    sequence: int
    original_subject: str
    payload: bytes
    headers: dict[str, str]
    reason: str
    code: str
    service: str
    time: str


async def bury(
    bus: Bus,
    *,
    original_subject: str,
    payload: bytes,
    headers: dict[str, str] | None,
    service: str,
    code: str,
    reason: str,
    original_sequence: int,
    position: int | None = None,
) -> None:
    """Puts a message into the dead-letter queue; only then may the original be acknowledged.

    Args:
        position: of the event among those of its message, where it is one of several.

    Raises:
        UnavailableError: the queue did not take it.
    """
    place = original_sequence if position is None else f"{original_sequence}-{position}"
    kept = {key: value for key, value in (headers or {}).items() if not key.startswith("Nats-")}
    await bus.publish(
        subjects.dead_letter(original_subject),
        payload,
        {
            **kept,
            # A message that is delivered again after a crash is buried once.
            "Nats-Msg-Id": f"dlq-{original_subject}-{place}",
            REASON: header_value(reason[:_MAX_REASON_CHARACTERS]),
            CODE: code,
            SERVICE: service,
            TIME: datetime.now(UTC).isoformat(),
            ORIGINAL_SEQUENCE: str(original_sequence),
        },
    )


async def list_dead_letters(bus: Bus, *, after: int = 0, limit: int = 100) -> list[DeadLetter]:
    """Dead letters in order of arrival, from sequence `after` + 1."""
    letters: list[DeadLetter] = []
    sequence = after
    while len(letters) < limit:
        try:
            message = await bus.jetstream.get_msg(
                DEAD_LETTERS.name, seq=sequence + 1, next=True, subject=subjects.DEAD_LETTERS_ALL, direct=True
            )
        except MessageNotFoundError:
            break
        letter = _dead_letter(message.seq or 0, message.subject or "", message.data or b"", message.headers or {})
        letters.append(letter)
        sequence = letter.sequence
    return letters


@dataclass(frozen=True, slots=True)
class DeadLetterCount:
    """How many dead letters there are of a collection, and when the oldest was buried (None if none is)."""

    letters: int
    oldest: datetime | None


async def count_dead_letters(bus: Bus, *collections: str) -> DeadLetterCount:
    """Counts the dead letters of some collections."""
    info = await bus.jetstream.stream_info(DEAD_LETTERS.name, subjects_filter=subjects.DEAD_LETTERS_ALL)
    letters = {
        subject: count
        for subject, count in (info.state.subjects or {}).items()
        if any(subjects.is_dead_letter_of(subject, collection) for collection in collections)
    }
    oldest: list[datetime] = []
    for subject in letters:
        message = await bus.jetstream.get_msg(DEAD_LETTERS.name, seq=1, next=True, subject=subject, direct=True)
        buried_at = (message.headers or {}).get(TIME)
        if buried_at is not None:
            oldest.append(datetime.fromisoformat(buried_at))
    return DeadLetterCount(sum(letters.values()), min(oldest, default=None))


async def get_dead_letter(bus: Bus, sequence: int) -> DeadLetter:
    """One dead letter.

    Raises:
        NotFoundError: there is none with this sequence.
    """
    try:
        message = await bus.jetstream.get_msg(DEAD_LETTERS.name, seq=sequence)
    except MessageNotFoundError as error:
        raise NotFoundError(f"there is no dead letter {sequence}; `sightwire dlq list` shows those that are") from error
    return _dead_letter(message.seq or 0, message.subject or "", message.data or b"", message.headers or {})


async def replay_dead_letter(bus: Bus, sequence: int) -> None:
    """Publishes a dead letter on its original subject again, then removes it from the queue.

    Raises:
        NotFoundError: there is none with this sequence.
        UnavailableError: the bus did not take it; it stays in the queue.
    """
    letter = await get_dead_letter(bus, sequence)
    # One letter is replayed once, even if the removal below is lost and someone asks again at once.
    headers = {**letter.headers, "Nats-Msg-Id": f"replay-{sequence}"}
    await bus.publish(letter.original_subject, letter.payload, headers)
    await purge_dead_letter(bus, sequence)


async def purge_dead_letter(bus: Bus, sequence: int) -> None:
    """Removes a dead letter."""
    await bus.jetstream.delete_msg(DEAD_LETTERS.name, sequence)


def _dead_letter(sequence: int, subject: str, payload: bytes, headers: dict[str, str]) -> DeadLetter:
    return DeadLetter(
        sequence=sequence,
        original_subject=subject.removeprefix("dlq."),
        payload=payload,
        # The server's own headers differ with the way a message is read.
        headers={
            key: value for key, value in headers.items() if key not in _OWN_HEADERS and not key.startswith("Nats-")
        },
        reason=unquote(headers.get(REASON, "")),
        code=headers.get(CODE, ""),
        service=headers.get(SERVICE, ""),
        time=headers.get(TIME, ""),
    )
