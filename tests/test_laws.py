"""The laws of the parser, each as a property over whole streams and over what may happen to them."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deltafold import (
    AnomalyCode,
    Event,
    Heartbeat,
    LimitExceeded,
    Limits,
    Outcome,
    Response,
    ResponseFinished,
    ResponseParser,
    ResponseState,
    TextDelta,
    UnknownEvent,
    UsageError,
    ValueReplaced,
    WireError,
    parse,
)
from deltafold.machine.fold import Fold
from deltafold.testing import Stream
from deltafold.testing.builder import json_bytes
from deltafold.testing.damage import HEARTBEATS, WRONG_VALUES, byte_by_byte, every_cut, json_paths, mistyped
from deltafold.testing.payloads import response
from deltafold.testing.strategies import (
    chunkings,
    corruptions,
    damaged_bodies,
    mistypings,
    orderings,
    streams,
)
from runs import THOROUGH, Ledger, Run, calls_of, check_laws, count_calls, drain, play, whole

few = settings(max_examples=400 if THOROUGH else 5)
"""For properties that try every place in each stream."""

TOLD_AS = {
    "responses": Response.to_dict,
    "chat": Response.to_chat_completion,
    "anthropic": Response.to_anthropic_message,
    "gemini": Response.to_gemini_response,
}
"""How each dialect tells a response unstreamed."""

# ---------------------------------------------------------------------------------------- what streams are


@given(streams())
def test_a_clean_stream_folds_to_the_server_s_own_response(stream: Stream) -> None:
    """A well-formed stream gives the server's terminal response, with nothing out of order, in both modes."""
    run = play(stream.body, stream.dialect)
    check_laws(run)
    response = run.parser.response
    assert run.parser.anomalies == ()
    assert not any(isinstance(event, ValueReplaced) for event in run.events)
    assert response.outcome is stream.outcome
    if stream.document is not None:
        told = TOLD_AS[stream.dialect](response)
        assert json.loads(json.dumps(told)) == stream.document
    if stream.outcome is Outcome.COMPLETED or stream.dialect == "responses":
        assert all(getattr(call, "complete", True) for call in calls_of(response))
    assert play(stream.body, stream.dialect, strict=True).everything == run.everything
    if stream.dialect == "responses":
        assert parse(stream.body, stream.dialect) == response


@given(streams())
def test_ids_are_not_needed(stream: Stream) -> None:
    """Without a single id or sequence number in the fragments the response is the same."""
    gone = ("item_id", "sequence_number")
    payloads = [
        # An error keeps its number, for it is kept whole in the response.
        payload if payload.get("type") == "error" else {k: v for k, v in payload.items() if k not in gone}
        for payload in stream.payloads
    ]
    run = play(stream.saying(payloads).body, stream.dialect)
    check_laws(run)
    response = play(stream.body, stream.dialect).parser.response
    if response.error is not None:  # it holds the payload that told of it
        response = evolve(response, error=evolve(response.error, raw=run.parser.response.error.raw))
    assert run.parser.response == response


# ------------------------------------------------------------------------------------------ law 1: chunking


@given(streams(), st.data())
def test_law_1_chunking(stream: Stream, data: st.DataObject) -> None:
    """Chunking: the same bytes give the same events, anomalies and response however they are cut."""
    body = stream.body
    told = play(body, stream.dialect).everything
    assert play(byte_by_byte(body), stream.dialect).everything == told
    assert play(data.draw(chunkings(body)), stream.dialect).everything == told


@given(damaged_bodies(), st.data(), st.booleans())
def test_law_1_chunking_of_damaged_streams(
    damaged: tuple[str, bytes], data: st.DataObject, strict: bool
) -> None:
    """Chunking: so do damaged bytes, in both modes, faults included."""
    dialect, body = damaged
    told = play(body, dialect, strict=strict).everything
    assert play(data.draw(chunkings(body)), dialect, strict=strict).everything == told
    assert play(byte_by_byte(body), dialect, strict=strict).everything == told


@few
@given(streams(max_items=1, terse=True))
def test_law_1_every_cut_in_two(stream: Stream) -> None:
    """Chunking: a stream may be cut in two at every byte."""
    body = stream.body
    told = play(body, stream.dialect).everything
    for chunks in every_cut(body):
        assert play(chunks, stream.dialect).everything == told


SHORT = [
    b"data: {}\n\n",
    b"\xef\xbb\xbfdata:1",
    b': c\r\n\r\n{"a"',
    b"data: [DONE]\r\r",
    b'{"error":1}',
    b"<html>\r\n",
    b"\x1f\x8b\x08\x00\x00\x00",
    b"nope\nnope\n",
    b"error: {}\n\n",
    b"event: ping\n\n",
    b"\n\n\r\n[]",
    b"data: \xe6\x97\n\n",
]


@pytest.mark.parametrize("body", SHORT, ids=repr)
def test_law_1_all_chunkings_of_short_bodies(body: bytes) -> None:
    """Chunking: a short body may be cut in all ways there are."""
    told = play(body).everything
    for mask in range(1 << (len(body) - 1)):
        cuts = [0, *(at + 1 for at in range(len(body) - 1) if mask >> at & 1), len(body)]
        chunks = [body[a:b] for a, b in pairwise(cuts)]
        assert play(chunks).everything == told, chunks


@given(streams())
def test_law_1_payloads_out_of_their_frames(stream: Stream) -> None:
    """Chunking: a payload fed as text, as bytes or as an object gives what it gives inside SSE."""
    in_frames = play(stream.saying(stream.payloads).body, stream.dialect)
    for form in (
        lambda p: p,
        lambda p: json.dumps(p),
        lambda p: json.dumps(p, ensure_ascii=False),
        json_bytes,
    ):
        parser = ResponseParser(stream.dialect)
        events: list[Event] = []
        for payload in stream.payloads:
            parser.feed_payload(form(payload))
            assert drain(parser, events) is None
        parser.close()
        assert drain(parser, events) is None
        assert Run(events, parser).everything == in_frames.everything


DELTAS = [
    *(b"plain", b" ", b"", "é日🙂".encode(), b"\\n", b'\\"', b"\\\\", b"\\/", b"\\u0041", b"\\u00e9"),
    *(b"\\ud83d\\ude42", b"\\ud83d", b"\\ude42", b"\\ud83dx", b"\\uD83D", b"\\u12", b"\\x"),
    *(b"\xff", b"\xe6\x97", b"\x01", b'","delta":"', b"x" * 5000),
]
"""Fragments as they stand between quotation marks, some of which no server should send."""


@given(
    st.lists(st.sampled_from(DELTAS) | st.just(b"plain"), min_size=3, max_size=25),
    st.sampled_from([b"\n", b"\n", b"\n", b"\r\n"]),
    st.booleans(),
    st.data(),
)
def test_law_1_long_runs_of_deltas(
    deltas: list[bytes], newline: bytes, named: bool, data: st.DataObject
) -> None:
    """Chunking: in long runs of like fragments each one counts for what it is, at any cut."""
    name = "response.output_text.delta"
    place = b'"item_id":"m","output_index":0,"content_index":0'
    head = b"event: " + name.encode() + newline if named else b""
    start = Stream("responses", tuple(EVERY_PATH[:2]), newline=newline, named=named).body
    body, once = start, start
    for number, delta in enumerate(deltas):
        payload = b'{"type":"%s","sequence_number":%d,%s,"delta":"%s"}'
        block = head + b"data: " + payload % (name.encode(), number, place, delta) + newline * 2
        body += block
        # A comment between them keeps the parser from taking them for a run.
        once += b": c" + newline + block
    run = play(body)
    check_laws(run)
    for chunks in (byte_by_byte(body), data.draw(chunkings(body)), *([once] if b"\xff" not in body else [])):
        other = play(chunks)
        assert [event for event in other.events if not isinstance(event, Heartbeat)] == run.events
        assert whole(other.parser.response) == whole(run.parser.response)
        assert [anomaly.code for anomaly in other.parser.anomalies] == [a.code for a in run.parser.anomalies]
    check_laws(play(body, strict=True), strict=True)


# ---------------------------------------------------------------------------------------------- law 2: fold


@given(streams() | damaged_bodies(), st.booleans())
def test_law_2_fold(source: Any, strict: bool) -> None:
    """Fold: `parser.response` equals the fold of the events handed out so far."""
    dialect, body = (source.dialect, source.body) if isinstance(source, Stream) else source
    parser = ResponseParser(dialect, strict=strict)
    fold = Fold(Limits())
    parser.feed(body)
    parser.close()
    try:
        for event in parser.events():
            if not isinstance(event, ResponseFinished):
                fold.apply(event)
                assert whole(parser.response) == whole(fold.response())
                assert parser.state is fold.state
    except WireError:
        assert whole(parser.response) == whole(fold.response())


@given(streams())
def test_law_2_state_moves_only_as_events_are_handed_out(stream: Stream) -> None:
    """Fold: State moves only as events are handed out."""
    ahead, behind = ResponseParser(stream.dialect), ResponseParser(stream.dialect)
    ahead.feed(stream.body)
    frames = iter(stream.frames())
    while (event := ahead.next_event()) is not None:
        while (other := behind.next_event()) is None:
            behind.feed(next(frames))
        assert other == event
        assert ahead.state is behind.state
        assert ahead.response == behind.response
        assert ahead.last_sequence_number == behind.last_sequence_number


@given(streams())
def test_law_2_reading_changes_nothing(stream: Stream) -> None:
    """Fold: whatever is asked of the parser between two events changes none of them."""
    parser = ResponseParser(stream.dialect)
    parser.feed(stream.body)
    events = []
    while True:
        for _ in range(2):
            assert parser.response is parser.response
            repr((parser.state, parser.anomalies, parser.anomaly_count, parser.last_sequence_number))
            assert parser.needs_input in (True, False)
        if (event := parser.next_event()) is None:
            break
        assert not isinstance(event, ResponseFinished) or event.response is parser.response
        events.append(event)
    assert events == play(stream.body, stream.dialect, close=False).events


# -------------------------------------------------------------------------------------------- law 3: ledger


@given(streams())
def test_law_3_ledger(stream: Stream) -> None:
    """Ledger: for every text, refusal, reasoning and arguments value, the deltas handed out, joined,
    equal the final value.
    """
    run = play(stream.body, stream.dialect)
    ledger = Ledger()
    for event in run.events:
        ledger.add(event)
    texts = [value for (kind, _, _), value in sorted(ledger.values.items(), key=str) if kind == "text"]
    assert sorted("".join(texts)) == sorted(run.parser.response.output_text)
    ledger.check(run.parser.response)


@given(streams(), st.data())
def test_law_3_missing_deltas_are_made_up_for(stream: Stream, data: st.DataObject) -> None:
    """Ledger: Where the server sent text only in a `done` or a snapshot, the missing suffix is handed out
    as a delta.
    """
    kept = [
        payload
        for payload in stream.payloads
        if not str(payload.get("type")).endswith(".delta") or data.draw(st.booleans())
    ]
    assume(stream.document is not None)
    run = play(stream.saying(kept).body, stream.dialect)
    check_laws(run)
    assert run.parser.response.output == play(stream.body, stream.dialect).parser.response.output


@given(streams("responses", outcome=Outcome.COMPLETED))
def test_law_3_only_the_end(stream: Stream) -> None:
    """Ledger: text that only the end of the response tells is handed out as deltas as well."""
    run = play(stream.saying([stream.payloads[0], stream.payloads[-1]]).body, stream.dialect)
    check_laws(run)
    assert json.loads(json.dumps(run.parser.response.to_dict())) == stream.document
    text = "".join(event.text for event in run.events if isinstance(event, TextDelta))
    assert text == run.parser.response.output_text


@given(streams("responses", outcome=Outcome.COMPLETED), st.data())
def test_law_3_contradictions(stream: Stream, data: st.DataObject) -> None:
    """Ledger: Where it contradicts what was already handed out, an explicit event says that the value was
    replaced, and the ledger restarts from it.
    """
    payloads = list(stream.payloads)
    ends = [at for at, payload in enumerate(payloads) if payload["type"] == "response.output_text.done"]
    assume(ends)
    at = data.draw(st.sampled_from(ends))
    payloads[at] = {**payloads[at], "text": "\x7f" + payloads[at]["text"]}
    run = play(stream.saying(payloads).body, stream.dialect)
    check_laws(run)
    replaced = [event.text for event in run.events if isinstance(event, ValueReplaced)]
    assert replaced[0] == payloads[at]["text"]
    assert json.loads(json.dumps(run.parser.response.to_dict())) == stream.document


# ------------------------------------------------------------------------------------------- law 4: one end


@given(damaged_bodies())
def test_law_4_one_end(damaged: tuple[str, bytes]) -> None:
    """One end: every stream hands out exactly one `ResponseFinished`, last, once the terminal event has come,
    or after `close()` or `cancel()`.
    """
    dialect, body = damaged
    check_laws(play(body, dialect))
    parser = ResponseParser(dialect)
    parser.feed(body)
    events: list[Event] = []
    if isinstance(drain(parser, events), LimitExceeded):
        return
    parser.cancel()
    check_laws(Run(events + list(parser.events()), parser))
    for _ in range(3):
        assert parser.next_event() is None
    assert parser.state is ResponseState.FINISHED


@given(damaged_bodies())
def test_law_4_in_strict_mode(damaged: tuple[str, bytes]) -> None:
    """One end: In strict mode the documented exception may stand in its place."""
    dialect, body = damaged
    run = play(body, dialect, strict=True)
    check_laws(run, strict=True)
    if run.fault is not None:
        assert run.parser.response == run.parser.response
        for feed in (run.parser.feed, run.parser.feed_payload):
            with pytest.raises(UsageError):
                feed(b"{}")
        with pytest.raises(UsageError):
            run.parser.snapshot()
        run.parser.close()
        run.parser.cancel()
        with pytest.raises(WireError):
            run.parser.next_event()


@given(
    streams(),
    st.sampled_from([b"x", b"data: {}\n\n", b"\n\ndata: [DONE]\n\n", b'{"type":"error"}', b"\xff" * 20]),
)
def test_law_4_what_comes_after_the_end(stream: Stream, rest: bytes) -> None:
    """One end: what comes after the end is no event, and changes nothing of the response."""
    assume(stream.done or (stream.outcome is not Outcome.FAILED and stream.dialect == "responses"))
    run, longer = play(stream.body, stream.dialect), play(stream.body + rest, stream.dialect)
    assert longer.events == run.events
    assert longer.parser.response == run.parser.response


@given(streams())
def test_law_4_limits_after_the_end(stream: Stream) -> None:
    """One end: a limit that is passed after the end is no exception any more."""
    body = stream.body
    limits = Limits(line_bytes=len(body))
    assume(stream.done or (stream.outcome is not Outcome.FAILED and stream.dialect == "responses"))
    run = play([body + b"x" * (len(body) + 1) + b"\n", b"more\n"], stream.dialect, limits=limits)
    assert run.fault is None
    check_laws(run)
    again = ResponseParser.resume(run.parser.snapshot())
    assert again.next_event() is None


# ------------------------------------------------------------------------------------- law 5: nothing lost


@given(streams(), st.data())
def test_law_5_events_before_a_fault(stream: Stream, data: st.DataObject) -> None:
    """Nothing lost: every event before a fault is handed out before the fault shows."""
    frames = stream.frames()
    at = data.draw(st.integers(0, len(stream.payloads) - 1))
    before = play(frames[:at], stream.dialect, close=False).events
    for fault, options in ((b"data: {\n\n", {"strict": True}), (b"data: " + b"[" * 65 + b"\n\n", {})):
        body = b"".join([*frames[:at], fault, *frames[at:]])
        run = play(body, stream.dialect, **options)
        assert run.events == before
        assert run.fault is not None
        assert run.fault.offset == sum(map(len, frames[:at]))
        assert run.fault.event_index == at
        assert run.parser.response == play(frames[:at], stream.dialect, close=False).parser.response


@few
@given(streams(max_items=1, terse=True))
def test_law_5_truncation_at_every_byte(stream: Stream) -> None:
    """Nothing lost: A partial response is there at any byte; the events of a prefix are a prefix of the
    events, and only the terminal event makes a response complete.
    """
    body, frames = stream.body, stream.frames()
    full = play(body, stream.dialect)

    def end_of(number: int) -> int:
        """Where a payload is whole."""
        return sum(map(len, frames[:number])) + len(frames[number].rstrip())

    last = len(stream.payloads) - 1
    usage_follows = stream.dialect == "chat" and stream.payloads[last].get("choices") == []
    # A stop reason is Anthropic's end, of which `message_stop` is but the seal.
    sealed = stream.dialect == "anthropic" and stream.payloads[last].get("type") == "message_stop"
    terminal = end_of(last - 1 if usage_follows or sealed else last)
    for at in range(len(body) + 1):
        run = play(body[:at], stream.dialect, close=False)
        assert run.events == full.events[: len(run.events)]
        response = run.parser.response
        assert json.dumps(response.to_dict())
        run.parser.close()
        run.events.extend(run.parser.events())
        check_laws(run)
        if at < terminal:
            assert run.parser.response.outcome is Outcome.TRUNCATED
            assert run.parser.response.output_text.startswith(response.output_text)
        else:
            assert run.parser.response.outcome is stream.outcome
            assert run.parser.response == full.parser.response or at < end_of(last)


@given(streams(), st.data())
def test_law_5_unknown_events_and_fields(stream: Stream, data: st.DataObject) -> None:
    """Nothing lost: Unknown events, items and fields come through verbatim."""
    frames, payloads = stream.frames(), list(stream.payloads)
    last = len(payloads) - 1  # Gemini may send but one
    at = data.draw(st.integers(min(1, last), last))
    unknown: Any = {"type": "acme:thing", "value": data.draw(st.lists(st.text("ab🙂", max_size=3)))}
    run = play(b"".join([*frames[:at], stream.frame(unknown), *frames[at:]]), stream.dialect)
    assert [event for event in run.events if event == UnknownEvent("acme:thing", unknown)]
    plain = play(stream.body, stream.dialect)
    assert [event for event in run.events if event != UnknownEvent("acme:thing", unknown)] == plain.events


@given(streams("responses", outcome=Outcome.COMPLETED))
def test_law_5_unknown_members(stream: Stream) -> None:
    """Nothing lost: a member that nobody knows is in the item and in the response, under its own name."""

    def mark(value: Any) -> Any:
        if isinstance(value, list):
            return [mark(entry) for entry in value]
        if isinstance(value, dict):
            return {"zz": [{"deep": None}], **{key: mark(member) for key, member in value.items()}}
        return value

    payloads = [mark(payload) for payload in stream.payloads]
    run = play(stream.saying(payloads).body, stream.dialect)
    check_laws(run)
    assert json.loads(json.dumps(run.parser.response.to_dict())) == mark(stream.document)


@given(streams(), st.sampled_from(HEARTBEATS))
def test_law_5_heartbeats_at_every_boundary(stream: Stream, beat: bytes) -> None:
    """Nothing lost: heartbeats between any two events change nothing but that they are heard."""
    plain = play(stream.body, stream.dialect)
    run = play(beat + beat.join(stream.frames()) + beat, stream.dialect, strict=True)
    check_laws(run)
    assert [event for event in run.events if not isinstance(event, Heartbeat)] == plain.events
    assert run.parser.response == plain.parser.response
    codes = {anomaly.code for anomaly in run.parser.anomalies}
    # On Chat Completions any payload behind `[DONE]` is an anomaly, though one that says nothing.
    assert not codes or (codes == {AnomalyCode.EVENT_AFTER_END} and stream.dialect == "chat")


@given(streams(), st.data())
def test_law_5_comments_inside_events(stream: Stream, data: st.DataObject) -> None:
    """Nothing lost: a comment between two lines of one event changes nothing of it."""
    lines = stream.body.split(stream.newline)
    at = data.draw(st.integers(0, len(lines) - 1))
    body = stream.newline.join([*lines[:at], b": ping", *lines[at:]])
    run = play(body, stream.dialect)
    assert [e for e in run.events if not isinstance(e, Heartbeat)] == play(stream.body, stream.dialect).events


# ------------------------------------------------------------------------- law 6: only documented errors


@given(st.binary(max_size=60), st.booleans())
def test_law_6_any_bytes(body: bytes, strict: bool) -> None:
    """Only documented errors: no input makes anything else escape."""
    check_laws(play(body, strict=strict), strict=strict)


@given(
    st.lists(
        st.sampled_from(
            [*b'{}[]":,\\ \n\r', *(b"data: ", b'"type"', b'"response.created"', b"null", b"1e9")]
        ),
        max_size=30,
    )
)
def test_law_6_any_tokens(tokens: list[Any]) -> None:
    """Only documented errors: nor does what looks like a stream."""
    check_laws(play(b"".join(token if isinstance(token, bytes) else bytes([token]) for token in tokens)))


@given(streams(), st.data())
def test_law_6_damaged_bytes(stream: Stream, data: st.DataObject) -> None:
    """Only documented errors: nor do changed, missing and doubled bytes."""
    check_laws(play(data.draw(corruptions(stream.body)), stream.dialect))


@given(streams(), st.data())
def test_law_6_orderings(stream: Stream, data: st.DataObject) -> None:
    """Only documented errors: nor do events dropped, doubled, swapped, shuffled or of another stream."""
    check_laws(play(data.draw(orderings(stream)).body, stream.dialect))


@given(streams("responses", outcome=Outcome.COMPLETED), st.data())
def test_law_6_the_end_makes_up_for_any_order(stream: Stream, data: st.DataObject) -> None:
    """Only documented errors: one event dropped, doubled or late, and the end tells it all."""
    *payloads, last = stream.payloads
    at = data.draw(st.integers(0, len(payloads) - 1))
    match data.draw(st.sampled_from(["drop", "double", "swap"])):
        case "drop":
            del payloads[at]
        case "double":
            payloads.insert(data.draw(st.integers(at, len(payloads))), payloads[at])
        case _:
            payloads[at : at + 2] = payloads[at : at + 2][::-1]
    run = play(stream.saying([*payloads, last]).body, stream.dialect)
    check_laws(run)
    assert json.loads(json.dumps(run.parser.response.to_dict()))["output"] == stream.document["output"]  # type: ignore[index]


@given(streams(), st.data())
def test_law_6_wrong_types(stream: Stream, data: st.DataObject) -> None:
    """Only documented errors: nor do values of the wrong type anywhere."""
    check_laws(play(data.draw(mistypings(stream)).body, stream.dialect))


ITEMS = [
    {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "a", "annotations": []}],
    },
    {
        "id": "r",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "b"}],
        "content": [{"type": "reasoning_text", "text": "c"}],
    },
    {"id": "f", "type": "function_call", "call_id": "x", "name": "n", "arguments": "{}"},
]
EVERY_PATH = [
    {
        "type": "response.created",
        "response": {"id": "r", "model": "m", "status": "in_progress", "output": []},
    },
    {"type": "response.output_item.added", "output_index": 0, "item": ITEMS[0]},
    {
        "type": "response.output_text.delta",
        "output_index": 0,
        "content_index": 0,
        "item_id": "m",
        "delta": "a",
        "logprobs": [{"token": "a"}],
    },
    {
        "type": "response.output_text.annotation.added",
        "output_index": 0,
        "content_index": 0,
        "annotation_index": 0,
        "annotation": {"a": 1},
    },
    {
        "type": "response.content_part.done",
        "output_index": 0,
        "content_index": 0,
        "part": {"type": "output_text", "text": "a"},
    },
    {"type": "response.output_item.done", "output_index": 0, "item": ITEMS[0]},
    {"type": "response.reasoning_summary_text.done", "output_index": 1, "summary_index": 0, "text": "b"},
    {"type": "response.output_item.done", "output_index": 1, "item": ITEMS[1]},
    {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{"},
    {
        "type": "response.shell_call_output_content.delta",
        "output_index": 3,
        "command_index": 0,
        "delta": {"stdout": "o"},
    },
    {
        "type": "response.image_generation_call.partial_image",
        "output_index": 4,
        "partial_image_index": 0,
        "partial_image_b64": "a",
    },
    {
        "type": "response.completed",
        "sequence_number": 9,
        "response": {
            "id": "r",
            "status": "completed",
            "output": ITEMS,
            "usage": {"input_tokens": 1, "input_tokens_details": {"cached_tokens": 0}},
            "incomplete_details": {"reason": "x"},
            "error": None,
        },
    },
]


@pytest.mark.parametrize("at", range(len(EVERY_PATH)), ids=lambda at: str(EVERY_PATH[at]["type"]))
def test_law_6_wrong_types_at_every_path(at: int) -> None:
    """Only documented errors: nor does any wrong value at any path of a payload."""
    stream = Stream("responses", (), named=False)
    before, after = stream.saying(EVERY_PATH[:at]).body, stream.saying(EVERY_PATH[at + 1 :]).body
    for path in json_paths(EVERY_PATH[at]):
        for token in WRONG_VALUES:
            body = before + stream.frame(mistyped(EVERY_PATH[at], path, token)) + after
            try:
                check_laws(play(body))
            except Exception as error:
                error.add_note(f"{token[:40]} at {path}")
                raise


SUBSTITUTES = (
    range(256) if THOROUGH else (0, 10, 13, 32, 34, 44, 58, 91, 92, 123, 125, 0x31, 0x80, 0xC3, 0xED, 0xFF)
)


def test_law_6_substitution_at_every_byte() -> None:
    """Only documented errors: nor does another byte at any place of a stream."""
    item = {"id": "m", "type": "message", "content": []}
    payloads = [
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "a"},
        {"type": "response.completed", "response": {"output": [{**item, "content": [{"text": "ab"}]}]}},
    ]
    body = Stream("responses", tuple(payloads), named=False).body
    for at in range(len(body)):
        for byte in SUBSTITUTES:
            try:
                check_laws(play(body[:at] + bytes([byte]) + body[at + 1 :]))
            except Exception as error:
                error.add_note(f"byte {byte} at {at}")
                raise


DEEP = [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000]


@pytest.mark.parametrize("deep", DEEP)
@pytest.mark.parametrize("before", [b"", b"data: ", b"\n"])
def test_law_6_depth(deep: bytes, before: bytes) -> None:
    """Only documented errors: nesting of any depth, in an event or as a body, is `LimitExceeded`."""
    run = play(before + deep + b"\n\n")
    if before != b"data: " and not deep.endswith((b"]", b"}")):
        # An array as a body is told value by value: this one never comes to the end of its first.
        assert run.parser.response.outcome is Outcome.TRUNCATED
        assert run.parser.anomaly_count
    else:
        assert isinstance(run.fault, LimitExceeded)
        assert run.fault.limit == "json_depth"
    parser = ResponseParser()
    parser.feed_payload(deep)
    assert isinstance(drain(parser, []), LimitExceeded)


def test_law_6_depth_of_an_object() -> None:
    """Only documented errors: an object that is nested too deep is `LimitExceeded`, however deep it is."""
    for depth in (65, 100, 100_000):
        deep: Any = {}
        for _ in range(depth):
            deep = {"a": deep}
        parser = ResponseParser()
        parser.feed_payload(deep)
        assert isinstance(drain(parser, []), LimitExceeded)
        while deep:  # the interpreter would take it apart by recursion
            deep = deep["a"]


# -------------------------------------------------------------------------------------------- law 7: linear


def stream_of(count: int, make: Any) -> bytes:
    """A stream with many events of one kind."""
    created = {"type": "response.created", "response": response(id="r")}
    added = {
        "type": "response.output_item.added",
        "output_index": 0,
        "item": {"id": "m", "type": "message", "content": []},
    }
    payloads = [created, added, *(make(number) for number in range(count))]
    return Stream("responses", tuple(payloads), named=False).body


MANY = {
    "text": lambda n: {
        "type": "response.output_text.delta",
        "output_index": 0,
        "content_index": 0,
        "delta": "ab ",
    },
    "parts": lambda n: {
        "type": "response.content_part.added",
        "output_index": 0,
        "content_index": n,
        "part": {"text": "a"},
    },
    "arguments": lambda n: {
        "type": "response.function_call_arguments.delta",
        "output_index": 1,
        "delta": "ab ",
    },
    "calls": lambda n: {
        "type": "response.function_call_arguments.delta",
        "output_index": n + 1,
        "delta": "ab ",
    },
    "items": lambda n: {
        "type": "response.output_item.added",
        "output_index": n + 1,
        "item": {"type": "x", "id": f"i{n}"},
    },
    "items done": lambda n: {
        "type": "response.output_item.done",
        "output_index": n + 1,
        "item": {"type": "x", "id": f"i{n}"},
    },
    "unknown": lambda n: {"type": f"acme:{n}", "a": n},
    "progress": lambda n: {"type": "response.web_search_call.searching", "output_index": 1},
    "status": lambda n: {"type": "response.in_progress", "response": {"id": "r"}},
    "anomalies": lambda n: {"type": "response.created", "response": 5},
}


@pytest.mark.parametrize("kind", MANY)
@pytest.mark.parametrize("size", [7, 1 << 20])
def test_law_7_linear(kind: str, size: int) -> None:
    """Linear: work and memory grow linearly with the input, at any chunking."""

    def work(count: int) -> int:
        body = stream_of(count, MANY[kind])
        return sum(
            count_calls(lambda: play(body[at : at + size] for at in range(0, len(body), size))).values()
        )

    assert work(400) <= 2.1 * work(200)


def test_law_7_memory_is_bounded() -> None:
    """Linear: heartbeats, unknown events and anomalies without end leave nothing behind."""
    parser = ResponseParser(limits=Limits(anomalies=10))
    sizes = []
    for number in range(300):
        parser.feed(b": c\n\nevent: ping\n\ndata: {\n\ndata: {}\n\ndata: 5\n\n\n\n")
        assert all(isinstance(event, (Heartbeat, UnknownEvent)) for event in parser.events())
        if number % 100 == 99:
            sizes.append(len(json.dumps(parser.snapshot())))
    assert sizes[-1] - sizes[0] < 100
    assert len(parser.anomalies) == 10
    assert parser.anomaly_count > 300


LIMITED = {
    "items": (
        5,
        lambda n: {"type": "response.output_item.added", "output_index": n, "item": {"type": "message"}},
    ),
    "parts": (
        5,
        lambda n: {
            "type": "response.content_part.added",
            "output_index": 0,
            "content_index": n,
            "part": {"text": ""},
        },
    ),
    "text_size": (
        5,
        lambda n: {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "x"},
    ),
    "index": (
        4,
        lambda n: {"type": "response.output_item.added", "output_index": n, "item": {"type": "message"}},
    ),
}


@pytest.mark.parametrize("limit", LIMITED)
def test_law_7_limits_are_exact(limit: str) -> None:
    """Linear: exactly the limit passes, one more raises `LimitExceeded`, after all events before it."""
    value, make = LIMITED[limit]
    stream = Stream("responses", ())
    limits = Limits(**{limit: value})
    fits = stream.saying(make(number) for number in range(5)).frames()
    more = stream.frame(make(5))
    assert play(fits, limits=limits).fault is None
    for chunks in ([*fits, more], [b"".join(fits) + more], [bytes([byte]) for byte in b"".join(fits) + more]):
        run = play(chunks, limits=limits)
        assert isinstance(run.fault, LimitExceeded)
        assert (run.fault.limit, run.fault.value) == (limit, value)
        assert run.fault.event_index == 5
        assert run.fault.offset == sum(map(len, fits))
        before = play(fits, limits=limits, close=False).events
        assert run.events[: len(before)] == before


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_law_7_limit_of_a_body(size: int) -> None:
    """Linear: a body that is one JSON document may be exactly as long as the limit."""
    body = b'{"object":"response","status":"completed","output":[]}'
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    assert play(chunks, limits=Limits(body_bytes=len(body))).parser.response.outcome is Outcome.COMPLETED
    run = play(chunks, limits=Limits(body_bytes=len(body) - 1))
    assert isinstance(run.fault, LimitExceeded)
    assert run.fault.limit == "body_bytes"


# --------------------------------------------------------------------------------- law 8: lenient and strict


@given(damaged_bodies())
def test_law_8_lenient_contains_strict(damaged: tuple[str, bytes]) -> None:
    """Lenient ⊇ strict: where strict raises nothing, both give the same."""
    dialect, body = damaged
    lenient = play(body, dialect)
    parser = ResponseParser(dialect, strict=True)
    parser.feed(body)
    parser.close()
    events: list[Event] = []
    try:
        events.extend(parser.events())
    except WireError:
        assert events == lenient.events[: len(events)]
    else:
        assert Run(events, parser).everything == lenient.everything


# ------------------------------------------------------------------------------------- snapshot and resume


def again(parser: ResponseParser) -> ResponseParser:
    """The same parser in another process, as far as it can tell."""
    return ResponseParser.resume(json.loads(json.dumps(parser.snapshot(), allow_nan=False)))


@given(streams(), st.data(), st.booleans())
def test_resume_after_any_event(stream: Stream, data: st.DataObject, strict: bool) -> None:
    """A parser that is suspended after any event goes on exactly where it stood."""
    told = play(stream.body, stream.dialect, strict=strict).everything
    parser = ResponseParser(stream.dialect, strict=strict)
    parser.feed(stream.body)
    events: list[Event] = []
    while (event := parser.next_event()) is not None:
        events.append(event)
        if data.draw(st.integers(0, 3)) == 0:
            before, number, state = whole(parser.response), parser.last_sequence_number, parser.state
            parser = again(parser)
            assert (whole(parser.response), parser.last_sequence_number, parser.state) == (
                before,
                number,
                state,
            )
    parser.close()
    fault = drain(parser, events)
    assert Run(events, parser, fault).everything == told


@few
@given(streams(max_items=1, terse=True))
def test_resume_at_every_byte(stream: Stream) -> None:
    """A parser that is suspended at any byte, drained or not, goes on exactly where it stood."""
    body = stream.body
    told = play(body, stream.dialect).everything
    for at in range(0, len(body) + 1, 1 if THOROUGH else 5):
        for drained in (True, False):
            parser = ResponseParser(stream.dialect)
            parser.feed(body[:at])
            events: list[Event] = list(parser.events()) if drained else []
            parser = again(parser)
            parser.feed(body[at:])
            parser.close()
            fault = drain(parser, events)
            assert Run(events, parser, fault).everything == told


@given(damaged_bodies(), st.data())
def test_resume_of_damaged_streams(damaged: tuple[str, bytes], data: st.DataObject) -> None:
    """A stream in any condition may be suspended anywhere."""
    dialect, body = damaged
    run = play(body, dialect)
    at = data.draw(st.integers(0, len(body)))
    parser = ResponseParser(dialect)
    parser.feed(body[:at])
    events: list[Event] = []
    fault = drain(parser, events)
    if fault is None:
        parser = again(parser)
        parser.feed(body[at:])
        parser.close()
        parser = again(parser)
        fault = drain(parser, events)
    assert Run(events, parser, fault).everything == run.everything


@given(streams())
def test_resume_of_fed_payloads(stream: Stream) -> None:
    """Payloads that were fed and not yet read are part of a snapshot."""
    parser = ResponseParser(stream.dialect)
    for payload in stream.payloads:
        parser.feed_payload(payload)
    parser = again(parser)
    parser.close()
    events: list[Event] = []
    assert drain(parser, events) is None
    assert events == play(stream.saying(stream.payloads).body, stream.dialect).events


# ---------------------------------------------------------------------------------------------- the caller


@pytest.mark.parametrize("dialect", ["", "Responses", "palm", None])
def test_unknown_dialects(dialect: Any) -> None:
    """A dialect that there is not is the caller's mistake."""
    with pytest.raises(UsageError, match="dialect"):
        ResponseParser(dialect)


@pytest.mark.parametrize("wrong", ["data: x", None, 5, ["x"], {"type": "x"}])
def test_feed_takes_bytes_only(wrong: Any) -> None:
    """`feed()` takes what is like bytes and nothing else, and empty chunks are nothing."""
    parser = ResponseParser()
    with pytest.raises(TypeError):
        parser.feed(wrong)
    for empty in (b"", bytearray(), memoryview(b"")):
        parser.feed(empty)
    assert parser.snapshot() == ResponseParser().snapshot()


@pytest.mark.parametrize("wrong", [None, 5, ["x"], 1.5, {"a": object()}, {"a": {1, 2}}])
def test_feed_payload_takes_objects_and_text_only(wrong: Any) -> None:
    """`feed_payload()` takes JSON text or an object, and nothing that JSON cannot say."""
    with pytest.raises(TypeError):
        ResponseParser().feed_payload(wrong)


def test_feed_payload_takes_no_circle() -> None:
    """An object that contains itself is no JSON."""
    circle: dict[str, Any] = {}
    circle["a"] = circle
    with pytest.raises(TypeError):
        ResponseParser().feed_payload(circle)


def test_bytes_and_payloads_do_not_mix() -> None:
    """A stream comes in one way or in the other."""
    parser = ResponseParser()
    parser.feed(b"d")
    with pytest.raises(UsageError, match="other way"):
        parser.feed_payload({})
    parser = ResponseParser()
    parser.feed_payload({})
    with pytest.raises(UsageError, match="other way"):
        parser.feed(b"d")


@pytest.mark.parametrize(("stop", "word"), [("close", "close"), ("cancel", "cancel")])
def test_nothing_is_fed_after_the_end_of_input(stop: str, word: str) -> None:
    """After `close()` or `cancel()` nothing can be fed, and only the first of them counts."""
    parser = ResponseParser()
    getattr(parser, stop)()
    parser.close()
    parser.cancel()
    for feed, data in ((parser.feed, b""), (parser.feed_payload, "{}")):
        with pytest.raises(UsageError, match=word):
            feed(data)  # type: ignore[operator]


def test_needs_input_comes_upon_a_fault() -> None:
    """Asking finds the fault, and says nothing of it: to the caller nothing has failed yet."""
    parser = ResponseParser(strict=True)
    parser.feed(b"data: {\n\n")
    assert not parser.needs_input
    parser.feed(b"data: {}\n\n")
    assert not parser.needs_input
    with pytest.raises(WireError, match="malformed_json"):
        parser.next_event()
    with pytest.raises(UsageError, match="after a failed parse"):
        parser.feed(b"data: {}\n\n")


def test_needs_input() -> None:
    """More bytes are needed while nothing is waiting and the end has not come."""
    parser = ResponseParser()
    assert parser.needs_input
    parser.feed(Stream("responses", tuple(EVERY_PATH[:1])).body)
    assert not parser.needs_input
    list(parser.events())
    assert parser.needs_input
    parser.close()
    assert not parser.needs_input


BODIES = [
    (b'{"object":"response","id":"r","status":"completed","output":[]}', Outcome.COMPLETED),
    (b'[{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}]', Outcome.FAILED),
    (b'{"error":{"code":"x","message":"y"}}', Outcome.FAILED),
    (b"<html>" + b"x" * 100_000, Outcome.FAILED),
    (b"\x1f\x8b" + b"\0" * 100_000, Outcome.FAILED),
    (b"upstream connect error", Outcome.FAILED),
    (b"[]", Outcome.TRUNCATED),
    (b"[1, 2]", Outcome.FAILED),
    (b'{"a":', Outcome.TRUNCATED),
    (b"{}{}", Outcome.FAILED),
    (b"", Outcome.TRUNCATED),
    (b"\n\n", Outcome.TRUNCATED),
]


@pytest.mark.parametrize(("body", "outcome"), BODIES, ids=[repr(body[:20]) for body, _ in BODIES])
@pytest.mark.parametrize("dialect", ["responses", "auto"])
def test_bodies_that_are_no_stream(dialect: str, body: bytes, outcome: Outcome) -> None:
    """A body that is no stream is a response or an error, and never an empty success, at any chunking."""
    run = play(body, dialect)
    check_laws(run)
    assert run.parser.response.outcome is outcome
    for size in (1, 7, 5000) if len(body) < 1000 else (5000,):
        assert (
            play([body[at : at + size] for at in range(0, len(body), size)], dialect).everything
            == run.everything
        )


CHUNK = {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}


@pytest.mark.parametrize(
    ("payloads", "dialect"),
    [
        (EVERY_PATH[:2], "responses"),
        ([{"type": "keepalive"}, *EVERY_PATH[:2]], "responses"),
        ([{"type": "response.output_text.delta", "delta": "\ud83d"}], "responses"),
        ([CHUNK], "chat"),
        ([{"id": "c", "choices": []}, CHUNK], "chat"),
        ([{"object": "chat.completion.chunk", "error": {"message": "no"}}], "chat"),
        ([{"type": "ping"}, CHUNK], "chat"),
        ([{"error": {"code": "x", "message": "y"}}], "responses"),
    ],
)
def test_auto_is_what_the_first_payload_says(payloads: list[Any], dialect: str) -> None:
    """With `auto` the first payload decides, and from there on all is as if that had been said."""
    body = Stream("auto", tuple(payloads), named=False).body
    run, told = play(body, "auto"), play(body, dialect)
    assert [event for event in run.events if not isinstance(event, (Heartbeat, UnknownEvent))] == [
        event for event in told.events if not isinstance(event, (Heartbeat, UnknownEvent))
    ]
    assert run.parser.response == told.parser.response
    assert again(run.parser).response == run.parser.response


# -------------------------------------------------------------------------------------------- determinism

SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from runs import play
for body in ({body!r}, {damaged!r}):
    run = play(body)
    print(run.everything)
    print(run.parser.snapshot())
"""


def test_determinism_across_hash_seeds() -> None:
    """Events, anomalies, response and snapshot do not depend on the hash seed."""
    payloads = [
        {"type": "response.created", "response": response(id="r")},
        *(
            {
                "type": "response.output_item.added",
                "output_index": at,
                "item": {"id": f"i{at}", "type": "message"},
            }
            for at in range(5)
        ),
        *({"type": "response.output_text.delta", "item_id": f"i{at}", "delta": str(at)} for at in range(5)),
        {
            "type": "response.output_item.done",
            "output_index": 9,
            "item": {"id": "i3", "type": "message", "b": 1},
        },
    ]
    body = Stream("responses", tuple(payloads)).body
    script = SCRIPT.format(
        tests=str(Path(__file__).parent), body=body, damaged=body.replace(b"delta", b"data:\n")
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(said) == 1
    assert said.pop()
