"""A real SMTP server on loopback that keeps what comes, refuses, or asks to come again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session
from sightwire_orchestrator.callbacks.mail import MailSettings


class Mailbox:
    """Keeps what comes; `answers` to the next messages, and `refused` recipients."""

    def __init__(self) -> None:
        self.port = 0
        self.messages: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.answers: list[str] = []
        self.refused: dict[str, str] = {}
        self.connections = 0

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.recipients.append(envelope.rcpt_tos)
        return "250 OK"


@asynccontextmanager
async def mail_server(port: int = 0, **options: Any) -> AsyncIterator[Mailbox]:
    mailbox = Mailbox()

    def protocol() -> SMTP:
        mailbox.connections += 1
        return SMTP(mailbox, hostname="mail.test", loop=asyncio.get_running_loop(), **options)

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()


def mail_settings(mailbox: Mailbox, **changes: Any) -> MailSettings:
    return MailSettings.model_validate(
        {
            "host": "127.0.0.1",
            "port": mailbox.port,
            "encryption": "none",
            "sender": "Sightwire <sightwire@example.org>",
            "timeout_seconds": 5,
            **changes,
        }
    )
