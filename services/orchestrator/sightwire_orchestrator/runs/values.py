"""What the texts of a definition stand for in a run."""

import json
from collections.abc import Iterable

from pydantic import JsonValue

from sightwire.contracts.pipelines import TaskName
from sightwire.errors import InvalidInputError
from sightwire_orchestrator.definitions.conditions import evaluate
from sightwire_orchestrator.definitions.drafts import OUTPUT_MAPPING
from sightwire_orchestrator.definitions.references import OUTPUT_SUFFIX, Scope, resolve
from sightwire_orchestrator.runs.plan import Plan
from sightwire_orchestrator.runs.state import Run


def condition_holds(plan: Plan, run: Run, name: TaskName) -> bool:
    """Whether the task is to run: it has no condition, or a true one.

    Raises:
        InvalidInputError: the condition makes no sense with the values it meets.
    """
    condition = plan.tasks[name].condition
    if condition is None:
        return True
    outputs = {task + OUTPUT_SUFFIX: run.tasks[task].output for task in plan.dependencies[name]}
    return evaluate(condition, _parameters(plan, run) | outputs)


def elements_of(plan: Plan, run: Run, name: TaskName) -> list[JsonValue]:
    """The list that a mapped task is mapped over.

    Raises:
        InvalidInputError: there is no such list.
    """
    reference = plan.tasks[name].map
    assert reference is not None, f"task {name} is not mapped"
    elements = resolve(reference, _scope(plan, run, plan.dependencies[name]))
    if elements is None:
        # What a skipped task would have given.
        return []
    if not isinstance(elements, list):
        raise InvalidInputError(
            f"task {name!r} is mapped over {reference}: expected a list, got {type(elements).__name__} {elements!r:.80}"
        )
    return elements


def parameters_of(plan: Plan, run: Run, name: TaskName, element: int | None) -> dict[str, JsonValue]:
    """A task's parameters without references.

    Raises:
        InvalidInputError: a reference stands for nothing.
    """
    parameters = resolve(plan.tasks[name].parameters, _scope_of_unit(plan, run, name, element))
    assert isinstance(parameters, dict)
    return parameters


def idempotency_key_of(plan: Plan, run: Run, name: TaskName, element: int | None) -> str | None:
    """A task's idempotency key without references.

    Raises:
        InvalidInputError: a reference stands for nothing.
    """
    key = plan.tasks[name].idempotency_key
    if key is None:
        return None
    resolved = resolve(key, _scope_of_unit(plan, run, name, element))
    return resolved if isinstance(resolved, str) else json.dumps(resolved, sort_keys=True)


def results_of(plan: Plan, run: Run) -> dict[str, JsonValue]:
    """What the run gives, by the names of `output_mapping`.

    Raises:
        InvalidInputError: a reference stands for nothing.
    """
    mapping = plan.definition.global_parameters.get(OUTPUT_MAPPING, {})
    results = resolve(mapping, _scope(plan, run, run.tasks))
    if not isinstance(results, dict):
        raise InvalidInputError(f"{OUTPUT_MAPPING} names the run's results: expected a mapping, got {mapping!r:.80}")
    return results


def _scope_of_unit(plan: Plan, run: Run, name: TaskName, element: int | None) -> Scope:
    if element is None:
        return _scope(plan, run, plan.dependencies[name])
    return _scope(plan, run, plan.dependencies[name], item=elements_of(plan, run, name)[element])


def _scope(plan: Plan, run: Run, tasks: Iterable[TaskName], **item: JsonValue) -> Scope:
    return Scope(parameters=_parameters(plan, run), outputs={name: run.tasks[name].output for name in tasks}, **item)


def _parameters(plan: Plan, run: Run) -> dict[str, JsonValue]:
    given = plan.definition.global_parameters | run.parameters
    return {name: value for name, value in given.items() if name != OUTPUT_MAPPING}
