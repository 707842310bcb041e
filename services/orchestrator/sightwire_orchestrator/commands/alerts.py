"""`sightwire alerts`: rules on what is counted, how they stand, and what became of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import BaseModel

from sightwire.cli.bus import ACCESS, with_bus
from sightwire.cli.options import AsJson, DataDir
from sightwire.cli.output import escaped, print_json, print_table, time_text
from sightwire.errors import InvalidInputError
from sightwire_orchestrator.commands.requests import request_of

if TYPE_CHECKING:
    from sightwire.bus.connection import Bus
    from sightwire.contracts.alerts import AlertReport, AlertsRequest

app = typer.Typer(
    help=f"Alert rules on numbers of pipelines, reviews and caches. {ACCESS}",
    no_args_is_help=True,
    rich_markup_mode=None,
)

RuleName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the rule.")]
Answer = TypeVar("Answer", bound=BaseModel)


@app.command("list")
def list_rules(data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """List rules and how they stand. Exits with 1 when one fires that is not silenced."""
    from sightwire.contracts.alerts import AlertList, AlertState, ListAlerts

    alerts = _asked(data_dir, ListAlerts(), AlertList).alerts
    if as_json:
        print_json(alerts)
    else:
        _print_reports(*alerts)
    if any(each.standing.state is AlertState.FIRING and not _silence(each) for each in alerts):
        raise typer.Exit(1)


@app.command("put")
def put(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A rule in YAML or JSON, or a list of them.", dir_okay=False)
    ],
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Store rules in place of those of their names, which begin anew."""
    from sightwire.contracts.alerts import AlertReport, AlertRule, PutAlert

    rules = [request_of(AlertRule, **members) for members in _read(file)]
    stored = [_asked(data_dir, PutAlert(rule=rule), AlertReport) for rule in rules]
    if as_json:
        print_json(stored)
    else:
        typer.echo(f"stored {', '.join(report.rule.name for report in stored)}")


@app.command("delete")
def delete(name: RuleName, data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Delete a rule; its history stays."""
    from sightwire.contracts.alerts import AlertReport, DeleteAlert

    deleted = _asked(data_dir, request_of(DeleteAlert, name=name), AlertReport)
    if as_json:
        print_json(deleted)
    else:
        typer.echo(f"deleted {deleted.rule.name}")


@app.command("silence")
def silence(
    name: RuleName,
    minutes: Annotated[float, typer.Option(min=0, help="For how long nobody is told; 0 ends a silence.")] = 60.0,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Tell nobody of a rule for some time. It is looked at all the same, and told of afterwards if it still fires."""
    from sightwire.contracts.alerts import AlertReport, SilenceAlert

    report = _asked(data_dir, request_of(SilenceAlert, name=name, seconds=minutes * 60), AlertReport)
    if as_json:
        print_json(report)
    else:
        _print_reports(report)


@app.command("history")
def history(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Only of this rule.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Show when rules fired and ceased to, the newest first."""
    from sightwire.contracts.alerts import AlertHistory, ReadAlertHistory

    events = _asked(data_dir, request_of(ReadAlertHistory, name=name, limit=limit), AlertHistory).events
    if as_json:
        print_json(events)
        return
    print_table(
        ("rule", "at", "", "severity", "value", "message", "told"),
        (
            (
                event.rule,
                time_text(event.at),
                event.kind,
                event.severity,
                _number(event.value),
                escaped(event.message),
                "no" if event.is_silenced else "yes",
            )
            for event in events
        ),
    )


def _print_reports(*reports: "AlertReport") -> None:
    print_table(
        ("rule", "state", "since", "value", "fires when", "severity", "silenced until"),
        (
            (
                report.rule.name,
                report.standing.state.value if report.rule.enabled else "disabled",
                time_text(report.standing.since),
                _number(report.standing.value),
                escaped(f"{report.rule.metric_name} {report.rule.operator} {report.rule.threshold:g}"),
                report.rule.severity,
                _silence(report),
            )
            for report in reports
        ),
    )


def _silence(report: "AlertReport") -> str | None:
    from datetime import UTC, datetime

    until = report.standing.silenced_until
    return time_text(until) if until is not None and until > datetime.now(UTC) else None


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"


def _read(file: Path) -> list[dict[str, Any]]:
    from yaml import YAMLError, safe_load

    try:
        document = safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise InvalidInputError(f"cannot read {file}: {error}") from error
    rules = document if isinstance(document, list) else [document]
    if not rules or not all(isinstance(rule, dict) and all(isinstance(key, str) for key in rule) for rule in rules):
        raise InvalidInputError(f"expected a rule in {file}, or a list of rules, with names and values")
    return rules


def _asked(data_dir: Path, request: "AlertsRequest", answer: type[Answer]) -> Answer:
    async def act(bus: "Bus") -> Answer:
        from sightwire.bus.orchestrator import OrchestratorClient

        return await OrchestratorClient(bus).ask_alerts(request, answer)

    return with_bus(data_dir, act)
