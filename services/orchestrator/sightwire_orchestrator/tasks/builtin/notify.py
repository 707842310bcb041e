"""`notify`: tells another system by webhook, or people by mail."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, JsonValue

from sightwire_orchestrator.callbacks.mail import Mail
from sightwire_orchestrator.callbacks.webhooks import Webhook
from sightwire_orchestrator.tasks.builtin.parameters import TaskParameters
from sightwire_orchestrator.tasks.context import TaskContext
from sightwire_orchestrator.tasks.registry import handler


class ToWebhook(TaskParameters):
    """POSTs `{"type", "timestamp", "data"}`."""

    kind: Literal["webhook"]
    url: str
    event: str = Field(default="sightwire.task.notify", description="The `type` in the body")
    data: JsonValue = None
    key: str | None = Field(default=None, description="Name of the configured key that signs it")


class ToMailboxes(TaskParameters):
    """Sends a mail in plain text."""

    kind: Literal["mail"]
    to: tuple[str, ...] = Field(min_length=1, max_length=100)
    subject: str = Field(min_length=1, max_length=500)
    text: str


class NotifyParameters(TaskParameters):
    """Whom to tell, and what."""

    via: Annotated[ToWebhook | ToMailboxes, Discriminator("kind")]


@handler("notify")
async def notify(context: TaskContext, parameters: NotifyParameters) -> JsonValue:
    """Tell somebody: {id, attempts}, with `status` of a webhook and `refused` addresses of a mail.

    The id is the same for each attempt of the task, so that receivers can drop what comes twice.
    """
    match parameters.via:
        case ToWebhook() as to:
            receipt = await context.resources.webhooks.send(
                Webhook(url=to.url, id=context.identity, type=to.event, data=to.data, key=to.key)
            )
            return {"id": context.identity, "attempts": receipt.attempts, "status": receipt.status}
        case ToMailboxes() as to:
            sent = await context.resources.require_mail().send(
                Mail(id=context.identity, to=to.to, subject=to.subject, text=to.text)
            )
            return {"id": context.identity, "attempts": sent.attempts, "refused": dict(sent.refused)}
