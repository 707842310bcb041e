"""One trace from the POST of an item to the reload of the searcher, and one for each query."""

import asyncio
import secrets
from collections.abc import Callable

import httpx

from sightwire.client import AsyncSightwire
from tests.plugin.otlp import ReceivedSpan, TraceReceiver
from tests.plugin.waiting import Eventually

INGEST_EDGES = {("gateway", "embedder"), ("embedder", "indexer"), ("indexer", "searcher")}
BATCH = 32


def new_trace() -> tuple[str, dict[str, str]]:
    """A trace id, and the headers of a request that belongs to it."""
    trace_id = secrets.token_hex(16)
    return trace_id, {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}


async def test_each_item_of_a_batch_of_32_has_its_own_complete_trace(
    async_client: AsyncSightwire,
    gateway_url: str,
    trace_receiver: TraceReceiver,
    unique_name: Callable[..., str],
    eventually: Eventually,
) -> None:
    collection = unique_name("traces")
    await async_client.collections.create(collection)
    traces = [new_trace() for _ in range(BATCH)]

    async with httpx.AsyncClient(base_url=gateway_url, timeout=60) as http:
        answers = await asyncio.gather(
            *(
                http.post(
                    f"/v1/collections/{collection}/items",
                    params={"wait": "searchable"},
                    json={"id": f"item-{number}", "text": f"a text about the number {number}"},
                    headers=headers,
                )
                for number, (_, headers) in enumerate(traces)
            )
        )
    assert [answer.status_code for answer in answers] == [200] * BATCH

    def all_are_complete() -> bool:
        for trace_id, _ in traces:
            assert trace_receiver.edges(trace_id) >= INGEST_EDGES, trace_receiver.services(trace_id)
        return True

    await eventually(all_are_complete, deadline=15)

    batches = [span for span in trace_receiver.spans if span.service == "embedder" and len(span.links) > 1]
    assert batches, "items that arrive together are embedded together, and the batch links to each of them"
    linked = {span_id for span in batches for span_id in span.links}
    of_items = {span.span_id for trace_id, _ in traces for span in trace_receiver.trace(trace_id)}
    assert linked & of_items


async def test_a_query_is_one_trace_through_embedder_and_searcher(
    async_client: AsyncSightwire,
    gateway_url: str,
    trace_receiver: TraceReceiver,
    unique_name: Callable[..., str],
    eventually: Eventually,
) -> None:
    collection = unique_name("traces")
    await async_client.collections.create(collection)
    trace_id, headers = new_trace()
    async with httpx.AsyncClient(base_url=gateway_url) as http:
        answer = await http.post(
            f"/v1/collections/{collection}/search",
            json={"query": {"text": f"never asked before {trace_id}"}},
            headers=headers,
        )
    assert answer.status_code == 200
    assert answer.headers["x-trace-id"] == trace_id
    await eventually(lambda: trace_receiver.edges(trace_id) >= {("gateway", "embedder"), ("gateway", "searcher")})


async def test_each_item_of_one_batch_request_has_its_own_complete_trace(
    async_client: AsyncSightwire,
    gateway_url: str,
    trace_receiver: TraceReceiver,
    unique_name: Callable[..., str],
    eventually: Eventually,
) -> None:
    collection = unique_name("traces")
    await async_client.collections.create(collection)
    request_trace, headers = new_trace()
    items = [{"id": f"item-{number}", "text": f"a text about the number {number}"} for number in range(BATCH)]
    async with httpx.AsyncClient(base_url=gateway_url, timeout=60) as http:
        answer = await http.post(f"/v1/collections/{collection}/items:batch", json={"items": items}, headers=headers)
    assert answer.status_code == 202
    assert len(answer.json()["accepted"]) == BATCH

    def publishing_of(item_id: str) -> ReceivedSpan:
        spans = [
            span
            for span in trace_receiver.spans
            if span.service == "gateway"
            and span.attributes.get("sightwire.collection") == collection
            and span.attributes.get("sightwire.item.id") == item_id
        ]
        assert len(spans) == 1, f"{len(spans)} publish spans of {item_id}"
        return spans[0]

    await eventually(lambda: trace_receiver.trace(request_trace))
    await async_client.items.wait(collection, "item-17")

    def the_17th_is_complete() -> bool:
        publishing = publishing_of("item-17")
        assert publishing.trace_id != request_trace
        assert set(publishing.links) <= {span.span_id for span in trace_receiver.trace(request_trace)}
        return trace_receiver.edges(publishing.trace_id) >= INGEST_EDGES

    await eventually(the_17th_is_complete, deadline=15)
    assert len({publishing_of(str(item["id"])).trace_id for item in items}) == BATCH


async def test_a_run_is_one_trace_with_its_attempts_and_what_they_ask_of_others(
    async_client: AsyncSightwire,
    gateway_url: str,
    trace_receiver: TraceReceiver,
    unique_name: Callable[..., str],
    eventually: Eventually,
) -> None:
    pipeline = unique_name("traced")
    tasks = [
        {"name": "embedded", "type": "embed", "parameters": {"texts": ["a lighthouse"]}},
        {"name": "each", "type": "embed", "map": "{texts}", "parameters": {"texts": ["{item}"]}},
    ]
    await async_client.pipelines.submit(
        {"name": pipeline, "tasks": tasks, "global_parameters": {"texts": ["a storm", "a boat"]}}
    )
    trace_id, headers = new_trace()
    async with httpx.AsyncClient(base_url=gateway_url) as http:
        answer = await http.post(f"/v1/pipelines/{pipeline}/runs", json={}, headers=headers)
    assert answer.is_success, answer.text
    run = answer.json()["run"]
    assert (await async_client.runs.wait(run)).state == "succeeded"

    def is_complete() -> bool:
        assert trace_receiver.edges(trace_id) >= {("gateway", "orchestrator"), ("orchestrator", "embedder")}
        names = trace_receiver.services(trace_id)["orchestrator"]
        assert names.count("task embed") == 3, names
        assert f"run {pipeline}" in names
        return True

    await eventually(is_complete, deadline=15)
