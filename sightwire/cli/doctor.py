"""`sightwire doctor`: everything that can be looked at, and what to do about it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from sightwire.cli.operation_running import wait_for
from sightwire.cli.options import ApiKey, AsJson, DataDir, Url
from sightwire.cli.output import escaped, print_json, print_table
from sightwire.client import Sightwire
from sightwire.client.connection import DEFAULT_URL
from sightwire.contracts.control import Finding
from sightwire.contracts.operations import OperationState
from sightwire.errors import SightwireError

SubjectFinding = tuple[str, Finding]


def doctor(
    scan: Annotated[bool, typer.Option("--scan", help="Read every file of every index, and wait for it.")] = False,
    list_all: Annotated[bool, typer.Option("--all", help="List also what is fine.")] = False,
    data_dir: DataDir = Path("data"),
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Look for problems of the platform, of each collection, and of this machine if the platform runs here.

    Exits with 1 when there is a problem; warnings alone do not count.
    """
    found = list(_on_this_machine(data_dir))
    with Sightwire(url, api_key=api_key) as sightwire:
        if scan:
            # The diagnosis says what scans found; here is told only which could not be done.
            found += _failed_scans(sightwire, silent=as_json)
        found += _diagnosed(sightwire)
    if as_json:
        print_json([{"subject": subject, **finding.model_dump(mode="json")} for subject, finding in found])
    else:
        shown = [(subject, finding) for subject, finding in found if list_all or finding.status != "ok"]
        if shown:
            print_table(("", "about", "check", "what was found", "what to do"), finding_rows(shown))
        typer.echo(summary_of(found))
    if any(finding.status == "problem" for _, finding in found):
        raise typer.Exit(1)


def summary_of(found: list[SubjectFinding]) -> str:
    """How many checks were made of what, and how many of them are fine."""
    subjects = ", ".join(dict.fromkeys(subject for subject, _ in found))
    fine = sum(finding.status == "ok" for _, finding in found)
    return f"{fine} of {len(found)} checks are fine ({subjects}); --all lists them"


def finding_rows(found: list[SubjectFinding]) -> list[tuple[str, str, str, str, str]]:
    """Rows of a table, problems first, then warnings."""
    gravity = {"problem": 0, "warning": 1, "ok": 2}
    ordered = sorted(found, key=lambda entry: gravity[entry[1].status])
    return [
        (
            finding.status.upper() if finding.status == "problem" else finding.status,
            subject,
            finding.check,
            escaped(finding.detail),
            escaped(finding.advice),
        )
        for subject, finding in ordered
    ]


def _diagnosed(sightwire: Sightwire) -> list[SubjectFinding]:
    try:
        return list(sightwire.diagnose().by_subject())
    except SightwireError as error:
        return [("platform", _unanswered("gateway", error))]


def _failed_scans(sightwire: Sightwire, *, silent: bool) -> Iterator[SubjectFinding]:
    try:
        names = [summary.name for summary in sightwire.collections.list()]
    except SightwireError:
        # The diagnosis will say that the gateway does not answer.
        return
    for name in names:
        try:
            ended = wait_for(sightwire, sightwire.index.scan(name), silent=silent)
        except SightwireError as error:
            yield name, _unanswered("checksum scan", error)
            continue
        if ended.state is not OperationState.SUCCEEDED:
            yield (
                name,
                _unanswered("checksum scan", SightwireError(f"{ended.state.value}: {ended.error or 'no reason'}")),
            )


def _unanswered(check: str, error: SightwireError) -> Finding:
    return Finding(
        check=check,
        status="problem",
        detail=str(error),
        advice="see whether all processes run: `sightwire status` on the platform's machine, their logs, /readyz",
    )


def _on_this_machine(data_dir: Path) -> Iterator[SubjectFinding]:
    from sightwire.platform.data_directory import DataDirectory
    from sightwire.platform.machine_checks import check_machine

    info = DataDirectory(data_dir).read_info()
    if info is None:
        # The platform runs somewhere else: there is nothing to look at here.
        return
    for finding in asyncio.run(check_machine(info)):
        yield "machine", finding
