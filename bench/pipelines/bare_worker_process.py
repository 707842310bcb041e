"""A worker of the bare queue: `python -m bench.pipelines.bare_worker_process CONCURRENCY`."""

import asyncio
import signal
import sys

import uvloop
from nats.aio.msg import Msg

from bench.pipelines.bare_queue import CONSUMER, ORDERS, RESULTS, STREAM
from sightwire.bus.connection import Bus
from sightwire.settings import SharedSettings, load_settings


async def main(concurrency: int) -> None:
    """Answers orders until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with Bus(load_settings(SharedSettings), name="bare-worker") as bus:
        orders = await bus.jetstream.pull_subscribe(ORDERS, durable=CONSUMER, stream=STREAM)

        async def answer(message: Msg) -> None:
            await bus.publish(RESULTS, message.data, {})
            await message.ack()

        while not stopping.is_set():
            try:
                messages = await orders.fetch(concurrency, timeout=0.5)
            except TimeoutError:
                continue
            await asyncio.gather(*map(answer, messages))
        # Otherwise the connection waits for what nobody fetches any more.
        await orders.unsubscribe()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
