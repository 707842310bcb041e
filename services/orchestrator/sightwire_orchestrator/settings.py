"""Settings of the orchestrator: `SIGHTWIRE_ORCHESTRATOR_*`, next to the shared `SIGHTWIRE_*`."""

from pydantic import Field, NonNegativeInt

from sightwire_orchestrator.alerts.settings import AlertSettings
from sightwire_orchestrator.caching.settings import TaskCacheSettings
from sightwire_orchestrator.numbers.settings import NumberSettings
from sightwire_orchestrator.reviews.settings import ReviewSettings
from sightwire_orchestrator.storage.settings import StorageSettings
from sightwire_orchestrator.tasks.settings import TaskSettings


class OrchestratorSettings(
    AlertSettings, NumberSettings, ReviewSettings, StorageSettings, TaskCacheSettings, TaskSettings
):
    """The control plane: where it keeps what it knows, and what its tasks reach."""

    orchestrator_worker_concurrency: NonNegativeInt = Field(
        default=8, description="Tasks that the orchestrator itself carries out at once; 0: other workers do"
    )
