"""Where the orchestrator keeps what it knows: `SIGHTWIRE_ORCHESTRATOR_*`, next to the shared `SIGHTWIRE_*`."""

from pydantic import Field, SecretStr

from sightwire.settings import SharedSettings


class StorageSettings(SharedSettings):
    """The database of pipelines, runs and models."""

    orchestrator_database_url: SecretStr = Field(
        default=SecretStr("sqlite:///data/orchestrator/orchestrator.db"),
        description="`sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`",
    )
