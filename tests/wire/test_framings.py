"""Framings beside server-sent events: their decoders alone, and inside of the parser."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold import (
    AnomalyCode,
    AWSEventStreamDecoder,
    AWSMessage,
    Event,
    JSONArrayDecoder,
    LimitExceeded,
    Limits,
    NDJSONDecoder,
    Outcome,
    ResponseParser,
    UnknownEvent,
    UsageError,
    WireError,
)
from deltafold.wire.body_kind import BOM, Body, Opening, sniff
from deltafold.wire.frame_decoder import Step
from deltafold.wire.value_end import ValueEnd
from runs import Run, check_laws, drain

C = AnomalyCode
JSON = dict[str, Any]
Decoder = JSONArrayDecoder | NDJSONDecoder | AWSEventStreamDecoder
DECODERS: list[type[Any]] = [JSONArrayDecoder, NDJSONDecoder, AWSEventStreamDecoder]

# ------------------------------------------------------------------------------------------- what is fed


def aws_header(name: str, value: str) -> bytes:
    """A header that is a string."""
    raw, told = name.encode(), value.encode()
    return bytes([len(raw)]) + raw + b"\7" + struct.pack(">H", len(told)) + told


def aws_message(headers: bytes | dict[str, str], payload: bytes = b"") -> bytes:
    """One message, with right checksums."""
    if isinstance(headers, dict):
        headers = b"".join(aws_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))


def aws_event(payload: Any, kind: str = "chunk") -> bytes:
    """An event whose payload is JSON."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return aws_message(headers, json.dumps(payload).encode())


def bedrock(payload: JSON) -> bytes:
    """An event of the model's own wire, as Bedrock wraps it."""
    inner = base64.b64encode(json.dumps(payload).encode()).decode()
    return aws_event({"bytes": inner, "p": "abcd"})


def gemini(text: str, **members: Any) -> JSON:
    """A chunk of Gemini's, which also ends where it is told why."""
    return {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, **members}]}


ANSWER = [gemini("Low } tide ]"), gemini(' "at, six" [{ \\', finishReason="STOP")]
TEXT = 'Low } tide ] "at, six" [{ \\'
CHUNKS: list[JSON] = [
    {
        "id": "c",
        "object": "chat.completion.chunk",
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": "Hi"}}],
    },
    {
        "id": "c",
        "object": "chat.completion.chunk",
        "model": "m",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    },
]


def array(payloads: Iterable[JSON]) -> bytes:
    """An array as Gemini writes it."""
    return b"[" + b"\n,\r\n".join(json.dumps(payload, indent=2).encode() for payload in payloads) + b"\n]"


def lines(payloads: Iterable[JSON]) -> bytes:
    """JSON lines."""
    return b"".join(json.dumps(payload).encode() + b"\n" for payload in payloads)


def messages(payloads: Iterable[JSON]) -> bytes:
    """An AWS event stream as Bedrock writes it."""
    return b"".join(map(bedrock, payloads))


# --------------------------------------------------------------------------------------- decoders alone


def decode(kind: type[Any], chunks: Iterable[bytes], **options: Any) -> tuple[list[Any], Any, Any]:
    """What a decoder hands out, what it raises, and what it holds; over a snapshot at each chunk."""
    decoder, found = kind(**options), []
    fault: WireError | None = None
    try:
        for chunk in chunks:
            decoder.feed(chunk)
            found.extend(decoder.frames())
            other = kind(**options)
            other.setstate(json.loads(json.dumps(decoder.getstate())))
            decoder = other
        decoder.close()
        found.extend(decoder.frames())
    except WireError as raised:
        fault = raised
    if fault is not None:
        with pytest.raises(type(fault)) as again:
            decoder.next_frame()
        decoder.push(b"more")
        return found, str(again.value), decoder.bytes_fed - 4
    return found, None, (decoder.pending, decoder.unfinished(), decoder.bytes_fed, decoder.clean)


def cut(body: bytes, sizes: list[int]) -> list[bytes]:
    """A body in pieces of these sizes, over and over."""
    pieces, at, turn = [], 0, 0
    while at < len(body):
        pieces.append(body[at : at + sizes[turn % len(sizes)]])
        at += sizes[turn % len(sizes)]
        turn += 1
    return pieces


BODIES: dict[type[Any], list[bytes]] = {
    JSONArrayDecoder: [
        array(ANSWER),
        b'[1,"a,]", {"b":"\\""}, null]x',
        b"\xef\xbb\xbf [[1],,{}{}]  [tru, 5",
        b"{}",
    ],
    NDJSONDecoder: [
        lines(CHUNKS),
        b'\xef\xbb\xbf{}\r\n\r\n \n{"a":"\xe2\x80\xa8"}\r\nx\n{"b":',
        b"[DONE]",
        b"{}\r",
    ],
    AWSEventStreamDecoder: [messages(CHUNKS), messages(CHUNKS)[:-1], messages(CHUNKS) + b"\0\0\0\1" * 4],
}


@given(data=st.data(), sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4))
@pytest.mark.parametrize("kind", DECODERS)
def test_chunking(kind: type[Any], data: st.DataObject, sizes: list[int]) -> None:
    """However a body is cut, damaged or not, the same comes of it, limits included; also over snapshots."""
    body = bytearray(data.draw(st.sampled_from(BODIES[kind])))
    for _ in range(data.draw(st.integers(0, 2))):
        if body:
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(
                st.sampled_from(b'[]{},"\\ \n\r\0\1\xefx1')
            )
    limits = Limits(**data.draw(st.sampled_from([{}, {"event_bytes": 12}, {"line_bytes": 30}])))
    whole = decode(kind, [bytes(body)], limits=limits)
    frames, fault, rest = decode(kind, cut(bytes(body), sizes), limits=limits)
    assert frames == whole[0]
    assert fault == whole[1]
    if fault is None:
        assert rest == whole[2]


@given(st.lists(st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=5)), st.booleans())
def test_what_json_writes_is_read(values: list[Any], indented: bool) -> None:
    """The elements of any array come out one by one, and the values of any JSON lines."""
    body = json.dumps(values, indent=1 if indented else None, ensure_ascii=indented).encode()
    found, fault, rest = decode(JSONArrayDecoder, [body])
    assert ([json.loads(text) for text in found], fault, rest[1]) == (values, None, None)
    body = "\n".join(json.dumps(value) for value in values).encode()
    found, fault, rest = decode(NDJSONDecoder, [body])
    assert ([json.loads(text) for text in found], fault, rest[1]) == (values, None, None)


@pytest.mark.parametrize(
    ("kind", "body", "frames"),
    [
        (JSONArrayDecoder, b"\xef\xbb\xbf[1,,2]", ["1", "2"]),
        (NDJSONDecoder, b"\xef\xbb\xbf1\r\n\r\n \n2", ["1", "2"]),
        (NDJSONDecoder, b"1\n[DONE]", ["1", "[DONE]"]),
        (NDJSONDecoder, b"\xef\xbb\xbf", []),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
def test_what_stands_around_values(kind: type[Any], body: bytes, frames: list[str], size: int) -> None:
    """A byte order mark, blank lines, a comma too many: values come without them."""
    assert decode(kind, cut(body, [size]))[:2] == (frames, None)


@pytest.mark.parametrize("kind", DECODERS)
def test_the_face(kind: type[Any]) -> None:
    """Bytes are stored, anything else is refused, and nothing is taken after the end."""
    decoder = kind()
    assert decoder.next_frame() is None
    decoder.feed(bytearray(b""))
    with pytest.raises(TypeError):
        decoder.feed("text")
    decoder.close()
    decoder.close()
    with pytest.raises(UsageError):
        decoder.feed(b"")
    assert decoder.next_frame() is None
    assert decoder.unfinished() is None


@pytest.mark.parametrize(
    ("kind", "size", "body", "name"),
    [
        (JSONArrayDecoder, 6, b"[123456,%s]", "event_bytes"),
        (JSONArrayDecoder, 6, b'["1234",%s]', "event_bytes"),
        (NDJSONDecoder, 6, b"123456\n%s\r\n", "event_bytes"),
        (NDJSONDecoder, 6, b"123456\r\n%s", "line_bytes"),
    ],
)
def test_limits(kind: type[Any], size: int, body: bytes, name: str) -> None:
    """A value of exactly the limit passes, and one byte more does not, after all that came before."""
    limits = Limits(**{name: size})
    for length in (size, size + 1):
        found, fault, _ = decode(kind, [body % (b"1" * length)], limits=limits)
        assert len(found) == (2 if length == size else 1)
        assert (fault is None) == (length == size)
        assert fault is None or name in fault


def test_limits_of_a_message() -> None:
    """A payload of exactly the limit passes; one byte more is refused by its prelude alone."""
    limits = Limits(event_bytes=5)
    decoder = AWSEventStreamDecoder(limits=limits)
    decoder.feed(aws_message({"a": "b"}, b"12345") + aws_message({}, b"123456")[:12])
    assert decoder.next_frame() == AWSMessage({"a": "b"}, b"12345")
    with pytest.raises(LimitExceeded) as caught:
        decoder.next_frame()
    assert caught.value.limit == "event_bytes"
    assert caught.value.offset == len(aws_message({"a": "b"}, b"12345"))


VALUES = (
    (b"\0", True), (b"\1", False), (b"\2\xf9", -7), (b"\3\xfe\xd4", -300), (b"\4\0\1\x11\x70", 70000),
    (b"\5" + b"\xff" * 8, -1), (b"\6\0\2\0\xff", b"\0\xff"), (b"\7\0\2\xc3\xa9", "é"),
    (b"\x08" + b"\0" * 7 + b"\5", 5), (b"\x09" + bytes(range(16)), bytes(range(16))),
)  # fmt: skip


def test_headers_of_every_type() -> None:
    """Each type of a header is read."""
    block = b"".join(b"\1" + bytes([97 + n]) + raw for n, (raw, _) in enumerate(VALUES))
    (message,), fault, _ = decode(AWSEventStreamDecoder, [aws_message(block, b"x")])
    assert fault is None
    assert message == AWSMessage({chr(97 + n): value for n, (_, value) in enumerate(VALUES)}, b"x")


BAD_HEADERS = [
    *(b"\1a" + raw[:-1] for raw, _ in VALUES if len(raw) > 1),
    *(b"\1", b"\0\0", b"\1a", b"\1a\x0a", b"\1\xff\0", b"\1a\0\1a\0", b"\1a\7\0\1\xff", b"\1a\7\0"),
]


@pytest.mark.parametrize("block", BAD_HEADERS)
def test_headers_that_cannot_be_read(block: bytes) -> None:
    """Damaged headers are a fault with the offset of their message; the parser goes on behind it."""
    good = bedrock(CHUNKS[0])
    found, fault, _ = decode(AWSEventStreamDecoder, [good + aws_message(block, b"x") + good])
    assert len(found) == 1
    assert fault is not None
    assert f"frame_damaged in event 1 at byte {len(good)}" in fault
    run = play(good + aws_message(block, b"x") + bedrock(CHUNKS[1]), "chat")
    assert run.parser.response.outcome is Outcome.COMPLETED
    assert UnknownEvent("", "x") in run.events
    (anomaly,) = run.parser.anomalies
    assert (anomaly.code, anomaly.offset, anomaly.event_index) == (C.FRAME_DAMAGED, len(good), 1)


# ------------------------------------------------------------------------------------------- the parser


def play(body: bytes, dialect: str = "auto", sizes: tuple[int, ...] = (), **options: Any) -> Run:
    """A body, at once or in pieces; in pieces, over a snapshot after each of the first."""
    reader = ResponseParser(dialect, **options)
    events: list[Event] = []
    for number, piece in enumerate(cut(body, list(sizes)) if sizes else [body]):
        reader.feed(piece)
        if (fault := drain(reader, events)) is not None:
            return Run(events, reader, fault)
        if sizes and number < 20:
            reader = ResponseParser.resume(json.loads(json.dumps(reader.snapshot())))
    assert reader.bytes_fed == len(body)
    reader.close()
    return Run(events, reader, drain(reader, events))


def lawful(body: bytes, dialect: str = "auto", **options: Any) -> Run:
    """A body at once and in pieces: the same comes of both, and the laws hold."""
    found = play(body, dialect, **options)
    check_laws(found, strict=bool(options.get("strict")))
    for sizes in ((1,), (7, 3), (500,)):
        assert play(body, dialect, sizes, **options).everything == found.everything
    return found


def codes(found: Run) -> list[C]:
    """The anomalies of a run, by name."""
    return [anomaly.code for anomaly in found.parser.anomalies]


@pytest.mark.parametrize("framing", ["auto", None])
@pytest.mark.parametrize(
    ("named", "body", "text"),
    [
        ("json_array", array(ANSWER), TEXT),
        ("ndjson", lines(ANSWER), TEXT),
        ("ndjson", lines(CHUNKS).rstrip(), "Hi"),
        ("aws_eventstream", messages(ANSWER), TEXT),
        ("aws_eventstream", aws_message({":event-type": "initial-response"}) + messages(CHUNKS), "Hi"),
    ],
)
def test_clean_streams(framing: str | None, named: str, body: bytes, text: str) -> None:
    """A stream in any framing is read without an anomaly, sniffed or by its name, in strict mode too."""
    for strict in (False, True):
        found = lawful(body, framing=framing or named, strict=strict)
        assert found.fault is None
        assert found.parser.response.outcome is Outcome.COMPLETED
        assert found.parser.response.output_text == text
        assert not found.parser.anomalies


@pytest.mark.parametrize("make", [array, lines, messages])
def test_elements_come_at_once(make: Any) -> None:
    """What a frame tells is handed out with its last byte, or with the next one that tells the framing."""
    body = make(ANSWER)
    reader = ResponseParser("gemini", framing="auto")
    for at in range(len(body)):
        reader.feed(body[at : at + 1])
        list(reader.events())
        if reader.response.output_text == TEXT:
            break
    assert at >= len(body) - 3
    assert reader.needs_input
    assert reader.bytes_pending <= 1


def test_the_framing_is_checked() -> None:
    """A framing that nobody knows is the caller's mistake."""
    for wrong in ("grpc", 5):
        with pytest.raises(UsageError, match="framing"):
            ResponseParser(framing=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "code", "outcome"),
    [
        (array(ANSWER)[:-1], C.ARRAY_NOT_CLOSED, Outcome.COMPLETED),
        (array(ANSWER)[:-9], C.UNFINISHED_FINAL_EVENT, Outcome.TRUNCATED),
        (b"[,%s]" % array(ANSWER)[1:-1], C.ARRAY_MALFORMED, Outcome.COMPLETED),
        (array(ANSWER).replace(b"\n,\r", b"\n \r"), C.ARRAY_MALFORMED, Outcome.COMPLETED),
        (array(ANSWER).replace(b"\n,\r", b"\n,,\r"), C.ARRAY_MALFORMED, Outcome.COMPLETED),
        (array(ANSWER)[:-1] + b",]", C.ARRAY_MALFORMED, Outcome.COMPLETED),
        (array(ANSWER[:1]) + array(ANSWER[1:]), C.ARRAY_MALFORMED, Outcome.COMPLETED),
        (array(ANSWER[:1]) + json.dumps(ANSWER[1]).encode(), C.ARRAY_MALFORMED, Outcome.COMPLETED),
        (lines(ANSWER)[:-9], C.UNFINISHED_FINAL_EVENT, Outcome.TRUNCATED),
        (lines(ANSWER[:1] * 2) + b"x\n" + lines(ANSWER[1:]), C.MALFORMED_JSON, Outcome.COMPLETED),
        (lines(ANSWER).replace(b"tide", b"\xff"), C.INVALID_UTF8, Outcome.COMPLETED),
        (messages(ANSWER)[:-9], C.UNFINISHED_FINAL_EVENT, Outcome.TRUNCATED),
        (messages(ANSWER)[:-9] + b"x" + messages(ANSWER)[-8:], C.FRAME_DAMAGED, Outcome.TRUNCATED),
        (messages(ANSWER[:1]) + b"\0\0\0\x10" * 9 + messages(ANSWER), C.FRAME_DAMAGED, Outcome.TRUNCATED),
    ],
)
def test_what_is_out_of_order(body: bytes, code: C, outcome: Outcome) -> None:
    """Each deviation is told, and read on from where that can be; strict mode raises, and names the place."""
    found = lawful(body, "gemini")
    assert code in codes(found)
    assert found.parser.response.outcome is outcome
    strict = lawful(body, "gemini", strict=True)
    assert strict.fault is not None
    assert strict.fault.code == code
    first = next(anomaly for anomaly in found.parser.anomalies if anomaly.code is code)
    assert (strict.fault.offset, strict.fault.event_index) == (first.offset, first.event_index)
    assert strict.events == found.events[: len(strict.events)]


@pytest.mark.parametrize(("total", "headers"), [(15, 0), (20, 5), (200_000, 131_073)])
def test_lengths_that_cannot_be(total: int, headers: int) -> None:
    """A length that cannot be is a fault, though its checksum is right; nothing after it is read."""
    prelude = struct.pack(">II", total, headers)
    body = messages(CHUNKS[:1])
    wrong = body + prelude + struct.pack(">I", zlib.crc32(prelude)) + body
    found = lawful(wrong, "chat")
    (damaged, _) = found.parser.anomalies
    assert (damaged.code, damaged.offset, damaged.event_index) == (C.FRAME_DAMAGED, len(body), 1)
    assert found.parser.response.output_text == "Hi"
    assert found.parser.response.outcome is Outcome.TRUNCATED


@pytest.mark.parametrize("dialect", ["responses", "chat", "anthropic", "gemini", "auto"])
@pytest.mark.parametrize(
    ("name", "payload", "kind", "message"),
    [
        ("throttlingException", b'{"message": "Slow"}', "rate_limited", "Slow"),
        ("modelTimeoutException", b'{"Message": "Slow"}', "timeout", "Slow"),
        ("internalServerException", b"Oh", "server_error", "Oh"),
        ("modelStreamErrorException", b'{"originalStatusCode": 424, "message": "x"}', "server_error", "x"),
        ("serviceUnavailableException", b'{"message": "x"}', "overloaded", "x"),
        ("validationException", b'{"message": "x"}', "invalid_request", "x"),
        ("InternalFailure", b"", "server_error", "Oh"),
    ],
)
def test_exceptions(dialect: str, name: str, payload: bytes, kind: str, message: str) -> None:
    """An exception in the middle of a stream is an error of the response, by its type."""
    headers = {":message-type": "exception", ":exception-type": name}
    if not payload:
        headers = {":message-type": "error", ":error-code": name, ":error-message": message}
    found = lawful(aws_message(headers, payload), dialect)
    error = found.parser.response.error
    assert found.parser.response.outcome is Outcome.FAILED
    assert error is not None
    assert (str(error.kind), error.message) == (kind, message)
    assert error.type == name
    told = json.loads(payload) if payload.startswith(b"{") else {}
    assert error.raw == {"type": "error", "error": {**told, "type": name, "message": message}}


@pytest.mark.parametrize(
    ("headers", "payload", "message"),
    [
        ({":error-message": "a"}, b'{"message": "b", "Message": "c"}', "a"),
        ({":error-message": ""}, b'{"message": "b", "Message": "c"}', "b"),
        ({":error-message": ""}, b'{"message": "", "Message": "c"}', "c"),
        ({}, b'{"message": null, "Message": "c"}', "c"),
        ({}, b'{"reason": "c"}', '{"reason": "c"}'),
        ({}, b"[1]", "[1]"),
        ({}, b"\xff", "\ufffd"),
    ],
)
def test_what_is_said_of_an_exception(headers: dict[str, Any], payload: bytes, message: str) -> None:
    """A header counts first, then either spelling of a member, then the payload as it is."""
    faulty: dict[str, Any] = {":message-type": "exception", ":exception-type": "x", **headers}
    error = lawful(aws_message(faulty, payload), "chat").parser.response.error
    assert error is not None
    assert isinstance(error.raw, dict)
    assert error.raw["error"]["message"] == message


def test_bytes_that_are_no_base64() -> None:
    """What cannot be unwrapped comes as it is."""
    found = lawful(aws_event({"bytes": "~~~"}) + messages(ANSWER), "gemini")
    assert [event.payload for event in found.events if isinstance(event, UnknownEvent)] == [{"bytes": "~~~"}]
    assert found.parser.response.outcome is Outcome.COMPLETED


def test_an_error_in_front_of_events() -> None:
    """A JSON object that stands before the first event is a payload, and the events are read behind it."""
    events = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in CHUNKS)
    found = lawful(b'{"error": {"message": "no", "code": "rate_limit_exceeded"}}\n' + events, "chat")
    assert found.parser.response.outcome is Outcome.FAILED
    assert codes(found)[0] is C.VALUE_BEFORE_EVENTS
    found = lawful(b'\xef\xbb\xbf{"a":\n1}\n' + events, "chat", framing="sse")
    assert found.parser.response.output_text == "Hi"
    assert C.VALUE_BEFORE_EVENTS in codes(found)


@pytest.mark.parametrize("framing", ["auto", "sse", "json_array", "ndjson", "aws_eventstream"])
@pytest.mark.parametrize(
    "body", [b'{"error": {"message": "no", "code": "server_error"}}', b"<html>no</html>"]
)
def test_an_error_instead_of_a_stream(framing: str, body: bytes) -> None:
    """A body in no framing is read as what it is, whatever framing had been expected."""
    found = lawful(body, "chat", framing=framing)
    assert found.parser.response.outcome is Outcome.FAILED


def test_a_document_is_no_stream() -> None:
    """A document on several lines is one, also where another one follows."""
    body = json.dumps({"error": {"message": "no", "code": "server_error"}}, indent=1).encode()
    for more in (b"", b"\n", b"\n" + body, b"x", b"\nid"):
        found = lawful(body + more, "chat")
        assert C.BODY_IS_JSON in codes(found)
        assert found.parser.response.outcome is Outcome.FAILED


@pytest.mark.parametrize("make", [array, lines, messages])
def test_reconnect(make: Any) -> None:
    """What comes again over another connection is passed over, in any framing."""
    body = make(ANSWER)
    reader = ResponseParser("gemini")
    events: list[Event] = []
    for piece in (make(ANSWER[:1])[:-1] if make is array else make(ANSWER[:1]), body):
        reader.feed(piece)
        assert drain(reader, events) is None
        if piece is not body:
            reader.reconnect()
    reader.close()
    assert drain(reader, events) is None
    assert reader.response.output_text == TEXT
    assert reader.response.outcome is Outcome.COMPLETED


@pytest.mark.parametrize("make", [array, lines, messages])
def test_limits_in_the_parser(make: Any) -> None:
    """The limit of an event holds in any framing."""
    found = lawful(make([gemini("a"), gemini("x" * 3000)]), "gemini", limits=Limits(event_bytes=1000))
    assert isinstance(found.fault, LimitExceeded)
    assert found.fault.limit == "event_bytes"


@pytest.mark.parametrize("make", [array, lines, messages])
def test_cancel(make: Any) -> None:
    """What was cut off by the caller is no fault."""
    reader = ResponseParser("gemini")
    reader.feed(make(ANSWER)[:-9])
    list(reader.events())
    reader.cancel()
    list(reader.events())
    assert reader.response.outcome is Outcome.CANCELLED
    assert not reader.anomalies


# ------------------------------------------------------------------------------------------- first bytes


@pytest.mark.parametrize(
    ("head", "by_default", "as_events"),
    [
        (b"[", None, None),
        (b"[" + b" " * 70_000, Body.JSON_ARRAY, Body.JSON),
        (b"[ {", Body.JSON_ARRAY, Body.JSON),
        (b"[1", Body.JSON, Body.JSON),
        (b"[E", Body.EVENTS, Body.EVENTS),
        (b"dat", None, None),
        (b"data", Body.EVENTS, Body.EVENTS),
    ],
)
def test_a_known_framing(head: bytes, by_default: Body | None, as_events: Body | None) -> None:
    """An array among server-sent events is a document; other framings leave it to their decoder."""
    assert sniff(head) is by_default
    assert sniff(head, framing="sse") is as_events
    assert sniff(head + b"    ", framing="ndjson") in (None, Body.NDJSON)


@given(st.integers(1, 9))
def test_sniffing_is_one_whatever_the_cut(size: int) -> None:
    """No beginning of a stream tells another framing than the whole."""
    for body, kind in ((array(ANSWER), Body.JSON_ARRAY), (messages(ANSWER), Body.AWS_EVENT_STREAM)):
        for at in range(0, len(body), size):
            assert sniff(body[:at]) in (None, kind)
            assert sniff(body) is kind


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"a":"}"}\n{"b":1}', Body.NDJSON),
        (b'{"a":1} {"b":1}', Body.JSON),
        (b'{"a":1}\n[1]', Body.NDJSON),
        (b'{"a":1}\ndata: x', Body.EVENTS),
        (b'{"a":1}\n\n: x', Body.EVENTS),
        (b'{"a":1}\nretry: 5', Body.EVENTS),
        (b'{"a":1}\nretro', Body.JSON),
        (b'{"a":1}\nx', Body.JSON),
        (b'{"a":1}\n', None),
        (b'{"a":1}\nda', None),
        (b'{"a":{', None),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_what_follows_the_first_value(body: bytes, kind: Body | None, size: int) -> None:
    """What stands behind the first object tells what a body is."""
    opening = Opening()
    for piece in cut(body, [size]):
        opening.read(piece)
    assert opening.kind() is kind


@given(st.text(st.sampled_from('{}[]"\\a ')), st.integers(1, 3))
def test_the_end_of_a_value(text: str, size: int) -> None:
    """The end of a string is found where `json` finds it, at any cut."""
    body = json.dumps({"a": text}).encode() + b' {"'
    end, at = ValueEnd(), 0
    for piece in cut(body, [size]):
        assert end.find(b"", 0) == end.find(b"x", 1) == -1  # nothing came
        found = end.find(piece, 0)
        if found >= 0:
            assert at + found == len(body) - 3
            return
        at += len(piece)
    raise AssertionError("the end was not found")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"x", "the body does not begin with a bracket"),
        (b"[{}] x", "something stands after the end of the array"),
        (b"[{} {}]", "there is no comma between two values"),
        (b"[,{}]", "there is no value before a comma"),
        (b"[{},]", "there is no value after the last comma"),
        (b"[{}][{}]", "another array begins after the end of the array"),
        (b"[{}]", None),
    ],
)
def test_what_is_wrong_with_an_array(body: bytes, message: str | None) -> None:
    """The anomaly says what it is: they have one code."""
    parser = ResponseParser("gemini", framing="json_array")
    parser.feed(body)
    parser.close()
    list(parser.events())
    found = [anomaly.message for anomaly in parser.anomalies if anomaly.code is C.ARRAY_MALFORMED]
    assert found == ([] if message is None else [message])


def test_frames_of_lines_are_counted() -> None:
    """Blank lines are none of them."""
    decoder = NDJSONDecoder()
    decoder.feed(b'{}\n\n{"a":1}\n')
    assert [(decoder.next_frame(), decoder.event_index) for _ in range(2)] == [("{}", 0), ('{"a":1}', 1)]
    assert decoder.event_count == 2


def test_a_short_frame_waits_for_no_byte_order_mark() -> None:
    """Only what may be the beginning of one is waited for."""
    found = NDJSONDecoder()
    found.feed(b"1\n")
    assert found.next_frame() == "1"
    array_decoder = JSONArrayDecoder()
    array_decoder.feed(b",")
    assert array_decoder.advance() is Step.FLAW
    for size in (1, 2):
        found = NDJSONDecoder()
        found.feed(BOM[:size])
        assert found.next_frame() is None
        found.feed(BOM[size:] + b"1\n")
        assert found.next_frame() == "1"


@pytest.mark.parametrize("kind", [JSONArrayDecoder, NDJSONDecoder])
@pytest.mark.parametrize("body", [b"[" + BOM + b'{"a":1}]', b"1\n" + BOM + b"2\n", BOM + BOM + b"[1]\n"])
def test_a_byte_order_mark_stands_at_the_start_or_nowhere(kind: type[Any], body: bytes) -> None:
    """Whatever the chunks: elsewhere it is part of what it stands in."""
    whole = decode(kind, [body])
    for at in range(1, len(body)):
        assert decode(kind, [body[:at], body[at:]]) == whole


@pytest.mark.parametrize(
    ("kind", "body", "offsets"),
    [
        (JSONArrayDecoder, b'[{"a":1}, "x",\n3]', [1, 10, 15]),
        (JSONArrayDecoder, BOM + b"[ [] ]", [5]),
        (NDJSONDecoder, b"1\n\n22\r\n3", [0, 3, 7]),
        (AWSEventStreamDecoder, aws_message(b"", b"a") + aws_message(b"", b"bc"), [0, 17]),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
def test_where_a_frame_begins(kind: type[Any], body: bytes, offsets: list[int], size: int) -> None:
    """Each has its place in the stream, and its number."""
    decoder, found = kind(), []
    for piece in cut(body, [size]):
        decoder.feed(piece)
        found += [(decoder.event_offset, decoder.event_index) for _ in decoder.frames()]
    decoder.close()
    found += [(decoder.event_offset, decoder.event_index) for _ in decoder.frames()]
    assert found == [(offset, number) for number, offset in enumerate(offsets)]


def test_a_message_is_known_by_its_first_twelve_bytes() -> None:
    """Two lengths and their checksum: fewer do not tell, and more are not waited for."""
    body = aws_message({":event-type": "chunk"}, b"{}")
    assert [sniff(body[:size]) for size in range(12)] == [None] * 12
    assert sniff(body[:12]) is Body.AWS_EVENT_STREAM
    for wrong in range(12):
        broken = body[:wrong] + bytes([body[wrong] ^ 0x40]) + body[wrong + 1 :]
        assert sniff(broken) is Body.EVENTS


def test_values_that_stand_in_no_array() -> None:
    """Each of them is said to stand there; no comma is missing between them."""
    parser = ResponseParser("gemini", framing="json_array")
    parser.feed(b'"a" "b"')
    parser.close()
    list(parser.events())
    found = [anomaly.message for anomaly in parser.anomalies if anomaly.code is C.ARRAY_MALFORMED]
    assert found == ["the body does not begin with a bracket", "something stands after the end of the array"]


# ------------------------------------------------------------------------- what all decoders have in common


@pytest.mark.parametrize("kind", [JSONArrayDecoder, NDJSONDecoder])
@pytest.mark.parametrize("size", [1, 3])
def test_nothing_but_a_byte_order_mark(kind: type[Any], size: int) -> None:
    """It is read as soon as it is whole: nothing waits for anything, and nothing is missing at the end."""
    decoder = kind()
    for piece in cut(BOM, [size]):
        decoder.feed(piece)
        assert decoder.advance() is Step.NOTHING
    found = (decoder.pending, decoder.bytes_pending, decoder.bytes_fed, decoder.offset, decoder.clean)
    assert found == (b"", 0, 3, 3, True)
    decoder.close()
    assert decoder.advance() is Step.NOTHING
    assert decoder.unfinished() is None


@pytest.mark.parametrize("size", [1, 2])
def test_half_a_byte_order_mark_at_the_end(size: int) -> None:
    """It is what was left unfinished."""
    decoder = NDJSONDecoder()
    decoder.feed(BOM[:size])
    assert decoder.next_frame() is None
    decoder.close()
    assert decoder.next_frame() is None
    assert decoder.pending == BOM[:size]
    assert decoder.unfinished() == (C.UNFINISHED_FINAL_EVENT, "the stream ended inside a line")
    array_decoder = JSONArrayDecoder()
    array_decoder.feed(BOM[:size])
    array_decoder.close()
    assert array_decoder.advance() is Step.FLAW
    assert array_decoder.next_frame() == "\ufffd"


def test_counts_of_a_decoder() -> None:
    """What was fed, what is left of it, and what frames came of it."""
    decoder = NDJSONDecoder()
    seen = []
    for piece in (b"", b"1", b"\n", b"\n2\n3\n", b"4"):
        decoder.feed(piece)
        told = (decoder.bytes_fed, decoder.bytes_pending, decoder.offset, decoder.event_count, decoder.clean)
        frames = list(decoder.frames())
        after = (decoder.bytes_fed, decoder.bytes_pending, decoder.offset, decoder.event_count, decoder.clean)
        seen.append((told, frames, after))
    assert seen == [
        ((0, 0, 0, 0, True), [], (0, 0, 0, 0, True)),
        ((1, 1, 0, 0, False), [], (1, 1, 0, 0, False)),
        ((2, 2, 0, 0, False), ["1"], (2, 0, 2, 1, True)),
        ((7, 5, 2, 1, False), ["2", "3"], (7, 0, 7, 3, True)),
        ((8, 1, 7, 3, False), [], (8, 1, 7, 3, False)),
    ]
    for left in (["4"], []):
        decoder.close()
        assert decoder.pending == "".join(left).encode()
        assert list(decoder.frames()) == left
        assert decoder.bytes_fed == 8


@pytest.mark.parametrize(
    ("kind", "good", "long"),
    [
        (NDJSONDecoder, b"1\n", b'"%s"\n' % (b"x" * 40)),
        (JSONArrayDecoder, b"[1,", b'"%s",' % (b"x" * 40)),
        (AWSEventStreamDecoder, aws_message(b"", b"1"), aws_message(b"", b"x" * 40)),
    ],
)
def test_what_is_beyond_a_limit_is_let_go(kind: type[Any], good: bytes, long: bytes) -> None:
    """The fault stays, with its place; what is fed afterwards is counted, and not kept."""
    decoder = kind(limits=Limits(event_bytes=20))
    decoder.feed(good + long + good)
    assert decoder.next_frame() is not None
    faults = []
    for _ in range(2):
        with pytest.raises(LimitExceeded) as caught:
            decoder.next_frame()
        faults.append(caught.value)
        assert decoder.bytes_pending == 0
        assert decoder.pending == b""
        decoder.feed(good)
    assert decoder.bytes_fed == len(good) * 4 + len(long)
    begin = len(good)
    for fault in faults:
        assert (fault.limit, fault.offset, fault.event_index) == ("event_bytes", begin, 1)
    assert decoder.event_offset == begin


@pytest.mark.parametrize(("size", "too_long"), [(20, False), (21, True)])
@pytest.mark.parametrize("limit", ["line_bytes", "event_bytes"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b""])
def test_the_size_of_a_line(size: int, too_long: bool, limit: str, end: bytes) -> None:
    """Its end does not count, even where half of that has come."""
    limits = Limits(line_bytes=20) if limit == "line_bytes" else Limits(event_bytes=20)
    decoder = NDJSONDecoder(limits=limits)
    decoder.feed(b"1" * size + end)
    if too_long:
        with pytest.raises(LimitExceeded) as caught:
            decoder.next_frame()
        assert caught.value.limit == limit
    else:
        decoder.next_frame()
        decoder.close()
        assert (decoder.next_frame(), decoder.event_count) in ((None, 1), ("1" * size, 1))


@pytest.mark.parametrize(
    ("value", "size"), [('"%s"' % ("x" * 18), 20), ("[%s]" % (" " * 18), 20), ("1" * 20, 20), ("{}", 2)]
)
def test_the_size_of_an_element(value: str, size: int) -> None:
    """All of it counts, and nothing that stands around it, whatever the chunks."""
    body = b" \n[  " + value.encode() + b"  ]  "
    for pieces in ([body], [body[at : at + 1] for at in range(len(body))]):
        assert decode(JSONArrayDecoder, pieces, limits=Limits(event_bytes=size))[0] == [value]
        found, fault = decode(JSONArrayDecoder, pieces, limits=Limits(event_bytes=size - 1))[:2]
        assert found == []
        assert fault is not None


@pytest.mark.parametrize("make", [array, lines, messages])
@pytest.mark.parametrize("taken", range(9))
def test_a_snapshot_between_two_values_of_one_frame(make: Any, taken: int) -> None:
    """What is said of the second one has the place of the frame that holds both."""
    several: Any = [{"type": "y"}, {"type": "z"}]
    reader = ResponseParser("responses")
    reader.feed(make([{"type": "x"}, several, {"type": "w"}, several]))
    events: list[Event] = []
    whole_reader = ResponseParser.resume(reader.snapshot())
    while len(events) < taken and (event := reader.next_event()) is not None:
        events.append(event)
    reader = ResponseParser.resume(json.loads(json.dumps(reader.snapshot())))
    events += reader.events()
    assert events == list(whole_reader.events())
    assert reader.anomalies == whole_reader.anomalies


@pytest.mark.parametrize("framing", ["ndjson", "aws_eventstream"])
def test_the_place_of_what_is_said_of_a_second_value(framing: str) -> None:
    """It is that of its frame, also where a snapshot was taken between the values."""
    first, second = b'{"type":"x"}', b'{"type":"y"} 1 [2]'
    if framing == "ndjson":
        body, place = first + b"\n" + second + b"\n", len(first) + 1
    else:
        body = aws_message(b"", first) + aws_message(b"", second)
        place = len(aws_message(b"", first))
    reader = ResponseParser("responses", framing=framing)
    reader.feed(body)
    seen = 0
    while reader.next_event() is not None:
        seen += 1
        reader = ResponseParser.resume(json.loads(json.dumps(reader.snapshot())))
    assert seen == 4
    assert [(anomaly.code, anomaly.offset, anomaly.event_index) for anomaly in reader.anomalies] == [
        (C.SEVERAL_PAYLOADS, place, 1),
        (C.PAYLOAD_IS_NO_OBJECT, place, 1),
        (C.PAYLOAD_IS_NO_OBJECT, place, 1),
    ]


@pytest.mark.parametrize("kind", DECODERS)
def test_a_decoder_goes_on_from_its_state(kind: type[Any]) -> None:
    """Wherever it stood, and whatever it said so far."""
    bodies: dict[type[Any], bytes] = {
        JSONArrayDecoder: BOM + b' [ 12, {"a":"\\"]}"}, "x\\\\" 3 ] [4',
        NDJSONDecoder: BOM + b'1\n\r\n{"a":2}\r\n3',
        AWSEventStreamDecoder: aws_message(b"", b"1") + aws_message({"a": "b"}, b"2") + b"\0\0",
    }
    body = bodies[kind]

    def said(decoder: Any) -> tuple[Any, ...]:
        told = []
        while step := decoder.advance():
            told.append((step, decoder.data, decoder.event_offset, decoder.event_index, decoder.event_count))
        counts = decoder.bytes_fed, decoder.bytes_pending, decoder.offset, decoder.clean
        return told, counts, decoder.event_offset, decoder.event_index, decoder.unfinished()

    for at in range(len(body) + 1):
        one, other = kind(), kind()
        one.feed(body[:at])
        said(one)
        other.setstate(json.loads(json.dumps(one.getstate())))
        assert said(other) == said(one)
        for decoder in (one, other):
            decoder.feed(body[at:])
        assert said(other) == said(one)
        for decoder in (one, other):
            decoder.close()
        closed = kind()
        closed.setstate(json.loads(json.dumps(one.getstate())))
        with pytest.raises(UsageError):
            closed.feed(b"1")
        assert said(closed) == said(other) == said(one)


def test_what_is_said_of_a_message_shows_it() -> None:
    """The excerpt of an anomaly is how its payload begins."""
    payload = b'{"message":"no \xff' + b"x" * 200 + b'"}'
    failed = aws_message({":message-type": "exception", ":exception-type": "throttlingException"}, payload)
    end = aws_event({"type": "response.completed", "response": {"id": "r", "output": []}})
    found = play(end + failed, "responses", framing="aws_eventstream")
    anomaly = found.parser.anomalies[-1]
    assert anomaly.code is C.EVENT_AFTER_END
    assert anomaly.excerpt == payload[:120].decode("utf-8", "replace")
    assert (anomaly.offset, anomaly.event_index) == (len(end), 1)
