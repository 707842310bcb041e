"""`validate`: a generation of an index, put through the gates."""

from pydantic import JsonValue

from sightwire.contracts.names import CollectionName
from sightwire.contracts.operations import Validate
from sightwire.contracts.validation import ValidationReport
from sightwire_orchestrator.tasks.builtin.index_operations import carry_out_operation
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.registry import handler


class ValidateParameters(Validate):
    """A collection, and which generation of it."""

    collection: CollectionName


@handler("validate")
async def validate(context: TaskContext, parameters: ValidateParameters) -> JsonValue:
    """Validate a generation: {operation, generation, gates: {gate: {passed, summary, measured}}}.

    The task fails if a gate does.
    """
    options = parameters.model_dump(mode="json", exclude={"collection", "kind"}, exclude_unset=True)
    operation = await carry_out_operation(context, parameters.collection, {"kind": "validate", **options})
    generation = str(operation.result["generation"])
    report = await context.resources.platform.index.report(parameters.collection, generation)
    return {"operation": operation.id, "generation": generation, "gates": gates_in_brief(report)}


def gates_in_brief(report: ValidationReport) -> JsonValue:
    """What each gate says, without each failed query."""
    brief = {"passed", "summary", "measured"}
    return {gate.gate: gate.model_dump(mode="json", include=brief) for gate in report.gates}
