"""`sightwire models`: the registry of models."""

from getpass import getuser
from pathlib import Path
from typing import Annotated

import typer

from sightwire.cli.options import AsJson
from sightwire.cli.output import notices, print_json, print_members, print_table

app = typer.Typer(
    help="Register, list, show and compare models; say which of them is live.",
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
    as_json: AsJson = False,
) -> None:
    """Verify every file of a bundle, keep copies in the blob store, and register it under its name and version."""
    from sightwire.contracts.models import ModelLineage, ModelNotes
    from sightwire_orchestrator.commands.model_options import model_id, named_numbers, named_texts
    from sightwire_orchestrator.commands.registry_access import ask_registry

    notes = ModelNotes(
        tags=tuple(tags or ()),
        metadata=dict(named_texts(metadata or [], "--metadata")),
        metrics=named_numbers(metrics or [], "--metric"),
    )
    lineage = ModelLineage(data=tuple(data or ()), run=run, parent=None if parent is None else model_id(parent))
    if stored:
        registration = ask_registry(
            lambda registry: registry.register_stored(bundle, notes=notes, lineage=lineage, by=getuser())
        )
    else:
        registration = ask_registry(
            lambda registry: registry.register(Path(bundle), notes=notes, lineage=lineage, by=getuser())
        )
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
    as_json: AsJson = False,
) -> None:
    """List registered models, the newest version of each first."""
    from sightwire.contracts.models import AliasMove, ModelVersion
    from sightwire_orchestrator.commands.model_output import LIST_COLUMNS, list_row
    from sightwire_orchestrator.commands.registry_access import ask_registry
    from sightwire_orchestrator.registry.service import ModelRegistry

    async def find(registry: ModelRegistry) -> list[tuple[ModelVersion, dict[str, AliasMove]]]:
        models = await registry.versions(name=name, space=space, tag=tag, with_deprecated=deprecated)
        aliases = {name: await registry.aliases.of(name) for name in {model.id.name for model in models}}
        return [(model, aliases[model.id.name]) for model in models]

    found = ask_registry(find)
    if as_json:
        print_json([model for model, _ in found])
    else:
        print_table(LIST_COLUMNS, (list_row(model, aliases) for model, aliases in found))


@app.command("show")
def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=f"Folder of a bundle; or a registered one: {_NAMED}.")],
    as_json: AsJson = False,
) -> None:
    """Show what a bundle says of itself, and what the registry knows of a registered one."""
    from sightwire.bundles import BUNDLE_FILE, load_bundle
    from sightwire.cli.bundle_output import print_bundle
    from sightwire.contracts.models import AliasMove, ModelVersion
    from sightwire_orchestrator.commands.model_output import members
    from sightwire_orchestrator.commands.registry_access import ask_registry
    from sightwire_orchestrator.registry.service import ModelRegistry

    if "/" in model or (Path(model) / BUNDLE_FILE).is_file():
        print_bundle(load_bundle(Path(model), verify=False), as_json=as_json)
        return

    async def find(registry: ModelRegistry) -> tuple[ModelVersion, dict[str, AliasMove]]:
        found = await registry.get(model)
        return found, await registry.aliases.of(found.id.name)

    found, aliases = ask_registry(find)
    if as_json:
        print_json(found)
        return
    print_members(members(found, aliases))
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
    as_json: AsJson = False,
) -> None:
    """Let an alias mean a version, or show what it meant."""
    from sightwire.contracts.models import AliasMove
    from sightwire_orchestrator.commands.model_output import MOVE_COLUMNS, move_row
    from sightwire_orchestrator.commands.registry_access import ask_registry
    from sightwire_orchestrator.registry.service import ModelRegistry

    if sum((version is not None, remove, back)) > 1:
        raise typer.BadParameter("give one of VERSION, --remove and --back")

    async def move(registry: ModelRegistry) -> list[AliasMove]:
        aliases = registry.aliases
        if back:
            return [await aliases.roll_back(name, alias, by=getuser(), reason=reason)]
        if version is None and not remove:
            return await aliases.history(name, alias)
        present = expected or await aliases.meaning(name, alias)
        return [await aliases.move(name, alias, version, expected=present, by=getuser(), reason=reason)]

    moves = ask_registry(move)
    if as_json:
        print_json(moves)
    elif not moves:
        notices.print(f"model {name!r} never had an alias {alias!r}")
    else:
        print_table(MOVE_COLUMNS, map(move_row, moves))


@app.command("compare")
def compare(before: Model, after: Model, as_json: AsJson = False) -> None:
    """Show what differs between two registered models: figures, configuration, files."""
    from sightwire_orchestrator.commands.model_output import difference_rows, metric_rows
    from sightwire_orchestrator.commands.registry_access import ask_registry

    comparison = ask_registry(lambda registry: registry.compare(before, after))
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
) -> None:
    """Mark a model as one not to be used any more; it gets no alias, and can still be fetched."""
    from sightwire_orchestrator.commands.model_options import model_id
    from sightwire_orchestrator.commands.registry_access import ask_registry

    by_id = None if replacement is None else model_id(replacement)
    deprecated = ask_registry(lambda registry: registry.deprecate(model, reason, replacement=by_id, by=getuser()))
    typer.echo(f"{deprecated.id} is deprecated")
