"""Carries an operation from its start to its end in front of a person, or of a program."""

from typing import Annotated

import typer

from sightwire.cli.operation_output import ProgressLine, damage_of, operation_members, print_report
from sightwire.cli.output import fail, notices, print_json, print_members
from sightwire.client import ApiError, Sightwire
from sightwire.contracts.operations import OperationRecord, OperationState
from sightwire.contracts.validation import ValidationReport

NoWait = Annotated[bool, typer.Option("--no-wait", help="Return as soon as it has begun.")]

#: Those that end at the gates, and those whose report is of interest when all went well.
_GATED = frozenset({"rebuild", "validate", "switch", "restore"})
_SHOWN_WHEN_PASSED = frozenset({"validate"})


def carry_through(sightwire: Sightwire, begun: OperationRecord, *, no_wait: bool, as_json: bool) -> None:
    """Waits for an operation, with its progress, and prints what came of it.

    Exits with 1 unless it succeeded, and when a scan found damage.
    """
    if no_wait:
        _print_begun(begun, as_json=as_json)
        return
    ended = wait_for(sightwire, begun, silent=as_json)
    report = report_of(sightwire, ended)
    if as_json:
        print_json({**ended.model_dump(mode="json"), "report": report})
    else:
        _print_ended(ended, report)
    if ended.state is not OperationState.SUCCEEDED or damage_of(ended):
        raise typer.Exit(1)


def wait_for(sightwire: Sightwire, begun: OperationRecord, *, silent: bool) -> OperationRecord:
    """The operation once it has ended; its progress is shown unless `silent`. It goes on when this is interrupted."""
    line = ProgressLine(notices)
    try:
        return sightwire.operations.wait(
            begun.collection, begun.id, on_change=None if silent else lambda record: line.show(record)
        )
    except KeyboardInterrupt:
        line.clear()
        notices.print(
            f"operation {begun.id} goes on; `sightwire index operations {begun.collection}` shows it, "
            f"`sightwire index cancel {begun.collection}` ends it",
            soft_wrap=True,
        )
        raise typer.Exit(130) from None
    finally:
        line.clear()


def report_of(sightwire: Sightwire, ended: OperationRecord) -> ValidationReport | None:
    """What the gates saw in an operation; None when it never came to them."""
    if ended.command.kind not in _GATED:
        return None
    generation = _judged_generation(ended)
    if generation is None:
        return None
    try:
        report = sightwire.index.report(ended.collection, generation)
    except ApiError:
        # It failed before the gates; its error says how.
        return None
    return report if report.created_at >= ended.created_at else None


def _judged_generation(ended: OperationRecord) -> str | None:
    named = ended.result.get("generation") or getattr(ended.command, "generation", None)
    return str(named) if named is not None else None


def _print_begun(begun: OperationRecord, *, as_json: bool) -> None:
    if as_json:
        print_json(begun)
        return
    typer.echo(f"began {begun.command.kind} as operation {begun.id}")


def _print_ended(ended: OperationRecord, report: ValidationReport | None) -> None:
    print_members(operation_members(ended))
    is_good = ended.state is OperationState.SUCCEEDED
    if report is not None and (not is_good or ended.command.kind in _SHOWN_WHEN_PASSED):
        print_report(report)
    for damage in damage_of(ended):
        fail(damage)
    if not is_good:
        fail(f"{ended.command.kind} {ended.state.value}: {ended.error or 'no reason was given'}")
