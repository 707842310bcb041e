"""Webhooks to a real server: signed so that the library of Standard Webhooks takes them, sent again, refused."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import pytest_asyncio
from pydantic import SecretStr
from sightwire_orchestrator.callbacks.retrying import DeliveryFailedError, DeliveryRefusedError, DeliveryRetries
from sightwire_orchestrator.callbacks.signing import WebhookKeys, signed_headers
from sightwire_orchestrator.callbacks.webhooks import Webhook, WebhookSender, retry_after
from sightwire_orchestrator.tasks.errors import InvalidParametersError
from sightwire_orchestrator.tasks.registry import HandlerRegistry
from sightwire_orchestrator.tasks.resources import open_resources
from standardwebhooks import Webhook as Receiver
from standardwebhooks import WebhookVerificationError

from services.orchestrator.tests.scripted_server import ScriptedServer, answer, scripted_server, silence
from services.orchestrator.tests.task_world import TaskWorld, task_settings
from sightwire.errors import ConfigurationError, NotFoundError
from sightwire.security.addresses import AddressPolicy

KEY = b"a key of thirty-two bytes, just so"
QUICK = DeliveryRetries(attempts=3, initial_delay=0.02)
LOOPBACK = AddressPolicy.allowing(["127.0.0.0/8"])


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def sender() -> AsyncIterator[WebhookSender]:
    keys = WebhookKeys({"ours": KEY})
    async with WebhookSender(LOOPBACK, keys, retries=QUICK, idle_seconds=0.5) as opened:
        yield opened


def webhook(server: ScriptedServer, *, key: str | None = "ours") -> Webhook:
    occurred_at = datetime(2026, 11, 21, tzinfo=UTC)
    return Webhook(f"{server.url}/hook?a=b", "run1.done", "run.completed", {"übung": [1]}, key, occurred_at)


async def test_receivers_verify_a_webhook_with_the_standards_library(server: ScriptedServer, sender: WebhookSender):
    server.script = [answer(status=204)]
    receipt = await sender.send(webhook(server))
    assert (receipt.status, receipt.attempts) == (204, 1)
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/hook?a=b")
    assert request.headers["content-type"] == "application/json"
    body = Receiver(KEY).verify(request.body, request.headers)
    assert body == {"type": "run.completed", "timestamp": "2026-11-21T00:00:00+00:00", "data": {"übung": [1]}}


async def test_a_changed_body_an_old_time_and_another_key_are_noticed(server: ScriptedServer, sender: WebhookSender):
    server.otherwise = answer()
    await sender.send(webhook(server))
    [request] = server.requests
    with pytest.raises(WebhookVerificationError):
        Receiver(KEY).verify(request.body + b" ", request.headers)
    with pytest.raises(WebhookVerificationError):
        Receiver(b"another key of thirty-two bytes").verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Receiver(KEY).verify(request.body, {**request.headers, "webhook-id": "another"})
    old = signed_headers(KEY, message_id="run1.done", timestamp=1_700_000_000, body=request.body)
    with pytest.raises(WebhookVerificationError, match="too old"):
        Receiver(KEY).verify(request.body, old)


async def test_without_a_key_the_id_still_tells_repetitions(server: ScriptedServer, sender: WebhookSender):
    server.script = [answer(status=500), answer()]
    receipt = await sender.send(webhook(server, key=None))
    assert receipt.attempts == 2
    assert [request.headers["webhook-id"] for request in server.requests] == ["run1.done", "run1.done"]
    assert "webhook-signature" not in server.requests[0].headers


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
async def test_a_receiver_that_cannot_now_is_told_again_then_given_up(
    server: ScriptedServer, sender: WebhookSender, status: int
):
    server.otherwise = answer(b"busy", status=status)
    with pytest.raises(DeliveryFailedError, match=rf"answered {status} to a webhook: busy \(tried 3 times\)") as raised:
        await sender.send(webhook(server))
    assert raised.value.transient
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410, 422])
async def test_a_receiver_that_refuses_is_left_alone(server: ScriptedServer, sender: WebhookSender, status: int):
    server.otherwise = answer(b"never", status=status, location=f"{server.url}/elsewhere")
    with pytest.raises(DeliveryRefusedError, match=f"127.0.0.1 answered {status} to a webhook: never") as raised:
        await sender.send(webhook(server))
    assert not raised.value.transient
    assert len(server.requests) == 1


async def test_a_receiver_says_when_to_come_again(server: ScriptedServer, sender: WebhookSender):
    server.script = [answer(status=429, retry_after="1"), answer()]
    await sender.send(webhook(server))
    first, second = server.requests
    assert second.at - first.at >= 0.95


async def test_who_asks_for_more_patience_than_there_is_gets_none(server: ScriptedServer, sender: WebhookSender):
    server.otherwise = answer(status=503, retry_after="100000")
    with pytest.raises(DeliveryFailedError, match=r"\(tried once\)") as raised:
        await sender.send(webhook(server))
    assert raised.value.retry_after == 100_000


async def test_silence_and_nobody_at_all_are_failures(server: ScriptedServer, sender: WebhookSender):
    server.otherwise = silence()
    with pytest.raises(DeliveryFailedError, match="does not answer"):
        await sender.send(webhook(server))
    with pytest.raises(DeliveryFailedError, match="does not answer"):
        await sender.send(Webhook("http://127.0.0.1:9/", "1", "event", None))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://0x7f.1:{port}/", "http://[::1]:{port}/"]
)
async def test_only_public_addresses_are_called_unless_others_are_allowed(server: ScriptedServer, url: str):
    async with WebhookSender(AddressPolicy(), WebhookKeys({}), retries=QUICK) as strict:
        with pytest.raises(DeliveryRefusedError, match="SIGHTWIRE_ORCHESTRATOR_WEBHOOK_ALLOW"):
            await strict.send(Webhook(url.format(port=server.port), "1", "event", None))
    assert not server.requests


@pytest.mark.parametrize("url", ["ftp://example.org/", "file:///etc/passwd", "http://user:key@127.0.0.1/", "no url"])
async def test_what_is_no_address_for_a_webhook_is_refused(sender: WebhookSender, url: str):
    with pytest.raises(DeliveryRefusedError, match="may not be called"):
        await sender.send(Webhook(url, "1", "event", None))


def test_keys_are_text_or_base64_and_not_short():
    keys = WebhookKeys.of({"text": SecretStr("x" * 16), "binary": SecretStr("whsec_" + base64.b64encode(KEY).decode())})
    assert keys.get("text") == b"x" * 16
    assert keys.get("binary") == KEY
    with pytest.raises(NotFoundError, match="no key 'other' for webhooks is configured; there are binary, text"):
        keys.get("other")
    for bad in ("short", "whsec_short", "whsec_" + "!" * 20):
        with pytest.raises(ConfigurationError, match="the key 'ours' for webhooks"):
            WebhookKeys.of({"ours": SecretStr(bad)})


def test_signatures_are_those_of_the_standard():
    headers = signed_headers(KEY, message_id="m1", timestamp=5, body=b"{}")
    expected = base64.b64encode(hmac.new(KEY, b"m1.5.{}", hashlib.sha256).digest()).decode()
    assert headers == {"webhook-id": "m1", "webhook-timestamp": "5", "webhook-signature": f"v1,{expected}"}


NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("5", 5.0),
        (" 120 ", 120.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_has_two_forms(value: str | None, seconds: float | None):
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    ("attempt", "jitter", "asked", "delay"),
    [
        (1, 0.0, None, 1.0),
        (2, 0.0, None, 2.0),
        (3, 1.0, None, 3.0),
        (4, 0.0, None, 5.0),
        (5, 0.0, None, None),
        (1, 0.5, 7.0, 7.0),
        (1, 0.5, 11.0, None),
        (5, 0.5, 1.0, None),
    ],
)
def test_delays_double_up_to_a_limit(attempt: int, jitter: float, asked: float | None, delay: float | None):
    retries = DeliveryRetries(attempts=5, initial_delay=1.0, max_delay=5.0, max_retry_after=10.0)
    assert retries.delay_after(attempt, jitter=jitter, retry_after=asked) == delay


async def test_a_task_notifies_with_the_same_id_in_each_attempt(server: ScriptedServer):
    server.otherwise = answer()
    settings = task_settings(webhook_keys={"ours": KEY.decode()}, webhook_allow="127.0.0.1")
    parameters = {"via": {"kind": "webhook", "url": server.url, "data": {"a": 1}, "key": "ours"}}
    async with open_resources(settings) as resources:
        world = TaskWorld(resources, HandlerRegistry.with_builtin_types())
        output = await world.run("notify", parameters, run="r1", attempt=1)
        assert output == await world.run("notify", parameters, run="r1", attempt=2)
        with pytest.raises(InvalidParametersError, match=r"via: .*'webhook', 'mail'"):
            await world.run("notify", {"via": {"kind": "pigeon"}})
    assert output == {"id": "r1.step", "attempts": 1, "status": 200}
    first, second = server.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "r1.step"
    assert Receiver(KEY).verify(first.body, first.headers)["data"] == {"a": 1}
