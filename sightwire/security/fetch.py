"""Fetches a URL that a user gave, without becoming a way into the network that the service stands in."""

import asyncio
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import httpcore
import httpx

from sightwire.errors import FetchFailedError, FetchRefusedError, TooLargeError
from sightwire.security.addresses import AddressPolicy
from sightwire.security.connecting import CheckedBackend
from sightwire.security.picture_types import PICTURE_TYPES, SNIFF_BYTES, sniff_picture

MEBIBYTE: Final = 1024 * 1024
MAX_URL_CHARACTERS: Final = 8192
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
#: Answers of a server that may be another one later.
_TRANSIENT_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How much of a remote server a fetch puts up with; sizes in bytes, times in seconds."""

    max_bytes: int = 32 * MEBIBYTE
    #: From the first look-up to the last byte, redirects included.
    total_seconds: float = 20.0
    #: Longest silence of the server.
    idle_seconds: float = 5.0
    #: Slowest average rate after `grace_seconds`, against bodies that drip.
    min_bytes_per_second: int = 4096
    grace_seconds: float = 5.0
    max_redirects: int = 3
    max_concurrent: int = 16


@dataclass(frozen=True, slots=True)
class FetchedPicture:
    """Bytes that begin like a picture; only decoding shows whether they are one."""

    data: bytes
    media_type: str
    #: Where it was in the end, after redirects.
    url: str


class PictureFetcher:
    """Fetches pictures over http and https from addresses that a policy allows.

    Every redirect is checked like the first URL. Proxies, cookies and credentials play no part. Use as a context
    manager, one for the life of a service::

        async with PictureFetcher(AddressPolicy(), FetchLimits()) as fetcher:
            picture = await fetcher.fetch("https://example.org/cat.jpg")
    """

    def __init__(
        self, policy: AddressPolicy, limits: FetchLimits | None = None, *, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self._limits = limits if limits is not None else FetchLimits()
        # Connections are not kept: one kept open to a public address could not be checked again.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context if ssl_context is not None else ssl.create_default_context(),
            max_connections=self._limits.max_concurrent,
            max_keepalive_connections=0,
            network_backend=CheckedBackend(policy),
        )
        self._slots = asyncio.Semaphore(self._limits.max_concurrent)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self._pool.aclose()

    async def fetch(self, url: str) -> FetchedPicture:
        """The picture at `url`.

        Raises:
            FetchRefusedError: the URL may not be fetched, is too slow, or is no picture.
            FetchFailedError: its server does not answer, or answers that it cannot now.
            TooLargeError: it is larger than the limit.
        """
        async with self._slots:
            try:
                async with asyncio.timeout(self._limits.total_seconds):
                    return await self._follow(url)
            except TimeoutError:
                raise FetchRefusedError(
                    f"the URL took longer than {self._limits.total_seconds:g} s; "
                    "upload the picture's bytes or put it on a faster server"
                ) from None

    async def _follow(self, url: str) -> FetchedPicture:
        current = checked_url(url)
        for _ in range(self._limits.max_redirects + 1):
            outcome = await self._request(current)
            if isinstance(outcome, FetchedPicture):
                return outcome
            current = outcome
        raise FetchRefusedError(f"the URL redirects more than {self._limits.max_redirects} times")

    async def _request(self, url: httpx.URL) -> FetchedPicture | httpx.URL:
        """One request: the picture, or where to look next."""
        limits = self._limits
        timeouts = {"connect": limits.idle_seconds, "read": limits.idle_seconds, "write": limits.idle_seconds}
        try:
            async with self._pool.stream(
                "GET",
                _httpcore_url(url),
                headers=[
                    (b"Host", _host_header(url)),
                    (b"User-Agent", b"sightwire-fetch"),
                    (b"Accept", ", ".join(PICTURE_TYPES).encode()),
                    # A compressed body could grow past the limit when it is unpacked.
                    (b"Accept-Encoding", b"identity"),
                ],
                extensions={"timeout": timeouts},
            ) as response:
                if response.status in _REDIRECTS:
                    return _redirect_target(url, response)
                _check_answer(response, limits)
                data = await _read_body(response, limits)
        except httpcore.ReadTimeout:
            raise FetchRefusedError(f"the URL's server was silent for {limits.idle_seconds:g} s") from None
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise FetchFailedError(f"fetching from {url.host!r} failed: {error or type(error).__name__}") from None
        media_type = sniff_picture(data[:SNIFF_BYTES])
        if media_type is None:
            raise FetchRefusedError(
                f"the URL does not lead to a picture: its bytes begin with {data[:12]!r}, "
                f"expected one of {', '.join(PICTURE_TYPES)}"
            )
        return FetchedPicture(data, media_type, str(url))


def checked_url(url: str) -> httpx.URL:
    """`url`, parsed, if its form may be fetched; whether its address may be is checked when connecting.

    Raises:
        FetchRefusedError: not an http(s) URL with a host, or one with credentials.
    """
    if len(url) > MAX_URL_CHARACTERS:
        raise FetchRefusedError(f"a URL may have {MAX_URL_CHARACTERS} characters, got {len(url)}")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise FetchRefusedError(f"expected an http or https URL, got {url[:200]!r}: {error}") from None
    if parsed.scheme not in _DEFAULT_PORTS:
        raise FetchRefusedError(f"only http and https URLs are fetched, got the scheme {parsed.scheme!r}")
    if not parsed.raw_host:
        raise FetchRefusedError(f"expected a URL with a host, got {url[:200]!r}")
    if parsed.userinfo:
        raise FetchRefusedError("a URL with a user name or password is not fetched")
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise FetchRefusedError(f"{parsed.port} is not a port")
    return parsed


def _httpcore_url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port or _DEFAULT_PORTS[url.scheme], target=url.raw_path
    )


def _host_header(url: httpx.URL) -> bytes:
    return url.netloc


def _redirect_target(url: httpx.URL, response: httpcore.Response) -> httpx.URL:
    location = _header(response, b"location")
    if location is None:
        raise FetchRefusedError(f"the URL's server answered {response.status} without saying where to go")
    try:
        target = url.join(location.decode("latin-1"))
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise FetchRefusedError("the URL redirects to something that is no URL") from None
    return checked_url(str(target))


def _check_answer(response: httpcore.Response, limits: FetchLimits) -> None:
    """Refuses by status and headers what need not be read."""
    if response.status in _TRANSIENT_STATUSES:
        raise FetchFailedError(f"the URL's server answered {response.status}; it may answer otherwise later")
    if response.status != 200:
        raise FetchRefusedError(f"the URL's server answered {response.status}, expected 200")
    encoding = _header(response, b"content-encoding")
    if encoding is not None and encoding.lower() != b"identity":
        raise FetchRefusedError("the URL's server compresses its answer although it was asked not to")
    declared = (_header(response, b"content-type") or b"").partition(b";")[0].strip().lower().decode("latin-1")
    if (
        declared
        and not declared.startswith("image/")
        and declared not in ("application/octet-stream", "binary/octet-stream")
    ):
        raise FetchRefusedError(f"the URL does not lead to a picture: its server calls it {declared!r}")
    length = _header(response, b"content-length")
    if length is not None and length.isdigit() and int(length) > limits.max_bytes:
        raise _too_large(limits)


async def _read_body(response: httpcore.Response, limits: FetchLimits) -> bytes:
    """The body, given up as soon as it is too large, too slow, or clearly no picture."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    body = bytearray()
    async for chunk in response.aiter_stream():
        body += chunk
        if len(body) > limits.max_bytes:
            raise _too_large(limits)
        elapsed = loop.time() - started
        if elapsed > limits.grace_seconds and len(body) < elapsed * limits.min_bytes_per_second:
            raise FetchRefusedError(
                f"the URL's server is too slow: {len(body)} bytes in {elapsed:.1f} s, "
                f"expected at least {limits.min_bytes_per_second} bytes a second"
            )
        if len(body) >= SNIFF_BYTES and sniff_picture(bytes(body[:SNIFF_BYTES])) is None:
            break
    return bytes(body)


def _too_large(limits: FetchLimits) -> TooLargeError:
    return TooLargeError(f"the picture at the URL is larger than {limits.max_bytes} bytes")


def _header(response: httpcore.Response, name: bytes) -> bytes | None:
    return next((value for key, value in response.headers if key.lower() == name), None)
