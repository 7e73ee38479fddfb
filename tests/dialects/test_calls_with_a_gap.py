"""Calls of which a fragment of arguments could not be read: whole only where nothing can be missing."""

from __future__ import annotations

import json
from typing import Any

import pytest

import deltafold as df

JSON = dict[str, Any]


def chat(*pieces: Any, custom: bool = False) -> list[JSON]:
    kind, member = ("custom", "input") if custom else ("function", "arguments")
    head = {"index": 0, "id": "call_1", "type": kind, kind: {"name": "t", member: ""}}
    calls = [head, *[{"index": 0, kind: {member: piece}} for piece in pieces]]
    chunks = [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None} for call in calls]
    end = {"index": 0, "delta": {}, "finish_reason": "tool_calls"}
    return [{"id": "c", "object": "chat.completion.chunk", "choices": [one]} for one in [*chunks, end]]


def responses(*pieces: Any, done: str | None = None) -> list[JSON]:
    response = {"id": "r", "object": "response", "status": "in_progress", "output": []}
    call = {"id": "f", "type": "function_call", "call_id": "call_1", "name": "t", "arguments": ""}
    place = {"output_index": 0, "item_id": "f"}
    kind = "response.function_call_arguments"
    return [
        {"type": "response.created", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": {**call, "status": "in_progress"}},
        *[{"type": f"{kind}.delta", **place, "delta": piece} for piece in pieces],
        *([] if done is None else [{"type": f"{kind}.done", **place, "arguments": done}]),
        {"type": "response.completed", "response": {**response, "status": "completed"}},
    ]


def anthropic(*pieces: Any) -> list[JSON]:
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "content": [], "usage": usage}
    block = {"type": "tool_use", "id": "call_1", "name": "t", "input": {}}
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *[{"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas],
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": usage},
        {"type": "message_stop"},
    ]


def response_of(dialect: str, payloads: list[JSON]) -> df.Response:
    """What is read of a stream, in one go and from a snapshot after each payload."""
    parser = df.ResponseParser(dialect)
    moving = df.ResponseParser(dialect)
    for payload in payloads:
        body = f"data: {json.dumps(payload)}\n\n".encode()
        for one in (parser, moving):
            one.feed(body)
            list(one.events())
        moving = df.ResponseParser.resume(json.loads(json.dumps(moving.snapshot())))
    for one in (parser, moving):
        one.close()
        list(one.events())
    assert parser.response == moving.response
    assert parser.response.outcome == "completed"
    return parser.response


@pytest.mark.parametrize("write", [chat, responses, anthropic])
@pytest.mark.parametrize("odd", [7, False, 1.5])
def test_a_call_with_a_gap_is_not_whole(write: Any, odd: Any) -> None:
    """What stood in the fragment may have been the larger part of them."""
    name = write.__name__
    for pieces in (['{"a":1', odd, "}"], ['{"a":1', odd, "}", odd], [odd], ["{", odd, odd, '"a":1}']):
        response = response_of(name, write(*pieces))
        assert response.tool_calls == ()
        assert "invalid_field" in [anomaly.code for anomaly in response.anomalies]
    for pieces in ([odd, '{"a":1}'], ['{"a":1}', odd], ['{"a"', ":1}", odd, odd]):
        (call,) = response_of(name, write(*pieces)).tool_calls
        assert json.loads(call.arguments) == {"a": 1}


def test_a_call_that_is_sent_whole_after_a_gap() -> None:
    """All of the arguments are there then."""
    (call,) = response_of("responses", responses('{"a"', 7, "1}", done='{"a":1}')).tool_calls
    assert call.arguments == '{"a":1}'
    message = {"tool_calls": [{"id": "call_1", "function": {"name": "t", "arguments": '{"a":1}'}}]}
    payloads = chat('{"a":', 7, "1}")
    payloads[-1]["choices"][0] |= {"delta": {}, "message": {"role": "assistant", **message}}
    (call,) = response_of("chat", payloads).tool_calls
    assert call.arguments == '{"a":1}'


@pytest.mark.parametrize(
    "whole", [{}, {"arguments": None}, {"arguments": ""}, {"arguments": "{}"}, {"arguments": 7}]
)
def test_a_whole_item_that_does_not_fill_a_gap(whole: JSON) -> None:
    """Its arguments say less than what was streamed, so they are not all; nor are those of the end."""
    call = {"id": "f", "type": "function_call", "call_id": "call_1", "name": "t", "status": "completed"}
    *events, last = responses('{"a":1', 7, "}")
    done = {"type": "response.output_item.done", "output_index": 0, "item": {**call, **whole}}
    for end in ([], [{**call, **whole}]):
        ending = {**last, "response": {**last["response"], "output": end}}
        assert response_of("responses", [*events, done, ending]).tool_calls == ()
        assert response_of("responses", [*events, ending]).tool_calls == ()
    ending = {**last, "response": {**last["response"], "output": [{**call, "arguments": '{"a":1}'}]}}
    (found,) = response_of("responses", [*events, done, ending]).tool_calls
    assert found.arguments == '{"a":1}'


def test_an_empty_object_behind_a_gap() -> None:
    """Where nothing else was streamed it is all of the arguments; no word of them is not."""
    call = {"id": "f", "type": "function_call", "call_id": "call_1", "name": "t", "status": "completed"}
    *events, last = responses(7)
    for arguments, count in (("{}", 1), ("", 0)):
        item = {**call, "arguments": arguments}
        done = {"type": "response.output_item.done", "output_index": 0, "item": item}
        assert len(response_of("responses", [*events, done, last]).tool_calls) == count


def test_a_custom_call_with_a_gap() -> None:
    """Its text has no end of its own, so that more may always have come."""
    response = {"id": "r", "object": "response", "status": "in_progress", "output": []}
    item = {"type": "custom_tool_call", "id": "f", "call_id": "call_1", "name": "t", "input": ""}
    for pieces, count in ((["ls", 7], 0), ([7, "ls"], 1)):
        kind = "response.custom_tool_call_input.delta"
        deltas = [{"type": kind, "output_index": 0, "item_id": "f", "delta": piece} for piece in pieces]
        events: list[JSON] = [
            {"type": "response.created", "response": response},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            *deltas,
            {"type": "response.completed", "response": {**response, "status": "completed"}},
        ]
        assert len(response_of("responses", events).tool_calls) == count
    assert response_of("chat", chat("ls", 7, custom=True)).tool_calls == ()
    assert len(response_of("chat", chat(7, "ls", custom=True)).tool_calls) == 1
