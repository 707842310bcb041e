"""Puts a review desk together from settings and what is open already."""

from dataclasses import dataclass

from sightwire_orchestrator.callbacks.mail import MailSender
from sightwire_orchestrator.callbacks.webhooks import WebhookSender
from sightwire_orchestrator.reviews.channels import Channel, MailChannel, WebhookChannel
from sightwire_orchestrator.reviews.desk import ReviewDesk, TellRun
from sightwire_orchestrator.reviews.notifier import ReviewNotifier
from sightwire_orchestrator.reviews.review_store import ReviewStore
from sightwire_orchestrator.reviews.reviewer_store import ReviewerStore
from sightwire_orchestrator.reviews.settings import ReviewSettings
from sightwire_orchestrator.storage.database import Database


@dataclass(frozen=True, slots=True)
class ReviewOffice:
    """The desk, with what it reads and writes.

    `desk.tend` and `notifier.send_waiting` are to be called every some seconds, each by one task of the active process.
    """

    desk: ReviewDesk
    reviews: ReviewStore
    reviewers: ReviewerStore
    notifier: ReviewNotifier


def open_office(
    database: Database,
    settings: ReviewSettings,
    tell_run: TellRun,
    *,
    webhooks: WebhookSender,
    mail: MailSender | None,
) -> ReviewOffice:
    """An office whose people hear by mail if there is a server for it, and other systems if an address is configured.

    Args:
        database: open.
        settings: reminders and webhooks.
        tell_run: takes decisions to their runs.
        webhooks: sends them; it has the configured keys.
        mail: sends mail; None: no server is configured.
    """
    policy = settings.reminder_policy()
    reviews, reviewers = ReviewStore(database, policy), ReviewerStore(database)
    channels: list[Channel] = []
    if mail is not None:
        channels.append(MailChannel(mail, reviewers))
    if settings.orchestrator_review_webhook is not None:
        url, key = settings.orchestrator_review_webhook, settings.orchestrator_review_webhook_key
        channels.append(WebhookChannel(webhooks, url, key=key))
    notifier = ReviewNotifier(database, channels)
    return ReviewOffice(
        desk=ReviewDesk(reviews, reviewers, notifier, tell_run, policy=policy),
        reviews=reviews,
        reviewers=reviewers,
        notifier=notifier,
    )
