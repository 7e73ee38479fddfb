"""Another connection to the same response: nothing is told twice, nothing is lost, and doubt is told."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deltafold import (
    AnomalyCode,
    Event,
    Heartbeat,
    Notice,
    Outcome,
    RateLimitsReported,
    ResponseParser,
    ResponseState,
    UsageError,
)
from strategies import (
    THOROUGH,
    Run,
    Stream,
    bitten,
    check_laws,
    chunkings,
    drain,
    play,
    responses_streams,
    streams,
    whole,
)
from wire import FIXTURES

C = AnomalyCode
JSON = dict[str, Any]

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
                return Run(events, fault, parser)
    if snapshots:
        parser = taken_up(parser)
    getattr(parser, end)()
    return Run(events, drain(parser, events), parser)


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
    return Stream("chat", tuple(payloads), Outcome.COMPLETED, named=False, done=draw(st.booleans()))


def is_open(stream: Stream, cut: int) -> bool:
    """Whether a response has not ended after so many bytes."""
    run = play(stream.body[:cut], stream.dialect, close=False)
    return run.parser.state is not ResponseState.FINISHED


# --------------------------------------------------------------------------------- nothing twice, none lost


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


@given(streams() | streams().map(unnumbered) | chat_streams(), st.data())
def test_many_connections(stream: Stream, data: st.DataObject) -> None:
    """Connections may break again and again, also while they tell what had come."""
    body = stream.body
    cuts = data.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=4))
    assume(all(is_open(stream, cut) for cut in cuts))
    connections = [data.draw(chunkings(body[:cut], most=3)) for cut in cuts]
    run = connected([*connections, [body]], stream.dialect, snapshots=data.draw(st.booleans()))
    check_same(run, play(body, stream.dialect))
    assert run.parser.bytes_fed == sum(cuts) + len(body)


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


@given(responses_streams().map(unnumbered), st.data())
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


@given(streams() | chat_streams(), st.data())
def test_law_1_holds_over_connections(stream: Stream, data: st.DataObject) -> None:
    """Chunking: the same bytes over the same connections give the same, damaged or not, in both modes."""
    bodies = [data.draw(st.just(stream.body) | bitten(stream.body)) for _ in range(2)]
    bodies[0] = bodies[0][: data.draw(st.integers(0, len(bodies[0])))]
    assume(play(bodies[0], stream.dialect, close=False).parser.state is not ResponseState.FINISHED)
    strict = data.draw(st.booleans())
    told = connected([[body] for body in bodies], stream.dialect, strict=strict, draining=False).told
    for snapshots in (False, not strict):
        chunks = [data.draw(chunkings(body)) for body in bodies]
        run = connected(chunks, stream.dialect, strict=strict, draining=False, snapshots=snapshots)
        assert run.told == told
    singly = [[body[at : at + 1] for at in range(len(body))] for body in bodies]
    assert connected(singly, stream.dialect, strict=strict, draining=False).told == told


@given(streams() | streams().map(unnumbered) | chat_streams(), st.data())
def test_any_second_connection_keeps_the_laws(stream: Stream, data: st.DataObject) -> None:
    """Whatever comes over the second connection: one end, a whole ledger, only documented errors."""
    other = data.draw(streams() | streams().map(unnumbered) | chat_streams())
    body = stream.body[: data.draw(st.integers(0, len(stream.body) - 1))]
    assume(play(body, stream.dialect, close=False).parser.state is not ResponseState.FINISHED)
    second = data.draw(st.sampled_from([stream, other]))
    frames = second.frames()
    frames = frames[data.draw(st.integers(0, len(frames))) :]
    rest = data.draw(bitten(b"".join(frames)) if frames else st.just(b""))
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
}
"""Fixtures whose replay cannot be known by its content, and why."""
UNNUMBERED_FIRST = {"keepalives-and-metadata"}
"""Fixtures that begin with events without numbers: those may come again."""

PATHS = [path for name in ("responses", "chat") for path in sorted((FIXTURES / name).iterdir())]


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
