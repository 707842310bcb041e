"""`sightwire models`: the registry of models."""

from getpass import getuser
from pathlib import Path
from typing import Annotated

import typer

from sightwire.cli.options import AsJson, DataDir
from sightwire.cli.output import notices, print_json, print_members, print_table
from sightwire_orchestrator.commands import model_migrations, model_notes, model_serving

app = typer.Typer(
    help="Register, annotate and compare models; say which is live, which embedders serve, which a collection has.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_NAMED = "NAME, NAME:VERSION or NAME@ALIAS"
Model = Annotated[str, typer.Argument(metavar="MODEL", help=f"A registered model: {_NAMED}.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept.")]


@app.command("register")
def register(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="Folder of a model bundle.")],
    stored: Annotated[bool, typer.Option("--stored", help="BUNDLE is a folder in the blob store.")] = False,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="May be repeated.")] = None,
    metrics: Annotated[
        list[str] | None, typer.Option("--metric", metavar="DATASET/MEASURE=NUMBER", help="May be repeated.")
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", metavar="KEY=TEXT", help="May be repeated.")
    ] = None,
    data: Annotated[list[str] | None, typer.Option("--data", help="What it was trained with; may be repeated.")] = None,
    run: Annotated[str | None, typer.Option(help="The run that made it.")] = None,
    parent: Annotated[
        str | None, typer.Option(metavar="NAME:VERSION", help="Registered model that it was made from.")
    ] = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Verify every file of a bundle, keep copies in the blob store, and register it under its name and version."""
    from sightwire.contracts.model_control import BundleFolder, ModelRegistration, RegisterModel, StoredBundle
    from sightwire.contracts.models import ModelLineage, ModelNotes
    from sightwire_orchestrator.commands.model_options import model_id, named_numbers, named_texts
    from sightwire_orchestrator.commands.registry_access import ask_registry
    from sightwire_orchestrator.commands.requests import request_of

    request = request_of(
        RegisterModel,
        bundle=StoredBundle(prefix=bundle) if stored else BundleFolder(path=str(Path(bundle).absolute())),
        notes=request_of(
            ModelNotes,
            tags=tuple(tags or ()),
            metadata=named_texts(metadata or [], "--metadata"),
            metrics=named_numbers(metrics or [], "--metric"),
        ),
        lineage=ModelLineage(data=tuple(data or ()), run=run, parent=None if parent is None else model_id(parent)),
        by=getuser(),
    )
    registration = ask_registry(data_dir, lambda registry: registry(request, ModelRegistration))
    model = registration.model
    if as_json:
        print_json(model)
    else:
        what = "is registered" if registration.is_new else "was registered already"
        typer.echo(f"{model.id} {what}: {len(model.files)} files, {model.bytes / 1e6:.1f} MB")


@app.command("list")
def list_models(
    name: Annotated[str | None, typer.Argument(help="Only versions of this model.")] = None,
    space: Annotated[str | None, typer.Option(help="Only those with vectors of this space.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
    deprecated: Annotated[bool, typer.Option("--deprecated", help="Deprecated ones, too.")] = False,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """List registered models, the newest version of each first."""
    from sightwire.contracts.model_control import ListModels, ModelList, RegisteredModel
    from sightwire_orchestrator.commands.model_output import LIST_COLUMNS, list_row
    from sightwire_orchestrator.commands.registry_access import Registry, ask_registry
    from sightwire_orchestrator.commands.requests import request_of

    wanted = request_of(ListModels, name=name, space=space, tag=tag, with_deprecated=deprecated)

    async def find(registry: Registry) -> list[RegisteredModel]:
        page = await registry(wanted, ModelList)
        found = list(page.models)
        while page.next_cursor is not None:
            page = await registry(wanted.model_copy(update={"cursor": page.next_cursor}), ModelList)
            found += page.models
        return found

    found = ask_registry(data_dir, find)
    if as_json:
        print_json([registered.model for registered in found])
    else:
        print_table(LIST_COLUMNS, map(list_row, found))


@app.command("show")
def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=f"Folder of a bundle; or a registered one: {_NAMED}.")],
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Show what a bundle says of itself, and what the registry knows of a registered one."""
    from sightwire.bundles import BUNDLE_FILE, load_bundle
    from sightwire.cli.bundle_output import print_bundle
    from sightwire.contracts.model_control import ReadModel, RegisteredModel
    from sightwire_orchestrator.commands.model_output import members
    from sightwire_orchestrator.commands.registry_access import ask_registry
    from sightwire_orchestrator.commands.requests import request_of

    if "/" in model or (Path(model) / BUNDLE_FILE).is_file():
        print_bundle(load_bundle(Path(model), verify=False), as_json=as_json)
        return

    request = request_of(ReadModel, model=model)
    registered = ask_registry(data_dir, lambda registry: registry(request, RegisteredModel))
    found = registered.model
    if as_json:
        print_json(found)
        return
    print_members(members(registered))
    typer.echo()
    print_table(["file", "bytes", "sha256"], ([file.path, f"{file.bytes:,}", file.sha256] for file in found.files))
    if found.metrics:
        typer.echo()
        print_table(["metric", "value"], ([name, f"{value:g}"] for name, value in sorted(found.metrics.items())))


@app.command("alias")
def alias(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    alias: Annotated[str, typer.Argument(help="Such as live, candidate or default.")],
    version: Annotated[str | None, typer.Argument(help="What it means from now on; none: show what it meant.")] = None,
    expected: Annotated[
        str | None, typer.Option("--expect", metavar="VERSION", help="Only if it means this one now.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the alias away.")] = False,
    back: Annotated[bool, typer.Option("--back", help="Let it mean again what it meant before its last move.")] = False,
    reason: Reason = "",
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Let an alias mean a version, or show what it meant."""
    from sightwire.contracts.model_control import AliasMoves, ReadAliasHistory, RemoveAlias, RollBackAlias, SetAlias
    from sightwire.contracts.models import AliasMove
    from sightwire_orchestrator.commands.model_output import MOVE_COLUMNS, move_row
    from sightwire_orchestrator.commands.registry_access import Registry, ask_registry
    from sightwire_orchestrator.commands.requests import request_of

    if sum((version is not None, remove, back)) > 1:
        raise typer.BadParameter("give one of VERSION, --remove and --back")
    meant, said = {"name": name, "alias": alias}, {"by": getuser(), "reason": reason}
    request: SetAlias | RemoveAlias | RollBackAlias | None = None
    if version is not None:
        request = request_of(SetAlias, **meant, version=version, expected=expected, **said)
    elif remove:
        request = request_of(RemoveAlias, **meant, expected=expected, **said)
    elif back:
        request = request_of(RollBackAlias, **meant, **said)

    async def move(registry: Registry) -> tuple[AliasMove, ...]:
        if request is None:
            return (await registry(request_of(ReadAliasHistory, **meant), AliasMoves)).moves
        return (await registry(request, AliasMove),)

    moves = ask_registry(data_dir, move)
    if as_json:
        print_json(moves)
    elif not moves:
        notices.print(f"model {name!r} never had an alias {alias!r}")
    else:
        print_table(MOVE_COLUMNS, map(move_row, moves))


@app.command("compare")
def compare(before: Model, after: Model, data_dir: DataDir = Path("data"), as_json: AsJson = False) -> None:
    """Show what differs between two registered models: figures, configuration, files."""
    from sightwire.contracts.model_control import CompareModels
    from sightwire.contracts.models import ModelComparison
    from sightwire_orchestrator.commands.model_output import difference_rows, metric_rows
    from sightwire_orchestrator.commands.registry_access import ask_registry
    from sightwire_orchestrator.commands.requests import request_of

    request = request_of(CompareModels, before=before, after=after)
    comparison = ask_registry(data_dir, lambda registry: registry(request, ModelComparison))
    if as_json:
        print_json(comparison)
        return
    columns = (str(comparison.before), str(comparison.after))
    print_table(["metric", *columns, "change"], metric_rows(comparison))
    typer.echo()
    print_table(["", *columns], difference_rows(comparison))
    if not comparison.same_space:
        notices.print("their vectors are of different spaces: a collection has to be embedded anew to change over")


@app.command("deprecate")
def deprecate(
    model: Model,
    reason: Annotated[str, typer.Option("--reason", help="Why it should not be used any more.")],
    replacement: Annotated[
        str | None, typer.Option(metavar="NAME:VERSION", help="Registered model that takes its place.")
    ] = None,
    data_dir: DataDir = Path("data"),
) -> None:
    """Mark a model as one not to be used any more; it gets no alias, and can still be fetched."""
    from sightwire.contracts.model_control import DeprecateModel, RegisteredModel
    from sightwire_orchestrator.commands.model_options import model_id
    from sightwire_orchestrator.commands.registry_access import ask_registry
    from sightwire_orchestrator.commands.requests import request_of

    by_id = None if replacement is None else model_id(replacement)
    request = request_of(DeprecateModel, model=model, reason=reason, replacement=by_id, by=getuser())
    deprecated = ask_registry(data_dir, lambda registry: registry(request, RegisteredModel))
    typer.echo(f"{deprecated.model.id} is deprecated")


app.command("annotate")(model_notes.annotate)
app.command("loaded")(model_serving.loaded)
app.command("load")(model_serving.load)
app.command("unload")(model_serving.unload)
app.command("switch")(model_serving.switch)
app.command("migrate")(model_migrations.migrate)
app.command("rollback")(model_migrations.rollback)
app.command("migrations")(model_migrations.migrations)
app.command("migration")(model_migrations.migration)
app.command("drop-shadow")(model_migrations.drop_shadow)
