"""Whether what a definition names is there: tasks, parameters, the element of a mapped task."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from sightwire_orchestrator.definitions.drafts import DraftTask
from sightwire_orchestrator.definitions.errors import shown
from sightwire_orchestrator.definitions.references import (
    ITEM,
    OUTPUT_SUFFIX,
    Reference,
    Scope,
    UnresolvedReferenceError,
)
from sightwire_orchestrator.definitions.suggestions import Suggestions


@dataclass(frozen=True, slots=True)
class Names:
    """What can be named in a definition."""

    tasks: Mapping[str, DraftTask]
    #: With their values, which those of a run may replace; null: only a run has one.
    parameters: Mapping[str, JsonValue]
    suggestions: Suggestions

    def fault_of_dependency(self, name: str, within: DraftTask) -> str | None:
        """Why a task cannot wait for the task `name`; None: it can."""
        if name == within.name:
            return "a task cannot wait for itself"
        if name not in self.tasks:
            return f"there is no task {shown(name)}{self.suggestions.nearest(name, self.tasks)}"
        return None

    def fault_of_reference(self, reference: Reference, within: DraftTask | None, *, in_element: bool) -> str | None:
        """Why a reference, written in a task or outside of all, can stand for nothing; None: it can.

        Args:
            in_element: whether it is resolved for each element of a mapped task.
        """
        if reference.is_item:
            return None if in_element else f"{reference} stands for something only in the parameters of a task with map"
        if reference.task is not None:
            return self._fault_of_output(reference.task, str(reference), within)
        if reference.root not in self.parameters:
            known = (*self.parameters, *(f"{task}{OUTPUT_SUFFIX}" for task in self.tasks))
            return (
                f"{reference} stands for nothing: global_parameters have no {shown(reference.root)}"
                f"{self.suggestions.nearest(reference.root, known)}"
            )
        return self._fault_of_path(reference)

    def fault_of_variable(self, name: str, within: DraftTask) -> str | None:
        """Why a variable of a condition has no value; None: it has one."""
        if name == ITEM:
            return f"a condition is about the whole task, it has no {ITEM}"
        reference = Reference(name)
        if reference.task is not None:
            return self._fault_of_output(reference.task, name, within)
        if name not in self.parameters:
            known = (*self.parameters, *(f"{task}{OUTPUT_SUFFIX}" for task in self.tasks))
            return f"there is no variable {shown(name)}{self.suggestions.nearest(name, known)}"
        return None

    def _fault_of_output(self, task: str, written: str, within: DraftTask | None) -> str | None:
        if within is not None and task == within.name:
            return f"{written} is the task's own output, which is not there before it ends"
        if task not in self.tasks:
            return (
                f"{written} stands for nothing: there is no task {shown(task)}"
                f"{self.suggestions.nearest(task, self.tasks)}"
            )
        return None

    def _fault_of_path(self, reference: Reference) -> str | None:
        scope = Scope(parameters=self.parameters)
        try:
            for depth in range(len(reference.path) + 1):
                if scope.value_of(Reference(reference.root, reference.path[:depth])) is None:
                    return None
        except UnresolvedReferenceError as error:
            return error.detail
        return None
