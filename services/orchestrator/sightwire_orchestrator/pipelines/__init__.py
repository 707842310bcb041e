"""Definitions of pipelines that come with the platform; the active orchestrator stores them when it starts."""

from importlib.resources import files
from typing import Final

from sightwire.contracts.pipelines import PipelineDefinition
from sightwire_orchestrator.definitions.reading import read_definition

#: Moves a collection to another model.
MIGRATE_COLLECTION: Final = "migrate-collection"
_NAMES: Final = (MIGRATE_COLLECTION,)


def shipped_text(name: str) -> str:
    """The definition of a shipped pipeline, as YAML."""
    return files(__name__).joinpath(f"{name}.yaml").read_text()


def shipped_pipelines() -> tuple[PipelineDefinition, ...]:
    """All that are shipped. Reading takes a moment: not on an event loop."""
    return tuple(read_definition(shipped_text(name), origin=f"{name}.yaml") for name in _NAMES)
