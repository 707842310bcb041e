"""`sightwire models migrate|rollback|migrations|migration|drop-shadow`: moves of collections to other models."""

import asyncio
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sightwire.cli.bus import with_bus
from sightwire.cli.options import AsJson, CollectionArgument, DataDir
from sightwire.cli.output import fail, notices, print_json, print_members, print_table, time_text

if TYPE_CHECKING:
    from sightwire.bus.connection import Bus
    from sightwire.contracts.migrations import Migration
    from sightwire.contracts.pipeline_control import RunReport

_POLL_SECONDS: Final = 0.5


def migrate(
    collection: CollectionArgument,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="BUNDLE",
            help="Folder of a bundle; or a registered model: NAME, NAME:VERSION or NAME@ALIAS.",
        ),
    ],
    canary: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Let the new model answer 10% of the queries first.")
    ] = None,
    review: Annotated[bool, typer.Option("--review", help="Ask a reviewer of `models` before any query.")] = False,
    queries: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help='Queries whose answers are known, a line each: {"query": "…", "relevant": ["id"]}.',
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="NAME=VALUE", help="Another parameter of the pipeline, in YAML."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Wait for the end; exit with 1 unless the new model answers.")
    ] = False,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Move a collection to another model while it goes on answering and taking items in.

    Begins a run of the pipeline `migrate-collection`, which `sightwire pipelines status` and `cancel` know. Until it
    has promoted the new model nothing changes; afterwards `sightwire models rollback` goes back at once.
    """
    from sightwire.bus.orchestrator import OrchestratorClient
    from sightwire.contracts.migration_control import MigrationReport, StartMigration
    from sightwire.contracts.migration_plans import MigrationPlan
    from sightwire.contracts.pipelines import PipelineRunState
    from sightwire_orchestrator.commands.pipeline_runs import parameter
    from sightwire_orchestrator.commands.requests import request_of

    parameters = dict(parameter(text) for text in set_ or ())
    parameters |= {"collection": collection, "model": _registered(to, data_dir), "review": review}
    if canary is not None:
        parameters["canary_share"] = share_of(canary)
    if queries is not None:
        parameters["labelled_queries"] = _inline(queries)
    request = StartMigration(plan=request_of(MigrationPlan, **parameters))

    async def act(bus: "Bus") -> "RunReport":
        begun = (await OrchestratorClient(bus).ask_migrations(request, MigrationReport)).run
        return await _followed(bus, begun, collection, silent=as_json) if watch else begun

    report = with_bus(data_dir, act)
    if as_json:
        print_json(report)
    elif not watch:
        typer.echo(f"run {report.run} has begun; `sightwire models migrations {collection}` shows how far it is")
    elif report.state is PipelineRunState.SUCCEEDED:
        print_members({"run": report.run, **report.results})
    elif (error := report.error) is not None:
        fail(f"{report.failed_task}: {error.detail}; collection {collection} answers as before")
    else:
        fail(f"run {report.run} was {report.state}; collection {collection} answers as before")
    if watch and report.state is not PipelineRunState.SUCCEEDED:
        raise typer.Exit(1)


def rollback(
    collection: CollectionArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")] = "",
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Let a collection answer again as before its last migration, at once; nothing that came in since is missing."""
    from sightwire_orchestrator.migrations.switch_over import roll_back

    async def act(bus: "Bus") -> "Migration":
        return await roll_back(bus, collection, by=getuser(), reason=reason)

    migration = with_bus(data_dir, act)
    if as_json:
        print_json(migration)
        return
    typer.echo(f"collection {collection} answers as before its migration to {migration.model}")
    if migration.keep_until is not None:
        typer.echo(f"the index of {migration.model} is kept until {time_text(migration.keep_until)}")


def migrations(
    collection: Annotated[str | None, typer.Argument(help="Only those of this collection.")] = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """List migrations of collections, the newest first: how far they are, and what became of them."""
    from sightwire_orchestrator.commands.migration_output import MIGRATION_COLUMNS, migration_row

    async def act(bus: "Bus") -> "list[Migration]":
        from sightwire.bus.migrations import Migrations

        return await Migrations(bus).all(collection)

    found = with_bus(data_dir, act)
    if as_json:
        print_json(found)
    else:
        print_table(MIGRATION_COLUMNS, map(migration_row, found))


def migration(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run of the migration.")],
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Show a migration: its steps, how long the filling takes, and what each gate saw."""
    from sightwire.contracts.migration_control import MigrationReport, ReadMigration
    from sightwire_orchestrator.commands.migration_output import print_migration
    from sightwire_orchestrator.commands.requests import request_of

    request = request_of(ReadMigration, run=run)

    async def act(bus: "Bus") -> "MigrationReport":
        from sightwire.bus.orchestrator import OrchestratorClient

        return await OrchestratorClient(bus).ask_migrations(request, MigrationReport)

    report = with_bus(data_dir, act)
    if as_json:
        print_json(report)
    else:
        print_migration(report)


def drop_shadow(
    shadow: Annotated[str, typer.Argument(metavar="SHADOW", help="As `sightwire doctor` names it.")],
    data_dir: DataDir = Path("data"),
) -> None:
    """Remove a shadow of a collection that no migration needs, with its index."""
    from sightwire_orchestrator.migrations.giving_up import drop_left_shadow

    async def act(bus: "Bus") -> None:
        await drop_left_shadow(bus, shadow)

    with_bus(data_dir, act)
    typer.echo(f"removed {shadow}")


def share_of(text: str) -> float:
    """`10%` or `0.1` as a share; a usage error when it is something else."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise typer.BadParameter(f"expected a share such as 10% or 0.1, got {text!r}", param_hint="--canary")
    return share


def _registered(model: str, data_dir: Path) -> str:
    """The registered model that is meant; the bundle of a folder is registered first."""
    from sightwire.bundles import BUNDLE_FILE
    from sightwire.contracts.model_control import (
        BundleFolder,
        ModelRegistration,
        ReadModel,
        RegisteredModel,
        RegisterModel,
    )
    from sightwire_orchestrator.commands.registry_access import ask_registry

    if not (Path(model) / BUNDLE_FILE).is_file():
        found = ask_registry(data_dir, lambda registry: registry(ReadModel(model=model), RegisteredModel))
        return str(found.model.id)
    request = RegisterModel(bundle=BundleFolder(path=str(Path(model).absolute())), by=getuser())
    registration = ask_registry(data_dir, lambda registry: registry(request, ModelRegistration))
    return str(registration.model.id)


def _inline(queries: Path) -> dict[str, Any]:
    """Labelled queries as a parameter: workers may be on other machines."""
    from sightwire.contracts.migration_plans import InlineQueries
    from sightwire_orchestrator.migrations.labelled_queries import parse_labelled_queries

    parsed = parse_labelled_queries(queries.read_bytes(), origin=str(queries))
    return InlineQueries(kind="inline", queries=parsed).model_dump(mode="json")


async def _followed(bus: "Bus", report: "RunReport", collection: str, *, silent: bool) -> "RunReport":
    """The run when it has ended; where it stands is shown meanwhile, unless `silent`."""
    from sightwire.bus.migrations import Migrations
    from sightwire.bus.pipelines import PipelinesClient
    from sightwire.cli.operation_output import ProgressLine
    from sightwire_orchestrator.commands.migration_output import progress_of

    client, known, line = PipelinesClient(bus), Migrations(bus), ProgressLine(notices)
    try:
        while not report.state.is_final:
            filling = [one.filling for one in await known.all(collection) if one.run == report.run]
            if not silent:
                line.show_text(*progress_of(report, filling[0] if filling else None))
            await asyncio.sleep(_POLL_SECONDS)
            report = await client.run(report.run)
    finally:
        line.clear()
    return report
