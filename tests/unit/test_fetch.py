"""Fetching a user's URL from a real server that does everything a bad one would."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sightwire.errors import FetchFailedError, FetchRefusedError, TooLargeError
from sightwire.security.addresses import AddressPolicy
from sightwire.security.fetch import FetchLimits, PictureFetcher, checked_url
from tests.plugin.web import PICTURE, WebServer, web_server

TLS_FIXTURES = Path(__file__).parents[1] / "fixtures" / "tls"
LIMITS = FetchLimits(
    max_bytes=100_000, total_seconds=2.0, idle_seconds=0.5, min_bytes_per_second=1000, grace_seconds=0.3
)


def answer_names_with_loopback(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Makes names under `example` resolve to 127.0.0.1 when first asked, to 127.0.0.2 later; returns what was asked.

    Name resolution is the one thing that a test cannot really do for names of its own.
    """
    loop = asyncio.get_running_loop()
    original, asked = loop.getaddrinfo, []

    async def getaddrinfo(host, port, **options):
        if not host.endswith(".example"):
            return await original(host, port, **options)
        asked.append(host)
        rebinds = host.startswith("rebinding") and len(asked) > 1
        return await original("127.0.0.2" if rebinds else "127.0.0.1", port, **options)

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo, raising=False)
    return asked


@pytest_asyncio.fixture
async def server() -> AsyncIterator[WebServer]:
    async with web_server() as running:
        yield running


@pytest_asyncio.fixture
async def fetcher() -> AsyncIterator[PictureFetcher]:
    """Allows 127.0.0.1 alone: the rest of loopback is as private as any other network."""
    async with PictureFetcher(AddressPolicy.allowing(["127.0.0.1"]), LIMITS) as allowed:
        yield allowed


async def test_a_picture_is_fetched(server: WebServer, fetcher: PictureFetcher):
    picture = await fetcher.fetch(server.answer("/cat.png", content_type="image/png"))
    assert picture.data == PICTURE
    assert picture.media_type == "image/png"
    [(_, headers)] = server.requests
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert headers["accept-encoding"] == "identity"
    assert "cookie" not in headers
    assert "authorization" not in headers


async def test_the_type_comes_from_the_bytes_not_from_the_server(server: WebServer, fetcher: PictureFetcher):
    assert (await fetcher.fetch(server.answer("/a", content_type="image/jpeg"))).media_type == "image/png"
    assert (await fetcher.fetch(server.answer("/b"))).media_type == "image/png"


async def test_proxies_of_the_environment_are_ignored(server: WebServer, fetcher: PictureFetcher, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await fetcher.fetch(server.answer("/a"))).data == PICTURE


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f000001:{port}/",
        "http://127.1:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://0.0.0.0:{port}/",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
async def test_private_addresses_are_refused_however_they_are_written(server: WebServer, url: str):
    server.answer("/")
    async with PictureFetcher(AddressPolicy(), LIMITS) as strict:
        with pytest.raises(FetchRefusedError, match="not at a public address") as refusal:
            await strict.fetch(url.format(port=server.port))
    assert not server.requests
    assert not refusal.value.transient


async def test_a_redirect_to_a_private_address_is_refused(server: WebServer, fetcher: PictureFetcher):
    server.answer("/secret.png")
    url = server.answer("/a", status=302, location=f"http://127.0.0.2:{server.port}/secret.png")
    with pytest.raises(FetchRefusedError, match="not at a public address"):
        await fetcher.fetch(url)
    assert [path for path, _ in server.requests] == ["/a"]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://u:p@127.0.0.1/", "http://"])
async def test_a_redirect_to_what_is_no_web_address_is_refused(
    server: WebServer, fetcher: PictureFetcher, location: str
):
    with pytest.raises(FetchRefusedError):
        await fetcher.fetch(server.answer("/a", status=301, location=location))


async def test_redirects_are_followed_three_times(server: WebServer, fetcher: PictureFetcher):
    server.answer("/3")
    server.answer("/2", status=307, location="/3")
    server.answer("/1", status=303, location="2")
    url = server.answer("/0", status=301, location=server.url("/1"))
    picture = await fetcher.fetch(url)
    assert picture.data == PICTURE
    assert picture.url == server.url("/3")
    with pytest.raises(FetchRefusedError, match="more than 3 times"):
        await fetcher.fetch(server.answer("/before", status=301, location="/0"))


async def test_a_redirect_without_a_target_is_refused(server: WebServer, fetcher: PictureFetcher):
    with pytest.raises(FetchRefusedError, match="without saying where"):
        await fetcher.fetch(server.answer("/a", status=302))


async def test_a_declared_length_over_the_limit_is_refused_before_reading(server: WebServer, fetcher: PictureFetcher):
    with pytest.raises(TooLargeError, match="larger than 100000 bytes"):
        await fetcher.fetch(server.answer("/big", body=PICTURE + bytes(200_000)))


async def test_a_body_without_length_is_stopped_at_the_limit(server: WebServer, fetcher: PictureFetcher):
    with pytest.raises(TooLargeError, match="larger than 100000 bytes"):
        await fetcher.fetch(server.stream("/endless", bytes(10_000)))


async def test_a_dripping_body_is_given_up(server: WebServer, fetcher: PictureFetcher):
    started = time.monotonic()
    with pytest.raises(FetchRefusedError, match="too slow"):
        await fetcher.fetch(server.stream("/drip", b"\0", pause=0.05))
    assert time.monotonic() - started < 1.5


async def test_a_silent_server_is_given_up(server: WebServer, fetcher: PictureFetcher):
    async def silent(_path: str, _headers: dict[str, str], _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1.0)

    server.pages["/silent"] = silent
    with pytest.raises(FetchRefusedError, match=r"silent for 0\.5 s"):
        await fetcher.fetch(server.url("/silent"))


async def test_the_total_time_is_limited_whatever_the_server_does(server: WebServer):
    patient = FetchLimits(total_seconds=0.5, idle_seconds=5.0, min_bytes_per_second=0)
    async with PictureFetcher(AddressPolicy.allowing(["127.0.0.1"]), patient) as fetcher:
        with pytest.raises(FetchRefusedError, match=r"longer than 0\.5 s"):
            await fetcher.fetch(server.stream("/drip", b"\0", pause=0.05))


async def test_a_page_is_no_picture(server: WebServer, fetcher: PictureFetcher):
    with pytest.raises(FetchRefusedError, match="calls it 'text/html'"):
        await fetcher.fetch(server.answer("/a", content_type="text/html; charset=utf-8"))
    with pytest.raises(FetchRefusedError, match="does not lead to a picture"):
        await fetcher.fetch(server.answer("/b", body=b"<html>", content_type="image/png"))
    with pytest.raises(FetchRefusedError, match="does not lead to a picture"):
        await fetcher.fetch(server.answer("/empty", body=b"", content_type="image/png"))


async def test_a_page_that_never_ends_is_given_up_after_its_first_bytes(server: WebServer, fetcher: PictureFetcher):
    with pytest.raises(FetchRefusedError, match="does not lead to a picture"):
        await fetcher.fetch(server.stream("/text", bytes(1000), first=b"x" * 64))


async def test_a_compressed_answer_is_refused(server: WebServer, fetcher: PictureFetcher):
    with pytest.raises(FetchRefusedError, match="compresses"):
        await fetcher.fetch(server.answer("/a", content_encoding="gzip"))


@pytest.mark.parametrize(("status", "transient"), [(404, False), (403, False), (204, False), (500, True), (429, True)])
async def test_other_answers_are_refused_and_say_whether_to_try_again(
    server: WebServer, fetcher: PictureFetcher, status: int, transient: bool
):
    with pytest.raises(FetchRefusedError, match=str(status)) as refusal:
        await fetcher.fetch(server.answer("/a", status=status))
    assert refusal.value.transient is transient


async def test_an_unreachable_server_may_be_tried_again(fetcher: PictureFetcher):
    with pytest.raises(FetchFailedError) as failure:
        await fetcher.fetch("http://127.0.0.1:1/a.png")
    assert failure.value.transient


async def test_an_unknown_host_may_be_tried_again(fetcher: PictureFetcher):
    with pytest.raises(FetchFailedError, match="cannot be resolved"):
        await fetcher.fetch("http://no-such-host.invalid/a.png")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cat.jpg",
        "//example.org/a",
        "ftp://example.org/a",
        "file:///etc/passwd",
        "data:image/png;base64,AA==",
        "http://",
        "http://user:secret@example.org/",
        "http://example.org:99999/",
        "http://example.org:0/",
        "http://example.org/\x00",
        "http://example.org/" + "a" * 9000,
    ],
)
def test_what_is_no_web_address_is_refused(url: str):
    with pytest.raises(FetchRefusedError):
        checked_url(url)


async def test_tls_asks_for_the_name_in_the_url_and_checks_the_certificate(monkeypatch):
    asked_names: list[str | None] = []
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(TLS_FIXTURES / "pictures.example.crt", TLS_FIXTURES / "pictures.example.key")
    served.sni_callback = lambda _connection, name, _context: asked_names.append(name)
    answer_names_with_loopback(monkeypatch)
    trusting = ssl.create_default_context(cafile=TLS_FIXTURES / "pictures.example.crt")
    policy = AddressPolicy.allowing(["127.0.0.1"])
    async with web_server(served) as server:
        server.answer("/cat.png")
        url = f"https://pictures.example:{server.port}/cat.png"
        async with PictureFetcher(policy, LIMITS, ssl_context=trusting) as fetcher:
            assert (await fetcher.fetch(url)).data == PICTURE
            with pytest.raises(FetchFailedError, match="certificate"):
                await fetcher.fetch(url.replace("pictures", "other"))
        async with PictureFetcher(policy, LIMITS) as distrusting:
            with pytest.raises(FetchFailedError, match="certificate"):
                await distrusting.fetch(url)
    assert asked_names == ["pictures.example", "other.example", "pictures.example"]


async def test_a_name_is_resolved_once_and_the_checked_address_is_used(server: WebServer, monkeypatch):
    """DNS rebinding: the second answer of the name would be another address, but nobody asks a second time."""
    asked = answer_names_with_loopback(monkeypatch)
    server.answer("/cat.png")
    async with PictureFetcher(AddressPolicy.allowing(["127.0.0.1"]), LIMITS) as fetcher:
        await fetcher.fetch(server.url("/cat.png", host="rebinding.example"))
        assert asked == ["rebinding.example"]
        assert server.requests[0][1]["host"] == f"rebinding.example:{server.port}"
        with pytest.raises(FetchRefusedError, match="not at a public address"):
            await fetcher.fetch(server.url("/cat.png", host="rebinding.example"))
