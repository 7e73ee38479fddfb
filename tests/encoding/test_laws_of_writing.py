"""The laws of writing, as properties: of streams of any wire, sound and damaged, and of hand-made events."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import deltafold as df
from deltafold import Event, LossCode, Outcome, ResponseParser, StreamEncoder, UsageError
from deltafold.dialects import made_items as made
from deltafold.encoding.encoder import SHAPES, events_of_item
from deltafold.registry import DIALECTS
from deltafold.testing import strategies as drawn
from deltafold.testing.builder import Stream, StreamBuilder
from runs import read
from written import GOOD, calls_of, check_written, is_json, texts_of, thoughts_of

WHOLE = st.sampled_from(DIALECTS).flatmap(drawn.streams)
"""Streams of any wire that end as their server says."""
targets = st.sampled_from(DIALECTS)


def write(target: str, events: Iterable[Event], **options: Any) -> tuple[list[bytes], StreamEncoder]:
    """The bytes of each event, and the encoder that wrote them."""
    encoder = StreamEncoder(target, **options)
    return [encoder.encode(event) for event in events], encoder


# ------------------------------------------------------------------------------------- 1: the same wire


@given(WHOLE)
def test_1_the_same_wire_says_the_same(stream: Stream) -> None:
    """What is read from what was written is the response that was read, and nothing is lost."""
    events, parser = read(stream.dialect, [stream.body], strict=True)
    pieces, encoder = write(stream.dialect, events)
    again = read(stream.dialect, pieces, strict=True)[1]
    assert again.anomalies == ()
    tell = SHAPES[stream.dialect]
    want, got = getattr(parser.response, tell)(), getattr(again.response, tell)()
    if stream.outcome in GOOD:
        assert encoder.losses == ()
        if stream.dialect == "responses":  # which has to tell more than terse servers do
            want = {**got, **{key: value for key, value in want.items() if value is not None}}
            got["usage"] = want["usage"] = None
        assert got == want
        kinds = [[item.type for item in told.output] for told in (again.response, parser.response)]
        if stream.dialect == "chat":  # half a character may keep back the text that an item begins with
            kinds = [sorted(some) for some in kinds]
        assert kinds[0] == kinds[1]
        if stream.document is not None and stream.dialect != "anthropic":
            assert (again.response.usage is None) is (parser.response.usage is None)
    else:
        assert again.response.outcome is Outcome.FAILED
        assert again.response.error is not None
        assert parser.response.error is not None
        assert again.response.error.message == parser.response.error.message


def test_1_what_nobody_knows_comes_through() -> None:
    """Unknown events, items, blocks, parts and members go back onto their own wire as they were told."""
    note = {"type": "acme:note", "level": 3}
    hologram = {"type": "hologram", "cells": [1, None, {"a": "b"}]}
    for dialect in DIALECTS:
        builder = StreamBuilder(dialect).text("Hi").event(note)
        if dialect != "chat":
            builder.item(hologram if dialect != "gemini" else {"hologram": hologram})
        body = builder.completed().body
        events, parser = read(dialect, [body])
        again, written = read(dialect, write(dialect, events)[0], strict=True)
        unknown = [e.payload for e in again if isinstance(e, df.UnknownEvent)]
        assert [{k: v for k, v in told.items() if k != "sequence_number"} for told in unknown] == [note]
        assert written.response.output == parser.response.output


# ------------------------------------------------------------------------------------ 2: another wire


@given(WHOLE, targets)
@example(StreamBuilder("chat").text("a", choice=1).call("f", '{"a":1}').completed(), "responses")
@example(StreamBuilder("responses").refusal("no").call("f", "{}").incomplete("content_filter"), "gemini")
def test_2_another_wire_says_the_same(stream: Stream, target: str) -> None:
    """Text, reasoning, refusals, calls, usage and the end go over, or a loss says what did not."""
    events, parser = read(stream.dialect, [stream.body])
    response = parser.response
    pieces, encoder = write(target, events)
    again = read(target, pieces, strict=True)[1].response
    lost = {loss.code for loss in encoder.losses}
    if stream.outcome not in GOOD:
        assert again.outcome is Outcome.FAILED
        return
    text, refused = texts_of(response, target)
    if LossCode.REFUSAL_AS_TEXT in lost:
        assert sorted(texts_of(again, target)[0]) == sorted(text + refused)
    else:
        assert texts_of(again, target) == (text, refused)
    if LossCode.REASONING_SUMMARY not in lost:
        assert thoughts_of(again, target) == thoughts_of(response, target)
    want, got = calls_of(response, target), calls_of(again, target)
    custom = sum(isinstance(item, df.CustomToolCall) for item in response.output)
    if custom and target in ("anthropic", "gemini"):
        assert LossCode.CUSTOM_TOOL_AS_FUNCTION in lost or stream.dialect == "chat"
        want += [call for call in got if set(call[2]) == {"input"} and call not in want]
    excused = lost & {LossCode.ARGUMENTS_NO_OBJECT, LossCode.CALL_NOT_WHOLE}
    # A reader of Chat and of Anthropic takes the last call for cut off, where a limit was reached.
    cut = response.outcome is Outcome.INCOMPLETE and len(got) < len(want)
    assert sorted(want, key=repr) == sorted(got, key=repr) or excused or cut
    assert again.outcome is response.outcome
    assert again.finish_reason == response.finish_reason or response.choices[1:]
    if response.usage is not None:
        assert again.usage is not None
        for name in ("input_tokens", "output_tokens"):
            assert getattr(again.usage, name) == getattr(response.usage, name)


# -------------------------------------------------------------------------------------- 3: in order


@given(drawn.any_body(), targets)
def test_3_whatever_came_in_goes_out_in_order(body: drawn.Body, target: str) -> None:
    """A strict parser raises nothing and finds no anomaly, but for words that are kept as they came."""
    events, parser = read(body.dialect, [body.data])
    pieces, encoder = write(target, events)
    check_written(events, parser.response, target, pieces, encoder.losses)


# -------------------------------------------------------------------------------------- 4: prompt


@given(WHOLE, targets)
def test_4_a_fragment_is_out_when_its_event_is_in(stream: Stream, target: str) -> None:
    """Text is written with its event; on Anthropic it waits for nothing but an unfinished call."""
    events, _ = read(stream.dialect, [stream.body])
    encoder, parser = StreamEncoder(target), ResponseParser(target)
    owed: dict[int, str] = {}
    got: dict[int, str] = {}
    choices: dict[int, int] = {}
    unfinished: set[int] = set()
    for event in events:
        parser.feed(encoder.encode(event))
        for found in parser.events():
            if isinstance(found, df.ItemStarted):
                choices[-1 - found.output_index] = found.item.choice_index or 0
            elif isinstance(found, df.TextDelta):
                choice = choices[-1 - found.output_index]
                got[choice] = got.get(choice, "") + found.text
        if isinstance(event, df.ItemStarted):
            choices[event.output_index] = event.item.choice_index or 0
            if hasattr(event.item, "call_id"):
                unfinished.add(event.output_index)
        elif isinstance(event, df.ItemFinished):
            unfinished.discard(event.output_index)
        elif isinstance(event, df.TextDelta):
            choice = choices[event.output_index]
            owed[choice] = owed.get(choice, "") + event.text
            skipped = choice and target in ("responses", "anthropic")
            waits = target == "anthropic" and unfinished
            refused = any(isinstance(one, df.RefusalDelta) for one in events)
            if not skipped and not waits and not refused and not ends_in_half(owed[choice]):
                assert got.get(choice, "") == owed[choice]


def ends_in_half(text: str) -> bool:
    """Whether a text ends in half a surrogate pair, which a reader holds until the other half comes."""
    return "\ud800" <= text[-1:] <= "\udbff"


# -------------------------------------------------------------------------------------- 5: one end


@given(WHOLE, targets, st.sampled_from(["close", "cancel"]), st.data())
def test_5_one_end_and_no_false_success(stream: Stream, target: str, how: str, data: st.DataObject) -> None:
    """A stream that breaks off anywhere, or is given up, is an error on every wire, and nothing follows."""
    parser = ResponseParser(stream.dialect)
    parser.feed(data.draw(drawn.truncations(stream.body)))
    events = list(parser.events())
    (parser.close if how == "close" else parser.cancel)()
    events += parser.events()
    pieces, _ = write(target, events)
    again, reader = read(target, pieces, strict=True)
    if parser.response.outcome not in GOOD:
        assert reader.response.outcome is Outcome.FAILED
        assert reader.response.error is not None
        code = "cancelled" if how == "cancel" else "stream_truncated"
        if parser.response.outcome is not Outcome.FAILED and target in ("responses", "chat"):
            assert reader.response.error.code == code
    assert isinstance(again[-1], df.ResponseFinished)
    body = b"".join(pieces)
    last = {
        "responses": b"event: response.",
        "chat": b"data: [DONE]",
        "anthropic": b"event: ",
        "gemini": b"data: ",
    }
    assert body.rstrip().rsplit(b"\n\n", 1)[-1].startswith((last[target], b"event: error"))


@given(WHOLE, targets, st.data())
def test_5_a_call_that_was_cut_off_is_not_whole(stream: Stream, target: str, data: st.DataObject) -> None:
    """No reader may run a call whose arguments were cut: nothing is repaired on the way."""
    parser = ResponseParser(stream.dialect)
    parser.feed(data.draw(drawn.truncations(stream.body)))
    events = list(parser.events())
    parser.cancel()
    events += parser.events()
    came = [item.arguments for item in parser.response.output if isinstance(item, df.FunctionCall)]
    for call in read(target, write(target, events)[0])[1].response.tool_calls:
        if isinstance(call, df.FunctionCall) and set(json.loads(call.arguments)) != {"input"}:
            assert json.loads(call.arguments) in [json.loads(text) for text in came if is_json(text)]


# ----------------------------------------------------------------------------------- 6: no forged frame

HOSTILE = st.text(
    st.sampled_from('\n\r\0\x0b\x0c\x1c\x85\u2028\u2029\ufeff\ud800\udc00:"\\{}a é'), max_size=12
) | (
    st.sampled_from(
        [
            "\n\ndata: [DONE]\n\n",
            "\r\n\r\nevent: response.completed\r\ndata: {}\r\n\r\n",
            "event: error",
            "id: 1\nretry: 1",
            "x" * 2000,
            "call_" + "x" * 100,
        ]
    )
)
NUMBERS = st.sampled_from([float("inf"), float("-inf"), float("nan"), 10**400, -(10**5000), 1e308, 2**64, 0])


@st.composite
def spoken(draw: st.DrawFn) -> list[Event]:
    """Events of a server that puts whatever it has wherever there is room for it."""
    text = draw(HOSTILE)
    number = draw(NUMBERS)
    extra = {draw(HOSTILE): draw(HOSTILE), "number": number, "nested": [{"a": [number, text]}]}
    source = draw(st.sampled_from([None, *DIALECTS]))
    part = made.text_part(text, (extra,))
    choice = draw(st.sampled_from([None, 0, 1]))
    message = made.message((part,), whole=True, choice=choice, ident=draw(HOSTILE))
    call = made.function_call(draw(HOSTILE), draw(HOSTILE), json.dumps({text: text}), whole=True, ident=text)
    custom = made.custom_call(draw(HOSTILE), draw(HOSTILE), draw(HOSTILE), whole=True)
    other = df.OtherItem(draw(HOSTILE), draw(HOSTILE), None, choice, {"type": text, **extra})
    thought = made.reasoning((), (made.thought_part(text),), encrypted=draw(HOSTILE), choice=choice)
    items = draw(st.permutations([message, call, custom, other, thought]))
    events: list[Event] = [
        df.ResponseStarted(draw(HOSTILE), draw(HOSTILE), {"metadata": extra, **extra}, source),
        df.Heartbeat("comment", text),
        df.UnknownEvent(draw(HOSTILE), extra),
        df.StatusChanged("in_progress", extra),
    ]
    for index, item in enumerate(items):
        events += events_of_item(index, item)
    response = df.Response(
        "r", "m", None, Outcome.COMPLETED, tuple(items), None, None, None, draw(HOSTILE), extra
    )
    ends: list[Event] = [df.ResponseFinished(Outcome.COMPLETED, response)]
    if draw(st.booleans()):
        error = df.ResponseError(df.ErrorKind.UNKNOWN, text, draw(HOSTILE), draw(HOSTILE), draw(HOSTILE))
        failed = attrs.evolve(response, outcome=Outcome.FAILED, error=error)
        ends = [df.ErrorReported(error), df.ResponseFinished(Outcome.FAILED, failed)]
    return events + ends


@given(spoken(), targets)
def test_6_nothing_forges_a_frame(events: list[Event], target: str) -> None:
    """Ids, names, texts, members and numbers of any kind stay inside of valid JSON, in ASCII."""
    pieces, encoder = write(target, events)
    payloads = StreamEncoder(target)
    for event, piece in zip(events, pieces, strict=True):
        text = piece.decode("ascii")
        assert re.fullmatch(r"[\x20-\x7e\n]*", text)
        frames = text.split("\n\n")
        assert frames.pop() == ""
        told = []
        for frame in frames:
            lines = frame.split("\n")
            if lines == [": keepalive"]:
                continue
            assert len(lines) == (2 if target in ("responses", "anthropic") else 1)
            assert lines[-1].startswith("data: ")
            if lines[-1] != "data: [DONE]":
                told.append(json.loads(lines[-1][6:], parse_constant=pytest.fail))
            if len(lines) == 2:
                assert lines[0] == f"event: {told[-1]['type']}"
        assert payloads.payloads(event) == told
    assert payloads.losses == encoder.losses
    again, parser = read(target, pieces)
    assert sum(isinstance(event, df.ResponseFinished) for event in again) == 1
    assert (parser.response.outcome is Outcome.FAILED) is isinstance(events[-2], df.ErrorReported)


# ------------------------------------------------------------------------------ 8: however it was cut


@given(drawn.any_body(), targets, st.data())
def test_8_chunks_and_snapshots_change_nothing(body: drawn.Body, target: str, data: st.DataObject) -> None:
    """The same bytes come out however the source was cut, and where an encoder moves to another process."""
    events, _ = read(body.dialect, [body.data])
    pieces, encoder = write(target, events)
    cut = read(body.dialect, data.draw(drawn.chunkings(body.data)))[0]
    assert b"".join(write(target, cut)[0]) == b"".join(pieces)
    moves = data.draw(st.sets(st.integers(0, len(events)), max_size=4))
    moving, written = StreamEncoder(target), []
    for number, event in enumerate(events):
        if number in moves:
            moving = StreamEncoder.resume(json.loads(json.dumps(moving.snapshot())))
        written.append(moving.encode(event))
    assert written == pieces
    assert moving.losses == encoder.losses
    assert json.dumps(moving.snapshot()) == json.dumps(encoder.snapshot())


# ------------------------------------------------------------------------------ what no life cycle allows

SOME = made.message((), whole=False)
CALL = made.function_call("f", "call_1", "", whole=False)
DONE = made.function_call("f", "call_1", '{"a":1}', whole=True)
END = df.Response("r", "m", None, Outcome.COMPLETED, (), None, None, None, "stop", {})
STATES = "idle|in_progress|failing|finished|absent|open|done|no event|twice"
indexes = st.integers(0, 2)
loose: st.SearchStrategy[Any] = st.one_of(
    st.just(df.ResponseStarted("r", "m")),
    st.builds(df.ItemStarted, indexes, st.sampled_from([SOME, CALL, made.reasoning((), ())])),
    st.builds(df.PartStarted, indexes, st.integers(0, 1), st.just("content"), st.just(made.text_part())),
    st.builds(df.TextDelta, indexes, st.integers(0, 1), st.sampled_from(["a", ""])),
    st.builds(
        df.ReasoningDelta, indexes, st.integers(0, 1), st.just("b"), st.sampled_from(["text", "summary"])
    ),
    st.builds(df.RefusalDelta, indexes, st.integers(0, 1), st.just("c")),
    st.builds(df.ArgumentsDelta, indexes, st.sampled_from(['{"a":', "1}", ""])),
    st.builds(df.LiftedDelta, indexes, st.just(("a",)), st.sampled_from(["text", "reasoning"]), st.just("d")),
    st.builds(df.ValueFinished, indexes, st.sampled_from(["text", "arguments"]), st.just("a")),
    st.builds(df.PartFinished, indexes, st.integers(0, 1), st.just("content"), st.just(made.text_part("a"))),
    st.builds(df.ItemUpdated, indexes, st.sampled_from([SOME, DONE])),
    st.builds(df.ItemFinished, indexes, st.sampled_from([made.message((), whole=True), DONE])),
    st.just(df.UsageReported(df.Usage(1, 2, 3))),
    st.just(df.Heartbeat("comment")),
    st.just(df.ErrorReported(df.ResponseError(df.ErrorKind.OVERLOADED, "busy"))),
    st.builds(df.ResponseFinished, st.sampled_from(Outcome), st.just(END)),
    st.just("no event"),
)


@given(st.lists(loose, max_size=14), targets, st.booleans())
def test_events_in_any_order(events: list[Any], target: str, lifted: bool) -> None:
    """What no life cycle allows is refused, says in which state, and is as if it had not come."""
    encoder = StreamEncoder(target, lifted=lifted)
    taken: list[Event] = []
    written: list[bytes] = []
    for event in [df.ResponseStarted("r", "m"), *events]:
        told = ""
        try:
            written.append(encoder.encode(event))
            taken.append(event)
        except UsageError as error:
            told = str(error)
        assert not told or re.search(STATES, told)
    assert write(target, taken, lifted=lifted)[0] == written
    if isinstance(taken[-1], df.ResponseFinished):
        again, parser = read(target, written)
        assert sum(isinstance(event, df.ResponseFinished) for event in again) == 1
        if taken[-1].outcome not in GOOD:
            assert parser.response.outcome is Outcome.FAILED
        with pytest.raises(UsageError, match="finished"):
            encoder.encode(df.Heartbeat("comment"))


@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("make", [lambda: df.ItemStarted(-1, SOME), lambda: df.TextDelta(-1, 0, "a")])
def test_negative_indexes_are_refused(target: str, make: Callable[[], Event]) -> None:
    """The encoder has items of its own below 0, which nobody else may speak for."""
    encoder = StreamEncoder(target)
    encoder.encode(df.ResponseStarted("r", "m"))
    with pytest.raises(UsageError, match="output_index is -1"):
        encoder.encode(make())
