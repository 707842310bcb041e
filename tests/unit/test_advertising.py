"""The address that a service announces can be reached from elsewhere."""

import pytest

from sightwire.service.advertising import advertised_address


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "127.0.0.1:8203"),
        ("searcher.example", "searcher.example:8203"),
        # The way to a bus on this machine is the loopback.
        ("0.0.0.0", "127.0.0.1:8203"),
        ("::", "127.0.0.1:8203"),
    ],
)
async def test_an_address_that_means_every_address_is_not_announced(host: str, expected: str) -> None:
    assert await advertised_address(host, 8203, peer=("127.0.0.1", 4222)) == expected
