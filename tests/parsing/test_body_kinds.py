"""Bodies that are no event stream, or not known to be one: when they are read, and how they are refused."""

from __future__ import annotations

from typing import Any

import pytest

from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode as C
from deltafold.model.errors import ErrorKind, LimitExceeded
from deltafold.model.limits import Limits
from deltafold.model.response import Outcome
from deltafold.parsing.parser import ResponseParser
from runs import Run, play

BOM = b"\xef\xbb\xbf"
HELD = 65_536
"""So many blanks may stand before a body whose kind is not known."""
JOINED = 1024
"""So many pieces of a body are joined at once."""


def unknown(found: Run) -> list[tuple[str, Any]]:
    """What no dialect knew: the names and the data."""
    return [(event.type, event.payload) for event in found.all(e.UnknownEvent)]


# -------------------------------------------------------------------------------------- what kind it is


@pytest.mark.parametrize("pieces", [[b" " * HELD], [b"\t" * (HELD - 1), b" "], [b" "] * 70])
def test_blanks_tell_nothing(pieces: list[bytes]) -> None:
    """No line of them is too long as long as nobody knows that they are lines."""
    found = play(pieces, "chat", close=False, limits=Limits(line_bytes=50))
    assert found.fault is None
    assert found.events == []
    assert found.parser.bytes_pending == sum(map(len, pieces))


@pytest.mark.parametrize("pieces", [[b" " * (HELD + 1)], [b" " * HELD, b" "], [b" " * HELD, b"\t", b" "]])
def test_very_many_blanks_are_an_event_stream(pieces: list[bytes]) -> None:
    """Then the limits of such hold."""
    found = play(pieces, "chat", close=False, limits=Limits(line_bytes=50))
    assert isinstance(found.fault, LimitExceeded)
    assert found.fault.limit == "line_bytes"


def test_blanks_are_an_event_stream_once_they_are_all() -> None:
    """There the limits of such hold as well."""
    found = play(b" " * 51, "chat", limits=Limits(line_bytes=50))
    assert isinstance(found.fault, LimitExceeded)
    assert found.fault.limit == "line_bytes"


@pytest.mark.parametrize("pieces", [[b"[", b"\n\n\n\n"], [b"[\n\n\n\n"], [b"[", b"\n", b"\n", b"\n", b"\n"]])
def test_a_bracket_among_lines_waits_for_nothing(pieces: list[bytes]) -> None:
    """It is a line of its own where JSON lines were asked for."""
    found = play(pieces, "chat", close=False, framing="ndjson")
    assert unknown(found) == [("", "[")]
    assert found.codes == [C.MALFORMED_JSON]


@pytest.mark.parametrize("framing", ["auto", "json_array"])
def test_an_array_that_has_only_been_opened(framing: str) -> None:
    """Blanks behind the bracket change nothing; the first element comes as soon as it is whole."""
    pieces = [b"[", b"\n", b" ", b'{"a":1', b"}"]
    parser = ResponseParser("chat", framing=framing)
    for piece in pieces[:-1]:
        parser.feed(piece)
        assert list(parser.events()) == []
        assert parser.needs_input
    parser.feed(pieces[-1])
    assert [event.payload for event in parser.events() if isinstance(event, e.UnknownEvent)] == [{"a": 1}]


@pytest.mark.parametrize("size", range(JOINED - 12, JOINED + 3))
@pytest.mark.parametrize("rest", [b'\n{"b":2}\n', b'\ndata: {"b":2}\n\n'])
@pytest.mark.parametrize("more", [0, 1, 5])
def test_an_object_in_very_many_pieces(size: int, rest: bytes, more: int) -> None:
    """That it is the first of several values is known at once, wherever its pieces were joined."""
    first = b'{"a":"%s"}' % (b"x" * (size - 8))
    body = first + rest
    parser = ResponseParser("responses")
    parser.feed(b"{")
    assert list(parser.events()) == []
    held = len(body) - more
    for at in range(1, held):
        parser.feed(body[at : at + 1])
    events = list(parser.events())
    for at in range(held, len(body)):
        parser.feed(body[at : at + 1])
    events += parser.events()
    sent = [event.payload for event in events if isinstance(event, e.UnknownEvent)]
    assert sent == [{"a": "x" * (size - 8)}, {"b": 2}]


@pytest.mark.parametrize(
    ("body", "codes", "values"),
    [
        (b'{"a":1}\n{"b":2}\n', [], ["a", "b"]),
        (BOM + b'{"a":1}\r\n{"b":2}\r\n', [], ["a", "b"]),
        (b'{"a":1}\n\ndata: {"b":2}\n\n', [C.VALUE_BEFORE_EVENTS], ["a", "b"]),
        (BOM + b'{"a":1}\n:\n\ndata: {"b":2}\n\n', [C.VALUE_BEFORE_EVENTS], ["a", "b"]),
        (b'{"a":1} event: x\ndata: {"b":2}\n\n', [C.VALUE_BEFORE_EVENTS], ["a", "b"]),
        (b'{"a":1} {"b":2}', [], []),
        (b'{"a":\n1}\n{"b":2}\n', [], []),
        (b'{"a":1}\nwords\n', [], []),
    ],
)
def test_what_follows_an_object(body: bytes, codes: list[C], values: list[str]) -> None:
    """A stream is read as it comes; anything else may be part of a document, which its end tells."""
    found = play([body[at : at + 1] for at in range(len(body))], "responses", close=False)
    assert [code for code in found.codes if code is not C.TYPE_MISSING] == codes
    assert [next(iter(value)) for _, value in unknown(found)] == values
    closed = play(body, "responses")
    assert (C.BODY_IS_JSON in closed.codes) is (not values)


@pytest.mark.parametrize(
    ("framing", "rest", "code"),
    [
        ("sse", b'\n{"b":2}\n', C.BODY_IS_JSON),
        ("sse", b'\ndata: {"b":2}\n\n', C.VALUE_BEFORE_EVENTS),
        ("aws_eventstream", b'\n{"b":2}\n', C.BODY_IS_JSON),
        ("aws_eventstream", b'\ndata: {"b":2}\n\n', C.BODY_IS_JSON),
    ],
)
def test_what_follows_an_object_where_a_framing_was_named(framing: str, rest: bytes, code: C) -> None:
    """It is a stream of that framing, or a document."""
    found = play(b'{"a":1}' + rest, "responses", framing=framing)
    assert found.codes[0] is code


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (b'{"a":1}', 7),
        (b' {"a":1} ', 9),
        (b'{"a":1} {"b":22}', 16),
        (b'{"a":1}\n\n{"b":22}\n', 9),
        (b'{"a":1}\ndata: {"b":22}\n\n', 8),
    ],
)
def test_how_much_of_a_document_is_held(body: bytes, size: int) -> None:
    """All of it counts; where it is a value in front of a stream, that with the blanks around it."""
    small = play(body, "responses", limits=Limits(body_bytes=size - 1))
    assert isinstance(small.fault, LimitExceeded)
    assert small.fault.limit == "body_bytes"
    assert play(body, "responses", limits=Limits(body_bytes=size)).fault is None


# ------------------------------------------------------------------------------------- how it is refused


@pytest.mark.parametrize(
    ("body", "code", "kind", "message", "raw"),
    [
        (
            b"<html>" + b"x" * 9000,
            C.BODY_IS_HTML,
            ErrorKind.SERVER_ERROR,
            "The body is an HTML page. <html>" + "x" * 114,
            "<html>" + "x" * 4090,
        ),
        (b"<p>", C.BODY_IS_HTML, ErrorKind.SERVER_ERROR, "The body is an HTML page. <p>", "<p>"),
        (
            b"[ " + b"n" * 9000,
            C.BODY_IS_TEXT,
            ErrorKind.SERVER_ERROR,
            "The body has lines, but no event at all. [ " + "n" * 118,
            "[ " + "n" * 4094,
        ),
        (
            b"Slow down",
            C.BODY_IS_TEXT,
            ErrorKind.SERVER_ERROR,
            "The body has lines, but no event at all. Slow down",
            "Slow down",
        ),
        (
            b"\x1f\x8b words",
            C.BODY_IS_COMPRESSED,
            ErrorKind.INVALID_REQUEST,
            "The body is still compressed.",
            "",
        ),
        (
            b"\xff\xfe\xfd",
            C.BODY_IS_COMPRESSED,
            ErrorKind.INVALID_REQUEST,
            "The body is still compressed.",
            "",
        ),
    ],
)
@pytest.mark.parametrize("dialect", ["responses", "chat", "anthropic", "gemini"])
def test_how_a_body_is_refused(
    dialect: str, body: bytes, code: C, kind: ErrorKind, message: str, raw: str
) -> None:
    """The response fails. The error says what the body is and how it begins, and holds more of it."""
    found = play(body, dialect)
    assert found.codes == [code]
    assert found.anomalies[0].excerpt == raw[:120]
    error = found.response.error
    assert error is not None
    assert (error.kind, error.code, error.message, error.raw) == (kind, str(code), message, raw)
    assert found.response.outcome is Outcome.FAILED
    for pieces in ([body[at : at + 1] for at in range(len(body))], [body[:5], body[5:]]):
        assert play(pieces, dialect).everything == found.everything


@pytest.mark.parametrize("body", [b"<html>", b"\x1f\x8b", b"Slow down", b'{"a":', b"[{", b"[ no"])
def test_a_body_that_the_caller_cut_off_is_not_refused(body: bytes) -> None:
    """What was cancelled has no fault."""
    parser = ResponseParser("chat")
    parser.feed(body)
    events = list(parser.events())
    parser.cancel()
    events += parser.events()
    assert parser.anomalies == ()
    assert parser.response.error is None
    assert parser.response.outcome is Outcome.CANCELLED


# ------------------------------------------------------------------------------------------- at the end


@pytest.mark.parametrize(
    ("tail", "codes", "values"),
    [
        (b'data: {"b":1}', [C.UNTERMINATED_FINAL_EVENT], [("", {"b": 1})]),
        (b'event: x\ndata: {"b":1}\n', [C.UNTERMINATED_FINAL_EVENT], [("x", {"b": 1})]),
        (b'event: message\ndata: {"b":1}\n', [C.UNTERMINATED_FINAL_EVENT], [("", {"b": 1})]),
        (b'data: {"b":1}{"c"', [C.UNFINISHED_FINAL_EVENT], [("", {"b": 1})]),
        (
            b'data: {"b":1} {"c":2}',
            [C.UNTERMINATED_FINAL_EVENT, C.SEVERAL_PAYLOADS],
            [("", {"b": 1}), ("", {"c": 2})],
        ),
        (b'data: {"b"', [C.UNFINISHED_FINAL_EVENT], []),
        (b"data: wor", [C.UNFINISHED_FINAL_EVENT], []),
        (b"event: x\n", [], []),
        (b"", [], []),
    ],
)
@pytest.mark.parametrize("cancelled", [False, True])
def test_an_event_that_was_begun(
    tail: bytes, codes: list[C], values: list[tuple[str, Any]], cancelled: bool
) -> None:
    """What is whole in it is read. That the rest is missing is a fault, unless the caller cut it off."""
    parser = ResponseParser("chat")
    parser.feed(b'data: {"a":1}\n\n' + tail)
    events = list(parser.events())
    before = parser.anomaly_count
    if cancelled:
        parser.cancel()
    else:
        parser.close()
    events += parser.events()
    found = Run(events, parser)
    assert unknown(found) == [("", {"a": 1}), *values]
    told = [code for code in found.codes[before:] if code not in (C.MISSING_TERMINAL, C.NOTHING_UNDERSTOOD)]
    expected = [code for code in codes if code is C.SEVERAL_PAYLOADS] if cancelled else codes
    assert told == expected


@pytest.mark.parametrize(
    ("framing", "body", "code", "excerpt"),
    [
        ("json_array", b'[{"a":"' + b"x" * 200, C.UNFINISHED_FINAL_EVENT, '{"a":"' + "x" * 114),
        ("ndjson", b'{"a":"\xff', C.UNFINISHED_FINAL_EVENT, '{"a":"\ufffd'),
        ("json_array", b"[", C.ARRAY_NOT_CLOSED, ""),
    ],
)
def test_a_frame_that_was_begun(framing: str, body: bytes, code: C, excerpt: str) -> None:
    """The anomaly shows how it begins."""
    found = play(body, "gemini", framing=framing)
    assert found.anomalies[0].code is code
    assert found.anomalies[0].excerpt == excerpt


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("fed", ["drained", "at once"])
def test_a_document_in_front_of_another_connection(size: int, fed: str) -> None:
    """It is read once the next one begins, whole though it came in pieces; what is cut off is passed over."""
    document = b'{"error":{"message":"no"}}'
    for body, failed in ((document, True), (BOM + document, True), (document[:-1], False)):
        parser = ResponseParser("chat")
        events: list[e.Event] = []
        for at in range(0, len(body), size):
            parser.feed(body[at : at + size])
            if fed == "drained":
                events += parser.events()
        parser.reconnect()
        events += parser.events()
        assert any(isinstance(event, e.ErrorReported) for event in events) is failed
        assert (C.BODY_IS_JSON in Run(events, parser).codes) is failed
        assert parser.bytes_fed == len(body)


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (b'{"a":1}', [{"a": 1}]),
        (b'{"a":1} {"b":2}', [{"a": 1}, {"b": 2}]),
        (b'{"a":1} {"b":2} 3', [{"a": 1}, {"b": 2}, 3]),
        (b'{"a":\n1}\n{"b":2}\n', [{"a": 1}, {"b": 2}]),
        (b'{"a":1}' * 40, [{"a": 1}] * 40),
        (b'{"a":1}\nwords\n', [{"a": 1}, "words\n"]),
    ],
)
def test_the_values_of_a_document(body: bytes, values: list[Any]) -> None:
    """All that stand in a row are read, one after another; what is no JSON is handed out as text."""
    found = play(body, "responses")
    assert found.codes[0] is C.BODY_IS_JSON
    assert [value for _, value in unknown(found)] == values
