"""Notifications as mails and webhooks."""

from typing import Final

from sightwire.contracts.reviews import Reviewer, ReviewNotification
from sightwire_orchestrator.callbacks.mail import Mail
from sightwire_orchestrator.callbacks.webhooks import Webhook

_SUBJECTS: Final = {
    "assigned": "Please review",
    "reminder": "Reminder: please review",
    "escalated": "Late, and given to others",
    "taken_away": "No longer yours",
    "withdrawn": "No longer needed",
    "nobody_found": "Nobody can review",
    "decided": "Decided",
}
_FIRST_SENTENCES: Final = {
    "assigned": "A review waits for your decision.",
    "reminder": "A review still waits for your decision.",
    "escalated": "A review is late, and goes to somebody else if somebody is there.",
    "taken_away": "A review that you had is with somebody else, or waits for somebody; there is nothing to do for you.",
    "withdrawn": "The run has ended, and a review that you had needs no decision any more.",
    "nobody_found": "Nobody who is there can take a review.",
    "decided": "A review was decided.",
}


def mail_of(notification: ReviewNotification, reviewer: Reviewer) -> Mail:
    """A mail in plain text to the reviewer."""
    what = f"{notification.task_name} of {notification.pipeline}"
    urgent = "[urgent] " if notification.priority == "urgent" else ""
    lines = [
        f"Hello {reviewer.name},",
        "",
        _FIRST_SENTENCES[notification.kind],
        "",
        f"Review:   {notification.review}",
        f"Task:     {what}, run {notification.run}",
        f"Priority: {notification.priority}",
        f"Deadline: {notification.deadline.isoformat(sep=' ', timespec='minutes')}",
    ]
    if notification.instructions:
        lines += ["", notification.instructions]
    if notification.comment:
        lines += ["", f"Comment: {notification.comment}"]
    return Mail(
        id=notification.id,
        to=(reviewer.email,),
        # A line: pipelines and tasks have names without line breaks.
        subject=f"{urgent}{_SUBJECTS[notification.kind]}: {what}",
        text="\n".join([*lines, ""]),
    )


def webhook_of(notification: ReviewNotification, *, url: str, key: str | None) -> Webhook:
    """A webhook of type `sightwire.review.<kind>`."""
    return Webhook(
        url=url,
        id=notification.id,
        type=f"sightwire.review.{notification.kind}",
        data=notification.model_dump(mode="json"),
        key=key,
        occurred_at=notification.at,
    )
