"""Multipart forms, parsed as they arrive: a part over its limit stops the request, not the disk or the memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from sightwire.errors import InvalidInputError, TooLargeError
from sightwire_gateway.errors import MalformedRequestError

_MAX_PARTS: Final = 16
_MAX_HEADER_BYTES: Final = 16 * 1024
#: Room for boundaries and headers beside the parts themselves.
OVERHEAD_BYTES: Final = 64 * 1024


@dataclass(slots=True)
class FormPart:
    """One part of a form."""

    name: str
    filename: str
    data: bytearray = field(default_factory=bytearray)


class FormReader:
    """Takes chunks of a body and collects its parts.

    Args:
        content_type: header of the request, with the boundary.
        limits: bytes of each part that is wanted, by name; other parts are refused.
    """

    def __init__(self, content_type: str, limits: dict[str, int]) -> None:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise MalformedRequestError("a multipart body needs a boundary in its content type")
        self.parts: dict[str, FormPart] = {}
        self._limits = limits
        self._part: FormPart | None = None
        self._headers: dict[bytes, bytes] = {}
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._header_bytes = 0
        self._is_complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_part_data": self._on_part_data,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_end": self._on_end,
            },
        )

    async def read(self, chunks: AsyncIterator[bytes]) -> dict[str, FormPart]:
        """The parts by name.

        Raises:
            MalformedRequestError: not a multipart body, or it breaks off.
            TooLargeError: a part over its limit.
            InvalidInputError: a part that the route does not know, or one that comes twice.
        """
        try:
            async for chunk in chunks:
                self._parser.write(chunk)
            self._parser.finalize()
        except FormParserError as error:
            raise MalformedRequestError(f"the body is not a multipart form: {error}") from None
        if not self._is_complete:
            raise MalformedRequestError("the multipart form breaks off before its last boundary")
        return self.parts

    def _on_part_begin(self) -> None:
        self._headers = {}
        self._header_bytes = 0

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]
        self._count_header(end - start)

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]
        self._count_header(end - start)

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > _MAX_HEADER_BYTES:
            raise MalformedRequestError(f"the headers of a form's part may have {_MAX_HEADER_BYTES} bytes")

    def _on_header_end(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        name = options.get(b"name", b"").decode(errors="replace")
        if name not in self._limits:
            wanted = ", ".join(map(repr, self._limits))
            raise InvalidInputError(f"the form has a part {name!r}; this route takes {wanted}")
        if name in self.parts or len(self.parts) >= _MAX_PARTS:
            raise InvalidInputError(f"the form has more than one part {name!r}")
        self._part = FormPart(name, options.get(b"filename", b"").decode(errors="replace"))
        self.parts[name] = self._part

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        assert part is not None, "the parser announces headers before data"
        limit = self._limits[part.name]
        if len(part.data) + end - start > limit:
            raise TooLargeError(f"the part {part.name!r} may have {limit} bytes, got more")
        part.data += data[start:end]

    def _on_end(self) -> None:
        self._is_complete = True
