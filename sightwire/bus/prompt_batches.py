"""Pull batches from JetStream that are handed over at once, however small.

FastStream's batch subscriber keeps what it fetched until the batch is full or its timeout is over, so that a lone
message waits for the whole timeout. Here a batch is what the server has at the moment, and the timeout only bounds how
long one request for messages stays with the server.
"""

import asyncio
import logging

from faststream.nats.subscriber.usecases import BatchPullStreamSubscriber
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5


class PromptBatchSubscriber(BatchPullStreamSubscriber):
    """A batch subscriber that never waits for a batch to become full."""

    __slots__ = ()

    async def _consume_pull(self) -> None:
        assert self.subscription is not None, "the subscriber was not started"
        while self.running:
            try:
                messages = await self.subscription.fetch(self.pull_sub.batch_size, timeout=self.pull_sub.timeout)
            except TimeoutError:
                continue
            except (NatsError, JetStreamError) as error:
                # Such as a server that shuts down; the next request goes to the one that comes after it.
                logger.warning("cannot fetch messages now", extra={"error": repr(error)})
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if messages and self.running:
                await self.consume(messages)


def hand_over_promptly(subscriber: BatchPullStreamSubscriber) -> PromptBatchSubscriber:
    """Makes a subscriber of `broker.subscriber(..., pull_sub=PullSub(batch=True))` prompt; call it before it starts."""
    # FastStream's factory cannot be told which class to make; this one adds nothing to the object's layout.
    subscriber.__class__ = PromptBatchSubscriber
    assert isinstance(subscriber, PromptBatchSubscriber)
    return subscriber
