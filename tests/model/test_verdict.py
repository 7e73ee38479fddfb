"""The verdict: whether a request may be sent again, and what that rests on."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold import (
    CustomToolCall,
    FunctionCall,
    ItemFinished,
    ItemUpdated,
    Lift,
    LimitExceeded,
    Limits,
    Outcome,
    ReasoningDelta,
    RefusalDelta,
    ResponseFinished,
    ResponseParser,
    TextDelta,
    Verdict,
    parse,
)
from deltafold.model.verdict import ORDER
from deltafold.testing import Stream
from deltafold.testing.payloads import (
    added,
    arguments,
    call,
    choice,
    chunk,
    completed,
    created,
    custom_call,
    done,
    message,
    output_text,
    part_added,
    part_done,
    reasoning,
    refusal,
    streamed_message,
    text,
    value,
)
from deltafold.testing.strategies import damaged_bodies, streams
from runs import JSON, frames, play


def verdict(*payloads: JSON, end: str = "close", dialect: str = "responses", **options: Any) -> Verdict:
    """The verdict on some payloads and how they ended."""
    parser = ResponseParser(dialect, **options)
    parser.feed(frames(*payloads))
    getattr(parser, end)()
    last = list(parser.events())[-1]
    assert isinstance(last, ResponseFinished)
    assert last.response.verdict == parser.response.verdict
    return parser.response.verdict


SAFE = Verdict((), False, False, False, True, None)
NOTHING = attrs.evolve(SAFE, retryable=False)


def failed(code: str, **more: Any) -> JSON:
    """The end of a response that failed."""
    error = {"code": code, "message": f"{code}. Please try again in 6.5s."}
    return completed(type="response.failed", error=error, **more)


def test_nothing_has_come() -> None:
    """A stream that broke before anything of the answer is safe to send again."""
    assert verdict() == SAFE
    assert verdict(created()) == SAFE
    blank = [added(0, message(status="in_progress")), part_added(0, {"type": "output_text", "text": ""})]
    assert verdict(created(), *blank) == SAFE
    assert verdict(created(), added(0, {**reasoning(), "encrypted_content": "gAAA"})) == SAFE
    assert SAFE.safe_to_replay
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"role": "assistant"}}]}
    assert verdict(chunk, dialect="chat") == SAFE


def test_failures_that_pass() -> None:
    """A failure that passes is retryable, after the time that the server told; others are not."""
    assert verdict(created(), failed("rate_limit_exceeded")) == attrs.evolve(SAFE, retry_after=6.5)
    assert verdict(created(), failed("server_error")) == SAFE
    for code in ("insufficient_quota", "context_length_exceeded", "invalid_prompt"):
        told = verdict(created(), failed(code))
        assert told == NOTHING
        assert not told.safe_to_replay
    overloaded = {"type": "error", "error": {"code": "server_is_overloaded", "message": "busy"}}
    assert verdict(overloaded).safe_to_replay
    assert verdict({"error": {"message": "busy", "code": 503}}, dialect="chat").safe_to_replay


def test_what_is_no_failure() -> None:
    """A response that is whole, cut by a limit or a filter, given up, or not at its end is none to retry."""
    for ending in (
        completed(),
        completed(type="response.incomplete", incomplete_details={"reason": "max_output_tokens"}),
        completed(type="response.incomplete", incomplete_details={"reason": "content_filter"}),
        completed(type="response.cancelled", status="cancelled"),
    ):
        assert verdict(created(), ending) == NOTHING
    assert verdict(created(), end="cancel") == NOTHING
    parser = ResponseParser()
    parser.feed(frames(created()))
    list(parser.events())
    assert parser.response.verdict == NOTHING
    with pytest.raises(LimitExceeded):
        parse(frames(created(), *streamed_message(0, "Hello")), limits=Limits(text_size=3))


SHELL = {"id": "sh", "type": "shell_call", "status": "in_progress", "action": {"commands": ["ls"]}}
CALLED = attrs.evolve(SAFE, visible=("tool_call",))
MADE: dict[str, tuple[list[JSON], Verdict]] = {
    "text": (streamed_message(0, "Hi")[:3], attrs.evolve(SAFE, visible=("text",))),
    "refusal": (
        [
            added(0, message()),
            part_added(0, refusal()),
            value("refusal.delta", 0, content_index=0, delta="No"),
        ],
        attrs.evolve(SAFE, visible=("refusal",)),
    ),
    "blank refusal": ([added(0, message()), part_added(0, refusal())], SAFE),
    "other part": (
        [added(0, message()), part_added(0, {"type": "output_smell"})],
        attrs.evolve(SAFE, visible=("other",)),
    ),
    "reasoning": (
        [added(0, reasoning()), value("reasoning_text.delta", 0, content_index=0, delta="Hm")],
        attrs.evolve(SAFE, visible=("reasoning",)),
    ),
    "begun call": ([added(0, call()), arguments(0, '{"to":')], CALLED),
    "whole call": (
        [added(0, call()), done(0, call('{"to":"Ana"}'))],
        attrs.evolve(CALLED, tool_call_completed=True),
    ),
    "broken call": ([added(0, call()), done(0, call('{"to":'))], CALLED),
    "begun custom call": ([added(0, custom_call("a"))], CALLED),
    "whole custom call": (
        [added(0, custom_call()), done(0, {**custom_call("a"), "status": "completed"})],
        attrs.evolve(CALLED, tool_call_completed=True),
    ),
    "local shell, begun": ([added(0, {**SHELL, "environment": {"type": "local"}})], CALLED),
    "local shell": (
        [done(0, {**SHELL, "environment": {"type": "local"}, "status": "completed"})],
        attrs.evolve(CALLED, tool_call_completed=True),
    ),
    "shell of the server": ([added(0, SHELL)], attrs.evolve(CALLED, hosted_tool_ran=True)),
    "computer": (
        [done(0, {"id": "cu", "type": "computer_call", "status": "completed"})],
        attrs.evolve(CALLED, tool_call_completed=True),
    ),
    "mcp": (
        [added(0, {"id": "m", "type": "mcp_call", "status": "in_progress", "name": "pay", "arguments": ""})],
        attrs.evolve(SAFE, visible=("hosted_tool",), hosted_tool_ran=True),
    ),
    "unknown item": (
        [added(0, {"id": "h", "type": "hologram_call"})],
        attrs.evolve(SAFE, visible=("hosted_tool",), hosted_tool_ran=True),
    ),
    "inert": ([added(0, {"id": "l", "type": "mcp_list_tools", "tools": []})], SAFE),
    "asked to approve": (
        [added(0, {"id": "r", "type": "mcp_approval_request", "name": "pay", "arguments": "{}"})],
        attrs.evolve(SAFE, visible=("tool_call",)),
    ),
    "audio": ([{"type": "response.audio.delta", "delta": "AAAA"}], attrs.evolve(SAFE, visible=("audio",))),
    "several": (
        [
            added(0, reasoning()),
            value("reasoning_text.delta", 0, content_index=0, delta="Hm"),
            added(1, call()),
            *streamed_message(2, "Hi"),
        ],
        attrs.evolve(SAFE, visible=("text", "reasoning", "tool_call")),
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_what_was_visible(name: str) -> None:
    """What was handed out of the answer, and what may have been done with it, decides."""
    payloads, expected = MADE[name]
    told = verdict(created(), *payloads)
    assert told == expected
    assert told.safe_to_replay == (expected == SAFE)


def test_a_call_that_the_end_told_otherwise() -> None:
    """A call that was handed out whole may have been run, whatever the end says of it."""
    ending = completed(call('{"to":"Ana"}', status="incomplete"), type="response.incomplete")
    told = verdict(created(), added(0, call()), done(0, call('{"to":"Ana"}')), ending)
    assert told.tool_call_completed
    assert parse(frames(created(), ending), "responses").verdict == attrs.evolve(
        NOTHING, visible=("tool_call",)
    )


def test_lifted_text_is_visible() -> None:
    """What was lifted out of the arguments of a call counts as what it was lifted into."""
    payloads = [created(), added(0, call()), arguments(0, '{"say":"Hi","think":"Hm"')]
    lifts = [Lift(("say",), "text"), Lift(("think",), "reasoning")]
    assert verdict(*payloads, lifts=lifts).visible == ("text", "reasoning", "tool_call")


def test_a_response_that_goes_on() -> None:
    """A response in the background goes on without us: then nothing is to be sent again."""
    begun = created(background=True)
    assert verdict(begun) == attrs.evolve(SAFE, goes_on=True)
    assert not verdict(begun).safe_to_replay
    assert verdict(begun, end="cancel") == attrs.evolve(NOTHING, goes_on=True)
    for ending in (
        completed(background=True),
        completed(background=True, type="response.cancelled", status="cancelled"),
    ):
        assert verdict(begun, ending) == NOTHING
    assert verdict(begun, failed("server_error", background=True)).safe_to_replay


@given(streams() | damaged_bodies(), st.booleans())
def test_no_verdict_is_safe_that_is_not(source: Any, cancelled: bool) -> None:
    """Whatever came: where anything of the answer was handed out, or a call, nothing is safe to replay."""
    dialect, body = (source.dialect, source.body) if isinstance(source, Stream) else source
    parser = ResponseParser(dialect)
    parser.feed(body)
    events = list(parser.events())
    (parser.cancel if cancelled else parser.close)()
    events += parser.events()
    told = parser.response.verdict
    assert list(told.visible) == sorted(set(told.visible), key=ORDER.index)
    seen = any(isinstance(event, (TextDelta, RefusalDelta, ReasoningDelta)) for event in events)
    calls = [event.item for event in events if isinstance(event, (ItemFinished, ItemUpdated))]
    ran = any(
        item.complete if isinstance(item, FunctionCall) else isinstance(item, CustomToolCall) and item.whole
        for item in calls
    )
    assert told.tool_call_completed >= ran
    if seen or ran or parser.response.outcome not in (Outcome.FAILED, Outcome.TRUNCATED):
        assert not told.safe_to_replay
    if told.safe_to_replay:
        assert told.visible == ()
        assert told.retryable
    for kind, event_class in (("text", TextDelta), ("refusal", RefusalDelta), ("reasoning", ReasoningDelta)):
        assert (kind in told.visible) >= any(isinstance(event, event_class) for event in events)
    assert play(body, dialect).parser.response.verdict.goes_on is False


def test_what_was_shown_counts_whatever_it_became() -> None:
    """Nothing that was handed out is forgotten: not where its part or item became another, nor where it
    stands in no part at all."""
    note = {"type": "url_citation", "url": "https://a.test"}
    begun = [created(), added(0, message(status="in_progress")), part_added(0, output_text())]
    for payloads in (
        [*begun, text(0, "Hi"), part_done(0, refusal())],
        [created(), added(0, reasoning()), value("refusal.delta", 0, content_index=0, delta="No")],
        [
            *begun,
            value("output_text.annotation.added", 0, content_index=0, annotation_index=0, annotation=note),
        ],
        [created(), added(0, {"type": "message", "content": "Hello"})],
        [created(), done(0, {"type": "message", "content": ["Hello"]})],
    ):
        told = verdict(*payloads)
        assert told.visible
        assert told.retryable
        assert not told.safe_to_replay
    for delta, kind in (
        ({"images": [{"type": "image_url"}]}, "other"),
        (
            {"tool_calls": [{"index": 0, "function": {"name": "t", "arguments": "{", "type": "message"}}]},
            "tool_call",
        ),
    ):
        told = verdict(chunk(choice(delta)), dialect="chat")
        assert told.visible == (kind,)
        assert not told.safe_to_replay


def test_an_error_of_the_stream_ends_no_background_response() -> None:
    """The server may be at work still, until it tells the end of the response itself."""
    error = {"type": "error", "code": "server_error", "message": "gone"}
    told = verdict(created(background=True), error)
    assert (told.goes_on, told.retryable, told.safe_to_replay) == (True, True, False)
    told = verdict(created(background=True), error, failed("server_error", background=True))
    assert (told.goes_on, told.safe_to_replay) == (False, True)


@pytest.mark.parametrize("content", [[5], {"a": 1}, [{"type": "output_text", "text": ""}, 5]])
def test_content_that_cannot_be_read_is_to_be_seen(content: Any) -> None:
    """Nobody knows what a client made of it."""
    message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": content}
    body = {"object": "response", "id": "r", "status": "completed", "output": [message]}
    assert "other" in parse(json.dumps(body).encode(), "responses").verdict.visible
