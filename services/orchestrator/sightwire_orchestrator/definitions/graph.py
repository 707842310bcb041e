"""Which tasks wait for which, and in what order they can be carried out."""

from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from typing import Final

from sightwire.contracts.pipelines import PipelineDefinition, TaskDefinition, TaskName
from sightwire_orchestrator.definitions.expressions.names import names_in_condition
from sightwire_orchestrator.definitions.references import Reference, find_references

#: Looked at; each costs a walk along it.
_MAX_CYCLES: Final = 50


def dependencies_of(definition: PipelineDefinition) -> Mapping[TaskName, frozenset[TaskName]]:
    """For each task of a valid definition those that it waits for: declared ones, and those that it refers to."""
    return {task.name: frozenset((*task.dependencies, *referred_tasks(task))) for task in definition.tasks}


def referred_tasks(task: TaskDefinition) -> frozenset[TaskName]:
    """Tasks whose output a task's parameters, map, idempotency key or condition refer to."""
    references = find_references([task.parameters, task.map, task.idempotency_key])
    if task.condition is not None:
        references |= {Reference(name) for name in names_in_condition(task.condition)}
    return frozenset(reference.task for reference in references if reference.task is not None)


def stages(definition: PipelineDefinition) -> tuple[tuple[TaskName, ...], ...]:
    """Tasks in groups: each waits for tasks of earlier groups only, at least for one of the group before it.

    Within a group they stand as in the definition.
    """
    dependencies = dependencies_of(definition)
    sorter = TopologicalSorter(dependencies)
    sorter.prepare()
    positions = {task.name: position for position, task in enumerate(definition.tasks)}
    groups: list[tuple[TaskName, ...]] = []
    while sorter.is_active():
        group = sorter.get_ready()
        groups.append(tuple(sorted(group, key=positions.__getitem__)))
        sorter.done(*group)
    return tuple(groups)


def find_cycles(dependencies: Mapping[str, Iterable[str]]) -> list[tuple[str, ...]]:
    """A cycle in each tangle of tasks that wait for each other, as a path: every task waits for the next one.

    Names that are no keys are passed over. The first name of a cycle, which comes first in the mapping, is not repeated
    at its end.
    """
    cycles: list[tuple[str, ...]] = []
    finished: set[str] = set()
    for start in dependencies:
        if start in finished:
            continue
        # Depth first without recursion: a definition may chain thousands of tasks.
        path = [start]
        on_path = {start: 0}
        iterators = [iter(dependencies[start])]
        while iterators:
            following = next(iterators[-1], None)
            if following is None:
                iterators.pop()
                left = path.pop()
                del on_path[left]
                finished.add(left)
            elif following in on_path and len(cycles) < _MAX_CYCLES:
                cycles.append(_from_first(path[on_path[following] :], dependencies))
            elif following in dependencies and following not in finished and following not in on_path:
                on_path[following] = len(path)
                path.append(following)
                iterators.append(iter(dependencies[following]))
    return _disjoint(cycles)


def _from_first(cycle: list[str], dependencies: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    members = set(cycle)
    first = cycle.index(next(name for name in dependencies if name in members))
    return (*cycle[first:], *cycle[:first])


def _disjoint(cycles: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Without cycles that share a task with one before them: whoever breaks that one sees what is left."""
    seen: set[str] = set()
    kept = []
    for cycle in cycles:
        if seen.isdisjoint(cycle):
            seen.update(cycle)
            kept.append(cycle)
    return kept
