"""How people hear of reviews: `SIGHTWIRE_ORCHESTRATOR_REVIEW_*`, next to the shared `SIGHTWIRE_*`."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, PositiveFloat

from sightwire.settings import SharedSettings
from sightwire_orchestrator.reviews.advancing import ReminderPolicy

_Share = Annotated[float, Field(gt=0, le=1)]


class ReviewSettings(SharedSettings):
    """Reminders, and whom besides the reviewers to tell; mail goes over `orchestrator_mail`."""

    orchestrator_review_reminders: tuple[_Share, ...] = Field(
        default=(0.5, 0.9, 1.0), description="When a reviewer is reminded: shares of the time up to the deadline"
    )
    orchestrator_review_reminder_repeat_seconds: PositiveFloat = Field(
        default=86_400.0, description="Time between reminders after the deadline"
    )
    orchestrator_review_webhook: str | None = Field(
        default=None, description="Address that hears of whatever happens to reviews"
    )
    orchestrator_review_webhook_key: str | None = Field(
        default=None, description="Name of the configured key that signs these webhooks"
    )

    def reminder_policy(self) -> ReminderPolicy:
        """Reminders as they are configured."""
        repeat = timedelta(seconds=self.orchestrator_review_reminder_repeat_seconds)
        return ReminderPolicy(tuple(sorted(self.orchestrator_review_reminders)), repeat)
