"""What it costs that an acknowledgement means "on disk", and what wins it back: concurrency and items per message.

Two servers run side by side: one flushes as the platform ships it (`sync_interval: always`), one as nats-server does by
default (every two minutes). Every round publishes to one and then to the other; the figures are medians over rounds.
"""

import asyncio
import functools
import json
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from bench.command import Benchmark, main
from bench.nats_servers import DEFAULT_FLUSHING, SHIPPED_FLUSHING, bus_on, nats_server
from bench.report import Table
from sightwire.bus.connection import Bus, OutgoingMessage
from sightwire.bus.headers import event_headers
from sightwire.contracts import subjects
from sightwire.contracts.streams import ITEM_STATUS

ITEM_BYTES = 2048
#: As many items as the embedder puts into one message.
ITEMS_PER_MESSAGE = 32
_IN_FLIGHT = (1, 32, 256, 1024)
_ATOMIC_STREAM = "BENCH_ATOMIC"
_ATOMIC_SUBJECT = "bench.atomic"
_ATOMIC_BATCH = 256

#: Publishes at least this many items and says how many it were.
Publish = Callable[[Bus, int], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to publish."""

    label: str
    publish: Publish


async def measure(quick: bool) -> list[Table]:
    """Items a second with each kind of flushing, and the ratio of the two."""
    rounds, items = (1, 64) if quick else (5, 1024)
    ways = [
        _Way("1 waiting for each acknowledgement", _one_by_one),
        *(_Way(f"{count:,} in flight", _in_flight(count)) for count in _IN_FLIGHT[1:]),
        _Way(f"{_ATOMIC_BATCH} in an atomic batch", _atomically),
        _Way(f"{ITEMS_PER_MESSAGE} items in a message, 1 message in flight", _packed(1)),
        _Way(f"{ITEMS_PER_MESSAGE} items in a message, 8 messages in flight", _packed(8)),
        _Way("status bucket, 256 in flight", _statuses),
        _Way("status bucket, not acknowledged, one flush at the end", _statuses_unacknowledged),
    ]
    with tempfile.TemporaryDirectory(prefix="sightwire-bench-") as folder:
        async with (
            nats_server(Path(folder) / "default", flushing=DEFAULT_FLUSHING) as default_access,
            nats_server(Path(folder) / "always", flushing=SHIPPED_FLUSHING) as always_access,
            bus_on(default_access) as default,
            bus_on(always_access) as always,
        ):
            for bus in (default, always):
                await _create_atomic_stream(bus)
                for way in ways:
                    await way.publish(bus, 32)
            rows = [
                _row(
                    way.label,
                    [(await _rate(way, default, items), await _rate(way, always, items)) for _ in range(rounds)],
                )
                for way in ways
            ]
    return [
        Table(
            title=f"Items of {ITEM_BYTES:,} bytes stored by the bus, per second",
            columns=("published", "flushed every 2 min (default)", "flushed always (shipped)", "ratio"),
            rows=rows,
            note="The server flushes each message by itself, in an atomic batch too. What wins the cost back is more "
            "items in a message, which is how vectors travel, and later flushing of what can be derived again.",
        )
    ]


def _row(label: str, pairs: list[tuple[float, float]]) -> list[str | float]:
    return [
        label,
        statistics.median(default for default, _ in pairs),
        statistics.median(always for _, always in pairs),
        # Paired, so that what else the machine did in a round is in both of its figures.
        statistics.median(always / default for default, always in pairs),
    ]


async def _rate(way: _Way, bus: Bus, items: int) -> float:
    """Items per second."""
    started = time.perf_counter()
    published = await way.publish(bus, items)
    return published / (time.perf_counter() - started)


@functools.cache
def _payload(size: int) -> bytes:
    """Made once: what is measured is the bus."""
    return os.urandom(size)


def _message(items: int = 1) -> OutgoingMessage:
    return OutgoingMessage(
        subject=subjects.embedded("bench", "bench-1"),
        payload=_payload(ITEM_BYTES * items),
        headers=event_headers(event_type="sightwire.bench", source="bench", subject="bench"),
    )


async def _one_by_one(bus: Bus, items: int) -> int:
    count = max(1, items // 4)
    for message in [_message() for _ in range(count)]:
        await bus.publish(message.subject, message.payload, message.headers)
    return count


def _in_flight(count: int) -> Publish:
    async def publish(bus: Bus, items: int) -> int:
        messages = [_message() for _ in range(max(items, count))]
        for start in range(0, len(messages), count):
            await bus.publish_all(messages[start : start + count])
        return len(messages)

    return publish


def _packed(messages_in_flight: int) -> Publish:
    async def publish(bus: Bus, items: int) -> int:
        step = messages_in_flight * ITEMS_PER_MESSAGE
        # Packed items are many times as fast: more of them, so that the time can be measured.
        batches = [
            [_message(ITEMS_PER_MESSAGE) for _ in range(messages_in_flight)] for _ in range(-(-4 * items // step))
        ]
        for batch in batches:
            await bus.publish_all(batch)
        return len(batches) * step

    return publish


async def _create_atomic_stream(bus: Bus) -> None:
    configuration = {"name": _ATOMIC_STREAM, "subjects": [_ATOMIC_SUBJECT], "storage": "file", "allow_atomic": True}
    reply = await bus.client.request(f"$JS.API.STREAM.CREATE.{_ATOMIC_STREAM}", json.dumps(configuration).encode())
    answer = json.loads(reply.data)
    if "error" in answer:
        raise RuntimeError(f"the server made no stream with atomic batches: {answer['error']}")


async def _atomically(bus: Bus, items: int) -> int:
    batches = max(1, items // _ATOMIC_BATCH)
    messages = [_message() for _ in range(_ATOMIC_BATCH)]
    for _ in range(batches):
        batch_id = uuid.uuid4().hex
        for sequence, message in enumerate(messages, start=1):
            headers = {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(sequence)}
            if sequence < _ATOMIC_BATCH:
                await bus.client.publish(_ATOMIC_SUBJECT, message.payload, headers=headers)
                continue
            headers["Nats-Batch-Commit"] = "1"
            reply = await bus.client.request(_ATOMIC_SUBJECT, message.payload, headers=headers, timeout=30)
            answer = json.loads(reply.data)
            if answer.get("count") != _ATOMIC_BATCH:
                raise RuntimeError(f"the server did not store a batch of {_ATOMIC_BATCH}: {answer}")
    return batches * _ATOMIC_BATCH


def _status_message() -> OutgoingMessage:
    key = subjects.item_status_key("bench", uuid.uuid4().hex)
    return OutgoingMessage(subjects.key_value(ITEM_STATUS.name, key), _payload(200), {})


async def _statuses(bus: Bus, items: int) -> int:
    messages = [_status_message() for _ in range(4 * items)]
    for start in range(0, len(messages), 256):
        await bus.publish_all(messages[start : start + 256])
    return len(messages)


async def _statuses_unacknowledged(bus: Bus, items: int) -> int:
    messages = [_status_message() for _ in range(4 * items)]
    for message in messages:
        await bus.client.publish(message.subject, message.payload)
    # The server stores in order, so that the answer to one acknowledged write comes after all writes before it.
    last = _status_message()
    async with asyncio.timeout(30):
        await bus.publish(last.subject, last.payload, {})
    return len(messages) + 1


BENCHMARK = Benchmark("durability", measure)

if __name__ == "__main__":
    main(BENCHMARK)
