"""Headers of bus messages: CloudEvents (NATS protocol binding, binary mode), deduplication and trace context."""

from datetime import UTC, datetime
from typing import Final

from uuid_utils import uuid7

from sightwire.telemetry.tracing import current_trace_headers

MESSAGE_ID: Final = "Nats-Msg-Id"
CONTENT_TYPE: Final = "content-type"
JSON: Final = "application/json"
PROTOBUF: Final = "application/x-protobuf"


def event_headers(
    *, event_type: str, source: str, subject: str, content_type: str = JSON, message_id: str | None = None
) -> dict[str, str]:
    """Headers of one event.

    Args:
        event_type: CloudEvents type, such as `sightwire.item.put`.
        source: service that publishes, such as `gateway`.
        subject: what the event is about, such as an item's id.
        content_type: media type of the payload.
        message_id: same id, same event: the server drops a repeated one within its window.
    """
    identifier = message_id or str(uuid7())
    return {
        MESSAGE_ID: identifier,
        CONTENT_TYPE: content_type,
        "ce-specversion": "1.0",
        "ce-id": identifier,
        "ce-type": event_type,
        "ce-source": f"/sightwire/{source}",
        "ce-subject": header_value(subject),
        "ce-time": datetime.now(UTC).isoformat(),
        **current_trace_headers(),
    }


def header_value(text: str) -> str:
    """`text` as a header can carry it: percent-encoded where it is not printable ASCII (CloudEvents HTTP binding)."""
    return "".join(
        character
        if 0x20 < ord(character) < 0x7F and character not in '%"'
        else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in text
    )
