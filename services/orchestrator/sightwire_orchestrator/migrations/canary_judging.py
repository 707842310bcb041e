"""Whether a shadow did well as a canary; pure."""

import statistics
from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from sightwire.contracts.migration_plans import CanaryThresholds
from sightwire.contracts.migrations import CanaryObservation

#: Differences below this, in seconds, are noise of machines that have other work as well.
_NEGLIGIBLE_SECONDS: Final = 0.05


class CanaryReport(BaseModel):
    """What came of a canary."""

    model_config = ConfigDict(frozen=True)

    queries: int
    answered_by_shadow: int
    errors: int
    overlap: float
    median_seconds: float
    shadow_median_seconds: float
    #: In words, why it did not do well; empty: it did.
    problems: tuple[str, ...]


def judge_canary(observations: Sequence[CanaryObservation], thresholds: CanaryThresholds) -> CanaryReport:
    """The figures of a canary, and what is wrong with them."""
    answered = [seen for seen in observations if seen.shadow_error is None]
    errors = len(observations) - len(answered)
    overlap = statistics.fmean(seen.overlap for seen in answered) if answered else 0.0
    seconds = statistics.median(seen.seconds for seen in answered) if answered else 0.0
    shadow_seconds = statistics.median(seen.shadow_seconds for seen in answered) if answered else 0.0
    problems = []
    if len(observations) < thresholds.min_queries:
        problems.append(
            f"{len(observations)} queries came, which says nothing: at least {thresholds.min_queries} are needed; give "
            "the canary a greater share or more time, or leave it out"
        )
    if observations and errors > thresholds.max_errors * len(observations):
        first = next(seen.shadow_error for seen in observations if seen.shadow_error is not None)
        problems.append(f"{errors} of {len(observations)} queries failed, such as with: {first}")
    if answered and overlap < thresholds.min_overlap:
        problems.append(f"results overlap by {overlap:.2f}, and are to by {thresholds.min_overlap:g}")
    if answered and shadow_seconds > max(thresholds.max_latency_ratio * seconds, seconds + _NEGLIGIBLE_SECONDS):
        problems.append(
            f"a query takes {1000 * shadow_seconds:.0f} ms and not {1000 * seconds:.0f} ms, which is more than "
            f"{thresholds.max_latency_ratio:g} times as long"
        )
    return CanaryReport(
        queries=len(observations),
        answered_by_shadow=sum(seen.answered_by_shadow for seen in observations),
        errors=errors,
        overlap=round(overlap, 4),
        median_seconds=round(seconds, 4),
        shadow_median_seconds=round(shadow_seconds, 4),
        problems=tuple(problems),
    )
