"""What form a capture has, and that the stream in it is found, however its bytes arrive."""

from __future__ import annotations

import gzip
import importlib
import io
import json
import time
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from deltafold import parse
from deltafold.inspector import archives, compression, http_text, inputs, looks
from deltafold.inspector import capture as capture_module
from deltafold.inspector.capture import Capture, CaptureError, Piece
from deltafold.inspector.command import main
from deltafold.inspector.listing import Quiet
from deltafold.inspector.playing import Ending, play
from deltafold.parsing.parser import ResponseParser
from inspector import captures
from inspector.captures import FORMS, HEAD, REFUSAL, TEXT, har, har_entry, stream


def found_in(data: bytes, size: int = 1 << 20) -> list[Capture]:
    """The captures of a file that arrives in pieces of that size."""
    return inputs.captures_in(
        "f", (Piece(data[at : at + size], at / 1000) for at in range(0, len(data), size))
    )


def played(capture: Capture) -> Ending:
    """What comes of a capture."""
    return play([capture], ResponseParser(), Quiet())


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_stream(form: str, size: int) -> None:
    """The stream is found in every form, and is the same response, however the file is cut."""
    (capture,) = found_in(FORMS[form], size)
    ending = played(capture)
    assert ending.response.output_text == TEXT
    assert ending.response.outcome == "completed"
    assert not [
        note for note in ending.notes if "client" not in note and "part" not in note and "without" not in note
    ]


@pytest.mark.parametrize("dialect", ["chat", "anthropic", "gemini"])
@pytest.mark.parametrize("form", ["HAR", "curl -i", "log"])
def test_every_wire(form: str, dialect: str) -> None:
    """The other wires are found in the forms as well."""
    body = stream(dialect)
    made = {
        "HAR": har(har_entry(body)),
        "curl -i": HEAD + b"\r\n" + body,
        "log": b"".join(b"12:00:00 " + line + b"\n" for line in body.splitlines()),
    }
    assert played(found_in(made[form])[0]).response.output_text == TEXT


def test_the_heads_of_a_response() -> None:
    """Status and headers are those of the last response, and the address holds no key."""
    (capture,) = found_in(FORMS["curl -i, redirected"])
    assert (capture.status, capture.header("content-type")) == (200, "text/event-stream")
    assert capture.form == "response with headers"
    (capture,) = found_in(FORMS["curl -v"])
    assert (capture.request, capture.form) == ("POST /v1/responses", "output of curl -v")
    (capture,) = found_in(FORMS["HAR"])
    assert (capture.name, capture.status) == ("f#1", 200)
    assert capture.request == "POST https://api.example.com/v1/responses"
    assert capture.timing == "first byte after 0.251 s, 1.500 s in all"


def test_times_of_logs_and_records() -> None:
    """Times count from the first line, over midnight, and do not go back."""
    (capture,) = found_in(FORMS["HAR of a WebSocket"])
    assert [piece.time for piece in capture.pieces][:3] == [0.5, 1.5, 2.5]
    night = b"23:59:59.5 data: 1\n00:00:01.5 data: 2\n00:00:01.0 data: 3\nnoise\ndata: 4\n"
    (capture,) = found_in(night)
    assert [piece.time for piece in capture.pieces] == [0, 2, 2, 2]
    assert capture.notes == ["no part of the stream: 1 line"]
    (capture,) = found_in(b"2026-13-45T00:00:00Z data: {}\n")
    assert [piece.time for piece in capture.pieces] == [0]
    (capture,) = found_in(b"b'data: 1\\n\\n'\nb'\\xzz'\n", 5)
    assert [piece.data for piece in capture.pieces] == [b"data: 1\n\n", b"b'\\xzz'"]
    assert next(iter(found_in(FORMS["a log of chunks without times"])[0].pieces)).time == 0
    records = [
        {"time": "2026-01-02T03:04:05Z", "data": "{}"},
        {"time": "2026-01-02T03:04:06.5Z", "data": "not json"},
        {"data": "{}"},
    ]
    (capture,) = found_in(json.dumps(records).encode())
    assert [piece.time for piece in capture.pieces] == [0, 1.5, 1.5]
    (capture,) = found_in(b'{"dir":"in","data":{"a":1}}\n{"dir":"in","data":{}}')
    assert [(piece.time, piece.data) for piece in capture.pieces] == [(None, '{"a": 1}'), (None, "{}")]


def test_a_message_of_several_forms() -> None:
    """Payloads among bytes, and bytes among payloads, are read as what the first of them was."""
    texts = [json.loads(one) for one in captures.PAYLOADS]
    mixed = [{"t": 0, "chunk": "event: x\n"}, *({"t": 1, "chunk": one} for one in texts)]
    (capture,) = found_in("\n".join(map(json.dumps, mixed)).encode())
    assert played(capture).response.output_text == TEXT
    ended = [*({"t": 1, "data": one} for one in texts), {"t": 2, "data": " "}]
    (capture,) = found_in("\n".join(map(json.dumps, ended)).encode())
    assert played(capture).anomalies == 0
    (capture,) = found_in(b"< {}\n< data: [DONE]\n")
    assert [piece.data for piece in capture.pieces] == ["{}", " [DONE]"]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        *looks.FOREIGN,
        (b"a" * 257 + b"ustar\0", "tar"),
        (b"== Info: Trying\n<= Recv header, 5 bytes", "trace of curl"),
        (b"10:00:00.1 => Send header, 5 bytes", "trace of curl"),
        (b"1234:4:type;", "mitmproxy"),
    ],
)
def test_what_is_no_capture_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, name: str
) -> None:
    """A file of a known kind that is no capture is named for what it is, and exits with 2."""
    path = tmp_path / "file"
    path.write_bytes(data + b"\0" * 10)
    assert main([str(path)]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith(f"deltafold: {path}: this looks like ")
    assert name in streams.err


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[",
        b"[]",
        b"[1]",
        b"[{",
        b"HTTP",
        b"{}\n{}",
        b'{"a": 1}',
        b"<html></html>",
        b"nothing of the kind",
        b"a line\nand another\n",
        b"{" + b" " * 2000,
        b"\0" * 50,
        b'{"type":"x.y","data":"z"}\n',
        b'{"time":1,"a":2}\n',
        b'{"a": bad}\n',
        b"[" * 3000,
        b"data",
    ],
)
def test_what_is_left_to_the_parser(data: bytes) -> None:
    """What has no form of its own goes to the parser as it is, which says what it makes of it."""
    for size in (1, 1000):
        (capture,) = found_in(data, size)
        assert capture.form in ("", "response with headers")
        assert played(capture).response == played(Capture("", [Piece(data)])).response


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"log": {', "a HAR file, but cannot be read"),
        (b'{"log":' + b"[" * 100_000, "a HAR file, but cannot be read"),
        (b'{"interactions": [', "a VCR cassette, but cannot be read"),
        (b'{"interactions": 5}', "holds no interactions"),
    ],
)
def test_archives_that_cannot_be_read(data: bytes, message: str) -> None:
    """The message says what the file looks like."""
    with pytest.raises(CaptureError, match=message):
        found_in(data)


ODD = [None, True, 5, -1.5, "x", [], {}, [[]], {"code": "x"}, {"status": []}, 10**400, 1e308, float("inf")]


@pytest.mark.parametrize("odd", ODD)
def test_members_of_any_type(odd: Any) -> None:
    """Every member of an archive may have any JSON type, and nothing breaks."""
    entry = har_entry(stream())
    for name in entry:
        (capture,) = found_in(har({**entry, name: odd}))
        played(capture)
    for inner in ("status", "headers", "content"):
        (capture,) = found_in(har({**entry, "response": {**entry["response"], inner: odd}}))
        played(capture)
    for extra in ("_webSocketMessages", "_eventSourceMessages"):
        (capture,) = found_in(har({**entry, extra: [odd, {"data": odd, "time": odd, "type": odd}]}))
        played(capture)
    for whole in ({"log": odd}, {"log": {"entries": odd}}, {"log": {"entries": [odd]}}):
        for capture in found_in(json.dumps(whole).encode()):
            played(capture)
    one = captures.CASSETTE["interactions"][0]  # type: ignore[index]
    for request in (odd, {"uri": odd, "method": odd}):
        for response in (odd, {"status": odd, "headers": odd, "body": odd}, {"headers": {"a": odd}}):
            told = {"interactions": [{**one, "request": request, "response": response}, odd]}
            for capture in found_in(json.dumps(told).encode()):
                played(capture)
    for record in (
        {"t": odd, "data": "{}"},
        {"t": 1, "data": odd},
        {"dir": "in", "opcode": odd, "data": "x"},
        odd,
    ):
        first = {"t": 0, "data": "{}"}
        (capture,) = found_in(json.dumps([first, record]).encode())
        played(capture)


def test_headers_and_bodies_in_their_forms() -> None:
    """Headers are told in four ways, and a body that is missing leaves a note."""
    assert archives.headers_of([["A", "b"], {"name": "c", "value": "d"}, 5]) == (("A", "b"), ("c", "d"))
    assert archives.headers_of({"a": ["b", b"c"]}) == (("a", "b"), ("a", "c"))
    (capture,) = found_in(har({"request": {}, "response": {}}))
    assert capture.notes == ["the archive has no body of this response: export it with content"]
    assert not capture.is_stream
    (capture,) = found_in(b'{"interactions": [{"response": {"content": "x"}}]}')
    assert [piece.data for piece in capture.pieces] == [b"x"]
    (capture,) = found_in(b'{"interactions": [{"response": {}}]}')
    assert capture.notes == ["the cassette has no body of this response"]
    assert archives.from_base64("a") is None
    packed = har(
        har_entry(
            b"",
            response={
                "status": 200,
                "headers": [{"name": "Content-Encoding", "value": "gzip, identity"}],
                "content": {
                    "encoding": "base64",
                    "text": __import__("base64").b64encode(gzip.compress(stream())).decode(),
                },
            },
        )
    )
    assert played(found_in(packed)[0]).response.output_text == TEXT


# ----------------------------------------------------------------------------------------- compression


def test_damaged_compression() -> None:
    """What came before the damage stands, and a note says what happened."""
    whole = gzip.compress(stream())
    for data, note in (
        (whole[:-30], "the gzip data break off"),
        (whole[:10] + b"\xff" * 50, "the gzip data are damaged"),
    ):
        (capture,) = found_in(data)
        assert capture.form == "gzip"
        ending = played(capture)
        assert ending.response.outcome == "truncated"
        assert ending.notes[0].startswith(note)
    assert compression.whole(b"plain", "gzip", []) == b"plain"
    assert compression.whole(b"plain", "rot13", []) == b"plain"


class Codec:
    """A package that decompresses: it takes off a mark at the beginning."""

    def __init__(self, mark: bytes) -> None:
        self.mark = mark
        self.seen = b""
        self.eof = False

    def decompressobj(self) -> Codec:
        return self

    def decompress(self, data: bytes) -> bytes:
        before = len(self.seen.removeprefix(self.mark)) if len(self.seen) >= len(self.mark) else 0
        self.seen += data
        self.eof = self.seen.endswith(stream()[-40:])
        if not self.seen.startswith(self.mark[: len(self.seen)]):
            raise ValueError("no such data")
        return self.seen.removeprefix(self.mark)[before:] if len(self.seen) >= len(self.mark) else b""


class Brotli(Codec):
    """One with the other names."""

    process = Codec.decompress
    decompress = None  # type: ignore[assignment]
    eof = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.mark, self.seen = b"\x1b\xff", b""

    def is_finished(self) -> bool:
        return self.seen.endswith(b"\n\n")


def with_packages(monkeypatch: pytest.MonkeyPatch, **packages: Any) -> None:
    """Nothing can be imported by name but these."""

    def found(name: str) -> Any:
        if name in packages:
            return types.SimpleNamespace(**packages[name])
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", found)


def test_compression_by_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """zstd and brotli are read where a package is there; where none is, the message says which to install."""
    zstd = compression.ZSTD + stream()
    br = HEAD + b"Content-Encoding: br\r\n\r\n\x1b\xff" + stream()
    body = har_entry(
        b"",
        response={"headers": {"content-encoding": "br"}, "content": {"text": "GP8=", "encoding": "base64"}},
    )
    with_packages(monkeypatch)
    with pytest.raises(CaptureError, match="zstd cannot be decompressed here: install zstandard"):
        found_in(zstd)
    (capture,) = found_in(br)
    assert played(capture).notes == ("br cannot be decompressed here: install brotli or brotlicffi",)
    with pytest.raises(CaptureError, match="install brotli"):
        found_in(har(body))
    with pytest.raises(CaptureError, match=r"morse cannot be decompressed here$"):
        compression.decompressor("morse")
    assert compression.whole(b"ascii", "br", []) == b"ascii"
    with_packages(
        monkeypatch,
        zstandard={"ZstdDecompressor": lambda: Codec(compression.ZSTD)},
        brotlicffi={"Decompressor": Brotli},
    )
    for data, size in ((zstd, 1 << 20), (zstd, 7), (zstd + b"more", len(zstd)), (br, 1 << 20)):
        assert played(found_in(data, size)[0]).response.output_text == TEXT
    assert compression.whole(b"\xfa", "br", []) == b"\xfa"
    assert compression.whole(b"\x1b\xff" + stream(), "br", []) == stream()
    (capture,) = found_in(br[:-1])
    assert played(capture).notes == ("the br data break off",)


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_the_packages_themselves(size: int) -> None:
    """zstandard and brotli, where they are installed."""
    zstandard, brotli = pytest.importorskip("zstandard"), pytest.importorskip("brotli")
    assert played(found_in(zstandard.compress(stream()), size)[0]).response.output_text == TEXT
    head = HEAD + b"Content-Encoding: br\r\n\r\n"
    assert played(found_in(head + brotli.compress(stream()), size)[0]).response.output_text == TEXT


def test_chunks_that_are_damaged() -> None:
    """A body of which the chunks make no sense from some point on is read as it is."""
    pieces = list(http_text.dechunked([Piece(b"5\r\nhel"), Piece(b"lo\r\nnonsense")]))
    assert b"".join(piece.raw for piece in pieces) == b"hello\r\nnonsense"
    assert [piece.data for piece in http_text.dechunked([Piece(b"5")])] == [b"5"]


# ------------------------------------------------------------------------------------------------ YAML

YAML = b"""interactions:
- request: {method: POST, uri: https://api.example.com/v1/responses}
  response:
    status: {code: 200, message: OK}
    headers: {content-type: [text/event-stream]}
    body:
      string: %s
version: 1
"""


def test_cassettes_in_yaml() -> None:
    """PyYAML reads cassettes, with the tags of other languages."""
    yaml = pytest.importorskip("yaml")
    for text in (
        json.dumps(stream().decode()),
        f"!!binary {json.dumps(__import__('base64').b64encode(stream()).decode())}",
    ):
        (capture,) = found_in(YAML % text.encode())
        assert (capture.request, capture.form) == ("POST https://api.example.com/v1/responses", "cassette")
        assert played(capture).response.output_text == TEXT
    told = b"""---
http_interactions:
- !ruby/object:X
  response: !ruby/hash {body: {string: !!python/unicode 'x'}}
- !a [1]
"""
    first, second = found_in(told)
    assert [piece.data for piece in first.pieces] == [b"x"]
    assert [piece.data for piece in second.pieces] == [b""]
    with pytest.raises(CaptureError, match="in YAML, but cannot be read"):
        found_in(b"interactions:\n- [\n")
    assert yaml is not None


def test_yaml_without_pyyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyYAML is not there, the message says so."""
    with_packages(monkeypatch)
    with pytest.raises(CaptureError, match="install PyYAML"):
        found_in(YAML % b"x")


def test_yaml_as_anything_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What PyYAML gives is taken as it is, and what it raises says what is wrong."""

    class Loader:
        """As much of a loader as is asked for."""

        tags: ClassVar[dict[str, Any]] = {}

        @classmethod
        def add_multi_constructor(cls, tag: str, make: Any) -> None:
            cls.tags[tag] = make

    class Node:
        """A node that is none of the two others."""

    def load(data: bytes, loader: Any) -> Any:
        if b"bad" in data:
            raise ValueError
        asked = types.SimpleNamespace(
            construct_mapping=lambda node, deep: "mapping",
            construct_sequence=lambda node, deep: "sequence",
            construct_scalar=lambda node: "scalar",
        )
        plain = loader.tags["!"]
        assert [plain(asked, "", kind()) for kind in (dict, list, Node)] == ["mapping", "sequence", "scalar"]
        return captures.CASSETTE

    package = {
        "SafeLoader": Loader,
        "MappingNode": dict,
        "SequenceNode": list,
        "YAMLError": KeyError,
        "load": load,
    }
    with_packages(monkeypatch, yaml=package)
    assert played(found_in(YAML % b"x")[0]).response.output_text == TEXT
    with pytest.raises(CaptureError, match="cannot be read: ValueError"):
        found_in(YAML % b"bad")


# ------------------------------------------------------------------------------------------------ sources


def test_names_with_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`#n` is an entry, unless a file has that name."""
    monkeypatch.chdir(tmp_path)
    assert inputs.split_name("a.har#3") == ("a.har", 3)
    assert inputs.split_name("a.har") == ("a.har", None)
    assert inputs.split_name("a#b") == ("a#b", None)
    Path("a.har#3").touch()
    assert inputs.split_name("a.har#3") == ("a.har#3", None)


def test_what_is_live(tmp_path: Path) -> None:
    """A file is not, and all else is."""
    with (tmp_path / "f").open("w+b") as file:
        assert not inputs.is_live(file)
    assert inputs.is_live(io.BytesIO())
    assert inputs.is_live(None)


def test_live_bytes_have_times() -> None:
    """The time of each piece is that at which it was read."""
    clock = iter([10.0, 10.5, 12.0])
    source = io.BufferedReader(io.BytesIO(b"x"))  # type: ignore[arg-type]
    seen: list[int] = []
    pieces: Iterable[Piece] = inputs.source_pieces(source, lambda: next(clock), seen.append)
    assert list(pieces) == [Piece(b"x", 0.5)]
    assert seen == [1]


def test_a_refused_request() -> None:
    """Status and headers count: the error is that of the HTTP response."""
    data = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\n\r\n" + REFUSAL
    for size in (1, 1000):
        (capture,) = found_in(data, size)
        error = played(capture).response.error
        assert error is not None
        assert (error.kind, error.retry_after, error.status) == ("rate_limited", 7, 429)
    assert parse(REFUSAL).error is not None
    (capture,) = found_in(b"HTTP/1.1 503 x\r\nContent-Encoding: morse\r\n\r\n")
    assert played(capture).response.error is not None
    (capture,) = found_in(b"HTTP/1.1 500 x\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(REFUSAL))
    assert played(capture).response.error is not None


def test_logs_in_which_payloads_are_broken() -> None:
    """A broken payload in a log without empty lines spoils no other, and an event of several lines is one."""
    first, *rest = [f"12:00:00 data: {one}" for one in captures.PAYLOADS]
    (capture,) = found_in("\n".join([first, '12:00:00 data: {"type":"resp', *rest]).encode())
    ending = played(capture)
    assert (ending.response.output_text, ending.anomalies) == (TEXT, 1)
    named = [f"12:00:00 event: x\n12:00:00 data: {one}" for one in captures.PAYLOADS]
    (capture,) = found_in("\n".join([*named[:2], "12:00:00 data: {bad", *named[2:]]).encode())
    assert played(capture).response.output_text == TEXT
    spread = [json.dumps(json.loads(one), indent=1).splitlines() for one in captures.PAYLOADS]
    (capture,) = found_in("\n".join(f"12:00:00 data: {line}" for lines in spread for line in lines).encode())
    assert played(capture).response.output_text == TEXT
    (capture,) = found_in("\n".join(["12:00:00 data: {", *["12:00:00 data: 1,"] * 500]).encode())
    assert played(capture).response.outcome == "truncated"
    (capture,) = found_in(b'12:00:00 INFO request sent {"a": 1}\n12:00:00 data: {}\n')
    assert [piece.data for piece in capture.pieces] == [b"data: {}\n\n"]
    assert capture.notes == ["sent by the client: 1 line"]


def test_errors_with_a_time_are_no_records() -> None:
    """The body of a server's error may have a time and a message, and is left to the parser."""
    for body in (
        b'{"timestamp": 1700000000, "status": 500, "message": "Internal Server Error"}',
        b'[{"timestamp": "2026-01-02", "message": "no"}]',
    ):
        assert found_in(body)[0].form == ""
    chunk = b'{"time": 1, "data": "data: {}\\n\\n"}\n'
    (capture,) = found_in(chunk + b'{"time": 1, "data": {}, "opcode": 2}\n{"odd": 1}\n')
    assert [piece.data for piece in capture.pieces] == [b"data: {}\n\n"]
    assert capture.notes == ["without a payload: 1 record"]
    assert list(inputs.open_records("", [])[0].pieces) == []


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has to be held as a whole has a bound, and so has what is looked at to find out the form."""
    monkeypatch.setattr(capture_module, "MOST_AT_ONCE", 100)
    with pytest.raises(CaptureError, match="too large"):
        found_in(FORMS["HAR"])
    with pytest.raises(CaptureError, match="too large"):
        compression.whole(gzip.compress(b"x" * 1000), "gzip", [])
    monkeypatch.setattr(inputs, "MOST_LOOKED_AT", 50)
    for data in (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 500, b'{"a": "' + b"x" * 500, b"word " * 100):
        assert len(found_in(data, 10)) == 1


def test_small_and_damaged_bodies() -> None:
    """A body shorter than any mark, compressed data of no kind, and `curl -v` that trims its lines."""
    assert played(found_in(HEAD + b"Content-Encoding: gzip\r\n\r\nab")[0]).size == 2
    whole = gzip.compress(bytes(range(256)) * 50)[:200]
    ending = played(found_in(whole + b"\xff" * 500, len(whole))[0])
    assert ending.notes[0].startswith("the gzip data are damaged")
    ending = played(found_in(HEAD + b"Content-Encoding: deflate\r\n\r\n\xff\xff\xff\xff")[0])
    assert ending.notes[0].startswith("the deflate data are damaged")
    told = b"> GET / HTTP/1.1\n>\n< HTTP/1.1 200 OK\n<\n" + stream()
    assert played(found_in(told)[0]).response.output_text == TEXT


def test_a_refusal_that_cannot_be_decompressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status counts; a note says why there is no body."""
    with_packages(monkeypatch)
    ending = played(found_in(b"HTTP/1.1 429 x\r\nContent-Encoding: br\r\n\r\n\xff\xff\xff\xff")[0])
    assert ending.response.error is not None
    assert ending.response.error.kind == "rate_limited"
    assert "install brotli" in ending.notes[0]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b'{"model":"gpt-5","messages":[],"stream":true}', "the body of a request, not of a response"),
        (b'{"name":"x","a b":1}', "JSON of no API that is known, with name"),
        (b"{}", "JSON of no API that is known"),
        (b"[1, 2]", "JSON, a list"),
        (b"17", "JSON, one value"),
        (b"<!DOCTYPE html><title>no</title>", "a page of HTML"),
        (b"<rss/>", "XML"),
        (b"\xef\xbb\xbfhello world", "plain text"),
        (b"\x00\x01\xff" * 50, "binary data"),
        (b"{broken", "JSON that is damaged, or too long to be looked at"),
        (b"[" * 100_000, "JSON that is damaged, or too long to be looked at"),
        (b"  ", "nothing at all"),
    ],
)
def test_what_a_body_looks_like(data: bytes, name: str) -> None:
    """A body that holds no response is named for what it looks like."""
    assert looks.appearance(data) == name
    ending = played(found_in(data)[0])
    if ending.response.outcome == "failed":
        assert f"it looks like {name}" in ending.notes


def test_a_body_in_many_pieces_is_looked_at_from_its_beginning() -> None:
    """As much of a body as its name wants is kept, and no more."""
    ending = play([Capture("", [Piece(b"<html>" + b" " * 70_000), Piece(b"x")])], ResponseParser(), Quiet())
    assert ending.notes == ("it looks like a page of HTML",)


def test_several_responses_on_one_websocket() -> None:
    """The first one is shown, and the number of the others."""
    (capture,) = found_in("\n".join(f"< {one}" for one in captures.PAYLOADS * 3).encode())
    ending = played(capture)
    assert (ending.response.output_text, ending.anomalies) == (TEXT, 0)
    assert ending.notes == ("further responses on the same WebSocket, not shown: 2",)


def test_what_stands_in_front_of_payloads() -> None:
    """Levels in brackets, names and colons are no part of the payload; payloads that break off are none."""
    for before in ("[INFO] ", "INFO:app: got ", "[2] (worker) <stream> : ", "INFO {x} [y] "):
        (capture,) = found_in(
            "\n".join(f"12:00:00 {before}data: {one}" for one in captures.PAYLOADS).encode()
        )
        assert played(capture).response.output_text == TEXT
        (capture,) = found_in("\n".join(f"12:00:00 {before}{one}" for one in captures.PAYLOADS).encode())
        assert played(capture).response.output_text == TEXT
    (capture,) = found_in(b"12:00:00 : ping\n12:00:01 :\n12:00:02 data: 1\n")
    assert [piece.data for piece in capture.pieces] == [b": ping\n", b":\n", b"data: 1\n\n"]
    for odd in ('x {"a', "b'a", "x" + ' {"' * 100):
        (capture,) = found_in(f"12:00:00 data: 1\n12:00:00 {odd}\n".encode())
        assert [piece.data for piece in capture.pieces] == [b"data: 1\n\n"]


HOSTILE = [
    b"12:00:00 " + b'{"' * 100_000,
    b"12:00:00 " + b"[" * 200_000,
    b"12:00:00 b'" + b"a\\\\" * 70_000,
    b"#\n" + b"\n" * 60_000 + b"x",
    b"* x\n" + b"\n \n" * 20_000 + b"x",
    b"HTTP/1.1 200 OK\r\n" * 4000,
    b"> " * 100_000,
    b"12:00:00 data: {\n" * 5000,
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 50_000,
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_no_capture_takes_long(data: bytes) -> None:
    """What is made to be searched again and again is not."""
    begun = time.process_time()
    played(found_in(data, 1 << 16)[0])
    assert time.process_time() - begun < 10
