"""Settings of whoever carries tasks out: `SIGHTWIRE_ORCHESTRATOR_*`, next to the shared `SIGHTWIRE_*`."""

from pydantic import Field, PositiveFloat, SecretStr

from sightwire.client.connection import DEFAULT_URL
from sightwire.settings import SharedSettings
from sightwire_orchestrator.callbacks.mail import MailSettings
from sightwire_orchestrator.tasks.endpoints.settings import EndpointSettings


class TaskSettings(SharedSettings):
    """What tasks reach, and with which keys."""

    orchestrator_endpoints: dict[str, EndpointSettings] = Field(
        default={}, description="OpenAI-compatible endpoints by name; `default` is that of tasks that name none"
    )
    orchestrator_embedder_address: str = Field(default="127.0.0.1:8201", description="gRPC address of the embedder")
    orchestrator_embedder_timeout_seconds: PositiveFloat = Field(
        default=60.0, description="Deadline of a call to the embedder"
    )
    orchestrator_platform_url: str = Field(default=DEFAULT_URL, description="Address of the gateway")
    orchestrator_platform_api_key: SecretStr | None = Field(default=None, description="Key of the gateway")
    orchestrator_webhook_keys: dict[str, SecretStr] = Field(
        default={}, description="Keys that sign webhooks, by name: text, or `whsec_` and base64"
    )
    orchestrator_webhook_allow: str = Field(
        default="", description="Hosts and networks, by commas, that webhooks may go to beside public addresses"
    )
    orchestrator_mail: MailSettings | None = Field(default=None, description="SMTP server; none: no mail is sent")
