"""Definitions as people look at them: a graph in Mermaid, or lines of text."""

import html
from collections.abc import Iterator

from sightwire.contracts.pipelines import PipelineDefinition, TaskDefinition
from sightwire_orchestrator.definitions.drafts import OUTPUT_MAPPING
from sightwire_orchestrator.definitions.graph import dependencies_of, stages

#: Opening and closing of a node's outline.
_PLAIN = ("[", "]")
_MAPPED = ("[[", "]]")
_REVIEWED = ("{{", "}}")


def mermaid(definition: PipelineDefinition) -> str:
    """A flowchart: mapped tasks have double sides, reviewed ones are hexagons, dashed arrows lead to conditions."""
    dependencies = dependencies_of(definition)
    numbers = {task.name: number for number, task in enumerate(definition.tasks)}
    lines = ["flowchart TD"]
    for task in definition.tasks:
        opening, closing = _outline(task)
        lines.append(f'    t{numbers[task.name]}{opening}"{_label(task)}"{closing}')
    for task in definition.tasks:
        arrow = "-->" if task.condition is None else f'-. "{_quoted(task.condition)}" .->'
        before = sorted(dependencies[task.name], key=numbers.__getitem__)
        lines += [f"    t{numbers[dependency]} {arrow} t{numbers[task.name]}" for dependency in before]
    return "\n".join(lines) + "\n"


def text(definition: PipelineDefinition) -> str:
    """Stages with their tasks, a line each, and what the run gives."""
    title = f"{definition.name} {definition.version}"
    lines = [f"{title}: {definition.description}" if definition.description else title]
    tasks = {task.name: task for task in definition.tasks}
    dependencies = dependencies_of(definition)
    for number, stage in enumerate(stages(definition), 1):
        lines.append(f"stage {number}")
        for name in stage:
            waited_for = sorted(dependencies[name])
            after = f", after {', '.join(waited_for)}" if waited_for else ""
            lines.append(f"  {name} ({tasks[name].type}){after}")
            lines += [f"    {note}" for note in _notes(tasks[name])]
    mapping = definition.global_parameters.get(OUTPUT_MAPPING)
    if isinstance(mapping, dict) and mapping:
        lines.append(f"gives {', '.join(mapping)}")
    return "\n".join(lines) + "\n"


def _outline(task: TaskDefinition) -> tuple[str, str]:
    if task.review is not None:
        return _REVIEWED
    return _PLAIN if task.map is None else _MAPPED


def _label(task: TaskDefinition) -> str:
    lines = [task.name, task.type]
    if task.map is not None:
        lines.append(f"for each of {task.map}")
    if task.review is not None:
        lines.append("then a review")
    return "<br/>".join(_quoted(line) for line in lines)


def _quoted(line: str) -> str:
    """Text between quotation marks of Mermaid, which knows characters by their numbers in the way of HTML."""
    escaped = html.escape(" ".join(line.split())).replace("&", "#").replace("#x27;", "#39;")
    return escaped.replace("\\", "#92;").replace("`", "#96;")


def _notes(task: TaskDefinition) -> Iterator[str]:
    if task.map is not None:
        yield f"for each of {task.map}"
    if task.condition is not None:
        yield f"if {' '.join(task.condition.split())}"
    if task.optional:
        yield "may fail"
    if task.retry.max_attempts > 1:
        yield f"up to {task.retry.max_attempts} attempts"
    if task.review is not None:
        by = f" by {task.review.specialization}" if task.review.specialization else ""
        yield f"then a review{by}"
