"""What `sightwire models` prints of variants and averages."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sightwire_trainer.export.variants import VariantReport, VectorChange
    from sightwire_trainer.training.averaged_runs import AveragedRuns


def variant_rows(report: "VariantReport") -> Iterable[list[Any]]:
    """What a variant loses: name, before, after."""
    yield ["bytes of the encoders", f"{report.graph_bytes_before:,}", f"{report.graph_bytes:,}"]
    for name, change in (("pictures", report.images), ("texts", report.texts)):
        if change is not None:
            yield [f"cosines to the vectors of {name} before", "1", _cosines(change)]
    for name, before in report.measures_before.items():
        yield [name, f"{before:.4f}", f"{report.measures[name]:.4f}"]


def averaged_rows(averaged: "AveragedRuns") -> Iterable[list[Any]]:
    """A row a measure: its name, the average's and each run's."""
    for name, value in sorted(averaged.measures.items()):
        of_runs = (run.measures.get(name) for run in averaged.runs)
        yield [name, f"{value:.4f}", *("" if measure is None else f"{measure:.4f}" for measure in of_runs)]


def _cosines(change: "VectorChange") -> str:
    return f"{change.mean_cosine:.4f} on average, {change.least_cosine:.4f} at least, of {change.inputs}"
