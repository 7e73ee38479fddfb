"""What kind of body this is, by its first bytes.

A 200 is not always an event stream: servers that did not stream answer with one JSON document, proxies with
an HTML page, and a client that forgot to decompress hands on gzip.
"""

from __future__ import annotations

import zlib
from enum import StrEnum
from typing import Final

from deltafold.wire.value_end import ValueEnd

__all__ = ["FRAMINGS", "Body", "Opening", "begins_message", "is_binary", "sniff"]

BOM: Final = b"\xef\xbb\xbf"
SPACE: Final = b" \t\r\n"
# gzip (RFC 1952), zstd (RFC 8878), zlib (RFC 1950, the three usual levels). Brotli has no mark.
MAGIC: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x78\x01", b"\x78\x9c", b"\x78\xda")
LONGEST: Final = max(map(len, MAGIC))
# Blank lines are of no use to anyone; a body that begins with so many is left to the decoder.
MOST_BLANKS: Final = 65_536


class Body(StrEnum):
    """What a body is."""

    EVENTS = "events"
    JSON_ARRAY = "json_array"
    NDJSON = "ndjson"
    AWS_EVENT_STREAM = "aws_eventstream"
    JSON = "json"
    HTML = "html"
    COMPRESSED = "compressed"


EVENT_STREAM: Final = Body.EVENTS
FRAMINGS: Final = {
    "auto": None,
    "sse": Body.EVENTS,
    "json_array": Body.JSON_ARRAY,
    "ndjson": Body.NDJSON,
    "aws_eventstream": Body.AWS_EVENT_STREAM,
}
"""The framings by name, and what a body is that comes in one."""
# What a JSON array in pieces begins with; numbers and words are nobody's payloads, and any other character
# makes it a text in brackets.
ELEMENTS: Final = b'{["],'
SCALARS: Final = b"0123456789-tfn"
# The first bytes of a message of an AWS event stream: two lengths and their checksum. The least length is
# that of a prelude and a checksum.
PRELUDE: Final = 12
LEAST_MESSAGE: Final = 16
CONTROLS: Final = "\t\n\r\x0b\x0c\x1b"  # those that texts have
FIELDS: Final = (b"data:", b"event:", b"id:", b"retry:", b":")
LONGEST_FIELD: Final = max(map(len, FIELDS))


def sniff(head: bytes, *, closed: bool = False, framing: str = "auto") -> Body | None:
    """What a body is that begins so; None while that is not clear. `closed`: nothing more will come.

    A `framing` that is known decides, but for bodies that are in no framing at all: those in which a server
    tells, whatever was asked for, that something went wrong.
    """
    known = FRAMINGS[framing]
    start = head.removeprefix(BOM).lstrip(SPACE)
    if start.startswith(b"{"):
        return known if known in (Body.JSON_ARRAY, Body.NDJSON) else Body.JSON
    if start.startswith(b"<"):
        return Body.HTML
    if start.startswith(MAGIC):
        return Body.COMPRESSED
    if start.startswith(b"[") and known in (None, EVENT_STREAM):
        array = Body.JSON_ARRAY if known is None else Body.JSON
        second = start[1:].lstrip(SPACE)[:1]
        if second or closed:
            if not second or second in SCALARS:
                return Body.JSON
            return array if second in ELEMENTS else EVENT_STREAM
        return array if len(head) > MOST_BLANKS else None
    if known is not None:
        return known if closed or len(start) >= LONGEST or len(head) > MOST_BLANKS else None
    binary = begins_message(head)
    if binary or (binary is None and not closed):
        return Body.AWS_EVENT_STREAM if binary else None
    if closed or len(start) >= LONGEST or b"\n" in start or b"\r" in start or len(head) > MOST_BLANKS:
        return EVENT_STREAM
    return None


def begins_message(head: bytes) -> bool | None:
    """Whether these are the first bytes of an AWS event stream; None while they are too few to tell."""
    if not head.startswith((b"\0", b"\1")):
        return False if head else None
    if len(head) < PRELUDE:
        return None
    total, headers, checksum = (int.from_bytes(head[at : at + 4], "big") for at in (0, 4, 8))
    return zlib.crc32(head[:8]) == checksum and total >= LEAST_MESSAGE + headers


def is_binary(text: str) -> bool:
    """Whether what was read as text is none: raw deflate and brotli have no mark to know them by."""
    bad = sum(letter == "\ufffd" or (letter < " " and letter not in CONTROLS) for letter in text)
    return bad >= 3 and bad * 10 >= len(text)


class Opening:
    """What follows the first value of a body that begins with a JSON object.

    Nothing: then it is a document. Another value on another line: JSON lines. A field of server-sent events:
    a stream in front of which somebody wrote an error.
    """

    __slots__ = ("_broken", "_end", "_size", "_tail", "end", "start")

    def __init__(self) -> None:
        self._end = ValueEnd()
        self._size = 0
        self._broken = False
        self._tail = b""
        self.end = -1
        """Where the first value ends, in bytes from the start; -1 while it has not."""
        self.start = -1
        """Where what follows it begins."""

    def read(self, piece: bytes) -> None:
        """Looks at the next bytes of the body."""
        at = 0
        if self.end < 0:
            at = self._end.find(piece, 0)
            if at < 0:
                self._size += len(piece)
                return
            self.end = self._size + at
        if not self._tail:
            rest = piece[at:]
            self._size += len(piece)
            piece = rest.lstrip(SPACE)
            at = 0
            self._broken = self._broken or b"\n" in rest[: len(rest) - len(piece)]
            if piece:
                self.start = self._size - len(piece)
        self._tail += piece[at : at + LONGEST_FIELD - len(self._tail)]

    def kind(self) -> Body | None:
        """What the body is; None while that is not clear."""
        tail = self._tail
        if not tail:
            return None
        if tail[:1] in (b"{", b"["):
            return Body.NDJSON if self._broken else Body.JSON
        if tail.startswith(FIELDS):
            return EVENT_STREAM
        return None if any(field.startswith(tail) for field in FIELDS) else Body.JSON
