"""How long numbers are kept: `SIGHTWIRE_ORCHESTRATOR_METRICS_*`, next to the shared `SIGHTWIRE_*`."""

from pydantic import Field, PositiveFloat

from sightwire.settings import SharedSettings


class NumberSettings(SharedSettings):
    """History of what is counted."""

    orchestrator_metrics_days: PositiveFloat = Field(
        default=90.0, description="How long execution metrics by the hour are kept; those by the minute are for 2 days"
    )
