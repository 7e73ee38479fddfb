"""The next turn after responses in which any member may be anything, or which were cut off anywhere."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations import DIALECTS, JUNK, answers_to, check_taken, containers
from deltafold import (
    Response,
    ResponseParser,
    StreamEncoder,
    UsageError,
    next_turn,
    parse,
)

WHOLE: dict[str, Any] = {
    "responses": {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "m",
        "store": False,
        "output": [
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "s"}],
                "encrypted_content": "E",
                "content": [{"type": "reasoning_text", "text": "x"}],
            },
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "phase": "final_answer",
                "content": [
                    {
                        "type": "output_text",
                        "text": "Hi",
                        "annotations": [{"type": "url_citation", "url": "u"}],
                    },
                    {"type": "refusal", "refusal": "No."},
                ],
            },
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "w", "arguments": "{}"},
            {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "p", "input": "in"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
            {
                "type": "mcp_approval_request",
                "id": "mcpr_1",
                "name": "rm",
                "server_label": "s",
                "arguments": "{}",
            },
            {"type": "computer_call", "id": "cu_1", "call_id": "call_3", "status": "completed", "action": {}},
            {
                "type": "local_shell_call",
                "id": "lsh_1",
                "call_id": "call_4",
                "status": "completed",
                "action": {},
            },
            {"type": "computer_call_output", "call_id": "call_5", "output": {}},
            {"type": "mcp_approval_response", "approval_request_id": "mcpr_2", "approve": True},
            {"type": "code_interpreter_call", "id": "ci_1", "code": "x", "container_id": "c"},
        ],
    },
    "chat": {
        "id": "c",
        "object": "chat.completion",
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {
                    "role": "assistant",
                    "content": "Hi",
                    "refusal": "No.",
                    "reasoning_content": "Hm.",
                    "reasoning_details": [{"type": "reasoning.text"}],
                    "audio": {"id": "audio_1", "data": "", "transcript": "t"},
                    "images": [{"type": "image_url", "image_url": {"url": "data:,"}}],
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "w", "arguments": "{}"},
                            "extra_content": {"google": {"thought_signature": "S"}},
                        },
                        {"id": "call_2", "type": "custom", "custom": {"name": "p", "input": "in"}},
                    ],
                    "function_call": {"name": "old", "arguments": "{}"},
                },
            },
            {"index": 1, "finish_reason": "stop", "message": {"role": "assistant", "content": "other"}},
        ],
    },
    "anthropic": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 1},
        "content": [
            {"type": "thinking", "thinking": "t", "signature": "S"},
            {"type": "redacted_thinking", "data": "D"},
            {"type": "text", "text": "Hi", "citations": [{"type": "char_location", "cited_text": "x"}]},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
            {"type": "tool_use", "id": "toolu_1", "name": "w", "input": {"x": 1}},
        ],
    },
    "gemini": {
        "responseId": "r",
        "modelVersion": "m",
        "candidates": [
            {
                "index": 0,
                "finishReason": "STOP",
                "content": {
                    "role": "model",
                    "parts": [
                        {"text": "th", "thought": True, "thoughtSignature": "U2ln"},
                        {"text": "Hi", "thoughtSignature": "U2ln"},
                        {
                            "functionCall": {"id": "c1", "name": "w", "args": {"x": 1}},
                            "thoughtSignature": "U2ln",
                        },
                        {"functionCall": {"name": "w", "args": {}}},
                        {"executableCode": {"language": "PYTHON", "code": "1"}},
                        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
                        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
                    ],
                },
            }
        ],
    },
}
"""A response of each API with all that goes back."""


@st.composite
def responses(draw: st.DrawFn, dialect: str) -> Response:
    """A response in which anything is anything, or which was cut off anywhere."""
    body = copy.deepcopy(WHOLE[dialect])
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from([found for found, _ in containers(body) if found] or [{"": 1}]))
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if draw(st.booleans()):
            place[key] = draw(JUNK)
        elif isinstance(place, list) and draw(st.booleans()):
            place.insert(key, copy.deepcopy(place[key]))
        else:
            del place[key]
    response = parse(json.dumps(body).encode(), dialect)
    if draw(st.booleans()):
        return response
    events = ResponseParser(dialect)
    events.feed(json.dumps(body).encode())
    events.close()
    encoder = StreamEncoder(dialect)
    stream = b"".join(encoder.encode(event) for event in events.events())
    return parse(stream[: draw(st.integers(0, len(stream)))], dialect)


@pytest.mark.parametrize("source", DIALECTS)
@given(data=st.data(), target=st.sampled_from(DIALECTS), answers_only=st.booleans())
def test_the_next_turn_after_anything(
    source: str, data: st.DataObject, target: str, answers_only: bool
) -> None:
    """Strict JSON, or an error that says which answer does not fit; the response is as it was."""
    response = data.draw(responses(source))
    before = response.to_dict()
    results, approvals = answers_to(response)
    if data.draw(st.booleans()):
        results = results[data.draw(st.integers(0, 2)) :]
    try:
        turn = next_turn(response, target, results, approvals, answers_only=answers_only)
    except UsageError as error:
        said = str(error)
    else:
        said = json.dumps(turn.items, allow_nan=False)
        assert all(loss.path and loss.message for loss in turn.losses)
        if not answers_only:
            check_taken(turn, response, source, target)
    assert said.startswith(("[", "a result for", "the call", "the approval request", "the result of"))
    assert response.to_dict() == before
