"""E-mail over SMTP."""

import hashlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, localtime, parseaddr
from enum import StrEnum

import aiosmtplib
from aiosmtplib.errors import (
    SMTPConnectError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, SecretStr

from sightwire.errors import InvalidInputError
from sightwire.settings import Port
from sightwire_orchestrator.callbacks.retrying import (
    DeliveryFailedError,
    DeliveryRefusedError,
    DeliveryRetries,
    with_retries,
)


class MailEncryption(StrEnum):
    """How the connection to the mail server is encrypted."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class MailSettings(BaseModel):
    """The server that takes mail, and who it is from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: Port = 587
    encryption: MailEncryption = MailEncryption.STARTTLS
    user: str | None = None
    password: SecretStr | None = None
    sender: str = Field(examples=["Sightwire <sightwire@example.org>"])
    timeout_seconds: PositiveFloat = 20.0


@dataclass(frozen=True, slots=True)
class Mail:
    """A message in plain text."""

    #: The same for the same message, however often it is sent: it becomes the `Message-ID`.
    id: str
    to: Sequence[str]
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class MailReceipt:
    """A message that the server took; `refused` says of which recipients it would not hear, and why."""

    attempts: int
    refused: dict[str, str]


class MailSender:
    """Sends mail, one connection a message."""

    def __init__(
        self,
        settings: MailSettings,
        *,
        retries: DeliveryRetries | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._retries = retries or DeliveryRetries()
        self._ssl_context = ssl_context

    async def send(self, mail: Mail) -> MailReceipt:
        """Sends until the server takes it for at least one recipient.

        Raises:
            InvalidInputError: an address or the subject cannot be in a message.
            DeliveryRefusedError: the server refuses it, its sender, its recipients or the password.
            DeliveryFailedError: no attempt reached the server, or it asked to come again too often.
        """
        message = self._message(mail)
        refused, attempts = await with_retries(lambda: self._deliver(message), self._retries)
        return MailReceipt(attempts, refused)

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage()
        domain = parseaddr(self._settings.sender)[1].rpartition("@")[2] or "localhost"
        try:
            message["From"] = self._settings.sender
            message["To"] = ", ".join(mail.to)
            message["Subject"] = mail.subject
        except ValueError as error:
            raise InvalidInputError(f"a mail cannot be made: {error}") from None
        if any("@" not in parseaddr(address)[1] for address in mail.to) or not mail.to:
            raise InvalidInputError(f"expected addresses such as ada@example.org, got {', '.join(mail.to) or 'none'}")
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = f"<{hashlib.sha256(mail.id.encode()).hexdigest()[:32]}@{domain}>"
        message.set_content(mail.text)
        return message

    async def _deliver(self, message: EmailMessage) -> dict[str, str]:
        settings = self._settings
        try:
            refused, _ = await aiosmtplib.send(
                message,
                hostname=settings.host,
                port=settings.port,
                username=settings.user,
                password=settings.password.get_secret_value() if settings.password else None,
                use_tls=settings.encryption is MailEncryption.TLS,
                start_tls=settings.encryption is MailEncryption.STARTTLS,
                tls_context=self._ssl_context,
                timeout=settings.timeout_seconds,
            )
        except SMTPRecipientsRefused as error:
            reasons = "; ".join(f"{each.recipient}: {each.code} {each.message}" for each in error.recipients)
            if any(400 <= each.code < 500 for each in error.recipients):
                raise DeliveryFailedError(f"the mail server takes no recipient now: {reasons}") from None
            raise DeliveryRefusedError(f"the mail server refuses all recipients: {reasons}") from None
        except SMTPResponseException as error:
            detail = f"the mail server answered {error.code} {error.message}"
            if 400 <= error.code < 500:
                raise DeliveryFailedError(detail) from None
            raise DeliveryRefusedError(detail) from None
        except ssl.SSLCertVerificationError as error:
            raise DeliveryRefusedError(
                f"the certificate of the mail server {settings.host}:{settings.port} is not to be trusted: "
                f"{error.verify_message}"
            ) from None
        except (SMTPConnectError, SMTPServerDisconnected, SMTPTimeoutError, OSError) as error:
            raise DeliveryFailedError(
                f"the mail server {settings.host}:{settings.port} does not answer: {error or type(error).__name__}"
            ) from None
        except SMTPException as error:
            raise DeliveryRefusedError(f"mail cannot be sent by {settings.host}:{settings.port}: {error}") from None
        return {recipient: f"{response.code} {response.message}" for recipient, response in refused.items()}
