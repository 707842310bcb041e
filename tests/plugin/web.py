"""A real web server on loopback that does everything a bad one would."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

#: Begins like a PNG, and is none.
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(200)

Handler = Callable[[str, dict[str, str], asyncio.StreamWriter], Awaitable[None]]


class WebServer:
    """A real HTTP/1.1 server on loopback; `pages` says what it does for each path."""

    def __init__(self) -> None:
        self.pages: dict[str, Handler] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            path = head[0].split(" ")[1]
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            self.requests.append((path, headers))
            await self.pages[path](path, headers, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def answer(self, path: str, *, status: int = 200, body: bytes = PICTURE, **headers: str) -> str:
        async def page(_path: str, _headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
            lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}"]
            lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)

        self.pages[path] = page
        return self.url(path)

    def stream(self, path: str, chunk: bytes, *, pause: float = 0.0, first: bytes = PICTURE) -> str:
        """Sends `first`, then `chunk` for ever, without saying how long it will be."""

        async def page(_path: str, _headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n" + first)
            while not writer.is_closing():
                writer.write(chunk)
                await writer.drain()
                await asyncio.sleep(pause)

        self.pages[path] = page
        return self.url(path)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@asynccontextmanager
async def web_server(ssl_context: ssl.SSLContext | None = None) -> AsyncIterator[WebServer]:
    server = WebServer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=ssl_context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
