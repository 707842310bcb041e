"""`compare_quality`: an index and its shadow, by queries whose answers are known."""

import statistics
from collections.abc import Sequence

from pydantic import Field, JsonValue, PositiveInt

from sightwire.contracts.migration_plans import LabelledQuery, QuerySource
from sightwire_orchestrator.migrations.labelled_queries import read_labelled_queries
from sightwire_orchestrator.migrations.measures import ndcg_at, recall_at
from sightwire_orchestrator.migrations.rankings import rankings_of_texts
from sightwire_orchestrator.migrations.searching import open_searchers
from sightwire_orchestrator.tasks.builtin.migration_parameters import MigrationParameters
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.errors import OperationFailedError
from sightwire_orchestrator.tasks.registry import handler


class CompareQualityParameters(MigrationParameters):
    """Which migration, by which queries, and how much worse it may be."""

    labelled_queries: QuerySource
    k: PositiveInt = Field(default=10, le=100)
    tolerance: float = Field(default=0.01, ge=0, le=1, description="By which each measure may be lower")


@handler("compare_quality")
async def compare_quality(context: TaskContext, parameters: CompareQualityParameters) -> JsonValue:
    """Measure both: {queries, k, before: {recall, ndcg}, after: {recall, ndcg}}.

    The task fails if the new one is worse.
    """
    bus = context.resources.require_bus()
    opened = await parameters.open(bus)
    queries = await read_labelled_queries(parameters.labelled_queries, blobs_url=context.resources.settings.blobs_url)
    texts = [query.query for query in queries]
    measured = []
    async with open_searchers(bus) as searchers:
        for number, index in enumerate((opened.source, opened.shadow)):

            def told(done: int, before: int = number * len(texts)) -> None:
                context.progress("asking", done=before + done, total=2 * len(texts), unit="queries")

            found = await rankings_of_texts(
                searchers, context.resources.embedder, index, texts, k=parameters.k, told=told
            )
            measured.append(quality(queries, found, parameters.k))
    before, after = measured
    worse = [name for name in before if after[name] < before[name] - parameters.tolerance]
    if worse:
        said = ", ".join(f"{name}@{parameters.k} is {after[name]:.3f} instead of {before[name]:.3f}" for name in worse)
        raise OperationFailedError(
            f"the new model finds worse in {opened.users.name!r}, by {len(queries)} labelled queries: {said} "
            f"(tolerance {parameters.tolerance:g})"
        )
    return {"queries": len(queries), "k": parameters.k, "before": {**before}, "after": {**after}}


def quality(queries: Sequence[LabelledQuery], rankings: Sequence[Sequence[str]], k: int) -> dict[str, float]:
    """Mean recall and nDCG of the first `k` items."""
    pairs = list(zip(queries, rankings, strict=True))
    return {
        "recall": round(statistics.fmean(recall_at(found, set(one.relevant), k) for one, found in pairs), 4),
        "ndcg": round(statistics.fmean(ndcg_at(found, set(one.relevant), k) for one, found in pairs), 4),
    }
