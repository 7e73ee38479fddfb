"""The final response: what is asked of it, derived from what was told."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from deltafold import FunctionCall, Outcome, Response, ResponseFailed, ResponseParser, Usage
from deltafold.dialects.base import usage_from
from deltafold.registry import DIALECTS
from deltafold.testing import StreamBuilder, payloads
from deltafold.testing.builder import json_bytes
from runs import calls_of, play

MESSAGE = {
    "type": "message",
    "id": "m",
    "role": "assistant",
    "status": "completed",
    "content": [
        {"type": "output_text", "text": "Hello", "annotations": []},
        {"type": "refusal", "refusal": "no"},
        {"type": "output_text", "text": " there", "annotations": []},
    ],
}
REASONING = {
    "type": "reasoning",
    "id": "r",
    "summary": [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}],
}
CALL = {
    "type": "function_call",
    "id": "f",
    "call_id": "c",
    "name": "n",
    "arguments": "{}",
    "status": "completed",
}
CUSTOM = {
    "type": "custom_tool_call",
    "id": "t",
    "call_id": "d",
    "name": "n",
    "input": "x",
    "status": "completed",
}
HOSTED = {"type": "web_search_call", "id": "w", "status": "completed"}


def response_object(status: str, *output: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A response as the server tells it."""
    told = {"error": None, "incomplete_details": None, "metadata": {}, **more}
    return payloads.response(status, id="resp_1", output=list(output), **told)


def ended(status: str, *output: dict[str, Any], **more: Any) -> Response:
    """The response of a stream that has but a beginning and an end."""
    told = response_object(status, *output, **more)
    events = [
        {"type": "response.created", "response": {"id": "resp_1"}},
        {"type": f"response.{status}", "response": told},
    ]
    return play(b"".join(b"data: " + json_bytes(event) + b"\n\n" for event in events)).parser.response


def test_to_dict_is_what_the_server_told() -> None:
    """`to_dict()` is the server's own response, field by field, as a copy."""
    told = response_object("completed", REASONING, MESSAGE, CALL, HOSTED, usage={"total_tokens": 3})
    response = ended("completed", REASONING, MESSAGE, CALL, HOSTED, usage={"total_tokens": 3})
    assert response.to_dict() == told
    copy = response.to_dict()
    copy["output"].clear()
    copy["metadata"]["added"] = 1
    assert response.to_dict() == told
    assert json.loads(json.dumps(response.to_dict())) == told


def test_to_dict_of_nothing() -> None:
    """A response of which nothing is known has its shape already."""
    response = ResponseParser().response
    told = response.to_dict()
    assert told["output"] == []
    assert told["object"] == "response"
    for name in ("id", "model", "status", "error", "incomplete_details", "usage"):
        assert told[name] is None
    assert (response.outcome, response.usage, response.error, response.finish_reason) == (None,) * 4
    assert (response.output_text, response.reasoning_text, calls_of(response)) == ("", "", ())


def test_output_text() -> None:
    """The text of all messages, in order, without refusals or other items."""
    assert ended("completed", MESSAGE, REASONING, MESSAGE).output_text == "Hello thereHello there"
    assert ended("completed", REASONING, CALL).output_text == ""


def test_reasoning_text() -> None:
    """Raw reasoning where there is some; else the summaries, with blank lines between."""
    assert ended("completed", REASONING, MESSAGE).reasoning_text == "one\n\ntwo"
    raw = {
        **REASONING,
        "content": [{"type": "reasoning_text", "text": "a"}, {"type": "reasoning_text", "text": "b"}],
    }
    assert ended("completed", raw).reasoning_text == "ab"
    assert ended("completed", MESSAGE).reasoning_text == ""
    blank = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": ""}, {"type": "summary_text", "text": "x"}],
    }
    assert ended("completed", blank).reasoning_text == "x"


def test_tool_calls() -> None:
    """The calls that the caller is to run, and no hosted ones."""
    calls = calls_of(ended("completed", MESSAGE, CALL, HOSTED, CUSTOM))
    assert [call.call_id for call in calls] == ["c", "d"]
    assert isinstance(calls[0], FunctionCall)
    assert calls[0].complete


@pytest.mark.parametrize(
    ("data", "usage"),
    [
        ({}, Usage()),
        ({"input_tokens": 0, "output_tokens": None, "total_tokens": "3"}, Usage(0, None, 3)),
        ({"input_tokens": 0, "output_tokens": 2.5, "total_tokens": "x"}, Usage(0)),
        ({"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}, Usage(1, 2, 3)),
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, Usage(1, 2, 3)),
        ({"input_tokens": True, "prompt_tokens": 4}, Usage(4)),
        (
            {"input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 5}},
            Usage(None, None, None, 0, 5),
        ),
        ({"prompt_tokens_details": {"cached_tokens": 2}}, Usage(None, None, None, 2)),
        ({"output_tokens_details": {"reasoning_tokens": 0}}, Usage(reasoning_tokens=0)),
        ({"completion_tokens_details": {"reasoning_tokens": 7}}, Usage(reasoning_tokens=7)),
        (
            {"output_tokens_details": None, "completion_tokens_details": {"reasoning_tokens": 7}},
            Usage(reasoning_tokens=7),
        ),
        ({"output_tokens_details": [], "input_tokens_details": "x"}, Usage()),
    ],
)
def test_usage(data: dict[str, Any], usage: Usage) -> None:
    """Tokens in the words of either API; what was not told is None, and 0 is 0."""
    found = usage_from(data)
    assert attrs.evolve(found, data={}) == usage
    assert found.to_dict() == data
    assert found.to_dict() is not found.data
    assert hash(found) == hash(attrs.evolve(usage, data=data))


@pytest.mark.parametrize(
    ("status", "more", "output", "reason"),
    [
        ("completed", {}, [MESSAGE], "stop"),
        ("completed", {}, [MESSAGE, CALL], "tool_calls"),
        ("completed", {}, [CUSTOM], "tool_calls"),
        ("completed", {}, [HOSTED], "stop"),
        ("completed", {}, [{**CALL, "arguments": '{"a'}], "stop"),
        ("completed", {}, [{**CALL, "status": "incomplete"}], "stop"),
        ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}, [MESSAGE], "length"),
        ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}, [CALL], "length"),
        ("incomplete", {"incomplete_details": {"reason": "content_filter"}}, [], "content_filter"),
        ("incomplete", {"incomplete_details": {"reason": "max_tool_calls"}}, [], "max_tool_calls"),
        ("incomplete", {"incomplete_details": {"reason": None}}, [], None),
        ("incomplete", {"incomplete_details": "why"}, [], None),
        ("incomplete", {}, [], None),
        ("failed", {"error": {"code": "server_error", "message": "x"}}, [CALL], "error"),
        ("cancelled", {}, [MESSAGE], "cancelled"),
    ],
)
def test_finish_reason(status: str, more: dict[str, Any], output: list[Any], reason: str | None) -> None:
    """Why it ended, in the words of Chat Completions where there is one, else in the server's own."""
    response = ended(status, *output, **more)
    assert response.finish_reason == reason
    assert response.outcome == status
    assert response.status == status


def test_finish_reason_of_a_stream_that_broke_off() -> None:
    """While no end was told there is no reason, and a caller who gave up is told so."""
    body = b'data: {"type":"response.created","response":{}}\n\n'
    assert play(body).parser.response.finish_reason is None
    assert play(body, close=False).parser.response.finish_reason is None
    parser = ResponseParser()
    parser.feed(body)
    parser.cancel()
    assert list(parser.events())[-1].outcome is Outcome.CANCELLED  # type: ignore[union-attr]
    assert parser.response.finish_reason == "cancelled"


def test_usage_of_a_chat() -> None:
    """What a chat told of its tokens is in `to_dict()` in the words of the Responses API."""
    chunk = {"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": {"prompt_tokens": 3}}
    response = play(b"data: " + json_bytes(chunk) + b"\n\n", "chat").parser.response
    assert response.usage is not None
    assert response.usage.input_tokens == 3
    assert response.to_dict()["usage"] == {"input_tokens": 3}


def test_to_chat_completion() -> None:
    """A response of one API has the other one's shape as well."""
    told = ended("completed", MESSAGE, CALL).to_chat_completion()
    assert told["object"] == "chat.completion"
    assert told["choices"][0]["finish_reason"] == "tool_calls"


def test_raise_for_error() -> None:
    """A failed response raises, with itself and its error; any other gives itself."""
    for status in ("completed", "incomplete", "cancelled"):
        response = ended(status)
        assert response.raise_for_error() is response
    failed = ended("failed", MESSAGE, error={"code": "server_error", "message": "no luck"})
    with pytest.raises(ResponseFailed, match="no luck") as raised:
        failed.raise_for_error()
    assert raised.value.response is failed
    assert raised.value.error is failed.error
    assert failed.output_text == "Hello there"


def test_response_is_a_value() -> None:
    """Responses are equal and hash by what they say, and cannot be changed."""
    one, other = ended("completed", MESSAGE, CALL), ended("completed", MESSAGE, CALL)
    assert one == other
    assert hash(one) == hash(other)
    assert one != ended("completed", MESSAGE)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        one.id = "x"  # type: ignore[misc]


def test_repr_and_str_stay_short() -> None:
    """Neither shows long text, and `str` says in one line what it is."""
    long = {**MESSAGE, "content": [{"type": "output_text", "text": "x" * 10_000}]}
    response = ended("completed", long, instructions="y" * 10_000)
    assert len(repr(response)) < 1000
    assert len(str(response)) < 200
    assert str(response).startswith("<Response resp_1 completed: 'xxx")
    assert "in_progress" in str(attrs.evolve(response, outcome=None, status="in_progress"))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_who_ended_the_response(dialect: str) -> None:
    """The server, where it sent an end; an error of the stream, a caller and a transport end no response."""
    said = StreamBuilder(dialect).text("Hi")
    assert play(said.completed().body, dialect).response.ended_by_server
    assert play(said.incomplete().body, dialect).response.ended_by_server
    assert not play(said.truncated().body, dialect).response.ended_by_server
    assert play(said.failed().body, dialect).response.ended_by_server is (dialect == "responses")
    parser = ResponseParser(dialect)
    parser.feed(said.truncated().body)
    parser.cancel()
    list(parser.events())
    assert (parser.response.outcome, parser.response.ended_by_server) == (Outcome.CANCELLED, False)


@pytest.mark.parametrize("dialect", ["responses", "chat", "anthropic"])
def test_a_response_that_its_server_cancelled(dialect: str) -> None:
    """That is an end as well, and the server sent it."""
    body = StreamBuilder(dialect).text("Hi").completed().body
    for word in (b'"completed"', b'"stop"', b'"end_turn"'):
        body = body.replace(word, b'"cancelled"')
    found = play(body.replace(b"response.completed", b"response.cancelled"), dialect).response
    assert (found.outcome, found.ended_by_server) == (Outcome.CANCELLED, True)
