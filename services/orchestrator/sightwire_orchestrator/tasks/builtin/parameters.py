"""What parameters of several types have in common."""

from pydantic import BaseModel, ConfigDict, Field

from sightwire_orchestrator.tasks.endpoints.completion import Sampling


class TaskParameters(BaseModel):
    """Parameters of a task; a name that it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EndpointParameters(Sampling):
    """Which endpoint is asked, and how; the model is that of the task."""

    endpoint: str = Field(default="default", description="Name of a configured endpoint")

    def sampling(self) -> Sampling:
        """The part that says how answers are drawn."""
        return Sampling.model_validate(self.model_dump(include=set(Sampling.model_fields)))
