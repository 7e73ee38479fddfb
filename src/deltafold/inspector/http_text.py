"""Responses as text: what `curl -i` and `curl -v` write in front of a body, and chunked bodies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from deltafold.inspector.capture import Piece

__all__ = ["Head", "dechunked", "read_head", "without_arrows"]

STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? +(\d{3})(?: +([^\r\n]*))?")
HEAD_END = re.compile(rb"\r?\n\r?\n")
CHUNK_SIZE = re.compile(rb"\s*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
REQUEST_LINE = re.compile(r"> (\w+) (\S+) HTTP/")


class Head:
    """The status and headers of the last response in front of a body."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: tuple[tuple[str, str], ...] = ()


def read_head(text: bytes, *, closed: bool) -> tuple[Head, int] | None:
    """The last of the heads that stand in front of a body, and where the body begins.

    Several stand there after redirections, a proxy's `200 Connection established` and `100 Continue`. None
    while more bytes are needed.
    """
    head, at = Head(), 0
    while True:
        rest = text[at : at + 5]
        if not closed and at and len(rest) < 5 and b"HTTP/".startswith(rest):
            return None  # not to be sent before the body begins
        if not closed and rest == b"HTTP/" and b"\n" not in text[at:]:
            return None
        found = STATUS_LINE.match(text, at)
        if found is None:
            return (head, at) if at or closed else None
        end = HEAD_END.search(text, found.end())
        if end is None and not closed:
            return None
        block = text[found.end() : end.start() if end else len(text)]
        head.status = int(found[1])
        head.headers = tuple(header_of(line) for line in block.splitlines() if b":" in line)
        at = end.end() if end else len(text)


def header_of(line: bytes) -> tuple[str, str]:
    """A header line as name and value."""
    name, _, value = line.decode("latin-1").partition(":")
    return name.strip(), value.strip()


def without_arrows(text: str) -> tuple[str, str]:
    """What `curl -v` wrote: the response as `curl -i` writes it, and the request line."""
    request = REQUEST_LINE.search(text)
    lines = []
    for line in text.splitlines(keepends=True):
        if line.startswith("< "):
            lines.append(line[2:])
        elif line.rstrip("\r\n") == "<":
            lines.append("\r\n")
        elif (
            not line.startswith(("* ", "> ", "{ [", "} [", "  % Total", "  0 ", "100 "))
            and line.strip() != ">"
        ):
            lines.append(line)
    return "".join(lines), f"{request[1]} {request[2].partition('?')[0]}" if request else ""


def dechunked(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The body out of its chunks, where it really comes in chunks: most tools have taken it out before."""
    held, left, chunked = b"", 0, None
    for piece in pieces:
        data = held + piece.raw
        held = b""
        if chunked is None:
            if len(data) < 12 and b"\n" not in data:
                held = data
                continue
            chunked = CHUNK_SIZE.match(data) is not None
        if not chunked:
            yield Piece(data, piece.time)
            continue
        out, at = [], 0
        while at < len(data):
            if left:
                out.append(data[at : at + left])
                left, at = left - len(out[-1]), at + len(out[-1])
                continue
            size = CHUNK_SIZE.match(data, at)
            if size is None:
                held = data[at:]
                break
            left, at = int(size[1], 16), size.end()
            if left == 0:  # the last chunk, and trailers
                break
        if out:
            yield Piece(b"".join(out), piece.time)
    if held:
        yield Piece(held)
