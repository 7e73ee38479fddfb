"""The event stream format: the standard case by case, and against a second decoder written from its text."""

from __future__ import annotations

import itertools
import json
import pydoc
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold.model.errors import LimitExceeded, UsageError
from deltafold.model.limits import Limits
from deltafold.testing.strategies import chunkings
from deltafold.wire.blocks import LONGEST_WAIT, MAX_RETRY, PIECE, BlockScanner, Signal
from deltafold.wire.sse import Frame, SSEDecoder, encode_frame
from oracle import BOM, Oracle
from runs import THOROUGH, count_calls

# ------------------------------------------------------------------------------------------------ running


def decode(
    chunks: bytes | Iterable[bytes], *, limits: Limits | None = None
) -> tuple[list[Frame], SSEDecoder]:
    """The frames of a stream and the decoder that read it, drained after each chunk."""
    decoder = SSEDecoder(limits=limits)
    frames = []
    for chunk in [chunks] if isinstance(chunks, bytes) else chunks:
        decoder.feed(chunk)
        frames += decoder.frames()
    decoder.close()
    return frames + list(decoder.frames()), decoder


def ways(body: bytes) -> Iterator[list[bytes]]:
    """A stream whole, byte by byte, cut in two everywhere, and with empty chunks."""
    singly = [body[at : at + 1] for at in range(len(body))]
    yield [body]
    yield singly
    yield [chunk for byte in singly for chunk in (b"", byte, b"")]
    for at in range(len(body) + 1) if len(body) <= 400 else ():
        yield [body[:at], body[at:]]


def every_cut(body: bytes, limits: Limits | None = None) -> set[str]:
    """All that a stream can lead to, depending on how it is cut: one outcome, if all is well."""
    outcomes = set()
    for chunks in ways(body):
        decoder = SSEDecoder(limits=limits)
        said: list[Any] = []
        try:
            for chunk in chunks:
                decoder.feed(chunk)
                said += decoder.frames()
            decoder.close()
            said += decoder.frames()
        except LimitExceeded as fault:
            said.append((str(fault), fault.limit, fault.offset, fault.event_index))
        outcomes.add(repr(said))
    return outcomes


def frame(data: str = "x", event: str = "message", id: str = "", retry: int | None = None) -> Frame:
    """A frame of which only the interesting fields are said."""
    return Frame(event, data, id, retry)


X = [frame()]

CASES: list[tuple[str, bytes, list[Frame]]] = [
    # lines
    ("lf", b"data: x\n\n", X),
    ("crlf", b"data: x\r\n\r\n", X),
    ("cr", b"data: x\r\r", X),
    ("cr then crlf", b"data: x\r\r\n", X),
    ("lf then cr", b"data: x\n\r", X),
    ("lf then crlf", b"data: x\n\r\n", X),
    ("crlf then lf", b"data: x\r\n\n", X),
    ("lf cr lf is two ends", b"data: x\n\r\ndata: y\n\n", [frame(), frame("y")]),
    ("cr lf lf is two ends", b"data: x\r\n\ndata: y\r\n\n", [frame(), frame("y")]),
    ("ends mixed in one block", b"data: a\r\ndata: b\rdata: c\n\n", [frame("a\nb\nc")]),
    ("blank lines first", b"\n\r\n\r\n\r\rdata: x\n\n", X),
    ("many blank lines after", b"data: x\n\n\n\n\r\n", X),
    ("nothing", b"", []),
    ("blank lines only", b"\n\r\r\n", []),
    (
        "u2028, u2029, u0085, vt, ff, gs end no line",
        "data: a\u2028b\u2029c\x85d\x0be\x0cf\x1dg\n\n".encode(),
        [frame("a\u2028b\u2029c\x85d\x0be\x0cf\x1dg")],
    ),
    ("a line of vt is not blank", b"data: x\n\x0b\n\n", X),
    ("a line of a space is not blank", b"data: x\n \n\n", X),
    ("a line of a tab is not blank", b"data: x\n\t\n\n", X),
    # data
    ("no space", b"data:x\n\n", X),
    ("one space goes", b"data:  x\n\n", [frame(" x")]),
    ("a tab stays", b"data:\tx\n\n", [frame("\tx")]),
    ("a no-break space stays", "data:\u00a0x\n\n".encode(), [frame("\u00a0x")]),
    ("trailing space stays", b"data: x \n\n", [frame("x ")]),
    ("only a space", b"data: \n\n", [frame("")]),
    ("empty", b"data:\n\n", [frame("")]),
    ("no colon", b"data\n\n", [frame("")]),
    ("empty twice", b"data\ndata\n\n", [frame("\n")]),
    ("empty thrice", b"data\ndata:\ndata: \n\n", [frame("\n\n")]),
    ("empty last", b"data: a\ndata\n\n", [frame("a\n")]),
    ("empty first", b"data\ndata: a\n\n", [frame("\na")]),
    ("several lines", b"data: a\ndata:b\ndata:  c\n\n", [frame("a\nb\n c")]),
    ("the other spelling after the usual one", b"data: a\ndata:b\n\n", [frame("a\nb")]),
    ("colons in the value", b"data: a:b: c\n\n", [frame("a:b: c")]),
    ("nul in the value", b"data: a\0b\n\n", [frame("a\0b")]),
    ("a value that looks like a field", b"data: id: 7\n\n", [frame("id: 7")]),
    ("lines between data lines", b"data: a\nid: 1\n: c\nfoo\ndata: b\n\n", [frame("a\nb", id="1")]),
    # event
    ("named", b"event: e\ndata: x\n\n", [frame(event="e")]),
    ("named, no space", b"event:e\ndata: x\n\n", [frame(event="e")]),
    ("named after the data", b"data: x\nevent: e\n\n", [frame(event="e")]),
    ("the last name wins", b"event: a\nevent: b\ndata: x\n\n", [frame(event="b")]),
    ("a name does not stay", b"event: a\ndata: x\n\ndata: y\n\n", [frame(event="a"), frame("y")]),
    ("a block without data drops its name", b"event: a\n\ndata: x\n\n", X),
    ("a name without colon", b"event\ndata: x\n\n", X),
    ("nul in a name", b"event: a\0b\ndata: x\n\n", [frame(event="a\0b")]),
    ("a name of two spaces", b"event:  \ndata: x\n\n", [frame(event=" ")]),
    ("a name in no alphabet of theirs", "event: é日\ndata: x\n\n".encode(), [frame(event="é日")]),
    # id
    ("id", b"id: 1\ndata: x\n\n", [frame(id="1")]),
    ("id stays", b"id: 1\ndata: x\n\ndata: y\n\n", [frame(id="1"), frame("y", id="1")]),
    ("id changes", b"id: 1\ndata: x\n\nid:2\ndata: y\n\n", [frame(id="1"), frame("y", id="2")]),
    ("id is reset without colon", b"id: 1\ndata: x\n\nid\ndata: y\n\n", [frame(id="1"), frame("y")]),
    ("id is reset by nothing", b"id: 1\ndata: x\n\nid: \ndata: y\n\n", [frame(id="1"), frame("y")]),
    ("spaces of an id stay", b"id:  1 \ndata: x\n\n", [frame(id=" 1 ")]),
    ("id after the data", b"data: x\nid: 1\n\n", [frame(id="1")]),
    ("id in letters", "id: é\ndata: x\n\n".encode(), [frame(id="é")]),
    # retry
    ("retry", b"retry: 10\ndata: x\n\n", [frame(retry=10)]),
    ("leading zeros", b"retry: 0010\ndata: x\n\n", [frame(retry=10)]),
    ("zero", b"retry: 000\ndata: x\n\n", [frame(retry=0)]),
    ("the last one wins", b"retry: 1\nretry: 2\ndata: x\n\n", [frame(retry=2)]),
    ("a bogus one changes nothing", b"retry: 1\nretry: x\ndata: x\n\n", [frame(retry=1)]),
    ("retry belongs to its block", b"retry: 1\ndata: x\n\ndata: y\n\n", [frame(retry=1), frame("y")]),
    *(
        (f"retry {value!r} is ignored", b"retry:" + value + b"\ndata: x\n\n", X)
        for value in (
            b" -1",
            b" +1",
            b" 1.0",
            b" 1e3",
            b" 0x1",
            b" 1_0",
            b" 1 ",
            b"  1",
            b" 1\0",
            b" 1a",
            b"\t1",
            " １２".encode(),
            " ١٢".encode(),
            " ²".encode(),
            b" 99999999999999999",
        )
    ),
    # comments, and what is no field
    ("comment", b": c\ndata: x\n\n", X),
    ("empty comment", b":\ndata: x\n\n", X),
    ("comment with bytes of no UTF-8", b":\xff\xfe\ndata: x\n\n", X),
    ("a block of a comment", b": c\n\ndata: x\n\n", X),
    ("a comment after an id", b"id: 1\ndata: x\n\n: c\n\n", [frame(id="1")]),
    ("unknown field", b"foo: x\ndata: x\n\n", X),
    ("unknown field without colon", b"foo\ndata: x\n\n", X),
    ("space before a field", b" data: y\ndata: x\n\n", X),
    ("space before the colon", b"data : y\ndata: x\n\n", X),
    ("names are case-sensitive", b"Data: y\nDATA: y\ndata: x\n\n", X),
    ("nearly names", b"dat: y\ndatas: y\nevents: y\nids: y\nretryy: 1\ndata: x\n\n", X),
    ("nul in a field's name", b"da\0ta: y\ndata: x\n\n", X),
    ("a field named error is none of theirs", b"error: {}\ndata: x\n\n", X),
    # UTF-8
    ("letters of all lengths", "data: é日🙂\n\n".encode(), [frame("é日🙂")]),
    ("lone continuation", b"data: a\x85b\n\n", [frame("a\ufffdb")]),
    ("impossible bytes", b"data: \xfe\xff\n\n", [frame("\ufffd\ufffd")]),
    ("overlong line feed", b"data: a\xc0\x8ab\n\n", [frame("a\ufffd\ufffdb")]),
    ("surrogate in UTF-8", b"data: \xed\xa0\x80\n\n", [frame("\ufffd\ufffd\ufffd")]),
    ("above U+10FFFF", b"data: \xf4\x90\x80\x80\n\n", [frame("\ufffd\ufffd\ufffd\ufffd")]),
    ("a sequence cut by the line", b"data: \xe6\x97\n\n", [frame("\ufffd")]),
    ("two sequences cut", b"data: \xf0\x9f\x99\xe6\n\n", [frame("\ufffd\ufffd")]),
    (
        "bad bytes in event and id",
        b"event: \xff\nid: \xff\ndata: x\n\n",
        [frame(event="\ufffd", id="\ufffd")],
    ),
    # the byte order mark
    ("bom", BOM + b"data: x\n\n", X),
    ("bom before a comment", BOM + b": c\ndata: x\n\n", X),
    ("bom before a blank line", BOM + b"\ndata: x\n\n", X),
    ("bom before cr", BOM + b"\r\ndata: x\n\n", X),
    ("bom alone", BOM, []),
    ("part of a bom is text", b"\xef\xbbdata: y\n\ndata: x\n\n", X),
    ("bom in a value", b"data: " + BOM + b"x\n\n", [frame("\ufeffx")]),
    ("bom later is text", b"\n" + BOM + b"data: y\n\ndata: x\n\n", X),
    # the end
    ("no blank line", b"data: x\n", []),
    ("no line end", b"data: x", []),
    ("the second is unfinished", b"data: x\n\ndata: y\n", X),
    ("only a name", b"event: e\n\n", []),
    # the disputed points
    ("D1 an empty retry is ignored", b"retry: 5\n\nretry:\ndata: x\n\n", X),
    ("D1 a retry without colon is ignored", b"retry\ndata: x\n\n", X),
    ("D2 retry up to 2**53 - 1", b"retry: 9007199254740991\ndata: x\n\n", [frame(retry=2**53 - 1)]),
    ("D2 and no further", b"retry: 9007199254740992\ndata: x\n\n", X),
    ("D2 nor of any length", b"retry: " + b"9" * 300 + b"\ndata: x\n\n", X),
    ("D4 a block of an id is no event", b"id: 1\n\ndata: x\n\n", [frame(id="1")]),
    ("D4 a block of a retry is no event", b"retry: 1\n\ndata: x\n\n", X),
    (
        "D6 an id with nul is ignored",
        b"id: 1\ndata: x\n\nid: 2\x003\ndata: y\n\n",
        [frame(id="1"), frame("y", id="1")],
    ),
    ("D6 in its own line alone", b"id: 1\nid: \0\ndata: x\n\n", [frame(id="1")]),
    ("D7 other controls of an id stay", b"id: \x01\x1b\x7f\ndata: x\n\n", [frame(id="\x01\x1b\x7f")]),
    ("D9 cr at the very end ends a line", b"data: x\n\r", X),
    ("D10 a second bom is text", BOM + BOM + b"data: y\n\ndata: x\n\n", X),
    ("D11 an unfinished event is discarded", b"data: x\n\ndata: [DONE]", X),
    ("D12 an empty name resets a name", b"event: a\nevent:\ndata: x\n\n", X),
    ("D13 always UTF-8", "data: é\n\n".encode("windows-1252"), [frame("\ufffd")]),
]


@pytest.mark.parametrize(("body", "frames"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_case_at_every_cut(body: bytes, frames: list[Frame]) -> None:
    """Each case gives its frames whole, byte by byte, cut in two anywhere, and with empty chunks."""
    oracle = Oracle().read(body)
    assert oracle.frames == frames, "the case itself"
    for chunks in ways(body):
        found, decoder = decode(chunks)
        assert found == frames
        assert decoder.last_event_id == oracle.last_event_id
        assert decoder.reconnection_time == oracle.reconnection_time
        assert decoder.event_count == len(frames)


@pytest.mark.parametrize(("body", "frames"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("rest", [b"data: later", b"event: later\n", b": later"])
def test_case_with_trailing_bytes(body: bytes, frames: list[Frame], rest: bytes) -> None:
    """What follows a whole event and is not finished changes nothing of what came before."""
    if body and not body.endswith((b"\n", b"\r")):
        body += b"\n\n"
        frames = Oracle().read(body).frames
    for chunks in ways(body + rest):
        assert decode(chunks)[0][: len(frames)] == frames


TOKENS = [b"data", b"id", b"event", b"retry", b":", b" ", b"\r", b"\n", b"\0", BOM, b"1", b"\xff"]


def compare(body: bytes, suffix: bytes) -> None:
    """A stream in two chunks against the oracle, which reads it whole."""
    decoder = SSEDecoder()
    decoder.feed(body)
    frames = list(decoder.frames())
    decoder.feed(suffix)
    frames += decoder.frames()
    oracle = Oracle().read(body + suffix)
    assert frames == oracle.frames, body
    assert decoder.last_event_id == oracle.last_event_id, body
    assert decoder.reconnection_time == oracle.reconnection_time, body


def test_oracle_on_all_short_strings() -> None:
    """On every string of a few tokens the decoder says what a literal reading of the standard says."""
    for length in range(7 if THOROUGH else 5):
        for tokens in itertools.product(TOKENS, repeat=length):
            compare(b"".join(tokens), b"\n\ndata\n\n")


def test_oracle_on_all_short_strings_in_pieces() -> None:
    """The same holds byte by byte, and with the state carried over at every byte."""
    for length in range(6 if THOROUGH else 4):
        for tokens in itertools.product(TOKENS, repeat=length):
            body = b"".join(tokens) + b"\ndata\n\n"
            oracle = Oracle().read(body)
            decoder = SSEDecoder()
            frames = []
            for at in range(len(body)):
                decoder.feed(body[at : at + 1])
                frames += decoder.frames()
                state = decoder.getstate()
                decoder = SSEDecoder()
                decoder.setstate(state)
            assert frames == oracle.frames, body
            assert decoder.last_event_id == oracle.last_event_id, body


LINES = [
    b"data: a",
    b"data:b",
    b"data",
    b"id: 1",
    b"id",
    b"event: e",
    b"event",
    b"retry: 7",
    b": c",
    b"",
    b"",
]


def test_oracle_on_all_short_sequences_of_lines() -> None:
    """Whole lines in every order say what the standard says, with every kind of line end."""
    for length in range(1, 7 if THOROUGH else 5):
        for lines in itertools.product(LINES, repeat=length):
            end = (b"\n", b"\r\n", b"\r")[length % 3]
            compare(end.join(lines) + end, b"data: z\n\n")


@given(st.data())
def test_oracle_on_random_streams(data: st.DataObject) -> None:
    """Long random streams, cut at random, say what the standard says."""
    lines = data.draw(st.lists(st.sampled_from(LINES) | st.binary(max_size=6), max_size=30))
    body = b"".join(line + data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"])) for line in lines)
    oracle = Oracle().read(body)
    frames, decoder = decode(data.draw(chunkings(body)))
    assert frames == oracle.frames
    assert decoder.last_event_id == oracle.last_event_id
    assert decoder.reconnection_time == oracle.reconnection_time


# ----------------------------------------------------------------------------------- the disputed points


def test_d3_retry_counts_at_its_line() -> None:
    """The reconnection time is set when the line is read, not at the blank line."""
    decoder = SSEDecoder()
    decoder.feed(b"retry: 7\n")
    assert decoder.next_frame() is None
    assert decoder.reconnection_time == 7


def test_d4_blocks_without_data_are_state() -> None:
    """A block of `id` or `retry` alone is no event, and its values are to be seen."""
    frames, decoder = decode(b"id: 1\nretry: 5\n\n")
    assert frames == []
    assert (decoder.last_event_id, decoder.reconnection_time) == ("1", 5)


def test_d4_an_unfinished_id_does_not_count() -> None:
    """An id takes effect at the blank line."""
    _, decoder = decode(b"id: 1\n\nid: 2\n")
    assert decoder.last_event_id == "1"


def test_d3_a_comment_ends_what_a_retry_line_said() -> None:
    """Its blank line is that of a block of its own, however it is cut."""
    body = b"retry: 5\ndata: x\n\n: hello\n\n"
    states = [decode([body[:at], body[at:]])[1].getstate() for at in range(len(body))]
    assert [state["retry"] for state in states] == [None] * len(body)


def test_d5_the_last_event_id_can_be_carried_over() -> None:
    """After a reconnection an event without id has the id that the last connection ended with."""
    decoder = SSEDecoder(last_event_id="7")
    decoder.feed(b"data: x\n\nid\ndata: y\n\n")
    assert list(decoder.frames()) == [frame(id="7"), frame("y")]


def test_d8_cr_ends_a_line_at_once() -> None:
    """A CR at the end of a chunk costs no wait; the LF that may follow belongs to it."""
    decoder = SSEDecoder()
    decoder.feed(b"data: x\r\n\r")
    assert decoder.next_frame() == frame()
    decoder.feed(b"")
    decoder.feed(b"\n")
    assert decoder.next_frame() is None
    decoder.feed(b"data: y\r\r")
    assert decoder.next_frame() == frame("y")


def test_d8_the_offset_counts_the_swallowed_line_feed() -> None:
    """Where an event begins does not depend on whether its predecessor's CRLF was cut."""
    body = b"data: x\r\n\r\ndata: y\r\n\r\n"
    for chunks in ways(body):
        decoder = SSEDecoder()
        offsets = []
        for chunk in chunks:
            decoder.feed(chunk)
            while signal := decoder._scanner.advance():
                assert signal is Signal.EVENT
                offsets.append(decoder._scanner.event_offset)
        assert offsets == [0, 11]
        assert decoder.offset in (len(body), len(body) - 1)


@pytest.mark.parametrize(
    "body",
    [
        b"data: x\r\r" + BOM + b"data: y\r\rdata: z\r\r",
        b"data: x\n\n" + BOM + b"data: y\n\ndata: z\n\n",
        BOM + BOM + b"data: y\n\ndata: z\n\n",
    ],
)
def test_only_the_first_mark_is_one(body: bytes) -> None:
    """A byte order mark anywhere but at the start is part of its line, also where a chunk begins with it."""
    (outcome,) = every_cut(body)
    assert outcome == repr(Oracle().read(body).frames)
    assert "'y'" not in outcome


def test_a_blank_line_before_an_unfinished_block() -> None:
    """A block of which the end has not come is none, whatever the bytes before it look like."""
    decoder = SSEDecoder()
    decoder.feed(b"\ndata: x\n\nevent: e\ndata: y")
    assert list(decoder.frames()) == [frame()]
    decoder.feed(b"z\n\n")
    assert list(decoder.frames()) == [frame("yz", "e")]


def test_a_cr_inside_a_block_in_the_usual_spelling() -> None:
    """A lone CR ends a line also where the owner has asked whether the block waits."""
    for body in (b"data: a\rdata: b\n\n", b"event: e\rdata: a\ndata: b\n\n"):
        decoder = SSEDecoder()
        decoder.feed(body)
        assert not decoder._scanner.is_waiting_for_block_end()
        assert list(decoder.frames()) == Oracle().read(body).frames


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("bom", [b"", BOM])
def test_offsets_are_those_of_the_stream(newline: bytes, bom: bytes) -> None:
    """Each event's offset is where its block begins in the bytes as they were fed."""
    blocks = [b"data: a", b": c" + newline + b"data: b", b"id: 1", b"event: e" + newline + b"data: c"]
    body, want = bom, []
    for block in blocks:
        if b"data" in block:
            want.append(len(body))
        body += block + newline * 2
    for chunks in ways(body):
        decoder = SSEDecoder()
        offsets = []
        for chunk in chunks:
            decoder.feed(chunk)
            while signal := decoder._scanner.advance():
                if signal is Signal.EVENT:
                    offsets.append(decoder._scanner.event_offset)
        assert offsets == want


def test_d11_what_was_unfinished_is_to_be_seen() -> None:
    """The decoder discards an unfinished event, and its owner can see what that was."""
    _, decoder = decode(b"data: x\n\nevent: e\nid: 9\nretry: 3\ndata: a\nda")
    assert decoder.pending == Frame("e", "a", "", 3)
    assert decoder.last_event_id == ""


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"", None),
        (b"data: x\n\n", None),
        (b"event: e\n", None),
        (b"event: e", None),
        (b": c", None),
        (b"dat", None),
        (b"data", None),
        (b"data:", ""),
        (b"data: ", ""),
        (b"data: x", "x"),
        (b"data:x", "x"),
        (BOM + b"data: x", "x"),
        (b"data: x\n", "x"),
        (b"data: x\r", "x"),
        (b"data\n", ""),
        (b"data: a\ndata: b", "a\nb"),
        (b"data: a\ndata: b\n", "a\nb"),
        (b"data: a\nid: 1", "a"),
        (b"data: \xff", "\ufffd"),
        (b": c\n" + BOM + b"data: x", None),
    ],
)
def test_pending(body: bytes, data: str | None) -> None:
    """What is pending is the data of the unfinished event, its unfinished last line included."""
    for chunks in ways(body):
        _, decoder = decode(chunks)
        pending = decoder.pending
        assert (None if pending is None else pending.data) == data


def test_d14_limits_of_a_line() -> None:
    """A line of exactly the limit passes and one more byte does not, at every cut and with every end."""
    limits = Limits(line_bytes=12)
    for end in (b"\n", b"\r\n", b"\r"):
        for head in (b"", BOM, b"data: first" + end * 2):
            for start in (b"data: ", b"data:", b": ", b"foo: ", b"event: ", b"id: ", b"error:", b""):
                fits = head + start + b"x" * (12 - len(start)) + end
                assert len(every_cut(fits + end, limits)) == 1
                assert "limit_exceeded" not in every_cut(fits + end, limits).pop()
                # What follows the long line does not matter, so it need not even have ended.
                for rest in (b"", end, end + b"data: y" + end * 2):
                    body = head + start + b"x" * (13 - len(start)) + rest
                    (outcome,) = every_cut(body, limits)
                    where = len(BOM) if head == BOM else len(head)
                    assert f"at byte {where}: more than the 12 of Limits.line_bytes" in outcome


def test_d14_limits_of_an_event() -> None:
    """The data of an event may be exactly the limit, in one line or in several, at every cut."""
    limits = Limits(event_bytes=9)
    for data in ("x" * 9, "xxxx\nxxxx", "\n" * 9, "x\n\n\n\n\nxxx", "日本\n\n\n"):
        assert len(data.encode()) == 9
        (outcome,) = every_cut(encode_frame(data), limits)
        assert outcome == repr([frame(data)])
        for more in (f"{data}x", f"x{data}", f"{data}\n", f"\n{data}"):
            (outcome,) = every_cut(b"data: ok\n\n" + encode_frame(more), limits)
            assert outcome.startswith(f"[{frame('ok')!r}, ")
            assert "in event 1 at byte 10: more than the 9 of Limits.event_bytes" in outcome


def test_d14_an_event_without_end_is_not_held() -> None:
    """The limit of an event counts from line to line: data lines without a blank line cannot pile up."""
    decoder = SSEDecoder(limits=Limits(event_bytes=9))
    decoder.feed(b"data: xxxx\ndata: xxxx\n")
    assert decoder.next_frame() is None
    decoder.feed(b"data\n")
    with pytest.raises(LimitExceeded, match="event_bytes"):
        decoder.next_frame()


def test_d14_a_fault_comes_after_what_came_before_and_stays() -> None:
    """Frames before a line that is too long come first; then comes the same exception for ever."""
    decoder = SSEDecoder(limits=Limits(line_bytes=10))
    decoder.feed(b"data: x\n\ndata: much too long\n\ndata: y\n\n")
    assert decoder.next_frame() == frame()
    with pytest.raises(LimitExceeded) as first:
        decoder.next_frame()
    decoder.feed(b"data: z\n\n")
    for _ in range(3):
        with pytest.raises(LimitExceeded) as again:
            decoder.next_frame()
        assert again.value is first.value
    assert (first.value.limit, first.value.value) == ("line_bytes", 10)


def test_d14_comments_and_blank_lines_are_not_held() -> None:
    """Endless comments, unknown fields and blank lines leave nothing behind."""
    decoder = SSEDecoder(limits=Limits(line_bytes=100, event_bytes=100))
    for _ in range(1000):
        decoder.feed(b": " + b"x" * 50 + b"\nfoo: " + b"y" * 50 + b"\n\nevent: e\n\n")
        assert list(decoder.frames()) == []
    assert len(json.dumps(decoder.getstate())) < 1000


def test_d14_lines_that_ended_do_not_count() -> None:
    """Only the bytes of the unfinished line are held: those before it cost no look at each chunk."""
    decoder = SSEDecoder(limits=Limits(line_bytes=10))
    decoder.feed(b": comment\n" * 5)
    assert list(decoder.frames()) == []

    def drip() -> None:
        for _ in range(9):
            decoder.feed(b"x")
            assert decoder.next_frame() is None

    assert count_calls(drip)["rfind"] <= 1


# --------------------------------------------------------------------------------------------- linear work


def drip(chunks: list[bytes]) -> int:
    """The calls that it takes to decode a stream in these chunks."""
    return sum(count_calls(lambda: decode(chunks)).values())


@pytest.mark.parametrize("size", [1, 7, 500])
def test_a_long_line_is_never_joined_nor_searched_again(size: int) -> None:
    """A long line in many chunks is joined once and searched for its end a fixed number of times."""
    body = b"data: " + b"x" * 20_000 + b"\n\n"
    calls = count_calls(lambda: decode([body[at : at + size] for at in range(0, len(body), size)]))
    assert calls["join"] <= 6  # one for each PIECE, of what is new in it, and the last
    assert calls["find"] + calls["rfind"] + calls["search"] <= 12


@pytest.mark.parametrize("limit", [1 << 24, 300_000, 150_000])
def test_a_long_line_in_single_bytes_takes_its_own_size(limit: int) -> None:
    """What has come of a line takes its own size in memory, not a reference for each chunk."""
    size = min(limit, 1_000_000)
    decoder = SSEDecoder(limits=Limits(line_bytes=limit))
    decoder.feed(b"data: 1\n\ndata: ")
    assert decoder.next_frame() == frame("1")
    for _ in range(size - 6):
        decoder.feed(b"x")
    assert len(decoder._scanner.chunks) <= PIECE + size // PIECE + 1
    if size == limit:
        at_limit = SSEDecoder(limits=Limits(line_bytes=limit))
        at_limit.setstate(decoder.getstate())
        at_limit.feed(b"\n\n")
        assert at_limit.next_frame() == frame("x" * (size - 6))
        decoder.feed(b"x")
        with pytest.raises(LimitExceeded) as fault:
            decoder.next_frame()
        assert fault.value.offset == 9
    else:
        decoder.feed(b"\n\n")
        assert decoder.next_frame() == frame("x" * (size - 6))


@pytest.mark.parametrize(
    "block", [b"data: x\n\n", b"data\n", b"\n", b": c\r\n", b"foo\r", b"event: e\n\n", b"id: 1\n\n"]
)
@pytest.mark.parametrize("size", [1, 64, 1 << 20])
def test_work_grows_with_the_input(block: bytes, size: int) -> None:
    """Twice the input takes twice the calls, whatever it is made of and however it is cut."""

    def work(count: int) -> int:
        body = block * count
        return drip([body[at : at + size] for at in range(0, len(body), size)])

    assert work(800) <= 2 * work(400) + 50


def test_empty_chunks_are_free() -> None:
    """Empty chunks are not kept."""
    decoder = SSEDecoder()
    for _ in range(1000):
        decoder.feed(b"")
    assert decoder.getstate() == SSEDecoder().getstate()


# ------------------------------------------------------------------------------------------------ the owner


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_feed_takes_bytes_of_any_kind(kind: Any) -> None:
    """Whatever is like bytes is taken, and copied: the caller may use its buffer again."""
    buffer = bytearray(b"data: x\n\n")
    decoder = SSEDecoder()
    decoder.feed(kind(buffer))
    if kind is bytearray:
        decoder = SSEDecoder()
        decoder.feed(buffer)
        buffer[:] = b"data: y\n\n"
    assert list(decoder.frames()) == X


@pytest.mark.parametrize("wrong", ["data: x\n\n", None, 5, [100]])
def test_feed_takes_nothing_else(wrong: Any) -> None:
    """What is not like bytes is a `TypeError`."""
    with pytest.raises(TypeError, match="bytes-like"):
        SSEDecoder().feed(wrong)


def test_feed_after_close() -> None:
    """After `close()` nothing can be fed, and closing again is nothing."""
    decoder = SSEDecoder()
    decoder.feed(b"data: x\n\n")
    decoder.close()
    decoder.close()
    with pytest.raises(UsageError, match="close"):
        decoder.feed(b"")
    assert list(decoder.frames()) == X


def test_feed_only_stores() -> None:
    """Feeding reads nothing: what is fed shows when frames are asked for."""
    decoder = SSEDecoder()
    decoder.feed(b"id: 1\nretry: 1\ndata: x\n\n")
    assert (decoder.last_event_id, decoder.reconnection_time, decoder.event_count) == ("", None, 0)
    assert decoder.next_frame() == frame(id="1", retry=1)
    assert decoder.next_frame() is None


def test_frames_can_be_abandoned() -> None:
    """An iterator that is given up loses nothing."""
    decoder = SSEDecoder()
    decoder.feed(b"data: 1\n\ndata: 2\n\ndata: 3\n\n")
    for found in decoder.frames():
        assert found == frame("1")
        break
    assert list(decoder.frames()) == [frame("2"), frame("3")]


def test_signals() -> None:
    """The next layer also hears of comments, blocks without data, and `error` fields."""
    decoder = SSEDecoder()
    decoder.feed(b": c\nevent: ping\n\nerror: {}\nevent: e\ndata: x\n\nid: 1\n\n\n")
    heard = []
    while signal := decoder._scanner.advance():
        text = (
            decoder._scanner.text
            if signal in (Signal.COMMENT, Signal.ERROR_FIELD)
            else decoder._scanner.event_name
        )
        heard.append((signal, text))
    assert heard == [
        (Signal.COMMENT, "c"),
        (Signal.NAMED_BLOCK_WITHOUT_DATA, "ping"),
        (Signal.ERROR_FIELD, "{}"),
        (Signal.EVENT, "e"),
    ]


def test_a_short_beginning_of_a_block_waits() -> None:
    """The beginning of a plain block is left alone until the block is whole, to be read in one step."""
    decoder = SSEDecoder()
    assert decoder._scanner.is_waiting_for_block_end()
    decoder.feed(b"data: 1\n\nevent: e\ndata: 2\n")
    assert not decoder._scanner.is_waiting_for_block_end()
    assert decoder._scanner.blocks_end == len(b"data: 1\n\n")
    assert decoder.next_frame() == frame("1")
    assert decoder._scanner.block() == "data: 1\n\n"
    assert decoder._scanner.position == decoder._scanner.blocks_end
    assert decoder._scanner.is_waiting_for_block_end()
    assert (decoder._scanner.between_blocks, decoder._scanner.only_lf, decoder.event_count) == (True, True, 1)
    decoder.feed(b"\ndata: 3\n\n: c")
    assert not decoder._scanner.is_waiting_for_block_end()
    assert decoder._scanner.advance() is Signal.EVENT
    assert decoder._scanner.block() == "event: e\ndata: 2\n\n"
    assert decoder._scanner.event_offset == len(b"data: 1\n\n")
    assert not decoder._scanner.is_waiting_for_block_end()
    assert decoder.next_frame() == frame("3")
    assert decoder._scanner.is_waiting_for_block_end(), "half a line is nothing to be read"
    decoder.feed(b"\n")
    assert not decoder._scanner.is_waiting_for_block_end()
    assert decoder._scanner.advance() is Signal.COMMENT


@pytest.mark.parametrize(
    ("rest", "waits"),
    [
        (b"", True),
        (b"data: 2", True),
        (b"data: 2\n", True),
        (b"event: e\n", True),
        (b"event: e\ndata: 2\ndata: 3\n", True),
        (b"data: " + b"x" * (LONGEST_WAIT - 6), True),
        (b"data: " + b"x" * (LONGEST_WAIT - 5), False),
        (b"data: 2\n\n", False),
        (b"\n\n", False),
        (b"data:2\n", False),
        (b": c\n", False),
        (b"data: 2\r\n", False),
        (b"data: 2\r", False),
    ],
)
def test_what_waits(rest: bytes, waits: bool) -> None:
    """Only a short beginning of a block in the usual spelling waits, and waiting changes no frame."""
    decoder, other = SSEDecoder(), SSEDecoder()
    for one in (decoder, other):
        one.feed(b"data: 1\n\n" + rest)
        assert one.next_frame() == frame("1")
    assert decoder._scanner.is_waiting_for_block_end() is waits
    assert decoder._scanner.is_waiting_for_block_end() is waits
    for one in (decoder, other):
        one.feed(b"\ndata: 9\n\n")
    assert list(decoder.frames()) == list(other.frames())
    assert decoder.event_count == other.event_count


@pytest.mark.parametrize("start", [b"", b"data: 1\n\n", b": c\n", BOM])
def test_lines_that_come_alone_wait(start: bytes) -> None:
    """The first lines of a block wait where they come by themselves, each in a chunk of its own as well."""
    for chunks in ([b"event: e\ndata: 2\n"], [b"event: e\n", b"data: 2\n"], [b"event: e\nda", b"ta: 2\n"]):
        decoder = SSEDecoder()
        decoder.feed(start)
        while decoder._scanner.advance() is not Signal.NOTHING:
            pass
        for chunk in chunks:
            decoder.feed(chunk)
            assert decoder._scanner.is_waiting_for_block_end() is (start != b": c\n")
        decoder.feed(b"\n")
        assert not decoder._scanner.is_waiting_for_block_end()
        assert decoder.next_frame() == frame("2", "e")


def test_a_mark_is_no_part_of_the_first_line() -> None:
    """A byte order mark does not count among the bytes of an unfinished line."""
    limits = Limits(line_bytes=7)
    for body, fits in ((BOM + b"data: x", True), (BOM + b"data: xy", False), (b"data: xy", False)):
        decoder, other = SSEDecoder(limits=limits), SSEDecoder(limits=limits)
        decoder.feed(body)
        other.setstate(decoder.getstate())
        for one in (decoder, other):
            if fits:
                assert one.next_frame() is None
                one.feed(b"\n\n")
                assert one.next_frame() == frame("x")
            else:
                with pytest.raises(LimitExceeded):
                    one.next_frame()


def test_what_looks_like_a_mark_later_is_a_part_of_its_line() -> None:
    """Only at the start of the stream is a byte order mark of no line."""
    decoder = SSEDecoder(limits=Limits(line_bytes=7))
    decoder.feed(b"data: 1\n\n")
    assert decoder.next_frame() == frame("1")
    decoder.feed(BOM + b"xxxxx")
    with pytest.raises(LimitExceeded):
        decoder.next_frame()


def test_a_blank_line_does_not_wait() -> None:
    """A blank line alone is read, though it is the beginning of a block as much as its end."""
    decoder = SSEDecoder()
    decoder.feed(b"\n")
    assert not decoder._scanner.is_waiting_for_block_end()
    decoder.feed(b"\r")
    assert not decoder._scanner.is_waiting_for_block_end()


def test_a_short_limit_shortens_the_wait() -> None:
    """A beginning that passes the limit of a line or an event is not left waiting for its end."""
    for limits in (Limits(line_bytes=9), Limits(event_bytes=9)):
        decoder = SSEDecoder(limits=limits)
        decoder.feed(b"data: 0\n\ndata: 1\n")
        assert decoder.next_frame() == frame("0")
        assert decoder._scanner.is_waiting_for_block_end()
        decoder.feed(b"data: 2\n")
        assert not decoder._scanner.is_waiting_for_block_end()
        assert decoder.next_frame() is None
        decoder.feed(b"\n")
        assert list(decoder.frames()) == [frame("1\n2")]


def test_a_block_that_was_begun_does_not_wait() -> None:
    """Once a line of a block was read, the rest is read as it comes, and the block's bytes are gone."""
    decoder = SSEDecoder()
    decoder.feed(b"data: 1\n")
    assert decoder._scanner.advance() is Signal.NOTHING
    assert not decoder._scanner.between_blocks
    assert not decoder._scanner.is_waiting_for_block_end()
    decoder.feed(b"\n")
    assert decoder.next_frame() == frame("1")
    assert decoder._scanner.block() is None
    assert decoder._scanner.is_waiting_for_block_end()


@pytest.mark.parametrize(
    ("body", "stray"),
    [
        (b"", b""),
        (b"data: x\n\n", b""),
        (b": c", b""),
        (b"da", b""),
        (b"error: x", b""),
        (b"event: x", b""),
        (b"event", b""),
        (b"id: 1", b""),
        (b"retry: 1", b""),
        (b": c\n  data: x\n", b"  data: x"),
        (b"Bad Gateway", b"Bad Gateway"),
        (b"Bad Gateway\nsorry\n", b"Bad Gateway"),
        (b"data: x\nupstream: gone\nmore", b"upstream: gone"),
        (b"x" * 300, b"x" * 200),
        (b"x" * 300 + b"\n", b"x" * 200),
        ("é\nnaïve".encode(), "é".encode()),
        ("\xa0data: x\n".encode(), "\xa0data: x".encode()),
        (b": c\n" + BOM + b"data: x", BOM + b"data: x"),
    ],
)
def test_the_first_line_that_is_no_field(body: bytes, stray: bytes) -> None:
    """The beginning of the first line that is no field is kept, to tell what a body is that has no event."""
    for chunks in ways(body):
        assert decode(chunks)[1]._scanner.stray_line() == stray.decode()


def test_getstate_at_every_byte() -> None:
    """A decoder that is suspended at any byte goes on as if it had not been, and its state is JSON."""
    body = BOM + (
        b": c\r\ndata: a\r\ndata: b\r\n\r\nid: 1\rretry: 5\r\revent: e\ndata: \xe6\x97\xa5\n\nfoo\nid: 2\n"
        b"data: c\ndata: d"
    )
    whole_frames, whole_decoder = decode(body)
    for at in range(len(body) + 1):
        for drained in (True, False):
            decoder = SSEDecoder()
            decoder.feed(body[:at])
            frames = list(decoder.frames()) if drained else [f for f in [decoder.next_frame()] if f]
            state = json.loads(json.dumps(decoder.getstate()))
            other = SSEDecoder()
            other.setstate(state)
            assert other.getstate() == state
            other.feed(body[at:])
            frames += other.frames()
            assert frames == whole_frames
            for name in ("last_event_id", "reconnection_time", "event_count", "offset"):
                assert getattr(other, name) == getattr(whole_decoder, name), name
            assert other._scanner.stray_line() == whole_decoder._scanner.stray_line()
            assert other.pending == whole_decoder.pending


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_getstate_between_two_signals(end: bytes) -> None:
    """A decoder that is suspended in the middle of a block, with lines unread, goes on where it stood."""
    body = b"data: x\n: c\n\ndata: y\nerror: 1\n\n\nevent: e\n\ndata: z\n: d" + end + end
    heard: list[list[Any]] = []
    for suspended in (False, True):
        decoder = SSEDecoder()
        decoder.feed(body)
        heard.append([])
        while signal := decoder._scanner.advance():
            heard[-1].append(
                (
                    signal,
                    decoder._scanner.event_offset,
                    decoder._scanner.data if signal is Signal.EVENT else "",
                )
            )
            if suspended:
                other = SSEDecoder()
                other.setstate(json.loads(json.dumps(decoder.getstate())))
                decoder = other
    assert heard[0] == heard[1]
    assert [data for signal, _, data in heard[0] if signal is Signal.EVENT] == ["x", "y", "z"]


def test_getstate_of_a_closed_decoder() -> None:
    """That it was closed is part of the state."""
    decoder = SSEDecoder()
    decoder.feed(b"data: x\n\n")
    decoder.close()
    other = SSEDecoder()
    other.setstate(decoder.getstate())
    with pytest.raises(UsageError):
        other.feed(b"x")
    assert list(other.frames()) == X


# ------------------------------------------------------------------------------------------------ encoding

sendable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=8)
frames_to_send = st.builds(
    Frame,
    sendable.map(lambda name: name or "message"),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r") | st.just("\n"), max_size=20),
    sendable,
    st.none() | st.integers(0, MAX_RETRY),
)


@given(st.lists(frames_to_send, max_size=4), st.data())
def test_encode_frame_is_the_inverse(frames: list[Frame], data: st.DataObject) -> None:
    """What is encoded is decoded to the same frames, however it is cut."""
    body, ident = b"", ""
    for one in frames:
        ident = one.id or ident  # an id stays, and an empty one is not sent
        body += encode_frame(attrs.evolve(one, id=ident))
    found, _ = decode(data.draw(chunkings(body)))
    wanted, ident = [], ""
    for one in frames:
        ident = one.id or ident
        wanted.append(attrs.evolve(one, id=ident))
    assert found == wanted


def test_encode_frame_takes_fields() -> None:
    """Fields do as well as a frame, and only those are written that say something."""
    written = b"event: tick\nid: 7\nretry: 5\ndata: x\n\n"
    assert encode_frame(Frame("tick", "x", "7", 5)) == encode_frame("x", event="tick", id="7", retry=5)
    assert decode(encode_frame(Frame("tick", "x", "7", 5)))[0] == decode(written)[0]
    assert encode_frame("x") == b"data: x\n\n"
    assert encode_frame("", event="") == b"data: \n\n"
    assert encode_frame("X", event="X", id="X") == b"event: X\nid: X\ndata: X\n\n"
    assert (
        encode_frame("a\nb", event="e", id="1", retry=0) == b"event: e\nid: 1\nretry: 0\ndata: a\ndata: b\n\n"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"event": "a\nb"}, "event"),
        ({"event": "a\rb"}, "event"),
        ({"event": "a\0b"}, "event"),
        ({"id": "a\nb"}, "id"),
        ({"id": "a\rb"}, "id"),
        ({"id": "a\0b"}, "id"),
        ({"data": "a\rb"}, "data"),
        ({"data": "a\r\nb"}, "data"),
        ({"retry": -1}, "retry"),
        ({"retry": 2**53}, "retry"),
        ({"data": "\ud83d"}, "surrogate"),
        ({"event": "\ude00"}, "surrogate"),
        ({"id": "\ud83d"}, "surrogate"),
    ],
)
def test_encode_frame_refuses_what_would_forge(fields: dict[str, Any], message: str) -> None:
    """What would be read as another field, another event or other text is refused."""
    with pytest.raises(UsageError, match=message):
        encode_frame(**{"data": "x", **fields})


def test_frames_are_values() -> None:
    """Frames are equal and hash by their fields, match by position, and cannot be changed."""
    assert frame() == frame()
    assert Frame("message", "x") == Frame("message", "x", "", None)
    assert hash(frame()) == hash(frame())
    match frame("x", "e", "1", 2):
        case Frame(event, data, id, retry):
            assert (event, data, id, retry) == ("e", "x", "1", 2)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        frame().data = "y"  # type: ignore[misc]


def test_a_decoder_is_a_plain_class() -> None:
    """It can be subclassed and referred to weakly, has room for an owner's own, and says what it does."""

    class Counting(SSEDecoder):
        fed = 0

        def feed(self, data: bytes | bytearray | memoryview) -> None:
            self.fed += 1
            super().feed(data)

    decoder = Counting()
    decoder.feed(b"data: x\n\n")
    assert list(decoder.frames()) == X
    assert decoder.fed == 1
    assert weakref.ref(decoder)() is decoder
    assert "next_frame" in pydoc.render_doc(SSEDecoder)


def test_an_event_that_is_not_ended_has_the_name_of_all() -> None:
    """Like a whole one: without a name it is a `message`."""
    decoder = SSEDecoder()
    decoder.feed(b"data: x\n")
    assert decoder.pending is not None
    assert decoder.pending.event == "message"


@pytest.mark.parametrize("cut_at", [None, 24])
def test_json_in_no_field_ends_where_an_event_does(cut_at: int | None) -> None:
    """What stands behind the event is no part of it; a blank line that ends no event is no end."""
    first, opened = b"data: 1\n\n", b'{"error":\n'
    pieces = {
        first + opened + b'data: 2\n\n"late"}\n': None,
        first + opened + b'"soon"}\n': '{"error":\n"soon"}',
        first + opened + b'\n"soon"}\n': '{"error":\n"soon"}',
        first + opened + b'event: x\n\n"soon"}\n': '{"error":\n"soon"}',
    }
    for body, expected in pieces.items():
        scanner = BlockScanner()
        found = []
        for piece in [body] if cut_at is None else [body[:cut_at], body[cut_at:]]:
            scanner.push(piece)
            while signal := scanner.advance():
                if signal is Signal.STRAY:
                    found.append(scanner.text)
        assert (expected in found) is (expected is not None)
        assert not any("late" in line and "error" in line for line in found)
        assert scanner.unfinished_line() == ""
