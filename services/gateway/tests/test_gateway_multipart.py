"""Forms are parsed as they arrive, and stopped as soon as they are wrong."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sightwire_gateway.errors import MalformedRequestError
from sightwire_gateway.multipart import FormPart, FormReader

from sightwire.errors import InvalidInputError, TooLargeError

TYPE = 'multipart/form-data; boundary="edge"'
LIMITS = {"image": 1000, "item": 100}


def form(*parts: tuple[str, bytes], end: bytes = b"--edge--\r\n") -> bytes:
    body = b""
    for disposition, data in parts:
        body += b"--edge\r\ncontent-disposition: form-data; " + disposition.encode() + b"\r\n\r\n" + data + b"\r\n"
    return body + end


class Chunks:
    """A body in pieces, that knows how many were taken."""

    def __init__(self, body: bytes, size: int) -> None:
        self._body, self._size = body, size
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), self._size):
            self.taken += self._size
            yield self._body[start : start + self._size]


async def read(body: bytes, size: int = 7) -> dict[str, FormPart]:
    return await FormReader(TYPE, LIMITS).read(aiter(Chunks(body, size)))


@given(image=st.binary(max_size=300), size=st.integers(1, 64))
async def test_parts_come_whole_however_they_are_cut(image: bytes, size: int):
    if b"\r\n--edge" in image:
        return
    parts = await read(form(('name="item"', b"{}"), ('name="image"; filename="ä b.jpg"', image)), size)
    assert bytes(parts["image"].data) == image
    assert parts["image"].filename == "ä b.jpg"
    assert bytes(parts["item"].data) == b"{}"


async def test_a_part_over_its_limit_stops_the_reading():
    chunks = Chunks(form(('name="image"; filename="a"', bytes(100_000))), 500)
    with pytest.raises(TooLargeError, match="the part 'image' may have 1000 bytes"):
        await FormReader(TYPE, LIMITS).read(aiter(chunks))
    assert chunks.taken < 2500


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"this is no form at all", MalformedRequestError),
        (form(('name="image"', b"x"), end=b""), MalformedRequestError),
        (b"", MalformedRequestError),
        (form(('name="other"', b"x")), InvalidInputError),
        (form(('filename="x"', b"x")), InvalidInputError),
        (form(('name="image"', b"x"), ('name="image"', b"y")), InvalidInputError),
        (form((f'name="image"; filename="{"x" * 20_000}"', b"x")), MalformedRequestError),
    ],
)
async def test_other_bodies_are_refused(body: bytes, error: type[Exception]):
    with pytest.raises(error):
        await read(body, size=1000)


def test_a_form_needs_a_boundary():
    with pytest.raises(MalformedRequestError, match="boundary"):
        FormReader("multipart/form-data", LIMITS)
