"""How the clients connect."""

import os
from typing import Any

import httpx

URL_VARIABLE = "SIGHTWIRE_URL"
API_KEY_VARIABLE = "SIGHTWIRE_API_KEY"
DEFAULT_URL = "http://127.0.0.1:8200"
DEFAULT_TIMEOUT = 30.0
_CONNECT_SECONDS = 5.0

#: The platform writes something at least every 15 seconds into a stream of events.
EVENTS_TIMEOUT = httpx.Timeout(60.0, connect=_CONNECT_SECONDS)


def default_url() -> str:
    """`SIGHTWIRE_URL`, else the address of a platform on this machine."""
    return os.environ.get(URL_VARIABLE, DEFAULT_URL)


def client_options(url: str, api_key: str | None, timeout: float) -> dict[str, Any]:
    """Arguments of httpx's clients."""
    key = api_key or os.environ.get(API_KEY_VARIABLE)
    headers = {"accept": "application/json"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    host = httpx.URL(url).host
    return {
        "base_url": url,
        "headers": headers,
        "timeout": httpx.Timeout(timeout, connect=_CONNECT_SECONDS),
        "limits": httpx.Limits(max_connections=64, max_keepalive_connections=32),
        # A proxy for the internet must not be asked about a platform on this machine.
        "trust_env": host not in {"127.0.0.1", "localhost", "::1"},
    }
