"""Every HTTP client and WebSocket of the documentation, as it stands there, and a server that misbehaves."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

import test_docs
from deltafold import ErrorKind, Event, Outcome, ResponseFinished, ResponseParser, TextDelta
from world.said import TEXT, cut, stream
from world.server import Answer, Server

TRANSPORTS = {
    "httpx": "httpx",
    "async_httpx": "httpx",
    "aiohttp": "aiohttp",
    "requests": "requests",
    "urllib3": "urllib3",
    "http_client": "http.client",
    "h11": "h11",
    "tornado": "tornado",
    "websocket": "websockets",
    "async_websocket": "websockets",
}
"""The functions of the documentation, and the packages that they need."""
WAITS = {"async_httpx", "aiohttp", "h11", "tornado", "async_websocket"}
OVER_WEBSOCKETS = {"websocket", "async_websocket"}

every = pytest.mark.parametrize("transport", TRANSPORTS)


class Client:
    """A function of the documentation, and what it raises where the connection broke."""

    def __init__(self, transport: str, server: Server) -> None:
        pytest.importorskip(TRANSPORTS[transport])
        name = f"events_with_{transport}"
        namespace = test_docs.example_with(name)
        self.function: Callable[..., Any] = namespace[name]
        self.broken: tuple[type[Exception], ...] = namespace["BROKEN"]
        self.transport, self.server = transport, server

    @property
    def url(self) -> str:
        url = self.server.url + "/v1/answer"
        return url.replace("http", "ws") if self.transport in OVER_WEBSOCKETS else url

    def read(
        self, parser: ResponseParser, events: list[Event], *, silence: float = 20.0, most: int = 10_000
    ) -> None:
        """Reads an answer, or its first events."""
        given = (parser, self.url, {"model": "model-1"}, silence)
        if self.transport not in WAITS:
            for event in self.function(*given):
                events.append(event)
                if len(events) == most:
                    break
            return

        async def main() -> None:
            answer = self.function(*given)
            try:
                async for event in answer:
                    events.append(event)
                    if len(events) == most:
                        break
            finally:
                await answer.aclose()

        asyncio.run(main())

    def body(self, whole: bytes) -> bytes:
        """What the server is to say: of a stream its frames, or their payloads for a WebSocket."""
        if self.transport not in OVER_WEBSOCKETS:
            return whole
        lines = [line.removeprefix(b"data: ") for line in whole.splitlines() if line.startswith(b"data: {")]
        return b"\n".join(line for line in lines if line.endswith(b"}"))


@pytest.fixture
def client(transport: str, server: Server) -> Client:
    return Client(transport, server)


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def expected(body: bytes, wire: str) -> list[Event]:
    parser = ResponseParser(wire)
    parser.feed(body)
    parser.close()
    return list(parser.events())


@every
def test_a_stream_that_is_cut_anywhere(client: Client, server: Server) -> None:
    """The events are those of the stream, in chunks and without, and the request is the caller's."""
    for wire in ("responses",) if client.transport in OVER_WEBSOCKETS else ("responses", "gemini"):
        for seed, framing in enumerate(({}, {"transfer-encoding": ""})):
            server.answer = lambda asked, wire=wire, seed=seed, framing=framing: Answer(
                client.body(stream(wire)), seed=seed, headers={"content-type": "text/event-stream", **framing}
            )
            events: list[Event] = []
            client.read(ResponseParser(wire), events)
            assert events == expected(stream(wire), wire)
    if client.transport not in OVER_WEBSOCKETS:
        assert server.asked[0].json == {"model": "model-1"}


@every
@pytest.mark.parametrize("end", ["lost", "reset"])
def test_a_connection_that_is_lost(client: Client, end: str, server: Server) -> None:
    """It is one of `BROKEN`, after all events that had come; another connection tells the rest.

    Tornado does not tell that a connection was reset: it shows as silence.
    """
    silence = 0.3 if (client.transport, end) == ("tornado", "reset") else 20.0
    for wire in ("responses", "anthropic"):
        server.answer = lambda asked, wire=wire: Answer(client.body(cut(wire)), end=end)
        parser, events = ResponseParser(wire), list[Event]()
        with pytest.raises(client.broken):
            client.read(parser, events, silence=silence)
        assert TEXT.startswith(text_of(events))
        assert len(text_of(events)) >= 20
        parser.reconnect()
        server.answer = lambda asked, wire=wire: Answer(client.body(stream(wire)))
        client.read(parser, events)
        assert text_of(events) == TEXT
        assert parser.response.outcome is Outcome.COMPLETED
        assert sum(isinstance(event, ResponseFinished) for event in events) == 1


@every
def test_a_connection_that_is_lost_for_good(client: Client, server: Server) -> None:
    """Whoever closes has what had come."""
    server.answer = lambda asked: Answer(client.body(cut("chat")), end="lost")
    parser, events = ResponseParser("chat"), list[Event]()
    with pytest.raises(client.broken):
        client.read(parser, events)
    parser.close()
    events += parser.events()
    assert parser.response.outcome is Outcome.TRUNCATED
    assert text_of(events) == parser.response.output_text
    assert len(parser.response.output_text) >= 20


@every
def test_a_request_that_is_refused(client: Client, server: Server) -> None:
    """The error says what it means, and when to ask again; one that is cut off says at least that much."""
    body = b'{"error":{"message":"slow down","code":"rate_limit_exceeded"}}'
    headers = {"content-type": "application/json", "retry-after": "7"}
    if client.transport in OVER_WEBSOCKETS:
        headers |= {"transfer-encoding": "", "content-length": str(len(body))}
    server.answer = lambda asked: Answer(body, 429, headers, largest=10)
    with pytest.raises(RuntimeError) as caught:
        client.read(ResponseParser("chat"), [])
    error = caught.value.args[0]
    assert (error.kind, error.message, error.status) == (ErrorKind.RATE_LIMITED, "slow down", 429)
    assert error.retry_after == 7
    server.answer = lambda asked: Answer(body, 429, headers, end="lost")
    with pytest.raises((RuntimeError, *client.broken)):
        client.read(ResponseParser("chat"), [])


@every
def test_nobody_listens(client: Client, server: Server) -> None:
    """A connection that cannot be made is one that is broken."""
    server.port = 9
    with pytest.raises(client.broken):
        client.read(ResponseParser("chat"), [])


@every
def test_a_server_that_falls_silent(client: Client, server: Server) -> None:
    """What had come is there before, also where it is no whole block, and the connection is closed."""
    framing = {} if client.transport in WAITS else {"transfer-encoding": ""}
    answer = Answer(client.body(cut("anthropic")), end="stall", headers=framing)
    server.answer = lambda asked: answer
    parser, events = ResponseParser("anthropic"), list[Event]()
    began = time.monotonic()
    with pytest.raises(client.broken):
        client.read(parser, events, silence=0.3)
    assert time.monotonic() - began < 5
    assert len(text_of(events)) >= 20
    assert answer.gone.wait(5)


@every
def test_a_reader_that_leaves(client: Client, server: Server) -> None:
    """The connection is closed at once, and the response was cancelled."""
    answer = Answer(client.body(cut("anthropic")), end="stall")
    server.answer = lambda asked: answer
    parser, events = ResponseParser("anthropic"), list[Event]()
    client.read(parser, events, most=4)
    assert answer.gone.wait(5)
    parser.cancel()
    list(parser.events())
    assert parser.response.outcome is Outcome.CANCELLED


def test_every_client_of_the_page_is_tested() -> None:
    """The page has no client that is not in the table above."""
    page = (test_docs.docs.ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
    assert set(re.findall(r"def events_with_(\w+)\(", page)) == set(TRANSPORTS)
