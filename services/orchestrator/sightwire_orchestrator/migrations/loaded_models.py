"""Models that runs have loaded: given up again when nothing is of their space."""

import logging

from sightwire.bus.connection import Bus
from sightwire.bus.embedding_models import EmbeddingModels
from sightwire.bus.orchestrator import OrchestratorClient
from sightwire.contracts.model_control import ServedModels, UnloadModel
from sightwire.contracts.models import ModelId
from sightwire.errors import ConflictError, NotFoundError

logger = logging.getLogger(__name__)


def loaded_by(run: str) -> str:
    """By whom a model was loaded that a run loaded."""
    return f"run {run}"


async def unload_if_unused(bus: Bus, model: ModelId, *, run: str) -> None:
    """Has embedders give up a model that a run loaded, unless a collection has vectors of it or it is the default.

    Raises:
        UnavailableError: bus or orchestrator do not answer.
    """
    mine = loaded_by(run)
    if not any(one.model == model and one.requested_by == mine for one in await EmbeddingModels(bus).all()):
        return
    try:
        await OrchestratorClient(bus).ask_models(UnloadModel(model=str(model)), ServedModels)
    except (ConflictError, NotFoundError) as error:
        logger.info("a model stays loaded", extra={"model": str(model), "reason": error.detail})
