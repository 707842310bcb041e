"""Mail to a real SMTP server, also one that refuses, wants a password, or is not there at first."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from sightwire_orchestrator.callbacks.mail import Mail, MailReceipt, MailSender
from sightwire_orchestrator.callbacks.retrying import DeliveryFailedError, DeliveryRefusedError, DeliveryRetries
from sightwire_orchestrator.tasks.registry import HandlerRegistry
from sightwire_orchestrator.tasks.resources import open_resources

from services.orchestrator.tests.smtp_mailbox import mail_server, mail_settings
from services.orchestrator.tests.task_world import TaskWorld, task_settings
from sightwire.errors import ConfigurationError, InvalidInputError

QUICK = DeliveryRetries(attempts=3, initial_delay=0.02)
TLS = Path(__file__).parents[3] / "tests" / "fixtures" / "tls"


def mail(**changes: Any) -> Mail:
    members: dict[str, Any] = {
        "id": "run1.tell",
        "to": ["Ada <ada@example.org>", "bob@example.org"],
        "subject": "Bitte prüfen: 3 Bilder",
        "text": "Grüße\nund ein Punkt:\n.\n",
        **changes,
    }
    return Mail(**members)


async def test_a_message_arrives_as_it_was_written():
    async with mail_server() as mailbox:
        receipt = await MailSender(mail_settings(mailbox)).send(mail())
        assert receipt == MailReceipt(attempts=1, refused={})
        [message] = mailbox.messages
    assert message["From"] == "Sightwire <sightwire@example.org>"
    assert message["To"] == "Ada <ada@example.org>, bob@example.org"
    assert message["Subject"] == "Bitte prüfen: 3 Bilder"
    assert message["Date"].datetime.tzinfo is not None
    assert message["Message-ID"].endswith("@example.org>")
    assert message.get_content().replace("\r\n", "\n") == "Grüße\nund ein Punkt:\n.\n"
    assert mailbox.recipients == [["ada@example.org", "bob@example.org"]]


async def test_a_server_that_cannot_now_gets_the_same_message_again():
    async with mail_server() as mailbox:
        mailbox.answers = ["451 come again"]
        assert (await MailSender(mail_settings(mailbox), retries=QUICK).send(mail())).attempts == 2
        await MailSender(mail_settings(mailbox)).send(mail())
        await MailSender(mail_settings(mailbox)).send(mail(id="run1.other"))
        same, again, other = [message["Message-ID"] for message in mailbox.messages]
    assert same == again != other


async def test_attempts_have_an_end():
    async with mail_server() as mailbox:
        mailbox.answers = ["451 come again"] * 9
        with pytest.raises(DeliveryFailedError, match=r"answered 451 come again \(tried 3 times\)"):
            await MailSender(mail_settings(mailbox), retries=QUICK).send(mail())
        assert mailbox.connections == 3


async def test_a_refusal_is_not_tried_again():
    async with mail_server() as mailbox:
        mailbox.answers = ["554 no spam"]
        with pytest.raises(DeliveryRefusedError, match="554 no spam"):
            await MailSender(mail_settings(mailbox), retries=QUICK).send(mail())
        assert mailbox.connections == 1


async def test_recipients_are_refused_one_by_one_or_all_together():
    async with mail_server() as mailbox:
        mailbox.refused = {"bob@example.org": "550 unknown"}
        receipt = await MailSender(mail_settings(mailbox)).send(mail())
        assert receipt.refused == {"bob@example.org": "550 unknown"}
        assert mailbox.recipients == [["ada@example.org"]]
        mailbox.refused["ada@example.org"] = "550 gone"
        with pytest.raises(DeliveryRefusedError, match=r"refuses all recipients: .*550 gone"):
            await MailSender(mail_settings(mailbox), retries=QUICK).send(mail())
        mailbox.refused["ada@example.org"] = "450 full"
        with pytest.raises(DeliveryFailedError, match=r"takes no recipient now: .*450 full"):
            await MailSender(mail_settings(mailbox), retries=QUICK).send(mail())


async def test_a_server_that_comes_back_is_reached():
    async with mail_server() as mailbox:
        port = mailbox.port
    with pytest.raises(DeliveryFailedError, match=f"127.0.0.1:{port} does not answer"):
        await MailSender(mail_settings(mailbox), retries=QUICK).send(mail())
    patient = DeliveryRetries(attempts=200, initial_delay=0.02, max_delay=0.05)
    sending = asyncio.create_task(MailSender(mail_settings(mailbox), retries=patient).send(mail()))
    async with mail_server(port) as back:
        assert (await sending).refused == {}
        assert len(back.messages) == 1


async def test_passwords_travel_encrypted_to_a_server_that_is_trusted_and_wrong_ones_are_refused():
    def authenticate(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, password: LoginPassword
    ) -> AuthResult:
        return AuthResult(success=password.password == b"right", handled=False)

    certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.load_cert_chain(TLS / "pictures.example.crt", TLS / "pictures.example.key")
    async with mail_server(tls_context=certificate, authenticator=authenticate, auth_required=True) as mailbox:
        plain = mail_settings(mailbox, user="ada", password="right")
        with pytest.raises(DeliveryRefusedError):
            await MailSender(plain, retries=QUICK).send(mail())
        encrypted = mail_settings(mailbox, user="ada", password="right", encryption="starttls")
        with pytest.raises(DeliveryRefusedError, match="is not to be trusted: self-signed certificate"):
            await MailSender(encrypted, retries=QUICK).send(mail())
        trusting = ssl.create_default_context(cafile=TLS / "pictures.example.crt")
        trusting.check_hostname = False
        wrong = mail_settings(mailbox, user="ada", password="wrong", encryption="starttls")
        with pytest.raises(DeliveryRefusedError, match="535"):
            await MailSender(wrong, retries=QUICK, ssl_context=trusting).send(mail())
        assert not mailbox.messages
        await MailSender(encrypted, retries=QUICK, ssl_context=trusting).send(mail())
        assert len(mailbox.messages) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"to": []},
        {"to": ["nobody"]},
        {"subject": "one\r\nBcc: eve@example.org"},
        {"to": ["ada@example.org\nBcc: eve@example.org"]},
    ],
)
async def test_what_cannot_be_in_a_message_is_refused_before_it_is_sent(changes: dict[str, Any]):
    async with mail_server() as mailbox:
        with pytest.raises(InvalidInputError):
            await MailSender(mail_settings(mailbox)).send(mail(**changes))
        assert mailbox.connections == 0


async def test_a_task_sends_mail_where_a_server_is_configured():
    parameters = {"via": {"kind": "mail", "to": ["ada@example.org"], "subject": "Done", "text": "All of it."}}
    async with mail_server() as mailbox:
        configured = task_settings(mail=mail_settings(mailbox).model_dump())
        async with open_resources(configured) as resources:
            world = TaskWorld(resources, HandlerRegistry.with_builtin_types())
            assert await world.run("notify", parameters, run="r1") == {"id": "r1.step", "attempts": 1, "refused": {}}
        assert mailbox.messages[0]["Subject"] == "Done"
    async with open_resources(task_settings()) as resources:
        world = TaskWorld(resources, HandlerRegistry.with_builtin_types())
        with pytest.raises(ConfigurationError, match="SIGHTWIRE_ORCHESTRATOR_MAIL"):
            await world.run("notify", parameters)
