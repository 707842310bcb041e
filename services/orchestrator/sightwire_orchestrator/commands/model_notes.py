"""`sightwire models annotate`: what people say of a registered version."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from sightwire.cli.options import AsJson, DataDir
from sightwire.cli.output import print_json, print_members
from sightwire.contracts.models import ModelNotes
from sightwire_orchestrator.commands.requests import request_of

Value = TypeVar("Value")

_REPEATABLE = "May be repeated."


def annotate(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A registered model: NAME, NAME:VERSION or NAME@ALIAS.")
    ],
    description: Annotated[
        str | None, typer.Option(help="What it is, in the place of what its bundle says; empty: as that says.")
    ] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help=_REPEATABLE)] = None,
    without_tags: Annotated[list[str] | None, typer.Option("--remove-tag", metavar="TAG", help=_REPEATABLE)] = None,
    metadata: Annotated[list[str] | None, typer.Option("--metadata", metavar="KEY=TEXT", help=_REPEATABLE)] = None,
    without_metadata: Annotated[
        list[str] | None, typer.Option("--remove-metadata", metavar="KEY", help=_REPEATABLE)
    ] = None,
    metrics: Annotated[
        list[str] | None, typer.Option("--metric", metavar="DATASET/MEASURE=NUMBER", help=_REPEATABLE)
    ] = None,
    without_metrics: Annotated[
        list[str] | None, typer.Option("--remove-metric", metavar="DATASET/MEASURE", help=_REPEATABLE)
    ] = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Change description, tags, metadata and figures of a registered model; what is not named stays as it is."""
    from sightwire.contracts.model_control import AnnotateModel, ReadModel, RegisteredModel
    from sightwire_orchestrator.commands.model_options import named_numbers, named_texts
    from sightwire_orchestrator.commands.model_output import members
    from sightwire_orchestrator.commands.registry_access import Registry, ask_registry

    new_metadata = named_texts(metadata or [], "--metadata")
    new_metrics = named_numbers(metrics or [], "--metric")
    read = request_of(ReadModel, model=model)

    async def change(registry: Registry) -> RegisteredModel:
        present = (await registry(read, RegisteredModel)).model
        notes = changed_notes(
            present.notes,
            description=description,
            tags=tags or (),
            without_tags=without_tags or (),
            metadata=new_metadata,
            without_metadata=without_metadata or (),
            metrics=new_metrics,
            without_metrics=without_metrics or (),
        )
        # Who was faster has changed what this is based on.
        wanted = AnnotateModel(model=str(present.id), notes=notes, expected_revision=present.revision)
        return await registry(wanted, RegisteredModel)

    annotated = ask_registry(data_dir, change)
    if as_json:
        print_json(annotated.model)
    else:
        print_members(members(annotated))


def changed_notes(
    notes: ModelNotes,
    *,
    description: str | None = None,
    tags: Iterable[str] = (),
    without_tags: Collection[str] = (),
    metadata: Mapping[str, Any],
    without_metadata: Collection[str] = (),
    metrics: Mapping[str, float],
    without_metrics: Collection[str] = (),
) -> ModelNotes:
    """Notes after some changes: first what is to go goes, then what is new takes the place of what it was.

    Args:
        description: None leaves it; empty takes it away.

    Raises:
        InvalidInputError: what is new cannot be so.
    """
    return request_of(
        ModelNotes,
        description=notes.description if description is None else description or None,
        tags=tuple(dict.fromkeys([*(tag for tag in notes.tags if tag not in without_tags), *tags])),
        metadata={**_without(notes.metadata, without_metadata), **metadata},
        metrics={**_without(notes.metrics, without_metrics), **metrics},
    )


def _without(members: Mapping[str, Value], names: Collection[str]) -> dict[str, Value]:
    return {name: value for name, value in members.items() if name not in names}
