"""How parts of the control plane are, by what is known of them. Decides only."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, Literal

from sightwire.contracts.embedding_models import EmbedderAnnouncement
from sightwire.contracts.execution_metrics import ComponentHealth
from sightwire.contracts.reviews import Reviewer, ReviewFigures
from sightwire_orchestrator.numbers.samples import Sample
from sightwire_orchestrator.reviews.availability import is_on_duty, is_reachable

State = Literal["healthy", "degraded", "failing"]

_HEALTHY_SHARE: Final = 0.95
_FAILING_SHARE: Final = 0.5


def pipeline_health(name: str, runs: Sample) -> ComponentHealth:
    """By the runs that ended in the last hour."""
    rate = runs.success_rate
    if rate is None:
        return ComponentHealth(kind="pipeline", name=name, state="healthy", detail="no runs ended in the last hour")
    state: State = "healthy" if rate >= _HEALTHY_SHARE else "degraded" if rate >= _FAILING_SHARE else "failing"
    detail = f"{runs.succeeded} of {runs.succeeded + runs.failed} runs succeeded in the last hour"
    return ComponentHealth(kind="pipeline", name=name, state=state, detail=detail)


def model_health(embedders: Sequence[EmbedderAnnouncement]) -> Iterator[ComponentHealth]:
    """By what live embedders say of the models of each space."""
    if not embedders:
        yield ComponentHealth(kind="model", name="embedders", state="failing", detail="no embedder runs")
        return
    spaces = {space for each in embedders for space in (*each.serving, *each.loading, *each.failed)}
    for space in sorted(spaces):
        serving = sum(each.serves(space) for each in embedders)
        reasons = [each.failed[space] for each in embedders if space in each.failed]
        models = {str(each.serving[space]) for each in embedders if space in each.serving}
        state: State = "healthy" if serving == len(embedders) else "degraded" if serving else "failing"
        detail = f"{serving} of {len(embedders)} embedders serve {', '.join(sorted(models)) or 'it'}"
        yield ComponentHealth(kind="model", name=space, state=state, detail="; ".join([detail, *reasons]))


def cache_health(shared: str) -> ComponentHealth:
    """By the state of the cache's shared level."""
    if shared.startswith("unhealthy"):
        detail = f"results are kept by each process for itself: {shared}"
        return ComponentHealth(kind="cache", name="tasks", state="degraded", detail=detail)
    return ComponentHealth(kind="cache", name="tasks", state="healthy", detail=f"shared server: {shared}")


def reviewer_health(reviewers: Sequence[Reviewer], reviews: ReviewFigures, now: datetime) -> ComponentHealth:
    """By who is there, and by reviews that wait."""
    reachable = sum(is_reachable(reviewer, now) for reviewer in reviewers)
    on_duty = sum(is_on_duty(reviewer, now) for reviewer in reviewers)
    state: State = "failing" if reviews.open and not reachable else "degraded" if reviews.open_late else "healthy"
    detail = f"{on_duty} of {reachable} reviewers are on duty; {reviews.open} reviews wait, {reviews.open_late} late"
    return ComponentHealth(kind="reviewers", name="reviewers", state=state, detail=detail)
