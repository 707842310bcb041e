"""`validate_shadow`: the index of a shadow, put through the gates."""

from pydantic import JsonValue

from sightwire.contracts.operations import Validate
from sightwire.contracts.validation import GateThresholds
from sightwire_orchestrator.migrations.shadow_operations import validated
from sightwire_orchestrator.tasks.builtin.migration_parameters import MigrationParameters
from sightwire_orchestrator.tasks.builtin.validate import gates_in_brief
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.registry import handler


class ValidateShadowParameters(MigrationParameters):
    """Which migration, and which thresholds."""

    gates: GateThresholds | None = None


@handler("validate_shadow")
async def validate_shadow(context: TaskContext, parameters: ValidateShadowParameters) -> JsonValue:
    """Validate the index of a shadow: {operation, generation, gates: {gate: {passed, summary, measured}}}.

    The task fails if a gate does.
    """
    bus = context.resources.require_bus()
    opened = await parameters.open(bus)
    operation, report = await validated(context, bus, opened.shadow, Validate(gates=parameters.gates))
    return {"operation": operation.id, "generation": report.generation, "gates": gates_in_brief(report)}
