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


FAILED = (
    {"object": "chat.completion.chunk", "id": "c", "choices": [{"index": 0, "delta": {"content": "Hel"}}]},
    {"error": {"message": "The server is busy", "code": 503, "type": "server_error"}},
)


@pytest.mark.parametrize("dialect", NAMES)
def test_a_failure_stays_a_failure(dialect: str) -> None:
    """Also where the SDK has no class for an error."""
    made = bridge(dialect)
    source = ResponseParser("chat")
    for payload in FAILED:
        source.feed_payload(payload)
    source.close()
    parser = ResponseParser(dialect)
    for event in getattr(made, NAMES[dialect][0])(list(source.events())):
        parser.feed_payload(made.payload_of(event))
    parser.close()
    list(parser.events())
    assert parser.response.outcome == "failed"
    assert parser.response.error is not None
    assert parser.response.error.message == "The server is busy"
    whole = getattr(made, NAMES[dialect][1])(source.response)
    assert "The server is busy" in json.dumps(made.payload_of(whole))


@pytest.mark.filterwarnings("ignore:.* is not a valid")
def test_numbers_for_words_of_gemini() -> None:
    """Servers behind a proxy of another kind tell the numbers of words; the SDK's classes want texts."""
    made = bridge("gemini")
    rating = {"category": 1, "probability": None, "severity": "HARM_SEVERITY_LOW"}
    details = [{"modality": 1, "tokenCount": 5}]
    candidate = {
        "index": 0,
        "content": {"role": "model", "parts": [{"text": "Hi"}]},
        "safetyRatings": [rating],
        "finishReason": 1,
    }
    body = {"candidates": [candidate], "usageMetadata": {"promptTokensDetails": details}}
    parser = ResponseParser("gemini")
    parser.feed_payload(body)
    parser.close()
    payloads = [made.payload_of(chunk) for chunk in made.content_chunks(parser.events())]
    text = json.dumps(payloads)
    assert '"category": "1"' in text
    assert '"modality": "1"' in text
    assert '"finishReason": "STOP"' in text


def test_lists_of_words_of_gemini() -> None:
    """Each of them."""
    google = bridge("gemini")
    types = importlib.import_module("google.genai.types")
    payload = {"responseModalities": ["TEXT", 2], "thinkingConfig": 5, "seed": 1}
    google.words_for_numbers(payload, types.GenerationConfig)
    assert google.inner_type("a name that is not resolved") is None
    assert payload == {"responseModalities": ["TEXT", "2"], "thinkingConfig": 5, "seed": 1}


def test_events_that_the_sdk_does_not_know_pass() -> None:
    """With all their members; a number that is missing is made."""
    made = bridge("responses")
    parser = ResponseParser("responses")
    parser.feed_payload({"type": "response.created", "response": {"id": "r", "output": []}})
    parser.feed_payload({"type": "response.brand_new", "a": {"b": 1}})
    parser.feed_payload(
        {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}}
    )
    parser.close()
    payloads = [made.payload_of(event) for event in made.response_events(parser.events())]
    assert [payload["sequence_number"] for payload in payloads] == [*range(len(payloads))]
    assert {"type": "response.brand_new", "a": {"b": 1}} in [
        {key: value for key, value in payload.items() if key != "sequence_number"} for payload in payloads
    ]
