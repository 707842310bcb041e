"""Asking a service over HTTP whether it is ready."""

import httpx

_ANSWER_SECONDS = 2.0


async def answers_ready(base_url: str) -> bool:
    """Whether GET `base_url`/readyz answers 200 now."""
    return (await why_not_ready(base_url)) is None


async def why_not_ready(base_url: str) -> str | None:
    """None when GET `base_url`/readyz answers 200, else what it answered instead."""
    try:
        # trust_env off: a proxy for the internet must not be asked about this machine's own processes.
        async with httpx.AsyncClient(trust_env=False, timeout=_ANSWER_SECONDS) as client:
            response = await client.get(f"{base_url}/readyz")
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    if response.status_code == httpx.codes.OK:
        return None
    return f"HTTP {response.status_code}: {response.text[:500]}"
