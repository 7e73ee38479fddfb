"""`read()` and `aread()`: the whole loop over a body, and what becomes of the stream where that breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold import Event, Outcome, ResponseFinished, ResponseParser, TextDelta, UsageError, WireError
from deltafold.testing import Stream, StreamBuilder
from deltafold.testing.strategies import streams

STREAM = StreamBuilder("responses").text("Hel", "lo").completed()
FRAMES = STREAM.frames()
HALF = b"".join(FRAMES[:5])


class Broken(Exception):
    """What a transport raises."""


def body(*chunks: Any) -> Iterator[Any]:
    """Chunks; an exception among them is raised."""
    for chunk in chunks:
        if isinstance(chunk, BaseException):
            raise chunk
        yield chunk


async def slowly(*chunks: Any) -> AsyncIterator[Any]:
    """The same, each after others had their turn."""
    for chunk in chunks:
        await asyncio.sleep(0)
        if isinstance(chunk, BaseException):
            raise chunk
        yield chunk


def collected(parser: ResponseParser, chunks: list[Any], events: list[Event], *, waits: bool) -> None:
    """Reads it all, in one of the two ways."""
    if not waits:
        for event in parser.read(body(*chunks)):
            events.append(event)
        return

    async def main() -> None:
        async for event in parser.aread(slowly(*chunks)):
            events.append(event)

    asyncio.run(main())


both = pytest.mark.parametrize("waits", [False, True], ids=["read", "aread"])


@given(streams(), st.integers(1, 2000), st.booleans())
def test_it_is_the_loop(stream: Stream, size: int, waits: bool) -> None:
    """It gives what the loop gives that a caller would write, and closes."""
    chunks = stream.chunks(size)
    events: list[Event] = []
    collected(ResponseParser(), chunks, events, waits=waits)
    parser, expected = ResponseParser(), []
    for chunk in chunks:
        parser.feed(chunk)
        expected += parser.events()
    parser.close()
    assert events == [*expected, *parser.events()]
    assert isinstance(events[-1], ResponseFinished)


@both
def test_events_come_at_once(waits: bool) -> None:
    """No event waits for a chunk that comes after it."""
    taken: list[int] = []

    def noted() -> Iterator[bytes]:
        for at, frame in enumerate(FRAMES):
            taken.append(at)
            yield frame

    async def noted_slowly() -> AsyncIterator[bytes]:
        for frame in noted():
            yield frame

    async def first() -> tuple[Event, int]:
        async for event in ResponseParser().aread(noted_slowly()):
            return event, len(taken)
        raise AssertionError

    if waits:
        event, count = asyncio.run(first())
    else:
        event, count = next((event, len(taken)) for event in ResponseParser().read(noted()))
    assert type(event).__name__ == "ResponseStarted"
    assert count == 1


@both
def test_a_transport_that_breaks(waits: bool) -> None:
    """All events before the exception come, it goes on to the caller, and the parser stays open."""
    parser, events = ResponseParser(), list[Event]()
    broken = Broken("reset by peer")
    with pytest.raises(Broken) as caught:
        collected(parser, [HALF, broken], events, waits=waits)
    assert caught.value is broken
    expected = ResponseParser()
    expected.feed(HALF)
    assert events == list(expected.events())
    parser.reconnect()
    collected(parser, [STREAM.body], events, waits=waits)
    assert events[-1].outcome is Outcome.COMPLETED  # type: ignore[union-attr]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello"


@both
def test_a_transport_that_breaks_for_good(waits: bool) -> None:
    """Whoever does not connect again closes, and has the response as far as it came."""
    parser = ResponseParser()
    with pytest.raises(TimeoutError):
        collected(parser, [HALF, TimeoutError()], [], waits=waits)
    parser.close()
    assert [type(event).__name__ for event in parser.events()][-1] == "ResponseFinished"
    assert parser.response.outcome is Outcome.TRUNCATED


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError()])
def test_a_program_that_is_stopped(error: BaseException) -> None:
    """What is no `Exception` cancels."""
    parser = ResponseParser()
    with pytest.raises(type(error)):
        collected(parser, [HALF, error], [], waits=False)
    assert [type(event).__name__ for event in parser.events()][-1] == "ResponseFinished"
    assert parser.response.outcome is Outcome.CANCELLED


def test_a_task_that_is_cancelled() -> None:
    """A task that is cancelled while it waits for a chunk cancels the response."""
    parser = ResponseParser()

    async def endless() -> AsyncIterator[bytes]:
        yield HALF
        await asyncio.Event().wait()

    async def main() -> None:
        async def consume() -> None:
            async for _ in parser.aread(endless()):
                pass

        task = asyncio.create_task(consume())
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    for _ in parser.events():
        pass
    assert parser.response.outcome is Outcome.CANCELLED


def test_a_loop_that_is_left() -> None:
    """Who leaves the loop has given up. What had arrived is there; after the end it changes nothing."""
    parser = ResponseParser()
    for event in parser.read(FRAMES):
        if isinstance(event, TextDelta):
            break
    assert [type(event).__name__ for event in parser.events()][-1] == "ResponseFinished"
    assert parser.response.outcome is Outcome.CANCELLED
    assert parser.response.output_text == "Hel"
    parser = ResponseParser()
    for event in parser.read(FRAMES):
        if isinstance(event, ResponseFinished):
            break
    assert parser.response.outcome is Outcome.COMPLETED


@both
def test_faults_of_the_stream(waits: bool) -> None:
    """In strict mode the fault shows after the events before it, and cancels nothing."""
    parser, events = ResponseParser("responses", strict=True), list[Event]()
    with pytest.raises(WireError):
        collected(parser, [HALF, b"data: {bad\n\n"], events, waits=waits)
    assert events
    assert parser.response.outcome is None


def test_what_cannot_be_read() -> None:
    """What is no iterable of bytes is refused where it is given, or where it comes."""
    parser = ResponseParser()
    for wrong in (b"data: x\n\n", bytearray(b"x"), memoryview(b"x"), "x", 5, slowly(b"x")):
        with pytest.raises(TypeError):
            parser.read(wrong)  # type: ignore[arg-type]
    for wrong in (b"data: x\n\n", [b"x"], 5):
        with pytest.raises(TypeError):
            parser.aread(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'str'"):
        list(parser.read(["data: x\n\n"]))  # type: ignore[list-item]
    parser.close()
    with pytest.raises(UsageError, match=r"after close"):
        list(parser.read([b"x"]))
