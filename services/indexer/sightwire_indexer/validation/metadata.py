"""Gate: sampled items are what they are in the source: document, metadata, tags, time, objects, vectors, version.

Compared with the base that the candidate was made from (see `Source`), in which everything must be the same. Where only
the live generation can be compared with, items that are newer there or gone since do not count; of a backup, items that
are newer in the candidate do not either.
"""

from typing import Any

import numpy as np

from sightwire.contracts.validation import GateReport
from sightwire.segments.version_index import current_versions
from sightwire_indexer.validation.sampling import sampled_items
from sightwire_indexer.validation.searching import GenerationSearch, Target
from sightwire_indexer.validation.trial import Trial, gate_report


def metadata(trial: Trial) -> GateReport:
    """Compares a sample of the candidate's items."""
    candidate, source = trial.candidate, trial.source
    targets = sampled_items(candidate, trial.thresholds.sample)
    ids = [candidate.segments[target.segment].reader.ids([target.row])[0] for target in targets]
    current = current_versions(source.search.segments, ids)
    failures: list[str] = []
    compared = 0
    for number, (item_id, target) in enumerate(zip(ids, targets, strict=True)):
        trial.go_on()
        version = int(candidate.segments[target.segment].reader.versions[target.row])
        source_version = int(current.versions[number])
        if source_version != version or current.is_tombstone[number]:
            if _counts(trial, version, source_version):
                failures.append(_of_another_version(item_id, version, source_version))
            continue
        compared += 1
        other = Target(int(current.segments[number]), int(current.rows[number]))
        failures += [
            f"item {item_id!r}, version {version}: {difference}" for difference in _differences(trial, target, other)
        ]
    return gate_report(
        "metadata",
        f"{compared} of {len(targets)} sampled items compared, {len(failures)} differences",
        {"sampled": len(targets), "compared": compared, "differences": len(failures)},
        failures,
        passed=not failures,
    )


def _counts(trial: Trial, version: int, source_version: int) -> bool:
    """Whether it is wrong that the source has another version (0: knows nothing of the item)."""
    if trial.source.complete:
        return True
    return trial.source.items is None and 0 < source_version < version


def _of_another_version(item_id: str, version: int, source_version: int) -> str:
    if not source_version:
        return f"item {item_id!r} has version {version}, but what the generation was made from does not know it"
    return f"item {item_id!r} has version {version}, what the generation was made from has {source_version}"


def _differences(trial: Trial, target: Target, other: Target) -> list[str]:
    ours, theirs = _row(trial.candidate, target), _row(trial.source.search, other)
    of_one_space = trial.candidate.generation.space == trial.source.search.generation.space
    # Another space may come with another detector.
    columns = [name for name in ours if of_one_space or name not in ("class_ids", "class_confidences", "objects")]
    found = [f"{name} is {ours[name]!r}, expected {theirs[name]!r}" for name in columns if ours[name] != theirs[name]]
    if of_one_space:
        found += _vector_differences(trial, target, other)
    return found


def _row(search: GenerationSearch, target: Target) -> dict[str, Any]:
    """All columns of an item, and its objects."""
    reader = search.segments[target.segment].reader
    (row,) = reader.items.slice(target.row, 1).to_pylist()
    first, end = reader.object_offsets[target.row : target.row + 2].tolist()
    objects = reader.objects.slice(first, end - first).to_pylist()
    row["objects"] = [{name: value for name, value in found.items() if name != "item_row"} for found in objects]
    return row


def _vector_differences(trial: Trial, target: Target, other: Target) -> list[str]:
    found: list[str] = []
    for column in trial.schema.vectors:
        ours = _vectors(trial.candidate, column.name, target)
        theirs = _vectors(trial.source.search, column.name, other)
        same = len(ours) == len(theirs) and all(
            (own is None and its is None) or (own is not None and its is not None and np.array_equal(own, its))
            for own, its in zip(ours, theirs, strict=True)
        )
        if not same:
            found.append(f"its vector in field {column.name!r} is another one")
    return found


def _vectors(search: GenerationSearch, field: str, target: Target) -> list[Any]:
    """The item's vector, or those of its objects; None for each that it lacks."""
    reader = search.segments[target.segment].reader
    if not search.schema.vector(field).per_object:
        return [reader.vector(field, target.row)]
    first, end = reader.object_offsets[target.row : target.row + 2].tolist()
    return [reader.vector(field, row) for row in range(first, end)]
