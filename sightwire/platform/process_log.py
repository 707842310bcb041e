"""The log file of one supervised process: JSON lines, whatever the process writes, and bounded in size."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

MAX_LOG_BYTES = 32 * 1024 * 1024
_READ_BYTES = 64 * 1024
_LONGEST_LINE_BYTES = 4 * 1024 * 1024
_ERROR_LEVELS = frozenset({"ERROR", "CRITICAL", "FATAL"})
# nats-server writes: [4711] 2026/01/31 12:00:00.000000 [ERR] message
_NATS_LINE = re.compile(r"^\[\d+\] \S+ \S+ \[(?P<level>[A-Z]{3})\] (?P<message>.*)$")
_NATS_LEVELS = {"INF": "INFO", "DBG": "DEBUG", "TRC": "DEBUG", "WRN": "WARNING", "ERR": "ERROR", "FTL": "CRITICAL"}


@dataclass(frozen=True)
class LogLine:
    """One line of a process: as it is kept, and what a person needs of it."""

    kept: str  # one JSON object, without the line's end
    level: str
    message: str

    @property
    def is_error(self) -> bool:
        """Whether somebody should see this line at once."""
        return self.level in _ERROR_LEVELS


def read_log_line(raw: bytes, service: str) -> LogLine:
    """A line as a process wrote it; what is not JSON (nats-server's lines, tracebacks) is wrapped."""
    text = raw.decode("utf-8", errors="replace").rstrip("\r\n")
    record = _json_object(text)
    if record is not None:
        level = str(record.get("level", "INFO")).upper()
        message = str(record.get("message", ""))
        return LogLine(kept=text, level=level, message=_with_last_line_of_traceback(message, record))
    nats_line = _NATS_LINE.match(text)
    level, message = "INFO", text
    if nats_line is not None:
        level, message = _NATS_LEVELS.get(nats_line["level"], "INFO"), nats_line["message"]
    wrapped = {"timestamp": datetime.now(UTC).isoformat(), "level": level, "service": service, "message": message}
    return LogLine(kept=json.dumps(wrapped, ensure_ascii=False), level=level, message=message)


def _json_object(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _with_last_line_of_traceback(message: str, record: dict[str, Any]) -> str:
    traceback = str(record.get("exc_info", "")).strip()
    return f"{message}: {traceback.splitlines()[-1]}" if traceback else message


class ProcessLog:
    """Appends to `path`; when it grows past `max_bytes`, it is moved to `path`.1 and begun anew."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_LOG_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._file: IO[str] | None = None

    def append(self, line: str) -> None:
        """Write one line."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", encoding="utf-8", buffering=1)
        self._file.write(line + "\n")
        if self._file.tell() >= self._max_bytes:
            self.close()
            self.path.replace(self.path.with_name(self.path.name + ".1"))

    def close(self) -> None:
        """Close the file; a later `append` opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None


async def lines_of_pipe(descriptor: int) -> AsyncIterator[bytes]:
    """What is written to the other end of a pipe, line by line, until it is closed; closes `descriptor` itself.

    A line longer than 4 MiB comes in pieces.
    """
    reader = asyncio.StreamReader(limit=_READ_BYTES)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        rest = b""
        while chunk := await reader.read(_READ_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line
            if len(rest) > _LONGEST_LINE_BYTES:
                yield rest
                rest = b""
        if rest:
            yield rest
    finally:
        transport.close()
