"""Asks every searcher, after a switch, whether it really serves the generation that became live."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import grpc
import grpc.aio

from sightwire.contracts.collections import CollectionRecord
from sightwire.segments.open_generations import OpenGeneration
from sightwire.telemetry.grpc import client_interceptors
from sightwire.v1 import searcher_pb2, searcher_pb2_grpc
from sightwire_indexer.background_thread import BackgroundThread
from sightwire_indexer.validation.sampling import sampled_vectors
from sightwire_indexer.validation.searching import GenerationSearch, TrueScore
from sightwire_indexer.validation.self_recall import finds_itself

#: Few, so that the way back takes less than a second.
_PROBES_PER_FIELD: Final = 3
_MAX_PROBES: Final = 8
_RESULTS: Final = 10
#: One call may take so long.
_CALL_SECONDS: Final = 3.0
_RETRY_SECONDS: Final = 0.1
#: What a searcher that starts, stops or is busy answers.
_PASSING: Final = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
)


@dataclass(frozen=True, slots=True)
class Probe:
    """A search that must find an item: by one of its own vectors, float32 little-endian, with at least this score."""

    field: str
    vector: bytes
    item_id: str
    score: TrueScore


class Deployed:
    """Verification of one collection's switches.

    Args:
        addresses: gRPC address of each searcher that lives now, by searcher.
    """

    def __init__(self, record: CollectionRecord, addresses: Callable[[], Mapping[str, str]]) -> None:
        self._record = record
        self._addresses = addresses

    async def verify(self, live: OpenGeneration, *, seconds: float) -> dict[str, str]:
        """What is wrong with the answers of which searcher; empty if all is well.

        Args:
            live: what has become live, as the newest manifest says.
            seconds: how long a searcher that does not answer is asked again; a wrong answer counts at once.
        """
        search = GenerationSearch(live, self._record)
        # Whoever waits for a rollback waits for this, so its priority stays as it is.
        with BackgroundThread(niceness=0) as thread:
            probes = await thread.run(choose_probes, search)
        deadline = asyncio.get_running_loop().time() + seconds
        searchers = sorted(self._addresses())
        problems = await asyncio.gather(*(self._problem(name, live, probes, deadline) for name in searchers))
        return {name: problem for name, problem in zip(searchers, problems, strict=True) if problem is not None}

    async def _problem(
        self, searcher: str, live: OpenGeneration, probes: Sequence[Probe], deadline: float
    ) -> str | None:
        while True:
            address = self._addresses().get(searcher)
            if address is None:
                # It has gone, and answers nobody.
                return None
            try:
                return await self._ask(address, live, probes)
            except grpc.aio.AioRpcError as error:
                problem = f"{address} does not answer as it should: {error.code().name}: {error.details()}"
                if error.code() not in _PASSING or asyncio.get_running_loop().time() >= deadline:
                    return problem
            await asyncio.sleep(_RETRY_SECONDS)

    async def _ask(self, address: str, live: OpenGeneration, probes: Sequence[Probe]) -> str | None:
        # A proxy of the environment has no business between the platform's services.
        options = [("grpc.enable_http_proxy", 0)]
        async with grpc.aio.insecure_channel(address, options=options, interceptors=client_interceptors()) as channel:
            stub = searcher_pb2_grpc.SearcherStub(channel)
            described = await stub.DescribeCollection(
                searcher_pb2.DescribeCollectionRequest(collection=self._record.name), timeout=_CALL_SECONDS
            )
            if described.uid == self._record.uid and described.manifest_version > live.manifest_version:
                # Somebody committed since: what it serves now is not what is to be verified.
                return None
            problem = wrong_description(described, self._record.uid, live)
            if problem is not None:
                return problem
            requests = [self._request(probe) for probe in probes]
            responses = await asyncio.gather(*(stub.Search(request, timeout=_CALL_SECONDS) for request in requests))
        problems = (wrong_answer(probe, response) for probe, response in zip(probes, responses, strict=True))
        return next((problem for problem in problems if problem is not None), None)

    def _request(self, probe: Probe) -> searcher_pb2.SearchRequest:
        return searcher_pb2.SearchRequest(
            collection=self._record.name,
            queries=[searcher_pb2.FieldQuery(field=probe.field, vector=probe.vector)],
            k=_RESULTS,
            omit_documents=True,
        )


def choose_probes(search: GenerationSearch) -> list[Probe]:
    """Searches by sampled vectors of each field, leaving out those that the index itself does not answer exactly."""
    probes: list[Probe] = []
    for column in search.schema.vectors:
        for target in sampled_vectors(search, column.name, _PROBES_PER_FIELD):
            (answer,) = search.search(column.name, search.matrix(column.name, [target]), 1)
            if not finds_itself(search, column.name, target, answer):
                continue
            vector = search.vector(column.name, target)
            score = search.true_score(column.name, vector, target)
            item_id = search.item_id(column.name, target)
            probes.append(Probe(column.name, vector.astype("<f4").tobytes(), item_id, score))
    return probes[:_MAX_PROBES]


def wrong_description(described: searcher_pb2.DescribeCollectionResponse, uid: str, live: OpenGeneration) -> str | None:
    """What is wrong with what a searcher says that it serves; None if nothing is."""
    for what, actual, expected in (
        ("incarnation", described.uid, uid),
        ("manifest version", described.manifest_version, live.manifest_version),
        ("generation", described.generation, live.name),
        ("number of items", described.items, live.items),
    ):
        if actual != expected:
            return f"the {what} that it serves is {actual}, expected {expected}"
    return None


def wrong_answer(probe: Probe, response: searcher_pb2.SearchResponse) -> str | None:
    """What is wrong with the answer to a probe; None if nothing is.

    Items with equal vectors may take all places; they are as near as the probe's own.
    """
    least = probe.score.value - probe.score.tolerance
    scores = {hit.item_id: hit.score for hit in response.hits}
    if scores.get(probe.item_id, -float("inf")) >= least:
        return None
    if len(scores) == _RESULTS and min(scores.values()) >= least:
        return None
    came = ", ".join(f"{item_id} ({score:.4f})" for item_id, score in scores.items()) or "nothing"
    return (
        f"the vector of item {probe.item_id!r} in field {probe.field!r} must find it with a score of "
        f"{probe.score.value:.4f}, but finds {came}"
    )
