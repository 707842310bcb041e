"""How large messages between orchestrator and workers may be."""

from typing import Final

from sightwire.bus.connection import Bus

#: More than headers of a message take.
_HEADER_BYTES: Final = 4096


def largest_payload(bus: Bus) -> int:
    """Bytes that the payload of a message may have, beside the headers of an event."""
    return bus.client.max_payload - _HEADER_BYTES
