"""The servers of these tests: one that answers as it is told, byte by byte, and one that runs an ASGI app.

Nothing but the standard library is needed for the first: what a transport makes of a connection that breaks
has to be seen on a connection that breaks.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs


@attrs.define
class Asked:
    """A request as the server got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@attrs.define
class Answer:
    """What the server sends, and how its connection ends."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = attrs.field(factory=lambda: {"content-type": "text/event-stream"})
    seed: int = 0
    """Of the cuts of the body."""
    end: str = "whole"
    """`whole`, or after the body: `lost` (no end of the body), `reset`, `stall`."""
    pause: float = 0.0
    """Seconds before each piece."""
    largest: int = 200
    """Bytes of a piece."""
    gone: threading.Event = attrs.field(factory=threading.Event)
    """Set at the end of the connection: of an answer that stalls, once the client has closed it."""

    def pieces(self) -> Iterator[bytes]:
        """The body, cut at random."""
        draw, at = random.Random(self.seed), 0
        while at < len(self.body):
            size = draw.randint(1, self.largest)
            yield self.body[at : at + size]
            at += size


class Server:
    """Answers by `answer`, which may be changed at any time; keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[Asked], Answer] = lambda asked: Answer()
        self.asked: list[Asked] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = None
        try:
            asked = await read_request(reader)
            self.asked.append(asked)
            answer = self.answer(asked)
            if "sec-websocket-key" in asked.headers and answer.status == 200:
                await speak(reader, writer, asked, answer)
            else:
                await write(reader, writer, answer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            if answer is not None:
                answer.gone.set()


async def read_request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = b""
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, path, headers, body)


async def write(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    """Sends an answer in chunks, so that a body that was cut off can be told from one that ended; or, with an
    empty header `transfer-encoding`, as bytes up to the end of the connection."""
    headers = {"transfer-encoding": "chunked", "connection": "close", **answer.headers}
    told = [f"{name}: {value}" for name, value in headers.items() if value]
    writer.write("\r\n".join([f"HTTP/1.1 {answer.status} Told", *told, "", ""]).encode())
    chunked = headers["transfer-encoding"] == "chunked"
    for piece in answer.pieces():
        if answer.pause:
            await asyncio.sleep(answer.pause)
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        await writer.drain()
    await end(reader, writer, answer, b"0\r\n\r\n" if chunked else b"")


async def end(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer, whole: bytes
) -> None:
    """Ends a connection as the answer says."""
    if answer.end in ("lost", "reset"):
        await writer.drain()
        await asyncio.sleep(0.03)  # what was written before has to arrive
    if answer.end == "whole":
        writer.write(whole)
    elif answer.end == "reset":
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    elif answer.end == "stall":
        await reader.read(4096)  # nothing, or that a WebSocket is closed
    if not writer.is_closing():
        await writer.drain()


async def speak(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Asked, answer: Answer
) -> None:
    """A WebSocket: each line of the body is a message, sent after the first message of the client."""
    key = asked.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    writer.write(
        b"HTTP/1.1 101 Told\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: "
        + f"{accept}\r\n\r\n".encode()
    )
    await reader.read(4096)
    for line in answer.body.splitlines():
        size = bytes([len(line)]) if len(line) < 126 else struct.pack("!BH", 126, len(line))
        writer.write(b"\x81" + size + line)
        await writer.drain()
    await end(reader, writer, answer, b"\x88\x02\x03\xe8")


@contextmanager
def in_thread(main: Callable[[asyncio.Event], Any]) -> Iterator[asyncio.AbstractEventLoop]:
    """Runs an event loop beside the test: `main` until the event that it gets is set."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=[main(stop)], daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@contextmanager
def running() -> Iterator[Server]:
    """A server that answers as it is told."""
    server, ready = Server(), threading.Event()

    async def main(stop: asyncio.Event) -> None:
        listening = await asyncio.start_server(server.handle, "127.0.0.1", 0)
        server.port = listening.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        listening.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with in_thread(main):
        assert ready.wait(10)
        yield server


@contextmanager
def serving_wsgi(app: Any) -> Iterator[str]:
    """The address of a WSGI app that runs under the standard library's server."""
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    with make_server("127.0.0.1", 0, app, WSGIServer, Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


class Stage:
    """A server under uvicorn whose ASGI app can be changed: to start one takes longer than most tests."""

    def __init__(self) -> None:
        self.app: Any = None
        self.url = ""
        self.loop: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)

    def run(self, coroutine: Any) -> Any:
        """Runs a coroutine in the server's own loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    @contextmanager
    def playing(self, app: Any) -> Iterator[str]:
        """The address of a Starlette app, from its start to its shutdown."""
        lifespan = app.router.lifespan_context(app)
        self.run(lifespan.__aenter__())
        self.app = app
        yield self.url
        self.run(lifespan.__aexit__(None, None, None))


@contextmanager
def stage() -> Iterator[Stage]:
    """A stage that is open."""
    import uvicorn

    set_up = Stage()
    config = uvicorn.Config(
        set_up, host="127.0.0.1", port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    ready = threading.Event()

    async def main(stop: asyncio.Event) -> None:
        serve = asyncio.ensure_future(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        set_up.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        ready.set()
        await stop.wait()
        server.should_exit = True
        await serve

    with in_thread(main) as set_up.loop:
        assert ready.wait(10)
        yield set_up


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of a Starlette app on a stage of its own."""
    with stage() as alone, alone.playing(app) as url:
        yield url
