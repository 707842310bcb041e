"""Each item's own trace goes through the commit that it shares with others, and on to the reload."""

from collections.abc import Callable

from services.indexer.tests.indexer_world import IndexerWorld, embedded_item
from sightwire.contracts.collections import CollectionRecord
from tests.plugin.otlp import TraceReceiver
from tests.plugin.waiting import wait_until


def traceparent(number: int) -> str:
    return f"00-{number:032x}-{number:016x}-01"


async def test_every_item_of_a_batch_has_its_span_and_the_commit_links_to_all(
    world: IndexerWorld, make_record: Callable[..., CollectionRecord], trace_receiver: TraceReceiver
):
    record = await world.create(make_record())
    numbers = range(0xA000, 0xA020)
    async with world.indexer_process(SIGHTWIRE_OTLP_ENDPOINT=trace_receiver.endpoint) as indexer:
        await indexer.start()
        items = [embedded_item(f"item-{number}", number, traceparent=traceparent(number)) for number in numbers]
        unsampled = embedded_item("unsampled", 1)
        sequence = await world.publish(record, *items, unsampled)
        await world.indexed_up_to(record, sequence, deadline=40)

        def spans_of_items() -> list[str]:
            found = [trace_receiver.trace(f"{number:032x}") for number in numbers]
            return [spans[0].span_id for spans in found if spans] if all(found) else []

        span_ids = await wait_until(spans_of_items)
        assert await indexer.stop() == 0
    for number in numbers:
        (span,) = trace_receiver.trace(f"{number:032x}")
        assert (span.service, span.name, span.parent_id) == ("indexer", "index item", f"{number:016x}")
        assert span.attributes["sightwire.item"] == f"item-{number}"
    (commit,) = [
        span for span in trace_receiver.spans if span.service == "indexer" and set(span.links) == set(span_ids)
    ]
    assert commit.name == "commit"
    assert commit.parent_id == ""
    (event,) = [event for event in world.searcher.ready if event.items]
    assert {sent.split("-")[2] for sent in event.traceparents} == set(span_ids)
