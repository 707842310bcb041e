"""`rollback`: a kept generation, made live again."""

from pydantic import JsonValue

from sightwire.contracts.names import CollectionName, GenerationName
from sightwire.contracts.operations import Rollback
from sightwire_orchestrator.tasks.builtin.index_operations import carry_out_operation
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.registry import handler


class RollbackParameters(Rollback):
    """A collection, and its generation by name: `the one before` would be another one in a second attempt."""

    collection: CollectionName
    generation: GenerationName


@handler("rollback")
async def rollback(context: TaskContext, parameters: RollbackParameters) -> JsonValue:
    """Make a generation live: {operation, generation, manifest_version}.

    Where it was live already, `operation` is null and nothing is done.
    """
    kept = await context.resources.platform.index.generations(parameters.collection)
    if kept.live == parameters.generation:
        return {"operation": None, "generation": kept.live, "manifest_version": kept.manifest_version}
    options = parameters.model_dump(mode="json", exclude={"collection", "kind"}, exclude_unset=True)
    operation = await carry_out_operation(context, parameters.collection, {"kind": "rollback", **options})
    return {"operation": operation.id, **operation.result}
