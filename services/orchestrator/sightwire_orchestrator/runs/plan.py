"""A definition, prepared for carrying it out: made once, used at each event of its runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from sightwire.contracts.pipelines import PipelineDefinition, TaskDefinition, TaskName
from sightwire_orchestrator.definitions.graph import dependencies_of


@dataclass(frozen=True, slots=True)
class Plan:
    """What is looked up in a definition again and again."""

    definition: PipelineDefinition
    tasks: Mapping[TaskName, TaskDefinition]
    #: Place of each task in the definition.
    positions: Mapping[TaskName, int]
    #: Tasks whose end a task waits for.
    dependencies: Mapping[TaskName, frozenset[TaskName]]
    #: Tasks that wait for a task's end.
    dependents: Mapping[TaskName, tuple[TaskName, ...]]

    @classmethod
    def of(cls, definition: PipelineDefinition) -> "Plan":
        """The plan of a valid definition."""
        dependencies = dependencies_of(definition)
        dependents: dict[TaskName, list[TaskName]] = {task.name: [] for task in definition.tasks}
        for task in definition.tasks:
            for dependency in dependencies[task.name]:
                dependents[dependency].append(task.name)
        return cls(
            definition=definition,
            tasks={task.name: task for task in definition.tasks},
            positions={task.name: position for position, task in enumerate(definition.tasks)},
            dependencies=dependencies,
            dependents={name: tuple(waiting) for name, waiting in dependents.items()},
        )
