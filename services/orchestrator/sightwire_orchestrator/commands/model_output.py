"""What `sightwire models` prints of the registry."""

from collections.abc import Iterable
from typing import Any

from sightwire.byte_sizes import bytes_text
from sightwire.cli.output import time_text
from sightwire.contracts.model_control import RegisteredModel, ServedModels
from sightwire.contracts.models import AliasMove, ModelComparison

LIST_COLUMNS = ("model", "aliases", "space", "bytes", "registered", "tags", "deprecated")
SERVED_COLUMNS = ("model", "space", "state", "default", "loaded", "by", "embedders")
MOVE_COLUMNS = ("move", "version", "before", "when", "by", "reason")


def list_row(registered: RegisteredModel) -> list[Any]:
    """A registered version in a list."""
    model = registered.model
    return [
        str(model.id),
        ", ".join(registered.aliases),
        model.space,
        bytes_text(model.bytes),
        time_text(model.registered_at),
        ", ".join(model.notes.tags),
        None if model.deprecation is None else model.deprecation.reason,
    ]


def members(registered: RegisteredModel) -> dict[str, Any]:
    """A registered version in some lines."""
    model = registered.model
    deprecation = model.deprecation
    return {
        "model": str(model.id),
        "aliases": ", ".join(registered.aliases),
        "description": model.summary,
        "space": f"{model.space}, {model.dimension} dimensions",
        "deprecated": deprecation and deprecation.reason,
        "replacement": deprecation and deprecation.replacement and str(deprecation.replacement),
        "tags": ", ".join(model.notes.tags),
        "metadata": model.notes.metadata,
        "trained with": ", ".join(model.lineage.data),
        "run": model.lineage.run,
        "parent": model.lineage.parent and str(model.lineage.parent),
        "registered": f"{time_text(model.registered_at)} {model.registered_by}".strip(),
        "sha256": model.bundle_sha256,
    }


def move_row(move: AliasMove) -> list[Any]:
    """A move of an alias."""
    return [move.revision, move.version, move.previous, time_text(move.at), move.by, move.reason]


def metric_rows(comparison: ModelComparison) -> Iterable[list[Any]]:
    """A row a figure: its name, before, after, how much it grew."""
    for metric in comparison.metrics:
        change = None if metric.change is None else f"{metric.change:+.4g}"
        yield [metric.metric, _figure(metric.before), _figure(metric.after), change]


def difference_rows(comparison: ModelComparison) -> Iterable[list[Any]]:
    """A row a difference of configuration or files: what, before, after."""
    for value in comparison.configuration:
        yield [value.path, value.before, value.after]
    for file in comparison.files:
        sizes = (file.bytes_before, file.bytes_after)
        yield [file.path, *("" if size is None else bytes_text(size) for size in sizes)]


def served_rows(served: ServedModels) -> Iterable[list[Any]]:
    """A row a model of embedders; of those that do not serve it, how far they are."""
    for model in served.models:
        waiting = [f"{one.embedder}: {one.reason or one.state}" for one in model.embedders if one.state != "serving"]
        yield [
            str(model.model),
            model.space,
            model.state,
            "yes" if model.is_default else None,
            time_text(model.requested_at) or "from the start",
            model.requested_by,
            "; ".join(waiting) or len(model.embedders),
        ]


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"
