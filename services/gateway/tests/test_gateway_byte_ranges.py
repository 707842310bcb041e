"""Byte ranges."""

import pytest
from sightwire_gateway.byte_ranges import parse_range
from sightwire_gateway.errors import RangeNotSatisfiableError


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("bytes=-", None),
        ("items=0-1", None),
        ("bytes=0-1,3-4", None),
        ("bytes=5-4", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 10)),
        ("bytes=3-5", (3, 3)),
        ("bytes=9-99", (9, 1)),
        ("bytes=-3", (7, 3)),
        ("bytes=-99", (0, 10)),
        (" bytes=1-2 ", (1, 2)),
    ],
)
def test_ranges_of_ten_bytes(header: str | None, expected: tuple[int, int] | None):
    assert parse_range(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_ranges_outside_are_refused(header: str):
    with pytest.raises(RangeNotSatisfiableError, match="10 bytes"):
        parse_range(header, 10)
