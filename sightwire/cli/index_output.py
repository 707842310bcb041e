"""How statistics and generations look on a terminal."""

from datetime import datetime
from typing import Any

from sightwire.byte_sizes import bytes_text
from sightwire.cli.output import escaped, time_text
from sightwire.contracts.control import GenerationList
from sightwire.contracts.statistics import IndexStatistics


def statistics_members(statistics: IndexStatistics) -> dict[str, Any]:
    """What an index takes as a whole."""
    process = statistics.process
    return {
        "collection": statistics.collection,
        "generation": f"{statistics.generation} (manifest {statistics.manifest_version})",
        "items": f"{statistics.items:,} ({statistics.deleted_items:,} deleted ones wait for a merge)",
        "segments": statistics.segments,
        "on disk": bytes_text(statistics.disk_bytes),
        "in memory": f"{bytes_text(statistics.resident_bytes)}, of which words {bytes_text(statistics.text_bytes)}",
        "searcher": f"{bytes_text(process.resident_bytes)} resident, of which files "
        f"{bytes_text(process.resident_file_bytes)}"
        if process is not None
        else None,
    }


def field_rows(statistics: IndexStatistics) -> list[tuple[Any, ...]]:
    """A row for each vector field: kinds of indexes, resident bytes in all and a vector, ratio to raw vectors."""
    return [
        (
            field.field,
            f"{field.vectors:,}",
            field.dimension,
            field.metric,
            ", ".join(f"{kind.kind} ({kind.vectors:,} in {kind.segments})" for kind in field.kinds),
            bytes_text(field.resident_bytes),
            f"{field.resident_bytes_per_vector:,.0f} B" if field.vectors else None,
            f"{field.raw_bytes_per_vector:,} B",
            f"{ratio:.2f}" if (ratio := field.resident_to_raw) is not None else None,
        )
        for field in statistics.fields
    ]


def generation_rows(kept: GenerationList) -> list[tuple[Any, ...]]:
    """A row for each generation, oldest first."""
    judged = {True: "passed", False: "FAILED", None: None}
    return [
        (
            generation.name,
            generation.state,
            judged[generation.validated],
            generation.index.type.value,
            f"{generation.items:,}",
            generation.segments,
            bytes_text(generation.disk_bytes),
            _moment(generation.created_at),
            escaped(generation.reason),
        )
        for generation in kept.generations
    ]


def _moment(text: str) -> str | None:
    try:
        return time_text(datetime.fromisoformat(text))
    except ValueError:
        return text
