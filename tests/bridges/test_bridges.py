"""The bridges: events as the SDKs' own objects, and back."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest

from deltafold import Event, Response, ResponseParser, StreamEncoder, UsageError

SDKS = {"responses": "openai", "chat": "openai", "anthropic": "anthropic", "gemini": "google"}
NAMES = {
    "responses": ("response_events", "responses_response"),
    "chat": ("chat_chunks", "chat_completion"),
    "anthropic": ("message_events", "message"),
    "gemini": ("content_chunks", "content_response"),
}
PACKAGES = {"openai": "openai", "anthropic": "anthropic", "google": "google.genai"}


def bridge(dialect: str) -> Any:
    pytest.importorskip(PACKAGES[SDKS[dialect]])
    return importlib.import_module(f"deltafold.bridges.{SDKS[dialect]}")


def told() -> tuple[list[Event], Response]:
    """A stream with reasoning, text and a call."""
    deltas: list[Any] = [
        {"role": "assistant", "reasoning_content": "Hm."},
        {"content": "Hel"},
        {"content": "lo"},
        {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "wave", "arguments": '{"x":1}'}}]},
    ]
    parser = ResponseParser("chat")
    for number, delta in enumerate(deltas):
        reason = "tool_calls" if number == 3 else None
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        chunk = {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [choice],
        }
        parser.feed(f"data: {json.dumps(chunk)}\n\n".encode())
    parser.feed(b"data: [DONE]\n\n")
    parser.close()
    return list(parser.events()), parser.response


@pytest.mark.parametrize("dialect", NAMES)
def test_there_and_back(dialect: str) -> None:
    """The SDK's objects, fed as payloads, are the same response."""
    made = bridge(dialect)
    events, response = told()
    parser = ResponseParser(dialect)
    for event in getattr(made, NAMES[dialect][0])(events):
        assert type(event).__module__.startswith(PACKAGES[SDKS[dialect]])
        parser.feed_payload(made.payload_of(event))
    parser.close()
    list(parser.events())
    assert parser.response.output_text == response.output_text == "Hello"
    assert parser.response.reasoning_text == "Hm."
    assert [call.arguments for call in parser.response.tool_calls] == ['{"x":1}']
    assert parser.response.outcome == "completed"


@pytest.mark.parametrize("dialect", NAMES)
def test_responses_are_the_sdk_s_own(dialect: str) -> None:
    """Of its class, with the text."""
    made = getattr(bridge(dialect), NAMES[dialect][1])(told()[1])
    assert type(made).__module__.startswith(PACKAGES[SDKS[dialect]])
    assert "Hello" in made.model_dump_json(warnings=False)


@pytest.mark.parametrize("dialect", NAMES)
def test_what_is_none_of_the_sdk_s_is_refused(dialect: str) -> None:
    """And an encoder of another dialect."""
    made = bridge(dialect)
    with pytest.raises(UsageError):
        made.payload_of({"type": "x"})
    other = StreamEncoder("chat" if dialect != "chat" else "gemini")
    with pytest.raises(UsageError):
        list(getattr(made, NAMES[dialect][0])(told()[0], other))
