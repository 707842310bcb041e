"""How operations, their progress, and reports of gates look on a terminal."""

from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console

from sightwire.byte_sizes import bytes_text
from sightwire.cli.output import escaped, print_table, time_text
from sightwire.contracts.operations import OperationRecord, Progress
from sightwire.contracts.validation import ValidationReport

#: Of results: a key in the blob store, and what is told in sentences.
_NOT_SHOWN: Final = frozenset({"report", "damaged"})
_TO_START_OF_EMPTY_LINE: Final = "\r\x1b[2K"


def progress_text(progress: Progress) -> str:
    """`building: 1200 of 5000 vectors (24%)`."""
    if not progress.done and not progress.total:
        return progress.stage
    if progress.unit == "bytes":
        done, total, unit = bytes_text(progress.done), bytes_text(progress.total), ""
    else:
        done, total, unit = f"{progress.done:,}", f"{progress.total:,}", f" {progress.unit}".rstrip()
    if not progress.total:
        return f"{progress.stage}: {done}{unit}"
    return f"{progress.stage}: {done} of {total}{unit} ({progress.done / progress.total:.0%})"


class ProgressLine:
    """Shows progress: one line that is rewritten on a terminal, a line for each stage elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage: str | None = None

    def show(self, record: OperationRecord) -> None:
        """Shows how far an operation is."""
        self.show_text(record.progress.stage, f"{record.command.kind}: {progress_text(record.progress)}")

    def show_text(self, stage: str, line: str) -> None:
        """Shows how far something is that has come to `stage`."""
        if self._console.is_terminal:
            self._console.file.write(f"{_TO_START_OF_EMPTY_LINE}{line[: self._console.width - 1]}")
            self._console.file.flush()
        elif stage != self._stage:
            self._console.print(line, markup=False, soft_wrap=True)
        self._stage = stage

    def clear(self) -> None:
        """Takes the rewritten line away, so that what follows begins a line."""
        if self._console.is_terminal and self._stage is not None:
            self._console.file.write(_TO_START_OF_EMPTY_LINE)
            self._console.file.flush()


def operation_members(record: OperationRecord) -> dict[str, Any]:
    """What became of an operation, as members to print."""
    return {
        "collection": record.collection,
        "operation": record.id,
        "kind": record.command.kind,
        "state": record.state.value,
        "took": _duration(record),
        **{name: _short(value) for name, value in record.result.items() if name not in _NOT_SHOWN},
    }


def damage_of(record: OperationRecord) -> list[str]:
    """What a checksum scan found damaged, a sentence for each segment."""
    return [
        f"segment {found['segment']} ({found['items']:,} items, in {', '.join(found['generations'])}): "
        f"{'; '.join(found['damage'])}"
        for found in record.result.get("damaged", ())
    ]


def operation_rows(records: Iterable[OperationRecord]) -> list[tuple[Any, ...]]:
    """Rows of a table with `OPERATION_COLUMNS`."""
    return [
        (
            record.id,
            record.command.kind,
            record.state.value,
            time_text(record.created_at),
            _duration(record),
            record.requested_by,
            escaped(record.error or "") if record.state.is_final else progress_text(record.progress),
        )
        for record in records
    ]


OPERATION_COLUMNS: Final = ("operation", "kind", "state", "begun", "took", "by", "")


def print_report(report: ValidationReport) -> None:
    """Each gate with what it saw, then each query or file that failed and how."""
    rows = [("passed" if gate.passed else "FAILED", gate.gate, escaped(gate.summary)) for gate in report.gates]
    print_table(("", "gate", "what it saw"), rows)
    failures = [(gate.gate, escaped(failure)) for gate in report.gates if not gate.passed for failure in gate.failures]
    if failures:
        print_table(("failed in", "what and how"), failures)


def _short(value: Any) -> Any:
    """Lists may have thousands of entries: their number tells enough."""
    return f"{len(value):,}" if isinstance(value, list) else value


def _duration(record: OperationRecord) -> str | None:
    if record.finished_at is None:
        return None
    return f"{(record.finished_at - record.created_at).total_seconds():.1f} s"
