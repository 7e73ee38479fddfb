"""Finds out what form a capture has, and takes the streams out of it.

A live stream is read as it comes: only the first bytes are held back, until it is clear what they begin.
Archives are read whole.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any

from deltafold.inspector.archives import cassette, har, json_value, yaml_value
from deltafold.inspector.capture import Capture, CaptureError, Piece, body_of
from deltafold.inspector.compression import decompressed, is_compressed
from deltafold.inspector.http_text import dechunked, read_head, without_arrows
from deltafold.inspector.log_lines import Log, is_log_line, is_record, lines_of, record_pieces
from deltafold.inspector.looks import foreign
from deltafold.wire.json_array import JSONArrayDecoder
from deltafold.wire.ndjson import NDJSONDecoder

__all__ = ["Form", "captures_in", "form_of", "is_live", "source_pieces", "split_name"]

CHUNK = 65_536
MOST_LOOKED_AT = 1 << 16
"""Bytes at the beginning of a capture by which its form is found out."""
SPACE = b" \t\r\n"

CURL_VERBOSE = re.compile(
    rb"(?:\* [^\n]*\n|  % Total[^\n]*\n|  (?: Dload|0 )[^\n]*\n|[{}] \[\d[^\n]*\n|[ \t\r]*\n)*"
    rb"(?:> \w+ \S+ HTTP/|< HTTP/)"
)
FIRST_KEY = re.compile(rb'\{\s*"((?:[^"\\]|\\.)*)"\s*:')
CASSETTE_KEYS = re.compile(
    rb"(?:(?:---|#)[^\n]*\n|[ \t\r]*\n)*(?:version: *\d+[ \t\r]*\n)?"
    rb"(?:(?:http_)?interactions|recorded_with) *:"
)
FIELD = re.compile(rb"(?:data|event|id|retry)?:")


class Form(StrEnum):
    """What a capture is."""

    BODY = ""
    GZIP = "gzip"
    ZSTD = "zstd"
    DEFLATE = "deflate"
    UTF_16 = "UTF-16"
    HTTP = "response with headers"
    CURL = "output of curl -v"
    HAR = "HAR"
    CASSETTE = "cassette"
    YAML = "cassette in YAML"
    LOG = "log"
    RECORDS = "records"
    FOREIGN = "foreign"


def form_of(head: bytes, *, closed: bool) -> Form | None:
    """What begins so; None while that is not clear. `closed`: nothing more will come."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Form.UTF_16
    text = head.removeprefix(codecs.BOM_UTF8).lstrip(SPACE)
    if len(text) < 4 and not closed:
        return None
    compression = is_compressed(text)
    if compression:
        return Form(compression)
    if foreign(head):
        return Form.FOREIGN
    if b"HTTP/".startswith(text[:5]):
        return Form.HTTP if text else Form.BODY
    if text.startswith((b"* ", b"> ", b"< HTTP/", b"  % Total", b"% Total")) and CURL_VERBOSE.match(text):
        return Form.CURL
    if text.startswith(b"{"):
        return form_of_object(text, closed=closed)
    if text.startswith(b"[") and text[1:].lstrip(SPACE)[:1] == b"{":
        return form_of_array(text) or (Form.BODY if closed or len(head) > MOST_LOOKED_AT else None)
    if CASSETTE_KEYS.match(text):
        return Form.YAML
    if text.startswith(b"<") and text[1:2] not in b" <-":
        return Form.BODY
    lines = text.splitlines(keepends=True)
    if not closed and lines and not lines[-1].endswith((b"\n", b"\r")) and not FIELD.match(lines[-1]):
        lines.pop()
    for line in lines:
        if FIELD.match(line):
            return Form.BODY
        if is_log_line(line.decode("utf-8", "replace").rstrip()):
            return Form.LOG
    return Form.BODY if closed or len(head) > MOST_LOOKED_AT or b"\0" in text else None


def form_of_object(text: bytes, *, closed: bool) -> Form | None:
    """What begins with a JSON object."""
    key = FIRST_KEY.match(text)
    if key is None:
        return Form.BODY if closed or len(text) > 1000 else None
    if key[1] == b"log":
        return Form.HAR
    if key[1] in (b"interactions", b"http_interactions", b"recorded_with"):
        return Form.CASSETTE
    if key[1] == b"version" and (b'interactions"' in text or (len(text) < 200 and not closed)):
        return Form.CASSETTE if b'interactions"' in text else None
    line, end, _ = text.partition(b"\n")
    if not end and not closed:
        return Form.BODY if len(text) > MOST_LOOKED_AT else None
    return Form.RECORDS if is_record(parsed(line)) and not is_event(parsed(line)) else Form.BODY


def form_of_array(text: bytes) -> Form | None:
    """What begins with a JSON array; None while its first element is not whole."""
    decoder = JSONArrayDecoder()
    decoder.feed(text)
    first = decoder.next_frame()
    if first is None:
        return None
    return Form.RECORDS if is_record(parsed(first)) and not is_event(parsed(first)) else Form.BODY


def is_event(value: Any) -> bool:
    """Whether a record is an event of a wire itself, which has a type, and may have a time as well."""
    return isinstance(value, dict) and (
        "." in str(value.get("type", "")) or "object" in value or "candidates" in value
    )


def parsed(text: str | bytes) -> Any:
    """A JSON value; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


# --------------------------------------------------------------------------------------------- opening


def split_name(argument: str) -> tuple[str, int | None]:
    """The file and the number of the entry that an argument names: `capture.har#3`."""
    name, mark, number = argument.rpartition("#")
    if mark and number.isdigit() and not os.path.lexists(argument):
        return name, int(number)
    return argument, None


def is_live(source: Any) -> bool:
    """Whether bytes come when they are made: from a pipe or socket, not from a file."""
    try:
        return not stat.S_ISREG(os.fstat(source.fileno()).st_mode)
    except (OSError, AttributeError, ValueError):
        return True


def source_pieces(
    source: Any, clock: Callable[[], float] | None, seen: Callable[[int], None]
) -> Iterator[Piece]:
    """What a source gives, without waiting for more. A source that breaks has ended.

    `clock` tells the time where times are wanted; `seen` is sent how many bytes have come.
    """
    start = clock() if clock else 0.0
    while True:
        try:
            data = bytes(source.read1(CHUNK))
        except OSError as error:
            print(f"deltafold: {error}", file=sys.stderr)
            return
        if not data:
            return
        seen(len(data))
        yield Piece(data, clock() - start if clock else None)


def captures_in(name: str, pieces: Iterable[Piece]) -> list[Capture]:
    """The captures that a source holds. Raises `CaptureError`, which says what it is, where it holds none."""
    held: list[Piece] = []
    source = iter(pieces)
    head = b""
    form = None
    while form is None:
        piece = next(source, None)
        if piece is None:
            form = form_of(head, closed=True)
            break
        held.append(piece)
        head += piece.raw
        form = form_of(head, closed=False)
    return OPEN[form or Form.BODY](name, chained(held, source))


def chained(held: list[Piece], source: Iterator[Piece]) -> Iterator[Piece]:
    """What was looked at, then the rest. As `itertools.chain`, but it lets go of what it has handed on."""
    while held:
        yield held.pop(0)
    yield from source


def open_body(name: str, pieces: Iterable[Piece]) -> list[Capture]:
    return [Capture(name, pieces)]


def open_compressed(coding: str) -> Callable[[str, Iterable[Piece]], list[Capture]]:
    """Opens what is in a compressed file, whatever that is."""

    def opened(name: str, pieces: Iterable[Piece]) -> list[Capture]:
        notes: list[str] = []
        found = captures_in(name, decompressed(pieces, coding, notes))
        for capture in found:
            capture.form = ", ".join(filter(None, (coding, capture.form)))
            capture.notes = notes
        return found

    return opened


def open_utf_16(name: str, pieces: Iterable[Piece]) -> list[Capture]:
    """What PowerShell writes into a file."""

    def decoded() -> Iterator[Piece]:
        decoder = codecs.getincrementaldecoder("utf-16")("replace")
        for piece in pieces:
            yield Piece(decoder.decode(piece.raw).encode("utf-8", "replace"), piece.time)
        yield Piece(decoder.decode(b"", final=True).encode("utf-8", "replace"))

    found = captures_in(name, decoded())
    for capture in found:
        capture.form = ", ".join(filter(None, ("UTF-16", capture.form)))
    return found


def open_http(name: str, pieces: Iterable[Piece]) -> list[Capture]:
    """What `curl -i` wrote."""
    source = iter(pieces)
    held = b""
    read = None
    time = None
    while read is None:
        piece = next(source, None)
        if piece is not None:
            held += piece.raw
            time = piece.time
        read = read_head(held.lstrip(SPACE), closed=piece is None or len(held) > MOST_LOOKED_AT)
    head, at = read
    capture = Capture(name, (), str(Form.HTTP), head.status, head.headers)
    body: Iterator[Piece] = chained([Piece(held.lstrip(SPACE)[at:], time)], source)
    if "chunked" in capture.header("transfer-encoding").lower():
        body = dechunked(body)
    for coding in reversed([name.strip().lower() for name in capture.header("content-encoding").split(",")]):
        if coding in ("gzip", "x-gzip", "deflate", "zstd", "br"):
            body = unless_plain(body, coding, capture.notes)
    capture.pieces = body
    return [capture]


def unless_plain(pieces: Iterator[Piece], coding: str, notes: list[str]) -> Iterator[Piece]:
    """A body without its coding, unless `curl --compressed` has taken it off and left the header."""
    held: list[Piece] = []
    head = b""
    while len(head) < 4:
        piece = next(pieces, None)
        if piece is None:
            break
        held.append(piece)
        head += piece.raw
    rest = chained(held, pieces)
    if is_compressed(head) or (coding in ("br", "deflate") and not head[:100].isascii()):
        yield from decompressed(rest, coding, notes)
    else:
        yield from rest


def open_curl(name: str, pieces: Iterable[Piece]) -> list[Capture]:
    """What `curl -v` wrote, with the body behind."""
    text, request = without_arrows(body_of(pieces).decode("utf-8", "surrogateescape"))
    found = open_http(name, [Piece(text.encode("utf-8", "surrogateescape"))])
    for capture in found:
        capture.form, capture.request = str(Form.CURL), request
    return found


def open_har(name: str, pieces: Iterable[Piece]) -> list[Capture]:
    return har(name, json_value(body_of(pieces), "a HAR file"))


def open_cassette(name: str, pieces: Iterable[Piece]) -> list[Capture]:
    return cassette(name, json_value(body_of(pieces), "a VCR cassette"))


def open_yaml(name: str, pieces: Iterable[Piece]) -> list[Capture]:
    return cassette(name, yaml_value(body_of(pieces)))


def open_log(name: str, pieces: Iterable[Piece]) -> list[Capture]:
    """Lines, each of which is read as soon as it has come."""
    capture = Capture(name, (), str(Form.LOG))

    def read() -> Iterator[Piece]:
        log = Log()
        for line, time in lines_of(pieces):
            piece = log.piece(line)
            if piece is not None:
                yield piece if piece.time is not None else Piece(piece.data, time)
        capture.notes += log.notes()

    capture.pieces = read()
    return [capture]


def open_records(name: str, pieces: Iterable[Piece]) -> list[Capture]:
    """Records with a time or a direction, as JSON lines or as one JSON array."""
    capture = Capture(name, (), str(Form.RECORDS))

    def read() -> Iterator[Any]:
        decoder: JSONArrayDecoder | NDJSONDecoder | None = None
        for piece in pieces:
            data = piece.raw
            if decoder is None:
                decoder = (
                    JSONArrayDecoder()
                    if data.lstrip(codecs.BOM_UTF8 + SPACE)[:1] == b"["
                    else NDJSONDecoder()
                )
            decoder.feed(data)
            for frame in decoder.frames():
                yield parsed(frame)
        if decoder is not None:
            decoder.close()
            for frame in decoder.frames():
                yield parsed(frame)

    capture.pieces = record_pieces(read(), capture.notes)
    return [capture]


def open_foreign(name: str, pieces: Iterable[Piece]) -> list[Capture]:
    """Names what is no capture. Raises `CaptureError`."""
    head = next(iter(pieces)).raw
    raise CaptureError(f"this looks like {foreign(head)}")


OPEN: dict[Form, Callable[[str, Iterable[Piece]], list[Capture]]] = {
    Form.BODY: open_body,
    Form.GZIP: open_compressed("gzip"),
    Form.ZSTD: open_compressed("zstd"),
    Form.DEFLATE: open_compressed("deflate"),
    Form.UTF_16: open_utf_16,
    Form.HTTP: open_http,
    Form.CURL: open_curl,
    Form.HAR: open_har,
    Form.CASSETTE: open_cassette,
    Form.YAML: open_yaml,
    Form.LOG: open_log,
    Form.RECORDS: open_records,
    Form.FOREIGN: open_foreign,
}
