"""Gate: a stored vector, as a query, finds its own item first.

Where something else comes first that is at least as near, the item counts as found: two pictures may be the same, and
by inner product a longer vector may be nearer than the vector itself.
"""

from typing import Final

from sightwire.contracts.validation import GateReport
from sightwire_indexer.validation.sampling import sampled_vectors
from sightwire_indexer.validation.searching import Found, GenerationSearch, Target
from sightwire_indexer.validation.trial import Trial, batches, gate_report

_BATCH: Final = 32


def self_recall(trial: Trial) -> GateReport:
    """Searches with a sample of each field's vectors."""
    shares: dict[str, float] = {}
    failures: list[str] = []
    for field in trial.fields:
        targets = sampled_vectors(trial.candidate, field, trial.thresholds.sample)
        if not targets:
            continue
        lost: list[str] = []
        for batch in batches(targets, _BATCH):
            trial.go_on()
            answers = trial.candidate.search(field, trial.candidate.matrix(field, batch), 1)
            for target, answer in zip(batch, answers, strict=True):
                lost += _lost(trial.candidate, field, target, answer)
        shares[field] = 1 - len(lost) / len(targets)
        if shares[field] < trial.thresholds.min_self_recall:
            failures += lost
    worst = min(shares.values(), default=1.0)
    return gate_report(
        "self_recall",
        f"{worst:.1%} of the sampled vectors find their own item first, at least "
        f"{trial.thresholds.min_self_recall:.1%} are wanted in every field",
        {"self_recall": shares},
        failures,
        passed=worst >= trial.thresholds.min_self_recall,
    )


def finds_itself(search: GenerationSearch, field: str, target: Target, answer: list[Found]) -> bool:
    """Whether the first of an answer to a target's own vector is that target, or as near as it."""
    if not answer:
        return False
    first = answer[0].target
    if first == target:
        return True
    query = search.vector(field, target)
    own, other = search.true_score(field, query, target), search.true_score(field, query, first)
    return other.value >= own.value - own.tolerance


def _lost(search: GenerationSearch, field: str, target: Target, answer: list[Found]) -> list[str]:
    if finds_itself(search, field, target, answer):
        return []
    came = f"{search.item_id(field, answer[0].target)!r} ({answer[0].score:.4f})" if answer else "nothing"
    return [f"the vector of item {search.item_id(field, target)!r} in field {field!r} finds {came} first"]
