"""`sightwire.pipelines`: definitions that the orchestrator keeps."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sightwire.client import calls
from sightwire.contracts.execution_metrics import PipelineMetrics
from sightwire.contracts.pipeline_control import PipelineList, PipelineSummary, RunReport
from sightwire.contracts.pipelines import PipelineDefinition

if TYPE_CHECKING:
    from sightwire.client.synchronous.client import Sightwire


class Pipelines:
    """`sightwire.pipelines`."""

    def __init__(self, sightwire: "Sightwire") -> None:
        self._send = sightwire.send

    def submit(self, definition: str | Mapping[str, Any], *, any_type: bool = False) -> PipelineSummary:
        """Store a definition: YAML or JSON text, or the document itself. A stored version never changes.

        `any_type` takes types of tasks that only workers elsewhere know.

        Example::

            sightwire.pipelines.submit(Path("drafts.yaml").read_text())
        """
        return self._send(calls.submit_pipeline(definition, any_type=any_type))

    def list(self) -> PipelineList:
        """The newest version of each pipeline."""
        return self._send(calls.list_pipelines())

    def get(self, name: str, *, version: str | None = None) -> PipelineDefinition:
        """A definition; without a version the newest."""
        return self._send(calls.get_pipeline(name, version=version))

    def draw(self, name: str, *, version: str | None = None) -> str:
        """A definition as a flowchart for Mermaid."""
        return self._send(calls.draw_pipeline(name, version=version))

    def metrics(self, name: str, *, seconds: float = 3600.0, task: str | None = None) -> PipelineMetrics:
        """What is counted of runs and tasks that ended within the last so many seconds, and how it went over that time.

        With a `task` the history is of its attempts, too.

        Example::

            metrics = sightwire.pipelines.metrics("drafts", seconds=86_400)
            print(metrics.runs.success_rate, metrics.tasks["generate_draft"].seconds.p95)
        """
        return self._send(calls.pipeline_metrics(name, seconds=seconds, task=task))

    def run(
        self,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        version: str | None = None,
        run: str | None = None,
    ) -> RunReport:
        """Begin a run, whose id is `run` or any; `sightwire.runs` follows it.

        Example::

            begun = sightwire.pipelines.run("drafts", {"topic": "lighthouses"})
            ended = sightwire.runs.wait(begun.run)
        """
        return self._send(calls.start_run(name, parameters, version=version, run=run))
