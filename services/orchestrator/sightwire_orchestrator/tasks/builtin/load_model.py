"""`load_model`: a registered model, served by every embedder."""

from pydantic import Field, JsonValue

from sightwire.bus.connection import Bus
from sightwire.bus.embedders import EmbedderDirectory
from sightwire.bus.orchestrator import OrchestratorClient
from sightwire.contracts.model_control import LoadModel, ModelReference, ReadModel, RegisteredModel, ServedModel
from sightwire.contracts.models import ModelVersion
from sightwire.errors import ConflictError
from sightwire_orchestrator.migrations.loaded_models import loaded_by, unload_if_unused
from sightwire_orchestrator.tasks.builtin.parameters import TaskParameters
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.errors import OperationFailedError
from sightwire_orchestrator.tasks.registry import handler


class LoadModelParameters(TaskParameters):
    """Which model."""

    model: ModelReference = Field(description="NAME, NAME:VERSION or NAME@ALIAS")


@handler("load_model")
async def load_model(context: TaskContext, parameters: LoadModelParameters) -> JsonValue:
    """Have every embedder serve a model: {model, name, version, space, dimension, embedders}.

    It waits until each live embedder does, and fails with the reasons of those that cannot.
    """
    bus = context.resources.require_bus()
    orchestrator = OrchestratorClient(bus)
    model = (await orchestrator.ask_models(ReadModel(model=parameters.model), RegisteredModel)).model
    if model.deprecation is not None:
        raise ConflictError(f"model {model.id} is deprecated: {model.deprecation.reason}")
    # Its version from now on: an alias may mean another one in a moment.
    await orchestrator.ask_models(LoadModel(model=str(model.id), by=loaded_by(context.run)), ServedModel)
    try:
        names = await _served(context, bus, model)
    except OperationFailedError:
        # Embedders try again only what is asked for anew.
        await unload_if_unused(bus, model.id, run=context.run)
        raise
    return {
        "model": str(model.id),
        "name": model.id.name,
        "version": model.id.version,
        "space": model.space,
        "dimension": model.dimension,
        "embedders": list(names),
    }


async def _served(context: TaskContext, bus: Bus, model: ModelVersion) -> list[str]:
    async with EmbedderDirectory(bus) as embedders:
        while not embedders.served_everywhere(model.space):
            failures = embedders.failures(model.space)
            if failures:
                reasons = "; ".join(f"{embedder}: {reason}" for embedder, reason in sorted(failures.items()))
                raise OperationFailedError(f"model {model.id} cannot be served by every embedder: {reasons}")
            live = embedders.all()
            done = sum(embedder.serves(model.space) for embedder in live)
            context.progress("loading the model", done=done, total=len(live), unit="embedders")
            await embedders.wait_for_change()
        return sorted(embedder.embedder for embedder in embedders.all())
