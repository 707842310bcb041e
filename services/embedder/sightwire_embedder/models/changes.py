"""What an embedder has to do so that it serves what is wanted: a pure decision."""

from collections.abc import Mapping
from dataclasses import dataclass

from sightwire.contracts.embedding_models import EmbeddingModel


@dataclass(frozen=True, slots=True)
class ModelChanges:
    """Models to begin to serve, and spaces to serve no longer, or not to load any more."""

    load: tuple[EmbeddingModel, ...]
    drop: tuple[str, ...]
    #: Why a model cannot be served, by space.
    refused: Mapping[str, str]


def decide_changes(
    wanted: Mapping[str, EmbeddingModel], *, present: Mapping[str, str], started_space: str
) -> ModelChanges:
    """The changes from what is there to what is wanted.

    Args:
        wanted: models by space.
        present: sha256 of the bundle.yaml of each model that is served or on its way, by space; where one replaces
            another, that of the new one.
        started_space: of the model that the embedder was started with, which neither goes nor is replaced.
    """
    refused = {
        space: f"this embedder was started with another bundle of the space {space!r}; start it with {model.model}"
        for space, model in wanted.items()
        if space == started_space and model.bundle_sha256 != present[space]
    }
    return ModelChanges(
        load=tuple(
            model
            for space, model in wanted.items()
            if space != started_space and model.bundle_sha256 != present.get(space)
        ),
        drop=tuple(space for space in present if space not in wanted and space != started_space),
        refused=refused,
    )
