"""From what people write to a definition that can be carried out."""

from collections.abc import Mapping
from typing import Any

from sightwire.contracts.pipelines import PipelineDefinition
from sightwire_orchestrator.definitions.checks import inner_problems
from sightwire_orchestrator.definitions.documents import document_of
from sightwire_orchestrator.definitions.errors import DefinitionError, Problem
from sightwire_orchestrator.definitions.shape import definition_or_problems
from sightwire_orchestrator.definitions.yaml_documents import read_text
from sightwire_orchestrator.tasks.registry import HandlerRegistry


def read_definition(
    text: str | bytes | Mapping[str, Any], *, origin: str, handlers: HandlerRegistry | None = None
) -> PipelineDefinition:
    """The definition that a text in YAML or JSON, or a mapping, describes.

    Args:
        origin: what messages call it, such as the path of its file.
        handlers: of the types that tasks may have; None: of any type, with any parameters.

    Raises:
        DefinitionError: it describes none; with every problem, and the line and column of each.
    """
    document = document_of(text, origin) if isinstance(text, Mapping) else read_text(text, origin)
    shaped = definition_or_problems(document)
    problems = list(document.problems)
    problems += _elsewhere(shaped, problems) if isinstance(shaped, list) else []
    problems += _elsewhere(inner_problems(document, handlers), problems)
    if problems or isinstance(shaped, list):
        raise DefinitionError.of(origin, problems)
    return shaped


def _elsewhere(found: list[Problem], before: list[Problem]) -> list[Problem]:
    """Those at other places: what has a wrong shape need not be told to name nothing, too."""
    places = {(problem.path, problem.place) for problem in before}
    return [problem for problem in found if (problem.path, problem.place) not in places]
