"""The loop over a body: what comes from the transport goes in, and events come out.

The one place where something may be waited for, by the caller's own iterable. The generators here hold
nothing of the response: they may be abandoned at any point, and the parser is as it would be in a loop that
the caller wrote.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Protocol, TypeAlias

from deltafold.model.events import Event

__all__ = ["Bytes", "Loop", "read", "read_async"]

Bytes: TypeAlias = bytes | bytearray | memoryview


class Loop(Protocol):
    """What the loop asks of a parser."""

    def feed(self, data: Bytes) -> None:
        """Stores bytes."""

    @abstractmethod
    def events(self) -> Iterator[Event]:
        """What can be had of what was fed."""

    def close(self) -> None:
        """The transport ended."""

    def cancel(self) -> None:
        """The caller gave up."""


def read(parser: Loop, chunks: Iterable[Bytes]) -> Iterator[Event]:
    """The events of a body that comes in chunks."""
    try:
        for chunk in chunks:
            parser.feed(chunk)
            yield from parser.events()
        parser.close()
        yield from parser.events()
    except BaseException as error:
        given_up(error, parser.cancel)
        raise


async def read_async(parser: Loop, chunks: AsyncIterable[Bytes]) -> AsyncIterator[Event]:
    """The events of a body that comes in chunks, each of which has to be waited for."""
    try:
        async for chunk in chunks:
            parser.feed(chunk)
            for event in parser.events():
                yield event
        parser.close()
        for event in parser.events():
            yield event
    except BaseException as error:
        given_up(error, parser.cancel)
        raise


def given_up(error: BaseException, cancel: Callable[[], None]) -> None:
    """Cancels where the caller gave up: the loop was left, the task cancelled, the program interrupted.

    None of these is an `Exception`. Whatever is one may be the transport's, which can be connected again.
    """
    if not isinstance(error, Exception):
        cancel()
