"""Another connection to the same response: nothing is told twice, nothing is lost, and doubt is told."""

from __future__ import annotations

import gc
import json
import random
import weakref
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deltafold import (
    AnnotationAdded,
    AnomalyCode,
    ChoiceUpdated,
    Event,
    Frame,
    Heartbeat,
    Lift,
    LiftedDelta,
    LimitExceeded,
    Limits,
    Message,
    Notice,
    Outcome,
    PartStarted,
    RateLimitsReported,
    ResponseFinished,
    ResponseParser,
    ResponseState,
    SSEDecoder,
    TextDelta,
    UnknownEvent,
    UsageError,
    UsageReported,
    ValueReplaced,
)
from deltafold.parsing.replay import MOST_WAITING
from deltafold.testing import Stream
from deltafold.testing.builder import json_bytes as dumps
from deltafold.testing.payloads import (
    added,
    completed,
    created,
    done,
    in_progress,
    message,
    output_text,
    part_added,
    text,
    text_done,
    value,
)
from deltafold.testing.strategies import chunkings, corruptions
from deltafold.testing.strategies import streams as streams_of
from runs import FIXTURES, THOROUGH, Run, check_laws, count_calls, drain, play, whole

C = AnomalyCode
JSON = dict[str, Any]
few = settings(max_examples=5000 if THOROUGH else 15)
"""For properties of which one example takes many runs."""

# ------------------------------------------------------------------------------------------------ running


def connected(
    connections: Iterable[Iterable[bytes]],
    dialect: str = "responses",
    *,
    draining: bool = True,
    snapshots: bool = False,
    end: str = "close",
    **options: Any,
) -> Run:
    """Feeds one connection after the other. `draining`: what can be had is taken after each chunk.

    `snapshots`: at each chunk another parser goes on where the last one stood.
    """
    parser = ResponseParser(dialect, **options)
    events: list[Event] = []
    for number, chunks in enumerate(connections):
        if number:
            parser.reconnect()
        for chunk in chunks:
            if snapshots:
                parser = taken_up(parser)
            parser.feed(chunk)
            if draining and (fault := drain(parser, events)) is not None:
                return Run(events, parser, fault)
    if snapshots:
        parser = taken_up(parser)
    getattr(parser, end)()
    return Run(events, parser, drain(parser, events))


def taken_up(parser: ResponseParser) -> ResponseParser:
    """The parser that goes on where this one stands, by way of a text."""
    before = parser.response
    again = ResponseParser.resume(json.loads(json.dumps(parser.snapshot())))
    assert again.response == before
    assert again.bytes_fed == parser.bytes_fed
    assert again.bytes_pending == parser.bytes_pending
    assert again.last_sequence_number == parser.last_sequence_number
    return again


def substance(events: Iterable[Event]) -> list[Any]:
    """Events without heartbeats: those are the connection's, not the response's."""
    return [whole(event) for event in events if not isinstance(event, Heartbeat)]


def codes(run: Run) -> list[AnomalyCode]:
    """What was out of order."""
    return [anomaly.code for anomaly in run.parser.anomalies]


def check_same(run: Run, unbroken: Run) -> None:
    """Over all connections together came just what comes over one."""
    assert run.fault is None
    assert substance(run.events) == substance(unbroken.events)
    assert whole(run.parser.response) == whole(unbroken.parser.response)
    assert run.parser.last_sequence_number == unbroken.parser.last_sequence_number
    check_laws(run)


def streams() -> st.SearchStrategy[Stream]:
    """Streams of the Responses API, whose events have numbers."""
    return streams_of("responses")


def unnumbered(stream: Stream) -> Stream:
    """A stream whose server does not number its events."""
    return stream.saying(
        {key: value for key, value in payload.items() if key != "sequence_number"}
        for payload in stream.payloads
    )


@st.composite
def chat_streams(draw: st.DrawFn) -> Stream:
    """A stream of Chat Completions: text, reasoning, refusals, calls, two choices, usage."""
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    words = st.text(st.sampled_from('ab "\\{}é🙂\n'), min_size=1, max_size=6)
    payloads: list[Any] = []

    def chunk(index: int, delta: JSON, **more: Any) -> None:
        choice = {"index": index, "delta": delta, "finish_reason": None, **more}
        payloads.append({**base, "choices": [choice]})

    choices = draw(st.integers(1, 2))
    for index in range(choices):
        chunk(index, {"role": "assistant", "content": ""})
        for _ in range(draw(st.integers(0, 6))):
            field = draw(st.sampled_from(["content", "content", "reasoning_content", "refusal"]))
            probable = {"logprobs": {field: [{"token": "x", "logprob": -1.0}]}}
            more = probable if field != "reasoning_content" and draw(st.booleans()) else {}
            chunk(index, {field: draw(words)}, **more)
        for call in range(draw(st.integers(0, 2))):
            head = {"id": f"call_{index}_{call}", "type": "function"}
            told = json.dumps({"q": draw(words)})
            at = draw(st.integers(1, len(told) - 1))
            chunk(
                index, {"tool_calls": [{"index": call, **head, "function": {"name": "t", "arguments": ""}}]}
            )
            for piece in (told[:at], told[at:]):
                chunk(index, {"tool_calls": [{"index": call, "function": {"arguments": piece}}]})
        if draw(st.booleans()):
            payloads.append(
                {**base, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": index}}
            )
    for index in range(choices):
        chunk(index, {}, finish_reason=draw(st.sampled_from(["stop", "length"])))
    usage = {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12}
    payloads.append({**base, "choices": [], "usage": usage})
    return Stream("chat", tuple(payloads), named=False, done=draw(st.booleans()))


def is_open(stream: Stream, cut: int) -> bool:
    """Whether a response has not ended after so many bytes."""
    run = play(stream.body[:cut], stream.dialect, close=False)
    return run.parser.state is not ResponseState.FINISHED


# --------------------------------------------------------------------------------- nothing twice, none lost


@few
@given(streams(), st.data())
def test_by_number(stream: Stream, data: st.DataObject) -> None:
    """A numbered stream cut at any byte and taken up at any event before that is as if it were unbroken."""
    frames, body = stream.frames(), stream.body
    cut = data.draw(st.integers(0, len(body) - 1))
    assume(is_open(stream, cut))
    read = sum(len(b"".join(frames[: at + 1])) <= cut for at in range(len(frames)))
    second = b"".join(frames[data.draw(st.integers(0, read)) :])
    run = connected(
        [data.draw(chunkings(body[:cut])), data.draw(chunkings(second))],
        draining=data.draw(st.booleans()),
        snapshots=data.draw(st.booleans()),
        strict=data.draw(st.booleans()),
    )
    check_same(run, play(body))
    assert run.parser.anomalies == ()


@few
@given(streams().map(unnumbered) | chat_streams(), st.data())
def test_by_content(stream: Stream, data: st.DataObject) -> None:
    """A stream without numbers cut at any byte and told again from its start is as if it were unbroken."""
    body = stream.body
    cut = data.draw(st.integers(0, len(body) - 1))
    assume(is_open(stream, cut))
    run = connected(
        [data.draw(chunkings(body[:cut])), data.draw(chunkings(body))],
        stream.dialect,
        draining=data.draw(st.booleans()),
        snapshots=data.draw(st.booleans()),
        strict=data.draw(st.booleans()),
    )
    check_same(run, play(body, stream.dialect))
    assert run.parser.anomalies == ()


@pytest.mark.long
@few
@given(streams() | streams().map(unnumbered) | chat_streams(), st.data())
def test_many_connections(stream: Stream, data: st.DataObject) -> None:
    """Connections may break again and again, also while they tell what had come."""
    body = stream.body
    cuts = data.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=4))
    assume(all(is_open(stream, cut) for cut in cuts))
    connections = [data.draw(chunkings(body[:cut], max_cuts=3)) for cut in cuts]
    run = connected([*connections, [body]], stream.dialect, snapshots=data.draw(st.booleans()))
    check_same(run, play(body, stream.dialect))
    assert run.parser.bytes_fed == sum(cuts) + len(body)


@pytest.mark.parametrize("second", [1, 2])
def test_what_is_only_counted_counts_over_all_connections(second: int) -> None:
    """A status that the second connection did not come to is no news when the third one sends it again."""
    begun = {"status": "in_progress", "output": []}
    frames = [
        sse({"type": "response.created", "response": {"id": "r", "model": "m", **begun}}),
        sse({"type": "response.in_progress", "response": {"id": "r", "model": "m", **begun}}),
        sse({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}}),
    ]
    run = connected([[b"".join(frames[:2])], [b"".join(frames[:second])], [b"".join(frames)]], "responses")
    check_same(run, play(b"".join(frames)))


@st.composite
def cut_otherwise(draw: st.DrawFn, stream: Stream) -> Stream:
    """A stream whose text deltas are cut in other places: two in a row made one, or one made two."""
    payloads: list[Any] = []
    for payload in stream.payloads:
        last = payloads[-1] if payloads else {}
        delta = payload.get("delta")
        alike = {**last, "delta": None} == {**payload, "delta": None} and isinstance(delta, str)
        if alike and not "\ud800" <= last["delta"][-1:] <= "\udfff" and draw(st.booleans()):
            payloads[-1] = {**last, "delta": last["delta"] + payload["delta"]}
        elif isinstance(delta, str) and len(delta) > 1 and draw(st.booleans()):
            payloads += [{**payload, "delta": delta[:1]}, {**payload, "delta": delta[1:]}]
        else:
            payloads.append(payload)
    return stream.saying(payloads)


@given(streams().map(unnumbered), st.data())
def test_a_replay_may_be_cut_otherwise(stream: Stream, data: st.DataObject) -> None:
    """Where the replay cuts its fragments in other places, the joined texts and the response are the same."""
    again = data.draw(cut_otherwise(stream))
    body = stream.body
    cut = data.draw(st.integers(0, len(body) - 1))
    assume(is_open(stream, cut))
    run = connected([[body[:cut]], data.draw(chunkings(again.body))])
    unbroken = play(body)
    assert run.fault is None
    check_laws(run)
    assert codes(run) == []
    assert whole(run.parser.response) == whole(unbroken.parser.response)
    ends = [event for event in substance(run.events) if not hasattr(event, "text")]
    assert ends == [event for event in substance(unbroken.events) if not hasattr(event, "text")]


@few
@given(streams() | chat_streams(), st.data())
def test_law_1_holds_over_connections(stream: Stream, data: st.DataObject) -> None:
    """Chunking: the same bytes over the same connections give the same, damaged or not, in both modes."""
    bodies = [data.draw(st.just(stream.body) | corruptions(stream.body)) for _ in range(2)]
    bodies[0] = bodies[0][: data.draw(st.integers(0, len(bodies[0])))]
    assume(play(bodies[0], stream.dialect, close=False).parser.state is not ResponseState.FINISHED)
    strict = data.draw(st.booleans())
    told = connected([[body] for body in bodies], stream.dialect, strict=strict, draining=False).everything
    for snapshots in (False, not strict):
        chunks = [data.draw(chunkings(body)) for body in bodies]
        run = connected(chunks, stream.dialect, strict=strict, draining=False, snapshots=snapshots)
        assert run.everything == told
    singly = [[body[at : at + 1] for at in range(len(body))] for body in bodies]
    assert connected(singly, stream.dialect, strict=strict, draining=False).everything == told


@given(streams() | streams().map(unnumbered) | chat_streams(), st.data())
def test_any_second_connection_keeps_the_laws(stream: Stream, data: st.DataObject) -> None:
    """Whatever comes over the second connection: one end, a whole ledger, only documented errors."""
    other = data.draw(streams() | streams().map(unnumbered) | chat_streams())
    body = stream.body[: data.draw(st.integers(0, len(stream.body) - 1))]
    assume(play(body, stream.dialect, close=False).parser.state is not ResponseState.FINISHED)
    second = data.draw(st.sampled_from([stream, other]))
    frames = second.frames()
    frames = frames[data.draw(st.integers(0, len(frames))) :]
    rest = data.draw(corruptions(b"".join(frames)) if frames else st.just(b""))
    for strict in (False, True):
        run = connected([[body], [rest]], stream.dialect, strict=strict)
        check_laws(run, strict=strict)
        if run.fault is not None:
            with pytest.raises(UsageError):
                run.parser.reconnect()


@given(streams(), st.data())
def test_a_gap_is_always_told(stream: Stream, data: st.DataObject) -> None:
    """What neither connection brought is named, and in strict mode it is raised."""
    frames = stream.frames()[: len(stream.payloads)]
    read = data.draw(st.integers(1, len(frames) - 2))
    back = data.draw(st.integers(read + 1, len(frames) - 1))
    connections = [[b"".join(frames[:read])], [b"".join(frames[back:])]]
    run = connected(connections)
    check_laws(run)
    missing = str(read) if back == read + 1 else f"{read} to {back - 1}"
    assert [a.message for a in run.parser.anomalies if a.code is C.SEQUENCE_GAP] == [
        f"{read - 1} is followed by {back}; missing: {missing}"
    ]
    fault = connected(connections, strict=True).fault
    assert fault is not None
    assert fault.code == C.SEQUENCE_GAP


# ------------------------------------------------------------------------------------------------ fixtures

REFUSED = {
    "message-contradicts-deltas": "a value that was replaced is told again as it had been",
    "block-never-began": "it does not begin as a message does",
    "message-start-late": "it does not begin as a message does",
    "types-missing": "it does not begin as a message does",
}
"""Fixtures whose replay cannot be known by its content, and why."""
UNNUMBERED_FIRST = {"keepalives-and-metadata"}
"""Fixtures that begin with events without numbers: those may come again."""

PATHS = [path for name in ("responses", "chat", "anthropic") for path in sorted((FIXTURES / name).iterdir())]


@cache
def unbroken(path: Path) -> Run:
    """What comes over one connection."""
    return play(path.read_bytes(), path.parent.name)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_fixtures_told_again(path: Path) -> None:
    """Each recorded stream, cut at some bytes and told again from its start, is as if it were unbroken."""
    body = path.read_bytes()
    dice = random.Random(path.stem)
    whole_run = unbroken(path)
    cuts = range(len(body)) if THOROUGH else [dice.randint(0, len(body)) for _ in range(5)]
    for cut in cuts:
        first = play(body[:cut], path.parent.name, close=False)
        if first.parser.state is ResponseState.FINISHED:
            continue
        places = sorted(dice.randint(0, len(body)) for _ in range(2))
        second = [body[: places[0]], body[places[0] : places[1]], body[places[1] :]]
        run = connected([[body[:cut]], second], path.parent.name, snapshots=dice.random() < 0.3)
        if path.stem in REFUSED and C.REPLAY_REFUSED in codes(run):
            check_laws(run)
        elif path.stem in UNNUMBERED_FIRST:
            signs = (RateLimitsReported, Notice)
            kept = [e for e in run.events if not isinstance(e, signs)]
            assert substance(kept) == substance(e for e in whole_run.events if not isinstance(e, signs))
        else:
            check_same(run, whole_run)
            new = [code for code in codes(run) if code not in codes(whole_run)]
            assert new == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused(name: str) -> None:
    """A fixture stands among the refused only where one of its replays is."""
    path = next(path for path in PATHS if path.stem == name)
    body = path.read_bytes()
    ends = [at + 2 for at in range(len(body)) if body.startswith(b"\n\n", at)][:-2]
    runs = [connected([[body[:at]], [body]], path.parent.name) for at in ends]
    assert any(C.REPLAY_REFUSED in codes(run) for run in runs)


# --------------------------------------------------------------------------------------- where the seam is


def sse(*payloads: Any) -> bytes:
    """Payloads as an event stream; text as it stands."""
    return b"".join(b"data: " + (p if isinstance(p, bytes) else dumps(p)) + b"\n\n" for p in payloads)


def numbered(*payloads: JSON, start: int = 0) -> list[JSON]:
    """Payloads with their numbers."""
    return [{**payload, "sequence_number": number} for number, payload in enumerate(payloads, start)]


HELLO = [
    created(),
    added(0, message(status="in_progress")),
    part_added(0, output_text()),
    text(0, "Hel"),
    text(0, "lo"),
    text_done(0, "Hello"),
    done(0, message("Hello")),
    completed(message("Hello")),
]


def joined_text(run: Run) -> str:
    """All text that was handed out."""
    return "".join(event.text for event in run.events if isinstance(event, TextDelta))


def chat(delta: JSON | None = None, *, id: str | None = "c1", **choice: Any) -> JSON:
    """A chunk with one choice."""
    named = {} if id is None else {"id": id}
    told = {"index": 0, "delta": delta or {}, "finish_reason": None, **choice}
    return {**named, "object": "chat.completion.chunk", "model": "m", "choices": [told]}


CHAT = [chat({"role": "assistant", "content": ""}), chat({"content": "Hel"}), chat({"content": "lo"})]
CHAT_END = [chat(finish_reason="stop"), b"[DONE]"]


def test_there_is_nothing_to_connect_to_after_the_end() -> None:
    """`reconnect()` is refused after `close()`, `cancel()`, a fault, and the end of the response."""
    for end in ("close", "cancel"):
        parser = ResponseParser()
        getattr(parser, end)()
        with pytest.raises(UsageError, match=rf"reconnect\(\) after {end}"):
            parser.reconnect()
    finished = play(sse(*HELLO), close=False).parser
    with pytest.raises(UsageError, match="after the end of the response"):
        finished.reconnect()
    failed = play(sse({"type": 5}), strict=True).parser
    with pytest.raises(UsageError):
        failed.reconnect()
    parser = ResponseParser()
    parser.reconnect()
    parser.close()
    with pytest.raises(UsageError, match="after close"):
        parser.feed(b"x")


@pytest.mark.parametrize("payloads", [HELLO, numbered(*HELLO)], ids=["content", "number"])
def test_what_was_fed_is_read_first(payloads: list[JSON]) -> None:
    """Events of the old connection come before those of the new one, though nobody had taken them yet."""
    parser = ResponseParser(strict=True)
    body = sse(*payloads)
    parser.feed(body[: len(sse(*payloads[:4])) + 20])
    parser.reconnect()
    parser.feed(body[:30])
    assert len(list(parser.events())) == len(play(sse(*payloads[:4]), close=False).events)
    assert parser.response.output_text == "Hel"
    assert parser.needs_input
    parser.feed(body[30:])
    rest = list(parser.events())
    assert [event.text for event in rest if isinstance(event, TextDelta)] == ["lo"]
    assert isinstance(rest[-1], ResponseFinished)
    assert parser.anomalies == ()
    assert not parser.needs_input


@pytest.mark.parametrize(
    "rest", [b"", b"data: {", b'data: {"type":"x"}\n', b"\xef\xbb", b": c", b"event: a\r"]
)
def test_the_unfinished_rest_is_dropped(rest: bytes) -> None:
    """What the old connection left unfinished is no anomaly, and mixes with nothing of the new one."""
    for first in (sse(*HELLO[:4]), b""):
        run = connected([[first + rest], [b"\xef\xbb\xbf" + sse(*HELLO)]], strict=True)
        check_same(run, play(sse(*HELLO)))


def test_nothing_may_come_over_a_connection() -> None:
    """Connections that brought nothing, or only heartbeats, change nothing."""
    beats = b": hm\n\n"
    run = connected([[], [b""], [beats], [sse(*HELLO[:4])], [], [beats], [sse(*HELLO)]], strict=True)
    check_same(run, play(sse(*HELLO)))
    assert sum(isinstance(event, Heartbeat) for event in run.events) == 2
    for connections in ([[sse(*HELLO[:4])], []], [[], []]):
        run = connected(connections)
        assert codes(run) == [C.MISSING_TERMINAL]
        assert run.parser.response.outcome is Outcome.TRUNCATED
        check_laws(run)


def test_what_reconnecting_needs_is_kept() -> None:
    """The last event id and the reconnection time go from connection to connection."""
    parser = ResponseParser()
    assert (parser.last_event_id, parser.reconnection_time) == ("", None)
    parser.feed(b"id: 7\nretry: 1500\n" + sse(HELLO[0]) + b"id: 8\n")
    list(parser.events())
    parser.reconnect()
    parser.feed(sse(HELLO[0]))
    list(parser.events())
    assert (parser.last_event_id, parser.reconnection_time) == ("7", 1500)


def test_a_decoder_alone_may_change_its_connection() -> None:
    """`SSEDecoder.reconnect()` keeps id and time, drops what was unfinished, and begins anew in all else."""
    limits = Limits(line_bytes=40)
    decoder = SSEDecoder(limits=limits)
    decoder.feed(b"\xef\xbb\xbfid: 7\nretry: 20\ndata: a\n\nid: 8\nevent: b\ndata: c\r")
    assert [frame.data for frame in decoder.frames()] == ["a"]
    decoder.close()
    decoder.reconnect()
    assert decoder.pending is None
    assert (decoder.bytes_fed, decoder.bytes_pending, decoder.event_count) == (0, 0, 0)
    decoder.feed(b"\xef\xbb\xbfdata: d\n\ndata: " + b"e" * 40 + b"\n")
    assert decoder.next_frame() == Frame("message", "d", "7")
    assert decoder.reconnection_time == 20
    with pytest.raises(LimitExceeded):
        decoder.next_frame()
    decoder.reconnect()
    decoder.feed(b"data: f\n\n")
    assert decoder.next_frame() == Frame("message", "f", "7")


def test_the_way_of_feeding_may_change() -> None:
    """A connection of bytes may follow one of payloads and the reverse; on one there is but one way."""
    for first, second in ((True, False), (False, True), (True, True)):
        parser = ResponseParser(strict=True)
        events: list[Event] = []
        for payloads, as_payloads in ((HELLO[:4], first), (HELLO, second)):
            for payload in payloads:
                if as_payloads:
                    parser.feed_payload(payload)
                else:
                    parser.feed(sse(payload))
            if payloads is not HELLO:
                parser.reconnect()
                parser = taken_up(parser)
        parser = taken_up(parser)
        events += parser.events()
        check_same(Run(events, parser), play(sse(*HELLO)))
    parser = ResponseParser()
    parser.reconnect()
    parser.feed(b"")
    parser.feed_payload("{}")
    with pytest.raises(UsageError, match="beside the other way"):
        parser.feed(b"x")
    parser.reconnect()
    parser.feed(b"x")
    with pytest.raises(UsageError, match="beside the other way"):
        parser.feed_payload("{}")


def test_connections_after_the_end() -> None:
    """Where the end had come and nobody had looked, what comes over another connection changes nothing."""
    parser = ResponseParser()
    parser.feed(sse(*numbered(*HELLO)))
    parser.reconnect()
    parser.feed(sse(*numbered(*HELLO)))
    parser.close()
    run = Run(list(parser.events()), parser)
    assert substance(run.events) == substance(play(sse(*HELLO)).events)
    assert set(codes(run)) == {C.SEQUENCE_NOT_RISING, C.EVENT_AFTER_END, C.TERMINAL_REPEATED}


def test_cancel_while_it_is_told_again() -> None:
    """A caller may give up at any time; what had come is kept."""
    for payloads in (HELLO, numbered(*HELLO)):
        run = connected([[sse(*payloads[:5])], [sse(*payloads[:4])]], end="cancel")
        check_laws(run)
        assert run.parser.response.outcome is Outcome.CANCELLED
        assert run.parser.response.output_text == joined_text(run) == "Hello"


# ---------------------------------------------------------------------------------------------- by number


def test_the_tail_alone() -> None:
    """A server that goes on after the last number tells neither the beginning nor anything twice."""
    payloads = numbered(*HELLO)
    for cut in range(1, len(payloads)):
        for feeding in (sse(*payloads[cut:]), b": c\n\n" + sse(*payloads[cut:])):
            check_same(connected([[sse(*payloads[:cut])], [feeding]], strict=True), play(sse(*payloads)))


def test_a_parser_of_its_own_for_the_tail() -> None:
    """A new parser that is fed the tail alone says what it has not seen, and reads the rest."""
    run = play(sse(*numbered(*HELLO)[4:]))
    check_laws(run)
    assert codes(run) == [
        C.SEQUENCE_GAP,
        C.RESPONSE_NOT_ANNOUNCED,
        C.ITEM_NOT_ANNOUNCED,
        C.PART_NOT_ANNOUNCED,
        C.VALUE_CONTRADICTED,
    ]
    assert run.parser.anomalies[0].message == "the stream begins with 4: all before it is missing"
    assert run.parser.response.output_text == "Hello"


def test_a_fuller_snapshot_makes_up_for_what_was_missed() -> None:
    """A connection that begins with the response as it is now is taken for that."""
    payloads = numbered(*HELLO)
    now = in_progress(output=[message("Hello", status="in_progress")])
    for second in ([{**now, "sequence_number": 4}, *payloads[5:]], [now, *numbered(*HELLO[5:], start=4)]):
        run = connected([[sse(*payloads[:4])], [sse(*second)]], strict=True)
        assert joined_text(run) == "Hello"
        assert whole(run.parser.response) == whole(play(sse(*payloads)).parser.response)
        check_laws(run)


def test_another_response_is_refused() -> None:
    """A replay of another response changes nothing, is handed out as it came, and is named."""
    payloads = numbered(*HELLO)
    other = numbered(created(id="resp_other"), {"type": "keepalive"}, *HELLO[1:])
    for mine, theirs in ((payloads, other), (HELLO, [created(id="resp_other"), *HELLO[1:]])):
        run = connected([[sse(*mine[:4])], [sse(*theirs, b"[DONE]", b"{no")]])
        check_laws(run)
        assert codes(run)[:1] == [C.REPLAY_REFUSED]
        assert run.parser.anomalies[0].message == "another response came"
        assert joined_text(run) == "Hel"
        assert run.parser.response.outcome is Outcome.TRUNCATED
        unknown = [event.payload for event in run.events if isinstance(event, UnknownEvent)]
        assert unknown == [*(p for p in theirs if p["type"] != "keepalive"), "{no"]
        assert sum(isinstance(event, Heartbeat) for event in run.events) == (theirs is other)
        fault = connected([[sse(*mine[:4])], [sse(*theirs)]], strict=True).fault
        assert fault is not None
        assert fault.code == C.REPLAY_REFUSED


@pytest.mark.parametrize("payloads", [HELLO, numbered(*HELLO)], ids=["content", "number"])
def test_after_a_refused_connection_the_next_is_read(payloads: list[JSON]) -> None:
    """What a refused connection brought is no part of what the next one has to tell again."""
    strange = {"type": "acme:thing"}
    mine = [*payloads[:4], strange, *payloads[4:]]
    theirs = [created(id="resp_other"), {"type": "acme:thing", "other": 1}]
    run = connected([[sse(*mine[:4])], [sse(*theirs)], [sse(*mine)]], snapshots=True)
    assert codes(run) == [C.REPLAY_REFUSED]
    unknown = [event.payload for event in run.events if isinstance(event, UnknownEvent)]
    assert unknown == [*theirs, strange]
    assert joined_text(run) == "Hello"


def test_ids_that_change_all_the_time_name_no_other_response() -> None:
    """Where the id of a response changed before, another one says nothing."""
    payloads = numbered(HELLO[0], in_progress(id="resp_b"), *HELLO[1:])
    again = [{**payloads[0], "response": {**payloads[0]["response"], "id": "resp_c"}}, *payloads[1:]]
    run = connected([[sse(*payloads[:4])], [sse(*again)]])
    check_same(run, play(sse(*payloads)))


def test_the_end_is_never_old() -> None:
    """An end or an error that comes under an old number, or under none, is one all the same."""
    payloads = numbered(*HELLO)
    for number in ({"sequence_number": 2}, {}):
        end = {**HELLO[-1], **number}
        for old in ([], payloads[:2]):
            run = connected([[sse(*payloads[:4])], [sse(*old, end)]])
            assert run.parser.response.outcome is Outcome.COMPLETED
            assert joined_text(run) == "Hello"
            check_laws(run)
        error = {"type": "error", "code": "server_error", "message": "gone", **number}
        run = connected([[sse(*payloads[:4])], [sse(*payloads[:2], error)]])
        assert run.parser.response.outcome is Outcome.FAILED
        assert joined_text(run) == "Hel"
        check_laws(run)
    other = {**completed(message("Other")), "sequence_number": 2}
    other["response"] = {**other["response"], "id": "resp_other"}
    run = connected([[sse(*payloads[:4])], [sse(other)]])
    assert codes(run) == [C.REPLAY_REFUSED, C.MISSING_TERMINAL]


def test_an_error_that_had_come() -> None:
    """An error that is told again, with a number or without, is the same error."""
    for number in ({"sequence_number": 4}, {}):
        error = {"type": "error", "code": "server_error", "message": "gone", **number}
        payloads = [*numbered(*HELLO[:4]), error]
        run = connected([[sse(*payloads)], [sse(*payloads)]], strict=True)
        check_same(run, play(sse(*payloads), strict=True))
        more = {**error, "message": "really gone"}
        run = connected([[sse(*payloads)], [sse({**more, **({"sequence_number": 5} if number else {})})]])
        assert codes(run) == [C.ERROR_AFTER_FAILURE]
        assert run.parser.response.error is not None
        assert run.parser.response.error.message == "really gone"
        check_laws(run)
    error = {"type": "error", "code": "server_error", "message": "gone"}
    payloads = [*HELLO[:4], error]
    check_same(connected([[sse(*payloads)], [sse(*payloads)]], strict=True), play(sse(*payloads)))


def test_numbers_that_do_not_tell() -> None:
    """Numbers that never rise are none; a replay that has some here and none there is refused."""
    zeros = [{**payload, "sequence_number": 0} for payload in HELLO]
    for cut in range(1, len(zeros)):
        run = connected([[sse(*zeros[:cut])], [sse(*zeros)]])
        assert substance(run.events) == substance(play(sse(*zeros)).events)
        assert C.REPLAY_REFUSED not in codes(run)
        check_laws(run)
    payloads = numbered(*HELLO)
    run = connected([[sse(*payloads[:5])], [sse(payloads[0], *HELLO[1:])]])
    assert codes(run) == [C.REPLAY_REFUSED, C.MISSING_TERMINAL]
    assert run.parser.anomalies[0].message == "an event has no number among such that have"
    assert joined_text(run) == "Hello"
    check_laws(run)
    run = connected([[sse(*payloads[:4])], [sse(*HELLO)]], strict=True)  # by its content, then
    assert substance(run.events) == substance(play(sse(*payloads)).events)


def test_signs_without_numbers() -> None:
    """What has no number among events that have one is counted, where the replay has the beginning.

    Else what stands between old events is old, and what may be new comes.
    """
    first, second = {"type": "response.metadata", "n": 1}, {"type": "acme:thing", "n": 2}
    payloads = numbered(*HELLO)
    body = [*payloads[:2], first, payloads[2], second, {"type": "ping"}, *payloads[3:]]
    broken = sse(*body[:7], b"null")
    unbroken_events = play(broken + sse(*body[7:])).events
    run = connected([[broken], [sse(*body[:7], b"null", *body[7:])]])
    assert substance(run.events) == substance(unbroken_events)
    run = connected([[broken], [sse(*body[3:7], b"null", *body[7:])]])
    assert substance(run.events)[: len(substance(unbroken_events)) - 6] == substance(unbroken_events)[:-6]
    nulls = [event for event in run.events if isinstance(event, UnknownEvent) and event.payload is None]
    assert len(nulls) == 2
    run = connected([[sse(first, *payloads[:1])], [sse(first, *payloads[:2], first, *payloads[2:])]])
    notices = [event.payload for event in run.events if isinstance(event, Notice)]
    assert notices == [first] * 3
    check_laws(run)


def test_done_says_nothing_by_itself() -> None:
    """`[DONE]` over a connection that has told nothing of the response ends nothing."""
    for dialect, payloads in (("responses", HELLO), ("responses", numbered(*HELLO)), ("chat", CHAT)):
        run = connected([[sse(*payloads[:3])], [sse(b"[DONE]")]], dialect)
        assert run.parser.response.outcome is Outcome.TRUNCATED
        assert codes(run) == [C.MISSING_TERMINAL]
    payloads = numbered(*HELLO)
    run = connected([[sse(*payloads[:3])], [sse(*payloads[:2], b"[DONE]")]])
    assert codes(run) == [C.DONE_BEFORE_TERMINAL, C.MISSING_TERMINAL]


# --------------------------------------------------------------------------------------------- by content


def test_a_tail_without_numbers_is_refused() -> None:
    """Without numbers nobody can say where a tail goes on, so that it changes nothing."""
    run = connected([[sse(*HELLO[:4])], [sse(*HELLO[4:])]])
    assert codes(run) == [C.REPLAY_REFUSED, C.MISSING_TERMINAL]
    assert joined_text(run) == "Hel"
    run = connected([[sse(*CHAT[:2])], [sse(CHAT[2], *CHAT_END)]], "chat")
    assert codes(run) == [C.REPLAY_REFUSED, C.MISSING_TERMINAL]
    assert run.parser.anomalies[0].message == "item 0 is sent otherwise than before: 'lo'"
    assert joined_text(run) == "Hel"


def test_a_tail_may_follow_nothing() -> None:
    """Where nothing of the response had come, nothing can come twice."""
    run = connected([[b": c\n\n"], [sse(*HELLO[1:])]])
    assert substance(run.events) == substance(play(sse(*HELLO[1:])).events)
    assert codes(run) == [C.RESPONSE_NOT_ANNOUNCED]


def test_a_replay_that_cuts_its_text_otherwise() -> None:
    """A fragment that goes beyond what is known is handed out from there on."""
    probable = [{"token": "Hello", "logprob": -1.0}]
    again = [*HELLO[:3], text(0, "Hello", logprobs=probable), *HELLO[5:]]
    run = connected([[sse(*HELLO[:4])], [sse(*again)]])
    assert [event.text for event in run.events if isinstance(event, TextDelta)] == ["Hel", "lo"]
    check_laws(run)
    again = [CHAT[0], chat({"content": "Hello"}), *CHAT_END]
    run = connected([[sse(*CHAT[:2])], [sse(*again)]], "chat", strict=True)
    assert [event.text for event in run.events if isinstance(event, TextDelta)] == ["Hel", "lo"]
    assert run.parser.response.outcome is Outcome.COMPLETED
    check_laws(run)


def test_a_replay_that_tells_only_the_end() -> None:
    """A replay may be short: the end alone, which tells it all."""
    run = connected([[sse(*HELLO[:4])], [sse(HELLO[0], HELLO[-1])]], strict=True)
    assert joined_text(run) == "Hello"
    assert whole(run.parser.response) == whole(play(sse(*HELLO)).parser.response)
    check_laws(run)


CALL = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "pay", "arguments": ""}
REASONING = {"id": "rs_1", "type": "reasoning", "summary": []}
DIFFERENT: dict[str, tuple[list[JSON], list[JSON], str]] = {
    "text": (HELLO[:5], [*HELLO[:3], text(0, "Help")], "sent otherwise"),
    "item id": (HELLO[:4], [*HELLO[:1], added(0, message(id="msg_2"))], "the id of item 0"),
    "item type": (HELLO[:4], [*HELLO[:1], added(0, REASONING)], "the type of item 0"),
    "call id": (
        [HELLO[0], added(0, CALL)],
        [HELLO[0], added(0, {**CALL, "call_id": "call_2"})],
        "the call_id",
    ),
    "name": ([HELLO[0], added(0, CALL)], [HELLO[0], added(0, {**CALL, "name": "buy"})], "the name"),
    "call id at the end": (
        [HELLO[0], added(0, CALL), done(0, {**CALL, "arguments": "{}"})],
        [HELLO[0], added(0, {**CALL, "call_id": None}), done(0, {**CALL, "call_id": "x", "arguments": "{}"})],
        "the call_id",
    ),
    "shorter value": (HELLO[:5], [*HELLO[:4], text_done(0, "Hel")], "a value of item 0 ends"),
    "shorter item": (HELLO[:5], [*HELLO[:2], done(0, message())], "item 0 ends before"),
    "shorter told": (HELLO[:5], [*HELLO[:4], done(0, message("Hel"))], "a value of item 0 ends"),
    "shorter part": (
        HELLO[:5],
        [
            *HELLO[:3],
            {"type": "response.content_part.done", "output_index": 0, "content_index": 0, "part": {}},
        ],
        "part 0 of item 0 ends",
    ),
    "shorter response": (HELLO[:5], [HELLO[0], completed(message("Hel"))], "ends before"),
    "replaced": (HELLO[:5], [*HELLO[:4], text_done(0, "Hallo")], "sent otherwise"),
    "less": (
        [*HELLO[:4], added(1, CALL)],
        [HELLO[0], completed(message("Hel"))],
        "it ends before all that had come has come again",
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_is_told_otherwise_is_refused(name: str) -> None:
    """A replay that contradicts what was handed out changes nothing from there on, and is named."""
    first, second, why = DIFFERENT[name]
    run = connected([[sse(*first)], [sse(*second)]])
    check_laws(run)
    assert codes(run) == [C.REPLAY_REFUSED, C.MISSING_TERMINAL]
    assert why in run.parser.anomalies[0].message
    before = play(sse(*first), close=False)
    assert substance(run.events)[: len(before.events)] == substance(before.events)
    unknown = [event for event in run.events if isinstance(event, UnknownEvent)]
    assert [event.payload for event in unknown] == [second[-1]]
    assert run.parser.response.output == play(sse(*first)).parser.response.output
    assert connected([[sse(*first)], [sse(*second)]], strict=True).fault is not None


def test_a_value_that_is_replaced() -> None:
    """A correction that had been handed out, or had not, is handed out once."""
    payloads = [
        *HELLO[:5],
        text_done(0, "Hallo"),
        done(0, message("Hallo")),
        completed(message("Hallo")),
    ]
    for cut in range(1, len(payloads)):
        run = connected([[sse(*payloads[:cut])], [sse(*payloads)]])
        check_laws(run)
        assert sum(isinstance(event, ValueReplaced) for event in run.events) == 1
        if cut <= 5:
            check_same(run, play(sse(*payloads)))
    # A server that tells the corrected value at once tells nothing new.
    run = connected([[sse(*payloads[:6])], [sse(*HELLO[:3], text_done(0, "Hallo"), *payloads[6:])]])
    assert C.REPLAY_REFUSED not in codes(run)
    assert sum(isinstance(event, ValueReplaced) for event in run.events) == 1
    check_laws(run)


def test_corrections_that_are_new() -> None:
    """A correction of what had come is handed out, also while something else has yet to come again."""
    first = [*HELLO[:5], added(1, CALL)]
    second = [*HELLO[:5], text_done(0, "Hallo"), added(1, CALL), completed(message("Hallo"), CALL)]
    run = connected([[sse(*first)], [sse(*second)]])
    check_laws(run)
    assert codes(run) == [C.VALUE_CONTRADICTED]
    assert run.parser.response.output_text == "Hallo"
    both = {**chat({"content": "A"}), "choices": [{"index": 0, "delta": {"content": "A"}, "message": {}}]}
    both["choices"][0]["message"] = {"role": "assistant", "content": "B"}
    payloads = [CHAT[0], both, *CHAT_END]
    twice = sse({"type": "acme"}, *payloads)
    run = connected([[sse({"type": "acme"}, {"type": "acme"}, CHAT[0])], [twice]], "chat")
    check_laws(run)
    assert substance(run.events)[2:] == substance(play(twice, "chat").events)[1:]


def test_news_among_what_is_old() -> None:
    """What is new is handed out where it comes, be it among events that had come."""
    note = {"type": "url_citation", "url": "https://a.test"}
    noted = value("output_text.annotation.added", 1, content_index=0, annotation_index=0, annotation=note)
    second = [*HELLO[:4], noted, added(2, CALL), completed(message("Hel"), message(id=None), CALL)]
    run = connected([[sse(*HELLO[:4], added(2, CALL))], [sse(*second)]])
    check_laws(run)
    assert [event.annotation for event in run.events if isinstance(event, AnnotationAdded)] == [note]
    filters = [{"content_filter_results": {"offset": number}} for number in range(2)]
    head = [chat({"content": "Hel"}, **filters[0])]
    other = [{**chat(), "choices": [{"index": 1, "delta": {"content": "X"}, "finish_reason": None}]}]
    run = connected([[sse(*head, *other)], [sse(*head, chat({}, **filters[1]), *other)]], "chat")
    told = [event.data for event in run.events if isinstance(event, ChoiceUpdated)]
    assert told[:2] == filters
    unannounced = numbered(HELLO[1], done(0, message("Hello")))
    run = connected([[sse(unannounced[0])], [sse({**unannounced[1], "sequence_number": 0})]])
    assert codes(run) == [C.RESPONSE_NOT_ANNOUNCED, C.ITEM_NOT_ANNOUNCED, C.MISSING_TERMINAL]
    assert joined_text(run) == "Hello"


def test_a_correction_of_what_was_lifted() -> None:
    """A call that the end tells with another lifted text keeps the arguments that were handed on: they are
    the same."""
    arguments = {"name": "t", "arguments": '{"say":"A","n":1}'}
    call = {"index": 0, "id": "call_1", "function": arguments}
    told = {**call, "function": {**arguments, "arguments": '{"say":"B","n":1}'}}
    last = {"role": "assistant", "content": None, "tool_calls": [told]}
    payloads = [
        chat({"tool_calls": [call]}),
        {**chat(), "choices": [{"index": 0, "message": last, "finish_reason": None}]},
        chat({"content": "x"}),
        *CHAT_END,
    ]
    options: dict[str, Any] = {"lifts": [Lift(("say",), "text", remove=True)]}
    expected = play(sse(*payloads), "chat", **options)
    assert sum(isinstance(event, ValueReplaced) for event in expected.events) == 0
    for cut in range(1, len(payloads)):
        run = connected([[sse(*payloads[:cut])], [sse(*payloads)]], "chat", snapshots=True, **options)
        check_same(run, expected)


def test_every_kind_of_value_is_weighed() -> None:
    """Code, patches, commands, their output, and that of hosted tools come once, however they are cut."""
    payloads: list[JSON] = [created()]
    items: list[JSON] = []
    kinds: list[tuple[str, str, JSON]] = [
        ("code_interpreter_call", "code_interpreter_call_code", {}),
        ("apply_patch_call", "apply_patch_call_operation_diff", {}),
        ("shell_call", "shell_call_command", {"command_index": 0}),
        ("mcp_call", "mcp_call_output", {}),
    ]
    for index, (kind, base, at) in enumerate(kinds):
        item = {"id": f"i{index}", "type": kind, "status": "in_progress"}
        items.append(item)
        payloads.append(added(index, item))
        payloads += [value(f"{base}.delta", index, delta=piece, **at) for piece in ("ab", "cd")]
    payloads.append(added(4, {"id": "i4", "type": "shell_call_output", "output": []}))
    for pieces in ({"stdout": "ab"}, {"stdout": "cd", "stderr": "e"}):
        payloads.append(value("shell_call_output_content.delta", 4, command_index=0, delta=pieces))
    payloads.append({"type": "response.audio.delta", "delta": "AAAA"})
    payloads += [{"type": "response.audio.transcript.delta", "delta": piece} for piece in ("A", "o", "i")]
    payloads.append(completed())
    expected = play(sse(*payloads))
    for cut in range(1, len(payloads)):
        run = connected([[sse(*payloads[:cut])], [sse(*payloads)]], snapshots=True)
        check_same(run, expected)
    again = [
        {**p, "delta": "abcd"} if p.get("delta") == "ab" else p for p in payloads if p.get("delta") != "cd"
    ]
    again = [{**p, "delta": "AAAAAAAA"} if p.get("delta") == "AAAA" else p for p in again]
    run = connected([[sse(*payloads[:-5])], [sse(*again)]])
    check_laws(run)
    assert run.parser.response.to_dict()["audio"] == {"data": "AAAAAAAA", "transcript": "Aoi"}
    assert run.parser.response.output == expected.parser.response.output


def test_annotations_come_once() -> None:
    """An annotation that is told again is the same one, be its part told whole or not."""
    note = {"type": "url_citation", "url": "https://a.test"}
    part = output_text("Hello", annotations=[note, note])
    payloads = [
        *HELLO[:5],
        *(
            value("output_text.annotation.added", 0, content_index=0, annotation_index=index, annotation=note)
            for index in range(2)
        ),
        value("content_part.done", 0, content_index=0, part=part),
        done(0, {**message("Hello"), "content": [part]}),
        added(1, CALL),
        completed({**message("Hello"), "content": [part]}, CALL),
    ]
    for cut in range(1, len(payloads)):
        check_same(connected([[sse(*payloads[:cut])], [sse(*payloads)]]), play(sse(*payloads)))


def test_the_cursor_while_it_is_told_again() -> None:
    """`last_sequence_number` is that of the last event all of which was handed out, at any time."""
    payloads = numbered(*HELLO)
    parser = ResponseParser()
    parser.feed(sse(*payloads[:5]))
    list(parser.events())
    parser.reconnect()
    parser.feed(sse(*payloads[:3], *payloads[3:]))
    assert parser.last_sequence_number == 4
    assert parser.next_event() is not None
    assert parser.last_sequence_number == 5
    assert parser.next_event() is not None
    assert parser.last_sequence_number == 6
    parser = ResponseParser()
    parser.feed(sse(*payloads[:5]))
    list(parser.events())
    parser.reconnect()
    parser.feed(sse({"type": "acme", "n": 1}, {"type": "acme", "n": 2}))
    assert parser.needs_input is False
    assert parser.last_sequence_number == 4


def test_the_other_connection_fails() -> None:
    """A connection that fails before it has told all again ends the response, which keeps what it has."""
    error = {"type": "error", "code": "server_error", "message": "gone"}
    failure = {"error": {"message": "gone", "type": "server_error"}}
    for dialect, payloads, second in (
        ("responses", HELLO[:5], [*HELLO[:4], error]),
        ("responses", HELLO[:5], [error]),
        ("chat", CHAT, [*CHAT[:2], failure]),
        ("chat", CHAT, [failure]),
        ("chat", CHAT, [*CHAT[:2], chat(finish_reason="error"), b"[DONE]"]),
    ):
        run = connected([[sse(*payloads)], [sse(*second)]], dialect, strict=True)
        check_laws(run)
        assert run.parser.response.outcome is Outcome.FAILED
        assert joined_text(run) == run.parser.response.output_text == "Hello"
    for dialect, payloads, second in (
        ("responses", HELLO[:4], [*HELLO[:5], error]),
        ("chat", CHAT[:2], [*CHAT, failure]),
        ("responses", [], [error]),
    ):
        run = connected([[sse(*payloads)], [sse(*second)]], dialect)
        check_same(run, play(sse(*second), dialect))


def test_anomalies_are_told_once() -> None:
    """What was out of order and is told again is no other anomaly; what is new is."""
    odd = [*HELLO[:3], {**text(0, "Hel"), "content_index": "x"}, {**text(0, "lo"), "content_index": "y"}]
    run = connected([[sse(*odd[:4])], [sse(*odd, *HELLO[7:])]])
    assert codes(run) == codes(play(sse(*odd, *HELLO[7:])))


# --------------------------------------------------------------------------- what is new, and too early


SECOND = [added(1, message(id="msg_2", status="in_progress")), part_added(1, output_text())]
COMPLETION: JSON = {
    "id": "c1",
    "object": "chat.completion",
    "model": "m",
    "choices": [
        {"index": index, "message": {"role": "assistant", "content": told}, "finish_reason": "stop"}
        for index, told in enumerate(("Hello", "Young"))
    ],
}


@pytest.mark.parametrize("snapshots", [False, True])
def test_what_is_new_waits_until_all_has_come_again(snapshots: bool) -> None:
    """What a replay brings before it has told all again comes once it has, and not where it breaks off."""
    early = [*HELLO[:3], *SECOND, text(1, "foo"), {"type": "acme"}]
    rest = [text(0, "Hello"), completed(message("Hello"), message("foo", id="msg_2"))]
    run = connected([[sse(*HELLO[:4])], [sse(*early)], [sse(*early, *rest)]], snapshots=snapshots)
    assert [e.text for e in run.events if isinstance(e, TextDelta)] == ["Hel", "foo", "lo"]
    assert sum(isinstance(event, UnknownEvent) for event in run.events) == 1
    assert codes(run) == []
    check_laws(run)


def test_a_document_after_a_replay_that_broke_off() -> None:
    """An item that a broken replay began too early is one that the document may begin."""
    body = dumps(completed(message("Hello"), {**REASONING, "id": "rs_9"})["response"])
    run = connected([[sse(*HELLO[:4])], [sse(*HELLO[:2], *SECOND, text(1, "foo"))], [body]])
    check_laws(run)
    assert joined_text(run) == "Hello"
    other = {"index": 1, "delta": {"content": "Yo"}, "finish_reason": None}
    early = [chat({"content": "H"}), {**CHAT[0], "choices": [other]}]
    run = connected([[sse(*CHAT[:2])], [sse(*early)], [dumps(COMPLETION)]], "chat")
    check_laws(run)
    assert joined_text(run) == "HelloYoung"
    run = connected([[sse(*CHAT, CHAT_END[0])], [sse(*early)]], "chat")
    check_laws(run)
    assert (joined_text(run), run.parser.response.outcome) == ("Hello", Outcome.COMPLETED)


def test_a_refused_connection_changes_nothing() -> None:
    """What it had brought beyond, before it was sent otherwise, is not handed out."""
    mine = [*HELLO[:4], *SECOND, text(1, "foo")]
    run = connected([[sse(*mine)], [sse(*HELLO[:5], *SECOND, text(1, "bar"))]])
    assert codes(run) == [C.REPLAY_REFUSED, C.MISSING_TERMINAL]
    assert joined_text(run) == "Helfoo"
    check_laws(run)


def test_another_response_under_a_new_number_is_refused() -> None:
    """The number of its first event does not make another response this one."""
    payloads = numbered(*HELLO)
    for other in (completed(message("Other"), id="resp_other"), in_progress(id="resp_other")):
        run = connected([[sse(*payloads[:4])], [sse({**other, "sequence_number": 4})]])
        assert codes(run) == [C.REPLAY_REFUSED, C.MISSING_TERMINAL]
        assert joined_text(run) == run.parser.response.output_text == "Hel"


def test_another_id_once_all_has_come_again() -> None:
    """From there on the id may change as it may over one connection."""
    body = [{"type": "acme"}, *HELLO[:4]]
    again = [*HELLO[:5], in_progress(id="resp_b"), *HELLO[5:]]
    run = connected([[sse(*body)], [sse(*again)]])
    check_laws(run)
    assert codes(run) == [C.RESPONSE_ID_CHANGED]
    assert (joined_text(run), run.parser.response.outcome) == ("Hello", Outcome.COMPLETED)


def test_a_failure_is_not_taken_back() -> None:
    """A response that was said to fail does not complete over another connection, with numbers or without."""
    error = {"type": "error", "code": "server_error", "message": "gone"}
    for payloads, again in (
        ([*HELLO[:4], error], HELLO),
        (numbered(*HELLO[:4], error), numbered(*HELLO)),
    ):
        run = connected([[sse(*payloads)], [sse(*again)]])
        check_laws(run)
        assert run.parser.response.outcome is Outcome.FAILED
        assert joined_text(run) == "Hel"


def test_an_error_leaves_what_was_known() -> None:
    """A connection that brings nothing but an error leaves the response its id and all else."""
    error = {"type": "error", "code": "server_error", "message": "gone"}
    for first in (created(background=True), {**created(background=True), "sequence_number": 0}):
        for second in (sse(error), dumps({"error": error}), b"<html>502</html>"):
            run = connected([[sse(first)], [second]])
            check_laws(run)
            response = run.parser.response
            assert (response.outcome, response.id) == (Outcome.FAILED, first["response"]["id"])
            assert response.verdict.goes_on
            assert not response.verdict.safe_to_replay


def test_an_update_never_takes_back_what_was_handed_out() -> None:
    """An item that a replay updates before it has told all of it again keeps its parts."""
    item = message(status="in_progress")
    other = [*SECOND, text(1, "a")]
    again = [*HELLO[:2], added(0, {**item, "phase": "final_answer"}), *HELLO[2:4], *other, *HELLO[4:]]
    run = connected([[sse(*HELLO[:3], *other)], [sse(*again)]])
    check_laws(run)
    assert sum(isinstance(event, PartStarted) for event in run.events) == 2
    assert joined_text(run) == "aHello"


def test_more_than_was_known_may_be_corrected() -> None:
    """Where a replay goes beyond a whole value and then takes that back, the correction comes as well."""
    mine = [*HELLO[:6], *SECOND, text(1, "a")]
    again = [*HELLO[:5], text(0, "lo"), *HELLO[5:7], *SECOND, text(1, "a"), HELLO[-1]]
    run = connected([[sse(*mine)], [sse(*again)]])
    check_laws(run)
    replaced = [event.text for event in run.events if isinstance(event, ValueReplaced)]
    assert replaced == ["Hello"]
    assert run.parser.response.output_text == "Helloa"


def test_usage_that_is_not_told_again_stays() -> None:
    """Usage is known once it was handed out, though the replay break off before it comes again."""
    used = {**CHAT[2], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    run = connected([[sse(*CHAT[:2], used)], [sse(*CHAT)]], "chat")
    check_laws(run)
    assert run.parser.response.usage is not None
    assert run.parser.response.usage.output_tokens == 2


def test_a_body_after_the_end() -> None:
    """A document or a page that comes when the response has ended, be it not yet handed out, is too late."""
    error = {"type": "error", "code": "server_error", "message": "gone"}
    for dialect, payloads, body in (
        ("responses", HELLO, dumps(HELLO[-1]["response"])),
        ("responses", [*HELLO[:4], error], dumps(HELLO[-1]["response"])),
        ("chat", [*CHAT, *CHAT_END], dumps(COMPLETION)),
    ):
        for second in (body, b"<html>502</html>", b'{"error":{"message":"gone"}}'):
            for end in ("close", "cancel"):
                run = connected([[sse(*payloads)], [second]], dialect, draining=False, end=end)
                check_laws(run)
                assert whole(run.events[-1]) == whole(play(sse(*payloads), dialect).events[-1])


# --------------------------------------------------------------------------------------- other dialects


def test_chat_that_is_another() -> None:
    """A chunk of another id is one of another response; a late or missing id is none."""
    run = connected([[sse(*CHAT)], [sse(chat({"content": "Hel"}, id="c2"))]], "chat")
    assert codes(run) == [C.REPLAY_REFUSED, C.MISSING_TERMINAL]
    assert run.parser.anomalies[0].message == "another response came"
    late = [chat({"content": "Hel"}, id=""), chat({"content": "lo"}), *CHAT_END]
    for cut in (1, 2):
        check_same(
            connected([[sse(*late[:cut])], [sse(*late)]], "chat", strict=True), play(sse(*late), "chat")
        )
    other = [chat({"content": "Hel"}, id=""), chat({"content": "lo"}, id="c2"), *CHAT_END]
    assert C.REPLAY_REFUSED in codes(connected([[sse(*late[:2])], [sse(*other)]], "chat"))


def test_logprobs_of_choices() -> None:
    """Log probabilities of a refusal come in pieces, and each piece once."""
    words = ("I ", "can", "not")
    pieces: list[JSON] = [
        {"content": None, "score": 3, "refusal": [{"token": word, "logprob": -1.0}]} for word in words
    ]
    payloads: list[Any] = [chat({"role": "assistant"})]
    payloads += [chat({"refusal": piece["refusal"][0]["token"]}, logprobs=piece) for piece in pieces]
    payloads += CHAT_END
    for cut in range(1, len(payloads)):
        run = connected([[sse(*payloads[:cut])], [sse(*payloads)]], "chat", strict=True)
        check_same(run, play(sse(*payloads), "chat"))
    both = {"score": 4, "refusal": [*pieces[0]["refusal"], *pieces[1]["refusal"]]}
    again = [payloads[0], chat({"refusal": "I can"}, logprobs=both), *payloads[3:]]
    run = connected([[sse(*payloads[:2])], [sse(*again)]], "chat", strict=True)
    check_laws(run)
    told, expected = (
        found.parser.response.choices[0].data["logprobs"] for found in (run, play(sse(*payloads), "chat"))
    )
    assert told["refusal"] == expected["refusal"]


def test_usage_of_a_replay_that_is_cut_otherwise() -> None:
    """A replay that reports usage less often tells all that is new of it."""

    def counted(delta: JSON, tokens: int) -> JSON:
        return {**chat(delta), "usage": {"prompt_tokens": 1, "completion_tokens": tokens}}

    first = [counted({"content": letter}, number) for number, letter in enumerate("Hell", 1)]
    again = [counted({"content": "Hell"}, 4), counted({"content": "o"}, 5), chat(finish_reason="stop")]
    run = connected([[sse(*first)], [sse(*again, b"[DONE]")]], "chat", strict=True)
    check_laws(run)
    told = [event.usage.output_tokens for event in run.events if isinstance(event, UsageReported)]
    assert told == [1, 2, 3, 4, 5]
    assert joined_text(run) == "Hello"
    assert run.parser.response.usage is not None
    assert run.parser.response.usage.output_tokens == 5
    assert run.parser.response.finish_reason == "stop"


def test_lifts_and_tags_over_connections() -> None:
    """What is lifted out of arguments, and what stands between tags, comes once as well."""
    pieces = ['{"say":"He', 'llo","n"', ":1}"]
    named = {"index": 0, "id": "call_1", "function": {"name": "t", "arguments": ""}}
    payloads: list[Any] = [
        chat({"content": "<think>ab"}),
        chat({"content": "c</think>d"}),
    ]
    payloads.append(chat({"tool_calls": [named]}))
    payloads += [chat({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in pieces]
    payloads += [chat(finish_reason="tool_calls"), b"[DONE]"]
    options: dict[str, Any] = {"lifts": [Lift(("say",), "text", remove=True)], "think_tags": True}
    expected = play(sse(*payloads), "chat", **options)
    assert "".join(event.text for event in expected.events if isinstance(event, LiftedDelta)) == "Hello"
    for cut in range(1, len(payloads)):
        run = connected([[sse(*payloads[:cut])], [sse(*payloads)]], "chat", snapshots=True, **options)
        check_same(run, expected)


def test_a_dialect_that_is_not_yet_known() -> None:
    """The first payload that tells the dialect may come over any connection."""
    for payloads, dialect in ((HELLO, "responses"), ([*CHAT, *CHAT_END], "chat")):
        for first in (b"", b": c\n\n", sse({"type": "ping"}), sse(*payloads[:3])):
            run = connected([[first], [sse(*payloads)]], "auto", snapshots=True)
            assert substance(run.events) == substance(play(sse(*payloads), dialect).events)
            check_laws(run)


# ------------------------------------------------------------------------------------- bodies of other kinds


def test_the_response_as_a_document() -> None:
    """Where the other connection gives the whole response as JSON, what is missing of it is handed out."""
    for payloads in (HELLO, numbered(*HELLO)):
        body = dumps(HELLO[-1]["response"])
        for chunks in ([body], [body[:10], body[10:]]):
            run = connected([[sse(*payloads[:4])], chunks], snapshots=True)
            check_laws(run)
            assert codes(run) == [C.BODY_IS_JSON]
            assert [event.text for event in run.events if isinstance(event, TextDelta)] == ["Hel", "lo"]
            assert whole(run.parser.response) == whole(play(sse(*HELLO)).parser.response)
        other = {**HELLO[-1]["response"], "id": "resp_other"}
        run = connected([[sse(*payloads[:4])], [dumps(other)]])
        assert codes(run) == [C.BODY_IS_JSON, C.REPLAY_REFUSED, C.MISSING_TERMINAL]
        assert joined_text(run) == "Hel"
    completion = {"id": "c1", "object": "chat.completion", "model": "m"}
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    run = connected([[sse(*CHAT[:2])], [dumps({**completion, "choices": [choice]})]], "chat")
    assert (joined_text(run), run.parser.response.outcome) == ("Hello", Outcome.COMPLETED)
    check_laws(run)


def test_a_document_that_is_no_response() -> None:
    """A document that tells nothing of the response ends nothing; an error fails it."""
    for body in ({"status": "ok"}, {"object": "chat.completion", "id": "c1", "choices": []}, {}):
        run = connected([[sse(*CHAT)], [dumps(body)]], "chat")
        check_laws(run)
        assert codes(run) == [C.BODY_IS_JSON, C.REPLAY_REFUSED, C.MISSING_TERMINAL]
        assert [event.payload for event in run.events if isinstance(event, UnknownEvent)] == [body]
    for dialect, payloads in (("chat", CHAT), ("responses", HELLO[:5]), ("responses", numbered(*HELLO)[:5])):
        for body in (b'{"error":{"code":"server_error","message":"gone"}}', b"<html>502</html>", b"nope\n"):
            run = connected([[sse(*payloads)], [body]], dialect)
            check_laws(run)
            assert run.parser.response.outcome is Outcome.FAILED
            assert joined_text(run) == run.parser.response.output_text == "Hello"


def test_a_document_before_the_connection_broke() -> None:
    """A document that is whole is read before the next connection; one that is torn is dropped."""
    body = dumps(HELLO[-1]["response"])
    run = connected([[body], [sse(*HELLO)]], draining=False)
    assert joined_text(run) == "Hello"
    assert codes(run)[0] is C.BODY_IS_JSON
    check_laws(run)
    for torn in (body[:-5], b"<html>", b"\x1f\x8b\x08\x00"):
        check_same(connected([[torn], [sse(*HELLO)]], strict=True), play(sse(*HELLO)))


# -------------------------------------------------------------------------------------- what it costs


def test_limits_hold_over_all_connections() -> None:
    """What a replay makes a parser hold is bounded as the response is."""
    limits = Limits(text_size=7)
    run = connected([[sse(*HELLO[:4])], [sse(*HELLO[:4], text(0, "lo"), text(0, " you"))]], limits=limits)
    assert isinstance(run.fault, LimitExceeded)
    check_laws(run)
    run = connected([[sse(*HELLO[:4])], [sse(*HELLO)]], limits=limits)
    check_same(run, play(sse(*HELLO)))


@pytest.mark.parametrize("by_number", [True, False])
def test_law_7_a_replay_is_linear(by_number: bool) -> None:
    """Linear: twice as long a replay takes twice the work, told again in however many pieces."""

    def work(count: int) -> int:
        payloads: list[JSON] = [*HELLO[:3], *(text(0, "word ") for _ in range(count))]
        payloads = numbered(*payloads) if by_number else payloads
        body = sse(*payloads)

        def go() -> None:
            parser = ResponseParser()
            parser.feed(body)
            list(parser.events())
            parser.reconnect()
            parser.feed(body)
            parser.feed(sse(text(0, "more")))
            list(parser.events())

        return sum(count_calls(go).values())

    small, large = work(200), work(400)
    assert large < 2.2 * small


def test_a_parser_goes_at_once() -> None:
    """A parser is freed when nobody holds it, also while it is told again: nothing in it refers to it."""
    known = numbered(*HELLO)
    for first, second in ((HELLO[:5], HELLO[:4]), (known[:5], known[:4]), (CHAT, CHAT[:2])):
        parser = ResponseParser("chat" if first is CHAT else "responses")
        parser.feed(sse(*first))
        parser.reconnect()
        parser.feed(sse(*second))
        list(parser.events())
        watch = weakref.ref(parser)
        gc.disable()
        try:
            del parser
            assert watch() is None
        finally:
            gc.enable()


def test_bytes_fed_and_pending() -> None:
    """Bytes are counted over all connections, and pending where no event has come of them, at any cut."""
    parser = ResponseParser()
    assert (parser.bytes_fed, parser.bytes_pending) == (0, 0)
    body = b"\xef\xbb\xbf" + sse(*HELLO[:4]).replace(b"\n", b"\r\n")
    rest = b"data: 1\ndata: 2"
    for at in range(len(body)):
        parser.feed(body[at : at + 1])
        list(parser.events())
        assert parser.bytes_fed == at + 1
        unread = len(body[: at + 1]) - max(body[: at + 1].rfind(b"\r\n\r"), 0)
        assert parser.bytes_pending <= unread
    assert parser.bytes_pending == 0
    parser.feed(rest)
    assert (parser.bytes_fed, parser.bytes_pending) == (len(body + rest), len(rest))
    list(parser.events())
    assert parser.bytes_pending == len(rest)
    parser.reconnect()
    parser.feed(b"data: ")
    parser.feed(b"{")
    assert (parser.bytes_fed, parser.bytes_pending) == (len(body + rest) + 7, len(rest) + 7)
    list(parser.events())
    assert (parser.bytes_fed, parser.bytes_pending) == (len(body + rest) + 7, 7)
    parser = ResponseParser()
    parser.feed(b'{"a":')
    assert (parser.bytes_fed, parser.bytes_pending) == (5, 5)
    parser.close()
    list(parser.events())
    assert (parser.bytes_fed, parser.bytes_pending) == (5, 0)
    parser = ResponseParser()
    parser.feed_payload(HELLO[0])
    parser.reconnect()
    parser.feed_payload(HELLO[0])
    assert (parser.bytes_fed, parser.bytes_pending) == (0, 0)


@given(streams(), st.data())
def test_bytes_pending_do_not_depend_on_the_cuts(stream: Stream, data: st.DataObject) -> None:
    """However the bytes were cut, the same of them are fed and pending once all that can be had was taken."""
    body = stream.body[: data.draw(st.integers(0, len(stream.body)))]
    told = [play(chunks, stream.dialect, close=False).parser for chunks in (body, data.draw(chunkings(body)))]
    assert told[0].bytes_fed == told[1].bytes_fed == len(body)
    assert told[0].bytes_pending == told[1].bytes_pending <= len(body)


def test_a_connection_that_goes_back_to_old_numbers() -> None:
    """What is numbered as old is passed over also behind what is new, on the same connection."""
    numbered = [{**payload, "sequence_number": number} for number, payload in enumerate(HELLO)]
    first, rest = numbered[:4], numbered[4:]
    run = connected([[sse(*first)], [sse(rest[0], *first, *rest[1:])]])
    assert run.parser.response.output_text == "Hello"
    assert "".join(event.text for event in run.events if isinstance(event, TextDelta)) == "Hello"
    assert codes(run) == []


def test_a_replay_that_brings_too_much_before_it_is_level() -> None:
    """News waits for what is old, but not without bounds."""
    news = [text(1, "x")] * (MOST_WAITING + 1)
    run = connected([[sse(*HELLO[:4])], [sse(*HELLO[:3], *SECOND, *news)]])
    assert codes(run) == [AnomalyCode.REPLAY_REFUSED, AnomalyCode.MISSING_TERMINAL]


def test_a_replay_that_breaks_off_with_news() -> None:
    """Where no other connection can tell it again, it is said that something was dropped."""
    run = connected([[sse(*HELLO[:4])], [sse(*HELLO[:3], *SECOND, text(1, "x"))]])
    assert [event.text for event in run.events if isinstance(event, TextDelta)] == ["Hel"]
    assert codes(run) == [AnomalyCode.REPLAY_REFUSED, AnomalyCode.MISSING_TERMINAL]


def test_signs_are_told_once() -> None:
    """Notices and unknown events that a replay tells again are counted, and new ones come."""
    signs = [{"type": "response.metadata", "x": 1}, {"type": "acme:x", "y": 2}]
    body = sse(*HELLO[:3], *signs, HELLO[3], *signs, *HELLO[4:])
    cut = len(sse(*HELLO[:3], *signs, HELLO[3]))
    check_same(connected([[body[:cut]], [body]]), play(body))


def test_a_replay_whose_types_are_event_names() -> None:
    """A replay begins a response also where only the event name says so."""
    body = b"".join(
        f"event: {payload['type']}\n".encode() + b"data: " + dumps({**payload, "type": None}) + b"\n\n"
        for payload in HELLO
    )
    cut = body.index(b"response.output_text.done")
    check_same(connected([[body[:cut]], [body]]), play(body))


def test_a_replay_whose_first_chunk_says_only_what_it_is() -> None:
    """A chunk with nothing but its `object` begins a replay in Chat Completions."""
    body = sse({"object": "chat.completion.chunk"}, *CHAT, *CHAT_END)
    cut = len(sse({"object": "chat.completion.chunk"}, *CHAT[:2]))
    check_same(connected([[body[:cut]], [body]], "chat"), play(body, "chat"))


def test_an_error_in_place_of_a_replay() -> None:
    """A second connection that brings nothing but an error ends the response with it, and is no other one."""
    numbered = [{**payload, "sequence_number": number} for number, payload in enumerate(HELLO[:4])]
    for first in (numbered, HELLO[:4]):
        run = connected([[sse(*first)], [sse({"type": "error", "message": "gone", "code": "server_error"})]])
        assert run.parser.response.outcome is Outcome.FAILED
        assert joined_text(run) == "Hel"
        assert AnomalyCode.REPLAY_REFUSED not in codes(run)


def candidate(**members: Any) -> JSON:
    """A chunk of Gemini's with one candidate."""
    content = {"role": "model", "parts": [{"text": "A"}], **members.pop("content", {})}
    return {"responseId": "r", "candidates": [{"index": 0, **members, "content": content}]}


@pytest.mark.parametrize(
    ("dialect", "first", "again", "told"),
    [
        ("chat", chat({"content": "A"}, x=1), chat({"content": "A"}, x=1, y=2, z=3), {"y": 2, "z": 3}),
        (
            "chat",
            chat({"content": "A"}, x=1),
            chat({"content": "A"}, x=1, y=0, z=False),
            {"y": 0, "z": False},
        ),
        ("chat", chat({"m": 1}), chat({"m": 1, "n": 2, "o": 0}), {"message": {"n": 2, "o": 0}}),
        (
            "chat",
            chat({"m": {"p": 1, "q": {"r": 1}}}),
            chat({"m": {"p": 1, "q": {"r": 1, "s": 2, "t": 3}, "u": 4}}),
            {"message": {"m": {"q": {"s": 2, "t": 3}, "u": 4}}},
        ),
        (
            "chat",
            chat(logprobs={"a": 1}),
            chat(logprobs={"a": 1, "b": 0, "c": 2}),
            {"logprobs": {"b": 0, "c": 2}},
        ),
        (
            "chat",
            chat(logprobs={"refusal": [{"token": "a"}]}),
            chat(logprobs={"refusal": [{"token": "a"}, {"token": "b"}]}),
            {"logprobs": {"refusal": [{"token": "b"}]}},
        ),
        ("gemini", candidate(x=1), candidate(x=1, y=0, z=2), {"y": 0, "z": 2}),
        *[
            (
                "gemini",
                candidate(**{name: {"a": 1}}),
                candidate(**{name: {"a": 1, "b": 0, "c": 2}}),
                {name: {"b": 0, "c": 2}},
            )
            for name in ("content", "groundingMetadata", "citationMetadata")
        ],
    ],
)
def test_a_choice_that_comes_again_with_more(dialect: str, first: JSON, again: JSON, told: JSON) -> None:
    """What a chunk that is sent again has beside what it had is handed out, and that alone."""
    run = connected([[sse(first)], [sse(again)]], dialect)
    check_laws(run)
    sent = [event.data for event in run.events if isinstance(event, ChoiceUpdated) and event.data]
    unbroken = play(sse(again), dialect)
    assert sent[1:] == [told]
    assert run.parser.response.choices == unbroken.parser.response.choices
    assert C.REPLAY_REFUSED not in codes(run)


def test_what_was_sent_of_a_choice_may_have_changed_since() -> None:
    """An old value that is sent again is old, also where a later one has taken its place."""
    chunks = [
        chat({"content": "A", "m": 1}, x=1),
        chat({"m": 2, "n": 3}, x=2),
        chat(finish_reason="tool_calls"),
        chat(finish_reason="length"),
    ]
    body = sse(*chunks)
    for cut in range(1, len(chunks) + 1):
        check_same(
            connected([[sse(*chunks[:cut])], [body, sse(b"[DONE]")]], "chat"),
            play(body + sse(b"[DONE]"), "chat"),
        )


@pytest.mark.parametrize("known", [["stop"], ["stop", "tool_calls"]])
def test_another_finish_reason_is_new(known: list[str]) -> None:
    """Also where the choice had one."""
    chunks = [chat({"content": "A"}), *[chat(finish_reason=reason) for reason in known]]
    last, rest = chat(finish_reason="length"), chat({"content": "B"})
    for first, again in (
        (chunks, [*chunks, last]),
        ([*chunks, rest], [*chunks, last, rest]),
        ([*chunks, rest], [*chunks, rest, last]),
    ):
        run = connected([[sse(*first)], [sse(*again, b"[DONE]")]], "chat")
        check_laws(run)
        told = [event.finish_reason for event in run.events if isinstance(event, ChoiceUpdated)]
        assert told == [*known, "length"]
        assert run.parser.response.choices[0].finish_reason == "length"


def test_the_end_of_a_choice_is_new_among_what_is_counted() -> None:
    """Its finish reason and the member of its reasoning, where fewer events lead there than before."""
    begun = [chat({"reasoning": "why"}), chat({"content": "A"})]
    run = connected([[sse(*begun, chat(x=1), chat(y=1))], [sse(*begun, *CHAT_END)]], "chat")
    check_laws(run)
    told = [
        (event.finish_reason, event.reasoning_field)
        for event in run.events
        if isinstance(event, ChoiceUpdated)
    ]
    assert told == [(None, None), (None, None), ("stop", None), ("stop", "reasoning")]
    choice = run.parser.response.choices[0]
    assert (choice.finish_reason, choice.reasoning_field, choice.data) == (
        "stop",
        "reasoning",
        {"x": 1, "y": 1},
    )


@pytest.mark.parametrize(
    ("dialect", "first", "again", "told"),
    [
        ("chat", {}, [{"x": 1}], [{"x": 1}]),
        ("chat", {"x": 1, "y": 2}, [{"x": 1}, {"y": 2}], []),
        ("chat", {"x": {"p": 1}}, [{"x": {"p": 1}}, {"x": {"p": 1, "q": 2}}], [{"x": {"p": 1, "q": 2}}]),
        ("chat", {"delta": {"m": {"p": 1}}}, [{"delta": {"m": 5}}], []),
        ("chat", {"delta": {"m": 5}}, [{"delta": {"m": {"p": 1}}}], []),
        (
            "chat",
            {"delta": {"m": 5}},
            [{"delta": {"m": 5}}, {"delta": {"n": {"p": 1}}}],
            [{"message": {"n": {"p": 1}}}],
        ),
        ("chat", {"citationMetadata": "x"}, [{"citationMetadata": "x"}], []),
        (
            "chat",
            {"citationMetadata": "x"},
            [{"citationMetadata": {"a": 1}}],
            [{"citationMetadata": {"a": 1}}],
        ),
        ("chat", {"groundingMetadata": "x"}, [{"groundingMetadata": "y"}], []),
        (
            "gemini",
            {"citationMetadata": {"c": [1]}},
            [{"citationMetadata": {"c": [1]}}, {"citationMetadata": {"c": 5}}],
            [{"citationMetadata": {"c": 5}}],
        ),
        (
            "gemini",
            {"citationMetadata": {"c": 5}},
            [{"citationMetadata": {"c": 5}}, {"citationMetadata": {"c": [1]}}],
            [{"citationMetadata": {"c": [1]}}],
        ),
    ],
)
def test_members_of_a_choice_before_all_has_come_again(
    dialect: str, first: JSON, again: list[JSON], told: list[JSON]
) -> None:
    """What is new is handed out once all that is old has come again, and what is old never."""

    def payload(members: JSON, text: str) -> JSON:
        if dialect == "gemini":
            return candidate(**members, content={"parts": [{"text": text}]})
        return chat(
            {"content": text, **members.get("delta", {})},
            **{k: v for k, v in members.items() if k != "delta"},
        )

    known = [payload(first, "A"), payload({}, "B")]
    texts = ["A", *[""] * (len(again) - 1)]
    run = connected(
        [
            [sse(*known)],
            [sse(*[payload(*pair) for pair in zip(again, texts, strict=True)], payload({}, "B"))],
        ],
        dialect,
    )
    check_laws(run)
    sent = [event.data for event in run.events if isinstance(event, ChoiceUpdated) and event.data]
    assert sent[bool(first) :] == told
    assert joined_text(run) == "AB"
    assert C.REPLAY_REFUSED not in codes(run)


@pytest.mark.parametrize("again", [1, 2, 3])
def test_what_is_counted_is_new_once_all_of_it_has_come_again(again: int) -> None:
    """Over three connections, of which the second one broke off before it had told all again."""
    chunks = [chat({"content": "A"}), *[chat(x=number) for number in range(1, 4)]]
    run = connected([[sse(*chunks[:3])], [sse(*chunks[:again])], [sse(*chunks)]], "chat")
    check_laws(run)
    assert [event.data for event in run.events if isinstance(event, ChoiceUpdated) and event.data] == [
        {"x": 1},
        {"x": 2},
        {"x": 3},
    ]
    assert [choice.data for choice in run.parser.response.choices] == [{"x": 3}]


def test_choices_keep_what_was_handed_out_of_them() -> None:
    """Also where the next connection broke off before it had sent all of it again."""
    first = [chat({"content": "A", "m": 1}, x=1), chat({"n": 2}, x=2, y=3), chat(finish_reason="stop")]
    for again in range(1, 4):
        run = connected([[sse(*first)], [sse(*first[:again])]], "chat")
        check_laws(run)
        assert run.parser.response.choices == play(sse(*first), "chat").parser.response.choices


def test_an_empty_payload_is_one_over_any_connection() -> None:
    """It is a sign of life, whichever connection it comes over."""
    parser = ResponseParser("chat")
    events: list[Event] = []
    for _ in range(2):
        parser.feed_payload("")
        parser.feed_payload(dumps(CHAT[0]).decode())
        parser.reconnect()
    assert drain(parser, events) is None
    assert [event.source for event in events if isinstance(event, Heartbeat)] == ["empty", "empty"]


def test_what_broke_off_before_a_later_connection_is_not_lost() -> None:
    """Nothing is reported where the connection behind it sends again what the broken one had begun."""
    first, second = HELLO[:4], [*HELLO[:3], *SECOND, text(1, "x")]
    third = [*HELLO[:4], *SECOND, text(1, "x")]
    run = connected([[sse(*first)], [sse(*second)], [sse(*third)]], draining=False)
    check_laws(run)
    assert codes(run) == [C.MISSING_TERMINAL]
    assert [event.text for event in run.events if isinstance(event, TextDelta)] == ["Hel", "x"]


@pytest.mark.parametrize("rest", [b"1", b"12", b"[", b"[1", b'"a', b'{"a":', b"<ht", b"\n\n"])
def test_a_connection_that_broke_off_before_anything_was_clear(rest: bytes) -> None:
    """What little it brought is of no event, and is dropped."""
    body = sse(*HELLO)
    run = connected([[rest], [body]])
    check_laws(run)
    assert run.events == play(body).events
    assert codes(run) == []


@pytest.mark.parametrize("end", [3, 4, 5])
def test_what_a_replay_says_more_of_an_item_is_known(end: int) -> None:
    """Once all that had come has come again, the response is as the last connection told it."""
    more = added(0, message(status="in_progress", phase="final_answer"))
    run = connected([[sse(*HELLO[:4])], [sse(HELLO[0], more, *HELLO[2:end])]])
    item = run.parser.response.output[0]
    assert isinstance(item, Message)
    assert item.phase == (None if end == 3 else "final_answer")
    assert joined_text(run) == ("Hello" if end == 5 else "Hel")
