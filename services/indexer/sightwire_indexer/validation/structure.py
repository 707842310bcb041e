"""Gate: every file of every segment is what its description says, and every delete bitmap fits its segment."""

from collections.abc import Iterator

from sightwire.contracts.validation import GateReport
from sightwire.errors import CorruptDataError
from sightwire.segments.description import verify_files
from sightwire.segments.open_segments import OpenSegment
from sightwire_indexer.validation.trial import Trial, gate_report


def structure(trial: Trial) -> GateReport:
    """Reads all files."""
    failures = [f"the store lacks {key}, which the generation refers to" for key in trial.missing_blobs]
    total_bytes = 0
    for segment in trial.candidate.generation.segments:
        trial.go_on()
        failures += _defects(segment)
        total_bytes += segment.live.reader.disk_bytes
    count = len(trial.candidate.generation.segments)
    files = sum(len(segment.live.reader.description.files) for segment in trial.candidate.generation.segments)
    return gate_report(
        "structure",
        f"{files} files of {count} segments ({total_bytes:,} bytes) read, {len(failures)} defects",
        {"segments": count, "files": files, "bytes": total_bytes, "defects": len(failures)},
        failures,
        passed=not failures,
    )


def unreadable(error: Exception) -> GateReport:
    """The report for a generation that cannot even be opened."""
    return gate_report("structure", "the generation cannot be opened", {}, [str(error)], passed=False)


def _defects(segment: OpenSegment) -> Iterator[str]:
    entry, reader, deletes = segment.entry, segment.live.reader, segment.live.deletes
    try:
        verify_files(reader.folder, reader.description, checksums=True)
    except CorruptDataError as error:
        yield error.detail
    for what, listed, actual in (
        ("rows", entry.rows, reader.rows),
        ("tombstones", entry.tombstones, reader.description.tombstones),
        ("bytes", entry.disk_bytes, reader.disk_bytes),
        ("deleted rows", entry.rows - entry.live_rows, len(deletes)),
    ):
        if listed != actual:
            yield f"segment {entry.id} has {actual} {what}, the manifest says {listed}"
    if deletes and deletes.max() >= reader.rows:
        yield f"the delete bitmap of segment {entry.id} names row {deletes.max()}, but it has {reader.rows} rows"
