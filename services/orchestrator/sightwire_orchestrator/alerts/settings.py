"""Whom to tell of alerts: `SIGHTWIRE_ORCHESTRATOR_ALERT_*`, next to the shared `SIGHTWIRE_*`."""

from pydantic import Field, PositiveFloat

from sightwire.settings import SharedSettings


class AlertSettings(SharedSettings):
    """How often rules are looked at, and who hears of them besides the bus."""

    orchestrator_alert_seconds: PositiveFloat = Field(default=10.0, description="Time between two looks at alert rules")
    orchestrator_alert_webhook: str | None = Field(default=None, description="Address that hears of alerts")
    orchestrator_alert_webhook_key: str | None = Field(
        default=None, description="Name of the configured key that signs these webhooks"
    )
    orchestrator_prometheus_url: str | None = Field(
        default=None, description="Prometheus server that alert rules may query, such as http://prometheus:9090"
    )
