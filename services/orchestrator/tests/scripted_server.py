"""A real HTTP/1.1 server on loopback that answers each request as the next line of a script says."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Received:
    """A request as it came; `at` in seconds of a clock that only goes forward."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class ScriptedServer:
    """`script` is what comes next, `otherwise` what comes after it."""

    port: int = 0
    script: list[Answer] = field(default_factory=list)
    otherwise: Answer | None = None
    requests: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.requests.append(Received(method, path, headers, body))
            answer = self.script.pop(0) if self.script else self.otherwise
            assert answer is not None, f"the script has no answer for {method} {path}"
            await answer(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


def answer(body: Any = b"", *, status: int = 200, **headers: str) -> Answer:
    """A whole answer; what is not bytes becomes JSON."""
    payload = body if isinstance(body, bytes) else orjson.dumps(body)
    headers.setdefault("content_type", "application/json")

    async def write(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(payload)}", "connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + payload)

    return write


def events(*parts: Any, done: bool = True, cut: bool = False, hang: bool = False, forever: bool = False) -> Answer:
    """Server-sent events, in chunks: then `[DONE]`, or a sudden end, or silence, or the last one for ever."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for part in parts:
            _write_event(writer, part)
            await writer.drain()
        if forever:
            while not writer.is_closing():
                _write_event(writer, parts[-1])
                await writer.drain()
        if hang:
            await asyncio.Event().wait()
        if cut:
            writer.transport.abort()
            return
        if done:
            _write_event(writer, b"[DONE]")
        writer.write(b"0\r\n\r\n")

    return write


def silence() -> Answer:
    """Nothing at all."""

    async def write(_writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    return write


def _write_event(writer: asyncio.StreamWriter, part: Any) -> None:
    data = b"data: " + (part if isinstance(part, bytes) else orjson.dumps(part)) + b"\n\n"
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer()
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        await server.serve(reader, writer)
        serving.discard(task)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
