"""A capture: one response as somebody kept it, and when its bytes arrived. Data only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

__all__ = ["Capture", "CaptureError", "Piece", "body_of", "member"]


class CaptureError(Exception):
    """A capture cannot be read; the message says what it looks like."""


@attrs.frozen
class Piece:
    """What arrived at one moment."""

    data: bytes | str
    """Bytes of a body, or, as `str`, one payload that is out of its frame: a WebSocket message."""
    time: float | None = None
    """Seconds since the start of the capture; None where nobody noted it."""

    @property
    def raw(self) -> bytes:
        """The data as bytes."""
        return self.data if isinstance(self.data, bytes) else self.data.encode("utf-8", "surrogatepass")


@attrs.define
class Capture:
    """One response, or one connection of it."""

    name: str
    """The file, with `#n` where it holds several."""
    pieces: Iterable[Piece]
    form: str = ""
    """What the capture is, in words; empty for a plain body."""
    status: int | None = None
    """The HTTP status, where it is known."""
    headers: tuple[tuple[str, str], ...] = ()
    request: str = ""
    """Method and address, without the query, which may hold a key."""
    timing: str = ""
    """How long the whole took, where the capture tells that but not when each byte came."""
    is_stream: bool = True
    """Whether it may be a model's response at all: an archive holds pages and images as well."""
    notes: list[str] = attrs.Factory(list)
    """What was passed over."""

    @property
    def is_refused(self) -> bool:
        """Whether the status says that there is no stream."""
        return self.status is not None and not (200 <= self.status < 300 or self.status == 101)

    def header(self, name: str) -> str:
        """The value of a header, by its name in lower case; empty where it is not there."""
        return next((value for key, value in self.headers if key.lower() == name), "")


MOST_AT_ONCE = 1 << 30
"""Bytes of what has to be held as a whole: archives, and bodies in them when they are decompressed."""


def body_of(pieces: Iterable[Piece]) -> bytes:
    """All pieces, joined. Raises `CaptureError` where they are too large for that."""
    held, size = [], 0
    for piece in pieces:
        held.append(piece.raw)
        size += len(held[-1])
        if size > MOST_AT_ONCE:
            raise CaptureError("it is too large to be read as a whole")
    return b"".join(held)


def member(value: Any, *path: str) -> Any:
    """What stands in a JSON value at a path; None where nothing does."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value
