"""`build_index`: a new generation of a collection's index, from its stored vectors."""

from pydantic import JsonValue

from sightwire.contracts.names import CollectionName
from sightwire.contracts.operations import Rebuild
from sightwire_orchestrator.tasks.builtin.index_operations import carry_out_operation
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.registry import handler


class BuildIndexParameters(Rebuild):
    """A collection, and how its index is built."""

    collection: CollectionName


@handler("build_index")
async def build_index(context: TaskContext, parameters: BuildIndexParameters) -> JsonValue:
    """Build, validate and, with `activate`, switch: {operation, generation, manifest_version, report, left?}.

    `left` is the generation that was live before.
    """
    options = parameters.model_dump(mode="json", exclude={"collection", "kind"}, exclude_unset=True)
    operation = await carry_out_operation(context, parameters.collection, {"kind": "rebuild", **options})
    return {"operation": operation.id, **operation.result}
