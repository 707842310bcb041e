"""`compare_answers`: how alike an index and its shadow answer, by queries whose answers nobody knows."""

import statistics

from pydantic import Field, JsonValue, PositiveInt

from sightwire_orchestrator.migrations.measures import overlap_at
from sightwire_orchestrator.migrations.query_sampling import sampled_queries
from sightwire_orchestrator.migrations.rankings import rankings_of_items, rankings_of_texts
from sightwire_orchestrator.migrations.searching import open_searchers
from sightwire_orchestrator.tasks.builtin.migration_parameters import MigrationParameters
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.errors import OperationFailedError
from sightwire_orchestrator.tasks.registry import handler


class CompareAnswersParameters(MigrationParameters):
    """Which migration, by which queries, and how alike the answers have to be."""

    queries: tuple[str, ...] = Field(
        default=(), max_length=10_000, description="Texts; none: captions of items, or items themselves"
    )
    sample: PositiveInt = Field(default=100, le=500, description="Queries where none are given")
    k: PositiveInt = Field(default=10, le=100)
    min_overlap: float = Field(default=0.2, ge=0, le=1, description="Mean share of results that both have")


@handler("compare_answers")
async def compare_answers(context: TaskContext, parameters: CompareAnswersParameters) -> JsonValue:
    """Compare answers: {queries, k, overlap}. The task fails if they overlap less than they are to."""
    bus = context.resources.require_bus()
    opened = await parameters.open(bus)
    async with open_searchers(bus) as searchers:
        if parameters.queries:
            texts, ids = list(parameters.queries), list[str]()
        else:
            texts, ids = await sampled_queries(searchers, opened.source, parameters.sample)
            # People search by text where there are texts.
            ids = [] if texts else ids
        total = 2 * (len(texts) + len(ids))
        rankings = []
        for number, index in enumerate((opened.source, opened.shadow)):

            def told(done: int, before: int = number * total // 2) -> None:
                context.progress("asking", done=before + done, total=total, unit="queries")

            embedder = context.resources.embedder
            rankings.append(
                await rankings_of_texts(searchers, embedder, index, texts, k=parameters.k, told=told)
                if texts
                else await rankings_of_items(searchers, index, ids, k=parameters.k, told=told)
            )
    overlaps = [overlap_at(one, other, parameters.k) for one, other in zip(*rankings, strict=True)]
    # An empty collection answers alike.
    overlap = round(statistics.fmean(overlaps), 4) if overlaps else 1.0
    if overlap < parameters.min_overlap:
        raise OperationFailedError(
            f"the first {parameters.k} answers for {opened.users.name!r} overlap by {overlap:.2f}, and are to by "
            f"{parameters.min_overlap:g}, over {len(overlaps)} queries"
        )
    return {"queries": len(overlaps), "k": parameters.k, "overlap": overlap}
