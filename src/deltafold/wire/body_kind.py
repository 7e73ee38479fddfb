"""What kind of body this is, by its first bytes.

A 200 is not always an event stream: servers that did not stream answer with one JSON document, proxies with
an HTML page, and a client that forgot to decompress hands on gzip.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = ["Body", "sniff"]

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
    JSON = "json"
    HTML = "html"
    COMPRESSED = "compressed"


EVENT_STREAM: Final = Body.EVENTS


def sniff(head: bytes, *, closed: bool = False) -> Body | None:
    """What a body is that begins so; None while that is not clear. `closed`: nothing more will come."""
    start = head.removeprefix(BOM).lstrip(SPACE)
    if start.startswith((b"{", b"[")):
        return Body.JSON
    if start.startswith(b"<"):
        return Body.HTML
    if start.startswith(MAGIC):
        return Body.COMPRESSED
    if closed or len(start) >= LONGEST or b"\n" in start or b"\r" in start or len(head) > MOST_BLANKS:
        return EVENT_STREAM
    return None
