"""The encoder: every wire in, every wire out, and the laws of writing."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deltafold as df
from deltafold import (
    LOSSES,
    Event,
    LossCode,
    Outcome,
    ResponseParser,
    StreamEncoder,
    UsageError,
    encode_response,
    parse,
)
from deltafold.dialects.written_json import ObjectScan, countable, dumps, json_object
from deltafold.dialects.written_names import fitting_call_id
from deltafold.encoding.encoder import events_of
from deltafold.testing import strategies as drawn
from runs import FIXTURES, THOROUGH, read

WIRES = ("responses", "chat", "anthropic", "gemini")
FILES = [
    (wire, path) for wire in WIRES for path in sorted((FIXTURES / wire).iterdir()) if path.suffix == ".sse"
]
every_target = pytest.mark.parametrize("target", WIRES)
every_fixture = pytest.mark.parametrize(
    ("source", "path"), FILES, ids=[f"{wire}-{path.stem}" for wire, path in FILES]
)
PAIRS = [
    (wire, path, target)
    for number, (wire, path) in enumerate(FILES)
    for target in (WIRES if THOROUGH else WIRES[number % 4 : number % 4 + 1])
]
"""Every fixture with every target; in a short run each with one of them, the next with the next."""
every_pair = pytest.mark.parametrize(
    ("source", "path", "target"), PAIRS, ids=[f"{wire}-{path.stem}-{target}" for wire, path, target in PAIRS]
)
FORGERIES = [
    "\n\ndata: [DONE]\n\n",
    "\r\n\r\nevent: response.completed\r\ndata: {}\r\n\r\n",
    "\u2028data: x\u2029\x85\x0b\x0c",
    "\x00\x1f\x7f",
    "\ud800 half",
    "id: 1\nretry: 1",
    "\ufeff",
]


def write(dialect: str, events: list[Event], **options: Any) -> tuple[bytes, StreamEncoder]:
    """The bytes of events, and the encoder that wrote them."""
    encoder = StreamEncoder(dialect, **options)
    return b"".join([encoder.encode(event) for event in events]), encoder


def is_corrected(events: list[Event]) -> bool:
    """Whether a value was replaced, or text came for a refusal: then what was written of it stands."""
    refusals = {event.output_index for event in events if isinstance(event, df.RefusalDelta)}
    return any(
        isinstance(event, df.ValueReplaced)
        or (isinstance(event, df.TextDelta) and event.output_index in refusals)
        for event in events
    )


def first_choice(response: df.Response) -> tuple[str, list[tuple[str, Any]]]:
    """The text of the first choice, and its whole calls of functions."""
    items = [item for item in response.output if not item.choice_index]
    text = "".join(
        part.text
        for item in items
        if isinstance(item, df.Message)
        for part in item.content
        if isinstance(part, df.OutputText)
    )
    calls = [
        (item.name, json.loads(item.arguments))
        for item in items
        if isinstance(item, df.FunctionCall) and item.complete and json_object(item.arguments) is not None
    ]
    return text, calls


def check_pair(source: str, events: list[Event], response: df.Response, target: str) -> None:
    """The laws of writing, for the events of one stream and one target."""
    body, encoder = write(target, events)
    assert body.decode("ascii")
    assert b"\r" not in body
    odd = source == target and response.anomalies  # goes back as it was sent
    again, parser = read(target, body, strict=not is_corrected(events) and not odd)
    assert parser.response.outcome is not None
    good = (Outcome.COMPLETED, Outcome.INCOMPLETE)
    took_back = LossCode.CALL_NOT_WHOLE in {loss.code for loss in encoder.losses}
    if took_back and parser.response.outcome is Outcome.FAILED:
        assert parser.response.error is not None
        assert "sent as whole" in parser.response.error.message
    elif response.outcome in good:
        assert parser.response.outcome in good
        if response.outcome is Outcome.INCOMPLETE and not encoder.losses:
            assert parser.response.outcome is Outcome.INCOMPLETE
        if not is_corrected(events):
            (text, calls), (text_again, calls_again) = map(first_choice, (response, parser.response))
            known = {loss.code for loss in encoder.losses}
            # Where parts alternate, wires with one text for all have it in the order in which it came.
            told = text_again == text or sorted(text_again) == sorted(text)
            assert told or LossCode.REFUSAL_AS_TEXT in known
            ordered = sorted(calls_again, key=repr) == sorted(calls, key=repr)
            # A reader of Chat and Anthropic takes the last call for cut off, where a limit was reached.
            cut = response.outcome is Outcome.INCOMPLETE and len(calls_again) < len(calls)
            assert ordered or cut or encoder.losses
    else:
        assert parser.response.outcome is Outcome.FAILED
    assert sum(isinstance(event, df.ResponseFinished) for event in again) == 1
    known = {loss.code for loss in encoder.losses}
    assert known <= LOSSES.keys()
    whole = StreamEncoder(target)
    payloads = [payload for event in events for payload in whole.payloads(event)]
    frames = [line[6:] for line in body.decode().split("\n") if line.startswith("data: ")]
    assert [json.loads(frame) for frame in frames if frame != "[DONE]"] == payloads
    assert whole.losses == encoder.losses


# ------------------------------------------------------------------------------------------------ the laws


@every_pair
def test_every_fixture_goes_over(source: str, path: Path, target: str) -> None:
    """What a server sent goes onto every wire, in order."""
    events, parser = read(source, path.read_bytes())
    check_pair(source, events, parser.response, target)


@every_pair
def test_every_fixture_moves_to_another_process(source: str, path: Path, target: str) -> None:
    """An encoder goes on from its snapshot, wherever it was taken."""
    events, _ = read(source, path.read_bytes())
    body, _ = write(target, events)
    for at in {0, 1, len(events) // 3, len(events) // 2, len(events) - 1}:
        encoder = StreamEncoder(target)
        before = b"".join([encoder.encode(event) for event in events[:at]])
        encoder = StreamEncoder.resume(json.loads(json.dumps(encoder.snapshot())))
        assert before + b"".join([encoder.encode(event) for event in events[at:]]) == body


@every_fixture
def test_the_same_wire_loses_nothing(source: str, path: Path) -> None:
    """A stream in order, written onto its own wire, reads as it did."""
    body = path.read_bytes()
    try:
        read(source, body, strict=True)
    except df.WireError:
        return
    events, parser = read(source, body)
    again = read(source, write(source, events)[0])[1].response
    response = parser.response
    if response.outcome in (Outcome.COMPLETED, Outcome.INCOMPLETE):
        assert again.output_text == response.output_text
        assert again.reasoning_text == response.reasoning_text
        assert again.finish_reason == response.finish_reason
        kinds = [sorted(type(item).__name__ for item in told.output) for told in (again, response)]
        assert kinds[0] == kinds[1]
        if response.usage is not None and again.usage is not None:
            told = attrs.asdict(response.usage, filter=lambda field, _: field.name != "data")
            assert {k: v for k, v in told.items() if v} == {
                k: v for k, v in attrs.asdict(again.usage).items() if told.get(k)
            }


@given(st.data(), st.sampled_from(WIRES), st.sampled_from(WIRES))
def test_whatever_comes_in_goes_out_in_order(data: st.DataObject, source: str, target: str) -> None:
    """Streams that are damaged on their way go onto every wire, in order."""
    body = data.draw(drawn.damaged_bodies(source))
    try:
        events, parser = read(source, body.data if hasattr(body, "data") else body.body)
    except df.WireError:
        return
    check_pair(source, events, parser.response, target)


@every_pair
def test_bodies_that_did_not_stream(source: str, path: Path, target: str) -> None:
    """The whole body says what the stream said, and is JSON."""
    _, parser = read(source, path.read_bytes())
    response = parser.response
    before = json.dumps(response.to_dict())
    body = encode_response(response, target)
    assert json.dumps(response.to_dict()) == before
    json.dumps(body, allow_nan=False)
    if response.outcome not in (Outcome.COMPLETED, Outcome.INCOMPLETE):
        assert body["error"]["message"]


@every_target
@pytest.mark.parametrize("cut", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("source", WIRES)
def test_what_breaks_off_is_no_success(source: str, cut: float, target: str) -> None:
    """A stream that breaks off is an error on every wire."""
    for path in sorted((FIXTURES / source).glob("*.sse"))[:40]:
        body = path.read_bytes()
        parser = ResponseParser(source)
        parser.feed(body[: int(len(body) * cut)])
        events = list(parser.events())
        parser.cancel()
        events += parser.events()
        if parser.response.outcome is Outcome.CANCELLED:
            written, _ = write(target, events)
            assert read(target, written)[1].response.outcome is Outcome.FAILED


# ------------------------------------------------------------------------------------------------ misuse


def test_options_that_are_none() -> None:
    """A dialect or option that does not exist is the caller's mistake."""
    with pytest.raises(UsageError):
        StreamEncoder("nonsense")
    with pytest.raises(UsageError):
        StreamEncoder("chat", custom_tools="none")
    assert StreamEncoder("chat").dialect == "chat"


@every_target
def test_events_out_of_order(target: str) -> None:
    """What no life cycle allows is refused, and changes nothing."""
    encoder = StreamEncoder(target)
    with pytest.raises(UsageError, match="idle"):
        encoder.encode(df.TextDelta(0, 0, "x"))
    encoder.encode(df.ResponseStarted("r", "m"))
    with pytest.raises(UsageError, match="absent"):
        encoder.encode(df.TextDelta(0, 0, "x"))
    with pytest.raises(UsageError):
        encoder.encode(df.ResponseStarted("r", "m"))
    with pytest.raises(UsageError, match="no event"):
        encoder.encode("text")  # type: ignore[arg-type]
    encoder.encode(df.ItemStarted(0, df.Message(None, (), "assistant", "in_progress", None, None, {})))
    with pytest.raises(UsageError, match="part 0"):
        encoder.encode(df.TextDelta(0, 0, "x"))
    with pytest.raises(UsageError, match="both"):
        encoder.payloads(df.Heartbeat("comment"))


def test_snapshots_that_are_none() -> None:
    """A snapshot of something else, or a damaged one, is refused."""
    for wrong in (None, {}, {"deltafold": 4}, ResponseParser("chat").snapshot()):
        with pytest.raises(UsageError):
            StreamEncoder.resume(wrong)  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------- what is shared


@pytest.mark.parametrize("dialect", WIRES)
def test_ids_that_do_not_fit(dialect: str) -> None:
    """Ids that do not fit become digests: the same for the same id, another for another."""
    assert fitting_call_id(dialect, "call_1") == "call_1"
    if dialect != "gemini":
        one, two = fitting_call_id(dialect, "a" * 65), fitting_call_id(dialect, "a" * 66)
        assert one != two
        assert re.fullmatch(r"[a-z]+_[0-9a-f]{32}", one)
        assert one == fitting_call_id(dialect, "a" * 65)


def test_numbers_that_json_has_not() -> None:
    """What JSON cannot say becomes null."""
    assert json.loads(dumps({"a": [float("inf"), 1.5, 10**400, {"b": float("nan")}]})) == {
        "a": [None, 1.5, None, {"b": None}]
    }
    assert countable([1]) == [1]
    with pytest.raises(UsageError):
        dumps({"a": object()})


@given(st.text(alphabet='{}[]"\\ab: ', max_size=30), st.integers(1, 5))
def test_scanning_objects_in_pieces(text: str, size: int) -> None:
    """Where an object ends does not depend on how its text is cut."""
    whole = ObjectScan()
    rest = whole.feed(text)
    pieces = ObjectScan()
    rests = [pieces.feed(text[at : at + size]) for at in range(0, len(text), size)]
    assert pieces.whole == whole.whole
    assert "".join(rests) == rest or not whole.whole
    if json_object(text) is not None:
        assert whole.whole
        assert not rest.strip()


@every_target
@pytest.mark.parametrize("text", FORGERIES)
def test_no_text_forges_a_frame(text: str, target: str) -> None:
    """Line ends and the like stay inside of JSON."""
    writer = df.ResponseWriter(target, response_id="r" + text, model=text)
    parts = [
        writer.text(text),
        writer.reasoning(text),
        writer.call(text, json.dumps({"k": text}), call_id=text),
    ]
    body = b"".join([*parts, writer.finish()])
    frames = body.decode("ascii").split("\n\n")
    assert frames.pop() == ""
    for frame in frames:
        lines = frame.split("\n")
        assert lines[-1].startswith("data: ")
        assert len(lines) == (2 if target in ("responses", "anthropic") else 1)
        if lines[-1] != "data: [DONE]":
            json.loads(lines[-1][6:])
    if "\ud800" not in text:
        assert parse(body, target).output_text == text


def test_what_a_wire_cannot_say_is_a_loss() -> None:
    """Each kind of loss is told once for each item."""
    events: list[Event] = [
        df.ResponseStarted("r", "m"),
        df.ItemStarted(0, df.OtherItem("web_search_call", "ws_1", None, None, {"type": "web_search_call"})),
        df.ItemProgress(0, "searching"),
        df.ItemStarted(1, df.Message(None, (), "assistant", "in_progress", None, 1, {})),
    ]
    _, encoder = write("chat", events)
    assert [(loss.code, loss.output_index) for loss in encoder.losses] == [(LossCode.ITEM_UNSUPPORTED, 0)]
    _, encoder = write("anthropic", events)
    assert [loss.code for loss in encoder.losses] == [LossCode.ITEM_UNSUPPORTED, LossCode.FURTHER_CHOICE]


@every_target
def test_lifted_text_is_written_where_it_is_asked_for(target: str) -> None:
    """What was lifted out of arguments becomes text."""
    call = df.FunctionCall(None, "call_1", "say", "{}", True, "completed", False, None, {})
    events: list[Event] = [
        df.ResponseStarted("r", "m"),
        df.ItemStarted(0, attrs.evolve(call, arguments="", complete=False)),
        df.LiftedDelta(0, ("text",), "text", "Hel"),
        df.LiftedDelta(0, ("text",), "text", "lo"),
        df.ArgumentsDelta(0, "{}"),
        df.ItemFinished(0, call),
        df.ResponseFinished(
            Outcome.COMPLETED,
            df.Response("r", "m", None, Outcome.COMPLETED, (call,), None, None, None, "tool_calls", {}),
        ),
    ]
    body, encoder = write(target, events, lifted=True)
    assert parse(body, target).output_text == "Hello"
    assert encoder.losses == ()
    body, encoder = write(target, events)
    assert [loss.code for loss in encoder.losses] == [LossCode.LIFTED_TEXT]
    assert len(parse(body, target).tool_calls) == 1


# ------------------------------------------------------------------------------------------ a server's voice


@every_target
def test_a_server_speaks_for_itself(target: str) -> None:
    """Text, reasoning, calls and usage, with nothing but what is said."""
    writer = df.ResponseWriter(target, response_id="resp_1", model="m")
    pieces = [
        writer.reasoning("Hm."),
        writer.text("Let me "),
        writer.text("look."),
        writer.heartbeat(),
        writer.call("search", '{"q":', call_id="call_1"),
        writer.arguments("1}"),
        writer.call("nothing"),
        writer.usage(12, 9, cached_tokens=2, reasoning_tokens=3),
        writer.finish(),
    ]
    response = parse(b"".join(pieces), target)
    assert response.outcome is Outcome.COMPLETED
    assert response.output_text == "Let me look."
    assert response.reasoning_text == "Hm."
    assert response.finish_reason == "tool_calls"
    assert [(call.name, json.loads(getattr(call, "arguments", ""))) for call in response.tool_calls] == [
        ("search", {"q": 1}),
        ("nothing", {}),
    ]
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (12, 9)
    assert writer.losses == ()
    for again in (
        writer.finish,
        writer.begin,
        writer.cancel,
        lambda: writer.text("x"),
        lambda: writer.fail("x"),
    ):
        with pytest.raises(UsageError):
            again()


@every_target
def test_the_other_ends_of_a_server(target: str) -> None:
    """Limits, filters, failures and cancellation."""
    for reason, outcome in (("length", Outcome.INCOMPLETE), ("content_filter", Outcome.INCOMPLETE)):
        writer = df.ResponseWriter(target)
        response = parse(writer.text("x") + writer.finish(reason), target)
        assert (response.outcome, response.finish_reason) == (outcome, reason)
    writer = df.ResponseWriter(target)
    response = parse(writer.refusal("no") + writer.fail("too busy", kind="overloaded", code="busy"), target)
    assert response.outcome is Outcome.FAILED
    assert response.error is not None
    assert response.error.message == "too busy"
    assert response.error.kind == "overloaded"
    writer = df.ResponseWriter(target)
    assert parse(writer.text("x") + writer.cancel(), target).outcome is Outcome.FAILED
    with pytest.raises(UsageError, match="kind"):
        df.ResponseWriter(target).fail("x", kind="nonsense")
    with pytest.raises(UsageError, match="no call"):
        df.ResponseWriter(target).arguments("{}")


@every_target
def test_custom_tools_and_summaries_of_a_server(target: str) -> None:
    """Free text for a tool, and the summary of reasoning."""
    writer = df.ResponseWriter(target)
    body = (
        writer.reasoning("In short", summary=True)
        + writer.custom_call("patch", "+ a")
        + writer.arguments("b")
    )
    response = parse(body + writer.finish(), target)
    (call,) = response.tool_calls
    assert response.reasoning_text == "In short"
    assert call.name == "patch"
    if target in ("responses", "chat"):
        assert isinstance(call, df.CustomToolCall)
        assert call.input == "+ ab"
    else:
        assert isinstance(call, df.FunctionCall)
        assert json.loads(call.arguments) == {"input": "+ ab"}
        assert [loss.code for loss in writer.losses] == [LossCode.CUSTOM_TOOL_AS_FUNCTION]


def test_custom_tools_as_functions() -> None:
    """Chat's clients that know no custom tools get functions of one argument."""
    writer = df.ResponseWriter("chat", custom_tools="function")
    response = parse(writer.custom_call("patch", "+ a") + writer.finish(), "chat")
    (call,) = response.tool_calls
    assert isinstance(call, df.FunctionCall)
    assert json.loads(call.arguments) == {"input": "+ a"}


def test_time_grows_with_the_events_alone() -> None:
    """A fragment costs the same however many came before it: its frame is no longer than the first."""
    for target in WIRES:
        writer = df.ResponseWriter(target)
        writer.text("x")
        sizes = [len(writer.text("x")) for _ in range(500)]
        assert all(b - a <= 1 for a, b in pairwise(sizes))


def test_each_choice_keeps_its_member_of_reasoning() -> None:
    """Whole or streamed: what a choice had under `reasoning` does not come back as `reasoning_content`."""
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", name: "Hm", "content": "A"},
            "finish_reason": "stop",
        }
        for index, name in enumerate(("reasoning_content", "reasoning"))
    ]
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}
    sent = df.encode_response(df.parse(json.dumps(body).encode(), "chat"), "chat")
    for told, choice in zip(sent["choices"], choices, strict=True):
        assert told["message"].items() >= choice["message"].items()


@pytest.mark.parametrize("target", ["chat", "anthropic"])
def test_a_model_that_nobody_named(target: str) -> None:
    """The member is there, and says nothing: the SDKs of these two take no null."""
    response = df.parse(
        json.dumps({"object": "response", "id": "r", "status": "completed", "output": []}).encode()
    )
    assert df.encode_response(response, target)["model"] == ""


def test_choices_of_another_wire_as_candidates() -> None:
    """Each with its own finish reason; a part that nobody knows has no text."""
    parts = [{"type": "text", "text": "one"}, {"type": "hologram", "cells": [1]}]
    choices = [
        {"index": 0, "message": {"role": "assistant", "content": parts}, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "content": "two"}, "finish_reason": "content_filter"},
    ]
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}
    sent = df.parse(json.dumps(body).encode(), "chat").to_gemini_response()
    assert [candidate["content"]["parts"] for candidate in sent["candidates"]] == [
        [{"text": "one"}],
        [{"text": "two"}],
    ]
    assert [candidate["finishReason"] for candidate in sent["candidates"]] == ["STOP", "SAFETY"]


def test_a_failed_response_of_another_wire_has_no_finish_reason() -> None:
    """Gemini has no word for it, and no reader may take the candidate for whole."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "network_error"}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    (candidate,) = df.parse(json.dumps(body).encode(), "chat").to_gemini_response()["candidates"]
    assert candidate == {"index": 0, "content": {"role": "model", "parts": [{"text": "x"}]}}


def test_the_events_that_a_response_could_have_come_from() -> None:
    """Items and parts begin blank, and everything that is in them comes."""
    note, sure = {"type": "x"}, {"token": "Hi", "logprob": -1.0}
    parts = [
        {"type": "output_text", "text": "Hi", "annotations": [note], "logprobs": [sure]},
        {"type": "output_text", "text": "Ho"},
        {"type": "refusal", "refusal": "no"},
        {"type": "brand", "x": 1},
    ]
    thought = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "S"}],
        "content": [{"type": "reasoning_text", "text": "T"}],
    }
    output = [
        {"type": "message", "role": "assistant", "content": parts},
        thought,
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "x"},
    ]
    body = {"object": "response", "id": "r", "status": "completed", "output": output}
    events = events_of(parse(json.dumps(body).encode()))
    for event in events:
        if isinstance(event, df.ItemStarted):
            for member in ("content", "summary", "arguments", "input"):
                assert not getattr(event.item, member, None)
            assert event.member is None
    begun = [event.part for event in events if isinstance(event, df.PartStarted)]
    assert [(type(part), getattr(part, "text", None), getattr(part, "refusal", None)) for part in begun] == [
        (df.OutputText, "", None),
        (df.OutputText, "", None),
        (df.Refusal, None, ""),
        (df.OtherPart, None, None),
        (df.SummaryText, "", None),
        (df.ReasoningText, "", None),
    ]
    assert [part.logprobs or part.annotations for part in begun if isinstance(part, df.OutputText)] == [
        (),
        (),
    ]
    assert [
        event for event in events if "Delta" in type(event).__name__ or "Annot" in type(event).__name__
    ] == [
        df.TextDelta(0, 0, "Hi", (sure,)),
        df.AnnotationAdded(0, 0, 0, note),
        df.TextDelta(0, 1, "Ho"),
        df.RefusalDelta(0, 2, "no"),
        df.ReasoningDelta(1, 0, "S", "summary"),
        df.ReasoningDelta(1, 0, "T", "text"),
        df.ArgumentsDelta(2, "{}"),
        df.ArgumentsDelta(3, "x"),
    ]


@pytest.mark.parametrize("member", ["reasoning", "reasoning_content"])
def test_members_of_chat_go_with_their_items(member: str) -> None:
    """Reasoning with the member that it came in, a legacy call with its own, and nothing else with any."""
    call = {"name": "f", "arguments": "{}"}
    messages: list[dict[str, Any]] = [
        {"role": "assistant", member: "why", "content": "Hi", "function_call": call},
        {"role": "assistant", member: "why", "content": "Hi", "tool_calls": [{"id": "c", "function": call}]},
    ]
    choices = [
        {"index": number, "message": message, "finish_reason": "stop"}
        for number, message in enumerate(messages)
    ]
    body = json.dumps({"object": "chat.completion", "choices": choices}).encode()
    started = [event for event in events_of(parse(body, "chat")) if isinstance(event, df.ItemStarted)]
    assert [(event.item.choice_index, event.item.type, event.member) for event in started] == [
        (0, "reasoning", member),
        (0, "message", None),
        (0, "function_call", "function_call"),
        (1, "reasoning", member),
        (1, "message", None),
        (1, "function_call", None),
    ]
