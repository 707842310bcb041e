"""What embedders serve, found by name and version."""

from sightwire.contracts.model_control import ServedModel, ServedModels
from sightwire.contracts.models import ModelId
from sightwire.errors import NotFoundError


def find_served(models: ServedModels, model: ModelId) -> ServedModel:
    """How far embedders are with a version.

    Raises:
        NotFoundError: none serves it, and none is to.
    """
    for served in models.models:
        if served.model == model:
            return served
    names = ", ".join(str(served.model) for served in models.models) or "none"
    raise NotFoundError(f"no embedder serves {model} (served: {names}); POST /load-model has them load it")


def switched_to(models: ServedModels, model: ModelId) -> str | None:
    """What to switch to so that `model` becomes the default; None stands for what embedders were started with."""
    started_with = [served.model for served in models.models if not served.is_loaded]
    return None if started_with == [model] else str(model)
