"""Reviewers are told by real mail, other systems by real webhooks, once what is told of is stored."""

from collections.abc import Sequence

import pytest
from sightwire_orchestrator.callbacks.mail import MailSender
from sightwire_orchestrator.callbacks.retrying import DeliveryRetries
from sightwire_orchestrator.callbacks.signing import WebhookKeys
from sightwire_orchestrator.callbacks.webhooks import WebhookSender
from sightwire_orchestrator.reviews.channels import Channel, MailChannel, WebhookChannel
from sightwire_orchestrator.reviews.desk import ReviewDesk
from sightwire_orchestrator.reviews.notifier import DELIVERED, ReviewNotifier
from sightwire_orchestrator.reviews.opening import open_office
from sightwire_orchestrator.reviews.review_store import ReviewStore
from sightwire_orchestrator.reviews.reviewer_store import ReviewerStore
from sightwire_orchestrator.reviews.settings import ReviewSettings
from sightwire_orchestrator.runs.actions import WithdrawReview
from sightwire_orchestrator.runs.events import ReviewDecided
from sightwire_orchestrator.storage.database import Database
from standardwebhooks import Webhook as Receiver

from services.orchestrator.tests.asked_reviews import APPROVAL, Clock, actor, ask, reviewer
from services.orchestrator.tests.scripted_server import answer, scripted_server
from services.orchestrator.tests.smtp_mailbox import mail_server, mail_settings
from sightwire.contracts.reviews import Review
from sightwire.security.addresses import AddressPolicy

KEY = b"a key of thirty-two bytes, just so"
ONCE = DeliveryRetries(attempts=1)
LOOPBACK = AddressPolicy.allowing(["127.0.0.0/8"])


class Office:
    """A desk with one reviewer, and channels."""

    def __init__(self, database: Database, channels: Sequence[Channel]) -> None:
        self.clock = Clock()
        self.notifier = ReviewNotifier(database, channels, clock=self.clock)
        self.desk = ReviewDesk(
            ReviewStore(database), ReviewerStore(database), self.notifier, self._tell_run, clock=self.clock
        )

    async def ask(self, run: str = "r1") -> Review:
        demand = {"priority": "urgent", "instructions": "Is it true?\nLook at the sources."}
        return await self.desk.ask(ask(run, **demand), pipeline="letters", task_type="custom")

    async def _tell_run(self, _run: str, _event: ReviewDecided) -> None:
        return


async def with_ada(database: Database) -> ReviewerStore:
    reviewers = ReviewerStore(database)
    await reviewers.put(reviewer("ada", name="Ada Lovelace"))
    return reviewers


async def test_a_reviewer_gets_a_mail_that_says_what_to_do(database: Database):
    reviewers = await with_ada(database)
    async with mail_server() as mailbox:
        office = Office(database, [MailChannel(MailSender(mail_settings(mailbox)), reviewers)])
        asked = await office.ask()
        assert not mailbox.messages, "the desk stores; sending is another matter"
        assert await office.notifier.send_waiting() == 1
        assert await office.notifier.send_waiting() == 0
        office.clock.set(5)
        await office.desk.tend()
        await office.desk.withdraw(WithdrawReview(run="r1", task="judge", round=1))
        assert await office.notifier.send_waiting() == 2
        first, *others = mailbox.messages
        assert mailbox.recipients == [["ada@example.org"]] * 3
    assert first["Subject"] == "[urgent] Please review: judge of letters"
    assert {message["Subject"] for message in others} == {
        "[urgent] Reminder: please review: judge of letters",
        "[urgent] No longer needed: judge of letters",
    }
    assert first.get_content().replace("\r\n", "\n") == (
        "Hello Ada Lovelace,\n"
        "\n"
        "A review waits for your decision.\n"
        "\n"
        "Review:   r1.judge.1\n"
        "Task:     judge of letters, run r1\n"
        "Priority: urgent\n"
        "Deadline: 2026-05-04 22:00+00:00\n"
        "\n"
        "Is it true?\n"
        "Look at the sources.\n"
    )
    outcomes = await office.notifier.outcomes(asked.id)
    assert set(outcomes.values()) == {DELIVERED}
    assert len(outcomes) == 3


async def test_a_mail_server_that_is_away_gets_the_mail_later(database: Database):
    reviewers = await with_ada(database)
    async with mail_server() as mailbox:
        office = Office(database, [MailChannel(MailSender(mail_settings(mailbox), retries=ONCE), reviewers)])
        asked = await office.ask()
        mailbox.answers = ["451 come again"]
        assert await office.notifier.send_waiting() == 0
        [outcome] = (await office.notifier.outcomes(asked.id)).values()
        assert outcome is not None
        assert "451 come again" in outcome
        assert await office.notifier.send_waiting() == 0, "not at once"
        assert mailbox.connections == 1
        office.clock.set(0.1)
        assert await office.notifier.send_waiting() == 1
        assert len(mailbox.messages) == 1


@pytest.mark.parametrize(("said", "hours"), [("554 no spam", 0), ("451 come again", 24)])
async def test_what_is_refused_or_too_old_is_given_up(database: Database, said: str, hours: float):
    reviewers = await with_ada(database)
    async with mail_server() as mailbox:
        office = Office(database, [MailChannel(MailSender(mail_settings(mailbox), retries=ONCE), reviewers)])
        asked = await office.ask()
        office.clock.set(hours)
        mailbox.answers = [said]
        assert await office.notifier.send_waiting() == 0
        office.clock.set(hours + 1)
        assert await office.notifier.send_waiting() == 0
        assert mailbox.connections == 1
        [outcome] = (await office.notifier.outcomes(asked.id)).values()
        assert outcome is not None
        assert said in outcome


def webhook_sender() -> WebhookSender:
    return WebhookSender(LOOPBACK, WebhookKeys({"ours": KEY}), retries=ONCE, idle_seconds=5)


async def test_other_systems_hear_of_all_acts_by_signed_webhooks(database: Database):
    await with_ada(database)
    async with scripted_server() as server, webhook_sender() as sender:
        server.otherwise = answer(status=204)
        office = Office(database, [WebhookChannel(sender, f"{server.url}/reviews", key="ours")])
        asked = await office.ask()
        await office.notifier.send_waiting()
        office.clock.set(1)
        await office.desk.decide(asked.id, APPROVAL, actor("ada"))
        await office.notifier.send_waiting()
        ids = [request.headers["webhook-id"] for request in server.requests]
        assigned, decided = [Receiver(KEY).verify(request.body, request.headers) for request in server.requests]
    assert ids == ["r1.judge.1.2.assigned", "r1.judge.1.3.decided"]
    assert (assigned["type"], assigned["data"]["to"]) == ("sightwire.review.assigned", "ada")
    assert (decided["type"], decided["timestamp"]) == ("sightwire.review.decided", "2026-05-04T13:00:00+00:00")
    assert (decided["data"]["decision"], decided["data"]["reviewer"], decided["data"]["to"]) == ("approve", "ada", None)


async def test_an_office_as_it_is_configured(database: Database):
    async def tell_run(_run: str, _event: ReviewDecided) -> None:
        return

    async with scripted_server() as server, mail_server() as mailbox, webhook_sender() as sender:
        server.otherwise = answer(status=204)
        configured = ReviewSettings(
            orchestrator_review_webhook=f"{server.url}/reviews",
            orchestrator_review_webhook_key="ours",
            orchestrator_review_reminders=(0.9, 0.1),
        )
        mail = MailSender(mail_settings(mailbox))
        office = open_office(database, configured, tell_run, webhooks=sender, mail=mail)
        await office.desk.put_reviewer(reviewer("ada"))
        asked = await office.desk.ask(ask(), pipeline="letters", task_type="custom")
        assert await office.notifier.send_waiting() == 2
        assert (len(mailbox.messages), len(server.requests)) == (1, 1)
        silent = open_office(database, ReviewSettings(), tell_run, webhooks=sender, mail=None)
        assert silent.notifier.address([]) == []
        assert await silent.notifier.send_waiting() == 0
    assert configured.reminder_policy().shares == (0.1, 0.9)
    assert await office.reviews.get(asked.id) == asked


async def test_one_way_that_is_blocked_does_not_keep_the_other(database: Database):
    reviewers = await with_ada(database)
    async with scripted_server() as server, mail_server() as mailbox, webhook_sender() as sender:
        server.otherwise = answer(status=503)
        mail = MailChannel(MailSender(mail_settings(mailbox)), reviewers)
        office = Office(database, [WebhookChannel(sender, f"{server.url}/reviews"), mail])
        asked = await office.ask()
        assert await office.notifier.send_waiting() == 1
        assert len(mailbox.messages) == 1
        outcomes = {channel: outcome for (_, channel), outcome in (await office.notifier.outcomes(asked.id)).items()}
    assert outcomes["mail"] == DELIVERED
    assert outcomes["webhook"] is not None
    assert "answered 503" in outcomes["webhook"]
