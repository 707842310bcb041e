"""What the indexer measures of things that all services share: the bus's streams, and disks.

Every indexer measures them, so that rules and dashboards take the maximum over instances.
"""

import asyncio
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from nats.js.api import StreamState
from prometheus_client import Gauge

from sightwire.contracts.streams import StreamDefinition

logger = logging.getLogger(__name__)

_DISK_INTERVAL_SECONDS: Final = 30.0

STREAM_MESSAGES = Gauge("sightwire_stream_messages", "Messages in a stream of the bus", ["stream"])
STREAM_BYTES = Gauge("sightwire_stream_bytes", "Bytes in a stream of the bus", ["stream"])
STREAM_MAX_BYTES = Gauge("sightwire_stream_max_bytes", "Bytes that a stream of the bus may hold", ["stream"])
STREAM_LAST_SEQUENCE = Gauge("sightwire_stream_last_sequence", "Newest sequence of a stream of the bus", ["stream"])
DISK_FREE = Gauge("sightwire_disk_free_bytes", "Bytes that are free where a folder is", ["folder"])
DISK_SIZE = Gauge("sightwire_disk_size_bytes", "Size of the file system where a folder is", ["folder"])


def observe_stream(definition: StreamDefinition, state: StreamState) -> None:
    """Records what a stream holds."""
    STREAM_MESSAGES.labels(definition.name).set(state.messages)
    STREAM_BYTES.labels(definition.name).set(state.bytes)
    STREAM_LAST_SEQUENCE.labels(definition.name).set(state.last_seq)
    if definition.max_bytes:
        STREAM_MAX_BYTES.labels(definition.name).set(definition.max_bytes)


async def watch_disks(folders: Mapping[str, Path]) -> None:
    """Measures until cancelled; `folders` by what they are for, such as `blobs`."""
    while True:
        for name, folder in folders.items():
            try:
                usage = await asyncio.to_thread(shutil.disk_usage, folder)
            except OSError as error:
                # Not there yet, or gone: no figure is better than an old one.
                DISK_FREE.remove_by_labels({"folder": name})
                logger.debug("a disk cannot be measured", extra={"folder": name, "error": str(error)})
            else:
                DISK_FREE.labels(name).set(usage.free)
                DISK_SIZE.labels(name).set(usage.total)
        await asyncio.sleep(_DISK_INTERVAL_SECONDS)
