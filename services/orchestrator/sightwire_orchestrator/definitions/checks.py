"""Whether the parts of a definition fit each other.

Looks at a draft, so that everything is found at once even where the shape is wrong.
"""

import re
from collections.abc import Iterator
from typing import Final

from sightwire_orchestrator.definitions.conditions import check_condition
from sightwire_orchestrator.definitions.documents import Document
from sightwire_orchestrator.definitions.drafts import OUTPUT_MAPPING, Draft, DraftTask, texts_with_paths
from sightwire_orchestrator.definitions.errors import Path, Problem, path_text, shown
from sightwire_orchestrator.definitions.expressions.errors import MalformedExpressionError
from sightwire_orchestrator.definitions.expressions.names import names_in_condition
from sightwire_orchestrator.definitions.graph import find_cycles
from sightwire_orchestrator.definitions.naming import Names
from sightwire_orchestrator.definitions.references import (
    ITEM,
    OUTPUT_SUFFIX,
    MalformedReferenceError,
    Reference,
    Scope,
    find_references,
    parse_text,
    single_reference,
)
from sightwire_orchestrator.definitions.suggestions import Suggestions
from sightwire_orchestrator.tasks.parameter_problems import parameter_problems
from sightwire_orchestrator.tasks.registry import HandlerRegistry

_PARAMETER_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def inner_problems(document: Document, handlers: HandlerRegistry | None) -> list[Problem]:
    """Everything about names, references, conditions, cycles and, with `handlers`, types and parameters of tasks."""
    return list(_Checks(document, handlers).problems())


class _Checks:
    def __init__(self, document: Document, handlers: HandlerRegistry | None) -> None:
        self._document = document
        self._handlers = handlers
        self._draft = Draft.of(document.value)
        self._suggestions = Suggestions()
        tasks: dict[str, DraftTask] = {}
        for task in self._draft.tasks:
            if task.name is not None:
                tasks.setdefault(task.name, task)
        self._names = Names(tasks, self._draft.parameters, self._suggestions)

    def problems(self) -> Iterator[Problem]:
        yield from self._of_parameter_names()
        for task in self._draft.tasks:
            yield from self._of_name(task)
            yield from self._of_dependencies(task)
            yield from self._of_references(task)
            yield from self._of_map(task)
            yield from self._of_condition(task)
            yield from self._of_type(task)
        yield from self._of_cycles()
        yield from self._of_output_mapping()

    def _of_parameter_names(self) -> Iterator[Problem]:
        for name in self._draft.parameters:
            fault = None
            if name == ITEM:
                fault = f"{shown(ITEM)} is what the element of a mapped task is called; choose another name"
            elif name.endswith(OUTPUT_SUFFIX):
                fault = f"names that end in {OUTPUT_SUFFIX} are of the outputs of tasks; choose another name"
            elif not _PARAMETER_NAME.fullmatch(name):
                fault = "expected a name of letters, digits and _, no digit first, at most 63: references write it"
            if fault is not None:
                yield self._document.problem(("global_parameters", name), fault, at_key=True)

    def _of_name(self, task: DraftTask) -> Iterator[Problem]:
        if task.name is not None and self._names.tasks[task.name] is not task:
            first = path_text(self._names.tasks[task.name].path)
            yield self._problem(task, "name", f"{shown(task.name)} is the name of {first} already")

    def _of_dependencies(self, task: DraftTask) -> Iterator[Problem]:
        for path, name in task.dependencies:
            fault = self._names.fault_of_dependency(name, task)
            if fault is not None:
                yield self._document.problem(path, fault)

    def _of_references(self, task: DraftTask) -> Iterator[Problem]:
        for path, text in task.referring_texts():
            in_element = task.map is not None and path != (*task.path, "map")
            yield from self._of_text(path, text, task, in_element=in_element)

    def _of_text(self, path: Path, text: str, task: DraftTask | None, *, in_element: bool) -> Iterator[Problem]:
        try:
            parts = parse_text(text)
        except MalformedReferenceError as error:
            yield self._document.problem(path, error.detail)
            return
        for reference in dict.fromkeys(part for part in parts if isinstance(part, Reference)):
            fault = self._names.fault_of_reference(reference, task, in_element=in_element)
            if fault is not None:
                yield self._document.problem(path, fault)

    def _of_map(self, task: DraftTask) -> Iterator[Problem]:
        if task.map is None:
            return
        reference = single_reference(task.map)
        if reference is None:
            if not find_references(task.map) and "{" in task.map:
                return  # Malformed, which is told already.
            yield self._problem(
                task, "map", f"expected one reference to a list, such as {{pages_output.list}}, got {shown(task.map)}"
            )
        elif reference.parameter in self._draft.parameters:
            if self._names.fault_of_reference(reference, task, in_element=False) is not None:
                return
            value = Scope(parameters=self._draft.parameters).value_of(reference)
            if value is not None and not isinstance(value, list):
                yield self._problem(task, "map", f"{reference} is to be a list, it is {shown(value)}")

    def _of_condition(self, task: DraftTask) -> Iterator[Problem]:
        if task.condition is None:
            return
        try:
            check_condition(task.condition)
        except MalformedExpressionError as error:
            hint = ""
            if find_references(task.condition):
                hint = "; a condition names variables without braces, as in draft_output.score > 0.5"
            yield self._problem(task, "condition", error.detail + hint)
            return
        for name in sorted(names_in_condition(task.condition)):
            fault = self._names.fault_of_variable(name, task)
            if fault is not None:
                yield self._problem(task, "condition", fault)

    def _of_type(self, task: DraftTask) -> Iterator[Problem]:
        if self._handlers is None or task.type is None:
            return
        if task.type not in self._handlers.types:
            hint = self._suggestions.nearest(task.type, self._handlers.types)
            listed = ", ".join(self._handlers.types)
            fault = f"no handler for tasks of type {shown(task.type)} is installed{hint or f'; there are {listed}'}"
            yield self._problem(task, "type", fault)
            return
        found = parameter_problems(
            self._handlers, task.type, task.parameters, has_reference=lambda value: bool(find_references(value))
        )
        for problem in found:
            yield self._document.problem((*task.path, "parameters", *problem.path), problem.message)

    def _of_cycles(self) -> Iterator[Problem]:
        waits_for = {name: _waited_for(task) - {name} for name, task in self._names.tasks.items()}
        for cycle in find_cycles({name: sorted(others) for name, others in waits_for.items()}):
            path = " → ".join((*cycle, cycle[0]))
            yield self._document.problem(
                self._names.tasks[cycle[0]].path, f"these tasks wait for each other in a circle: {path}"
            )

    def _of_output_mapping(self) -> Iterator[Problem]:
        path = ("global_parameters", OUTPUT_MAPPING)
        mapping = self._draft.output_mapping
        if not isinstance(mapping, dict):
            yield self._document.problem(path, f"expected a mapping of results to references, got {shown(mapping)}")
            return
        for text_path, text in texts_with_paths(mapping, path):
            yield from self._of_text(text_path, text, None, in_element=False)

    def _problem(self, task: DraftTask, key: str, message: str) -> Problem:
        return self._document.problem((*task.path, key), message)


def _waited_for(task: DraftTask) -> set[str]:
    references = find_references([text for _, text in task.referring_texts()])
    names = {reference.task for reference in references}
    if task.condition is not None:
        names |= {Reference(name).task for name in names_in_condition(task.condition)}
    return {name for _, name in task.dependencies} | {name for name in names if name is not None}
