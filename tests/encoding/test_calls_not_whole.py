"""A call that is not whole is not whole behind any writer: nobody may run what the model did not say.

Where a wire can say of a call that it was cut, it does: by text that is no JSON, by a status, by a block that
stays open. Where it cannot, the call is left out, and the response ends as if a limit had cut it. What was
written as whole before it turned out not to be ends in an error.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import deltafold as df
from deltafold import (
    Event,
    LossCode,
    Outcome,
    Response,
    ResponseParser,
    StreamEncoder,
    encode_response,
    parse,
)
from deltafold.registry import DIALECTS
from deltafold.testing import strategies as drawn
from deltafold.testing.builder import Stream, StreamBuilder
from runs import read

GOOD = (Outcome.COMPLETED, Outcome.INCOMPLETE)
every_target = pytest.mark.parametrize("target", DIALECTS)
targets = st.sampled_from(DIALECTS)


def value_of(text: str) -> Any:
    """The value of a JSON text, to be compared: `1` and `true` are not the same."""
    return json.dumps(json.loads(text), sort_keys=True)


def runnable(response: df.Response) -> list[set[str]]:
    """The calls that may be run: each by the forms that its arguments have on one wire or another."""
    found = []
    for call in response.tool_calls:
        if isinstance(call, df.FunctionCall):
            found.append({value_of(call.arguments)})
        else:
            found.append({"text " + call.input, json.dumps({"input": call.input})})
    return found


def write(target: str, events: list[Event]) -> tuple[df.Response, StreamEncoder]:
    """What the reader of a wire makes of what is written there."""
    encoder = StreamEncoder(target)
    return read(target, [encoder.encode(event) for event in events])[1].response, encoder


def check(events: list[Event], response: df.Response, target: str) -> None:
    """Whatever can be run behind a writer could be run in front of it, or the response is no success."""
    again, encoder = write(target, events)
    if response.outcome not in GOOD:
        assert again.outcome is Outcome.FAILED
    lost = {loss.code for loss in encoder.losses}
    known = runnable(response)
    more = []
    for forms in runnable(again):
        same = next((one for one in known if one & forms), None)
        if same is None:
            more.append(forms)
        else:
            known.remove(same)
    if again.outcome is Outcome.COMPLETED:
        assert not more
    elif again.outcome is Outcome.INCOMPLETE:
        assert not more or LossCode.CALL_NOT_WHOLE in lost or LossCode.ARGUMENTS_AFTER_END in lost
    if response.outcome in GOOD and again.outcome in GOOD:
        assert not known or lost
        assert response.outcome is again.outcome or lost
    if response.outcome is Outcome.COMPLETED:
        assert (
            again.outcome is Outcome.COMPLETED
            or LossCode.CALL_NOT_WHOLE in lost
            or (LossCode.ARGUMENTS_NO_OBJECT in lost)
        )


DAMAGES = st.lists(st.sampled_from([drawn.orderings, drawn.mistypings, drawn.gluings]), max_size=2)
WORDS = ("stop", "tool_calls", "length", "STOP", "MAX_TOKENS", "max_tokens", "tool_use", "end_turn")
ARGUMENTS = ("[1]", '"s"', "5", "null", '{"a":', '{"a":1}{', '{"a":NaN}', "hello", "", " ", "{}", '{"a":1}')
PLACES = frozenset({"arguments", "partial_json", "args", "input", "delta"})
STATUSES = frozenset({"status", "finish_reason", "stop_reason", "finishReason", "willContinue"})


def change(value: Any, draw: st.DrawFn, chance: list[bool]) -> Any:
    """A payload with other arguments, statuses or finish reasons, wherever it has some."""
    if isinstance(value, dict):
        made = {}
        for key, member in value.items():
            if key in STATUSES and draw(st.sampled_from(chance)):
                made[key] = draw(st.sampled_from([*WORDS, "incomplete", "completed", True]))
            elif key in PLACES and not isinstance(member, dict | list) and draw(st.sampled_from(chance)):
                made[key] = draw(st.sampled_from([*ARGUMENTS, 7, [1]]))
            else:
                made[key] = change(member, draw, chance)
        return made
    return [change(entry, draw, chance) for entry in value] if isinstance(value, list) else value


@st.composite
def spoiled(draw: st.DrawFn) -> Stream:
    """A stream with calls, of which arguments, statuses and words are others, and events come otherwise."""
    dialect = draw(targets)
    builder = StreamBuilder(dialect, terse=draw(st.booleans()))
    for number in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["call", "call", "text", "custom"]))
        if kind == "text":
            builder.text("Hi")
        elif kind == "custom" and dialect in ("responses", "chat"):
            builder.call("g", "some", " text", custom=True)
        else:
            text = draw(st.sampled_from(ARGUMENTS[-2:] if dialect == "gemini" else ARGUMENTS))
            builder.call("f", *draw(drawn.fragments(text)), call_id=f"call_{number}")
    stream = builder.completed() if draw(st.booleans()) else builder.incomplete("max_output_tokens")
    chance = [True] + [False] * 9
    payloads = [
        payload if isinstance(payload, bytes) else change(dict(payload), draw, chance)
        for payload in stream.payloads
    ]
    stream = stream.saying(payloads)
    for damage in draw(DAMAGES):
        stream = draw(damage(stream))
    return stream


@given(spoiled(), targets, st.booleans())
def test_a_call_that_is_not_whole_is_not_whole_behind_any_writer(
    stream: Stream, target: str, cancelled: bool
) -> None:
    """Streams that were spoiled in what says how whole their calls are."""
    parser = df.ResponseParser(stream.dialect)
    parser.feed(stream.body)
    try:
        events = list(parser.events())
        (parser.cancel if cancelled else parser.close)()
        events += parser.events()
    except df.LimitExceeded:
        return
    check(events, parser.response, target)


@given(drawn.any_body(), targets)
@example(
    drawn.Body("chat", StreamBuilder("chat").call("f", '{"a":1}').text("b").incomplete("length").body),
    "anthropic",
)
def test_nor_behind_one_of_any_stream(body: drawn.Body, target: str) -> None:
    """Streams as they should be, and damaged in any way."""
    try:
        events, parser = read(body.dialect, [body.data])
    except df.LimitExceeded:
        return
    check(events, parser.response, target)


@given(spoiled(), targets)
def test_nor_in_a_whole_body(stream: Stream, target: str) -> None:
    """The body that an API would have sent says so too."""
    try:
        response = read(stream.dialect, [stream.body])[1].response
    except df.LimitExceeded:
        return
    if response.outcome not in GOOD:
        return
    body = json.dumps(encode_response(response, target)).encode()
    again = df.parse(body, target)
    if again.outcome is Outcome.COMPLETED:
        known = runnable(response)
        for forms in runnable(again):
            same = next((one for one in known if one & forms), None)
            assert same is not None
            known.remove(same)


@pytest.mark.parametrize("arguments", ['{"a":', "[1]"])
def test_a_body_of_its_own_wire_marks_what_it_leaves_out(arguments: str) -> None:
    """Anthropic's body has no form for input that is no object: without the call, it ends as cut."""
    parser = df.ResponseParser("anthropic")
    block = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    delta = {"type": "input_json_delta", "partial_json": arguments}
    payloads: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": {"id": "msg_1", "model": "m", "role": "assistant", "content": []},
        },
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    ]
    for payload in payloads:
        parser.feed_payload(payload)
    assert list(parser.events())
    assert parser.response.outcome is Outcome.COMPLETED
    body = encode_response(parser.response, "anthropic")
    assert body["content"] == []
    assert body["stop_reason"] == "max_tokens"


DOCUMENTS = {
    "responses": Response.to_dict,
    "chat": Response.to_chat_completion,
    "anthropic": Response.to_anthropic_message,
    "gemini": Response.to_gemini_response,
}


@pytest.mark.parametrize("how", ["failed", "cut off", "cancelled"])
@pytest.mark.parametrize("target", sorted(DOCUMENTS))
@pytest.mark.parametrize("source", sorted(DOCUMENTS))
def test_what_has_not_ended_is_not_complete_as_a_document(source: str, target: str, how: str) -> None:
    """Whoever reads the unstreamed body of a response that failed or broke off does not take it for whole."""
    builder = StreamBuilder(source).text("Hel", "lo")
    body = builder.failed("server_error").body if how == "failed" else builder.completed().body
    parser = ResponseParser(source)
    parser.feed(body if how == "failed" else body[: len(body) * 2 // 3])
    list(parser.events())
    (parser.cancel if how == "cancelled" else parser.close)()
    list(parser.events())
    assert parser.response.outcome not in (None, Outcome.COMPLETED, Outcome.INCOMPLETE)
    document = json.dumps(DOCUMENTS[target](parser.response)).encode()
    assert parse(document, target).outcome in (Outcome.FAILED, Outcome.TRUNCATED, Outcome.CANCELLED)
