"""The dead-letter queue on a real server."""

from collections.abc import Callable

import pytest

from sightwire.bus.connection import Bus
from sightwire.bus.dead_letters import bury, get_dead_letter, list_dead_letters, replay_dead_letter
from sightwire.bus.headers import event_headers, header_value
from sightwire.contracts import subjects
from sightwire.contracts.streams import DEAD_LETTERS, INGEST
from sightwire.errors import NotFoundError


async def bury_one(bus: Bus, subject: str, payload: bytes, sequence: int, reason: str = "not JSON: é") -> None:
    headers = event_headers(event_type="sightwire.item.put", source="test", subject="a/ü")
    await bury(
        bus,
        original_subject=subject,
        payload=payload,
        headers=headers,
        service="embedder",
        code="invalid-input",
        reason=reason,
        original_sequence=sequence,
    )


async def test_a_buried_message_can_be_listed_read_and_replayed_once(bus: Bus, unique_name: Callable[..., str]) -> None:
    subject = subjects.ingest(unique_name())
    await bury_one(bus, subject, b"{broken", sequence=41)
    await bury_one(bus, subject, b"{broken", sequence=41)
    letters = [letter for letter in await list_dead_letters(bus) if letter.original_subject == subject]
    assert len(letters) == 1, "a message that is delivered again is buried once"
    letter = letters[0]
    assert (letter.payload, letter.code, letter.service) == (b"{broken", "invalid-input", "embedder")
    assert letter.reason.startswith("not JSON")
    assert letter.headers["ce-subject"] == "a/%C3%BC"
    assert await get_dead_letter(bus, letter.sequence) == letter

    await replay_dead_letter(bus, letter.sequence)
    message = await bus.jetstream.get_last_msg(INGEST.name, subject)
    assert message.data == b"{broken"
    with pytest.raises(NotFoundError):
        await replay_dead_letter(bus, letter.sequence)
    await bus.jetstream.purge_stream(INGEST.name, subject=subject)


async def test_the_list_is_paged_by_sequence(bus: Bus, unique_name: Callable[..., str]) -> None:
    subject = subjects.ingest(unique_name())
    start = (await bus.jetstream.stream_info(DEAD_LETTERS.name)).state.last_seq
    for number in range(5):
        await bury_one(bus, subject, b"%d" % number, sequence=number)
    first = await list_dead_letters(bus, after=start, limit=2)
    rest = await list_dead_letters(bus, after=first[-1].sequence)
    assert [letter.payload for letter in first + rest] == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("plain", "plain"),
        ("with space", "with%20space"),
        ("line\nbreak", "line%0Abreak"),
        ("50%", "50%25"),
        ("é", "%C3%A9"),
    ],
)
def test_header_values_are_printable_ascii(text: str, header: str) -> None:
    assert header_value(text) == header
