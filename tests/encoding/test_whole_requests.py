"""Requests with everything that an API has, in the words of the others: what is carried and what is lost."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from deltafold import convert_request

PNG = "data:image/png;base64,iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
GRAMMAR = {"syntax": "lark", "definition": "start: x"}

WHOLE: dict[str, dict[str, Any]] = {
    "chat": {
        "model": "m",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be kind"}]},
            {
                "role": "user",
                "name": "bob",
                "content": [
                    {"type": "text", "text": "See"},
                    {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://e.example/a.png"}},
                    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": "JVBE"}},
                    {"type": "file", "file": {"file_id": "file_1"}},
                    {"type": "hologram", "hologram": {}},
                ],
            },
            {"role": "assistant", "content": None, "function_call": {"name": "old", "arguments": "[1]"}},
            {"role": "function", "name": "old", "content": "was"},
            {
                "role": "assistant",
                "content": "Let me",
                "reasoning_content": "Hm.",
                "audio": {"id": "audio_1"},
                "tool_calls": [
                    {"id": "a:1", "type": "function", "function": {"name": "w", "arguments": ""}},
                    {"id": "c" * 65, "type": "custom", "custom": {"name": "p", "input": "text"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c" * 65, "content": [{"type": "text", "text": "two"}]},
            {"role": "tool", "tool_call_id": "a:1", "content": "one"},
            {"role": "developer", "content": "Be brief"},
            {"role": "assistant", "content": None, "refusal": "No."},
            {"role": "user", "content": "go on"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "w", "parameters": SCHEMA, "strict": True}},
            {"type": "custom", "custom": {"name": "p", "format": {"type": "grammar", "grammar": GRAMMAR}}},
        ],
        "functions": [{"name": "old", "description": "d"}],
        "web_search_options": {
            "search_context_size": "low",
            "user_location": {"type": "approximate", "approximate": {"city": "Rome"}},
        },
        "tool_choice": {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "w"}}]},
        },
        "parallel_tool_calls": False,
        "max_tokens": 900,
        "max_completion_tokens": 800,
        "stop": "END",
        "n": 1,
        "seed": 7,
        "logprobs": True,
        "top_logprobs": 2,
        "temperature": 1.5,
        "top_p": 0.5,
        "presence_penalty": 0.1,
        "logit_bias": {"1": 2},
        "modalities": ["text"],
        "reasoning_effort": "minimal",
        "verbosity": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
        "stream": True,
        "stream_options": {"include_usage": True, "include_obfuscation": False},
        "store": True,
        "metadata": {"k": "v"},
        "user": "u",
        "safety_identifier": "s",
        "service_tier": "flex",
    },
    "responses": {
        "model": "m",
        "instructions": "Be kind",
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "See"},
                    {"type": "input_image", "image_url": PNG, "detail": "high"},
                    {"type": "input_image", "file_id": "file_2"},
                    {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,SGk="},
                    {"type": "input_file", "file_url": "https://e.example/a.pdf"},
                    {"type": "input_file", "file_id": "file_1"},
                ],
            },
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "E"},
            {
                "type": "message",
                "role": "assistant",
                "id": "msg_1",
                "status": "completed",
                "phase": "commentary",
                "content": [
                    {"type": "output_text", "text": "Hm", "annotations": [{"type": "file_path"}]},
                    {"type": "refusal", "refusal": "No."},
                ],
            },
            {"type": "function_call", "call_id": "call_1", "name": "w", "arguments": "{}", "namespace": "x"},
            {"type": "custom_tool_call", "call_id": "call_2", "name": "p", "input": "text"},
            {
                "type": "function_call_output",
                "call_id": "call_1",
                "output": [{"type": "input_image", "image_url": PNG}],
            },
            {"type": "custom_tool_call_output", "call_id": "call_2", "output": "ok"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"type": "item_reference", "id": "msg_0"},
            {"role": "developer", "content": "Be brief"},
            {"role": "user", "content": "go on"},
        ],
        "tools": [
            {"type": "function", "name": "w", "parameters": SCHEMA, "strict": False},
            {"type": "custom", "name": "p", "format": {"type": "grammar", **GRAMMAR}},
            {
                "type": "web_search",
                "search_context_size": "low",
                "user_location": {"type": "approximate", "city": "Rome"},
            },
            {"type": "file_search", "vector_store_ids": ["vs_1"]},
        ],
        "tool_choice": {
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "function", "name": "w"}],
        },
        "parallel_tool_calls": True,
        "max_output_tokens": 500,
        "temperature": 0.5,
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
        "reasoning": {"effort": "xhigh", "summary": "detailed", "context": "auto"},
        "text": {"format": {"type": "json_object"}, "verbosity": "high"},
        "stream": True,
        "stream_options": {"include_obfuscation": True},
        "previous_response_id": "resp_0",
        "truncation": "auto",
        "background": True,
        "store": True,
        "user": "u",
        "service_tier": "auto",
    },
    "anthropic": {
        "model": "m",
        "max_tokens": 9000,
        "system": [{"type": "text", "text": "Be kind", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "See"},
                    {"type": "image", "source": {"type": "url", "url": "https://e.example/a.png"}},
                    {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
                    {
                        "type": "document",
                        "title": "t",
                        "source": {"type": "text", "media_type": "text/plain", "data": "Hi"},
                    },
                    {"type": "document", "source": {"type": "content", "content": "Hi"}},
                    {"type": "search_result", "source": "x", "title": "t", "content": []},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "S"},
                    {"type": "redacted_thinking", "data": "R"},
                    {"type": "tool_use", "id": "toolu_1", "name": "w", "input": {"x": 1}},
                    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "go on"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_1",
                        "is_error": True,
                        "content": [
                            {"type": "text", "text": "a"},
                            {
                                "type": "image",
                                "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"},
                            },
                        ],
                    },
                ],
            },
            {"role": "system", "content": "Be brief"},
        ],
        "tools": [
            {"name": "w", "description": "d", "input_schema": SCHEMA, "cache_control": {"type": "ephemeral"}},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "summarized"},
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        "metadata": {"user_id": "u"},
        "stop_sequences": ["END"],
        "top_k": 5,
        "service_tier": "standard_only",
        "stream": False,
    },
    "gemini": {
        "system_instruction": {"parts": [{"text": "Be kind"}]},
        "contents": [
            {
                "parts": [
                    {"text": "See"},
                    {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
                    {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
                    {"fileData": {"fileUri": "https://e.example/a.pdf", "displayName": "a.pdf"}},
                    {"executableCode": {"code": "1", "language": "PYTHON"}},
                ]
            },
            {
                "role": "model",
                "parts": [
                    {"text": "Hm.", "thought": True},
                    {"text": "Let me", "thoughtSignature": "VFM="},
                    {"functionCall": {"name": "w", "args": {"x": 1}}},
                    {"functionCall": {"id": "g1", "name": "w"}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "g1", "name": "w", "response": {"error": "bad"}}},
                    {"functionResponse": {"name": "w", "response": {"a": 1}}},
                ],
            },
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "w",
                        "parameters": {
                            "type": "OBJECT",
                            "properties": {
                                "type": {"type": "STRING", "nullable": True},
                                "n": {"type": "ARRAY", "items": {"type": "INTEGER"}, "minItems": "1"},
                            },
                        },
                    }
                ]
            },
            {"googleSearch": {}},
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["w"]}},
        "generationConfig": {
            "temperature": 0.5,
            "topK": 5,
            "candidateCount": 2,
            "maxOutputTokens": 9000,
            "stopSequences": ["END"],
            "responseModalities": ["TEXT", "IMAGE"],
            "responseMimeType": "application/json",
            "responseSchema": {"type": "OBJECT"},
            "thinkingConfig": {"thinkingBudget": -1, "includeThoughts": True},
        },
        "safetySettings": [{"category": "X", "threshold": "Y"}],
    },
}


@pytest.mark.parametrize("source", WHOLE)
@pytest.mark.parametrize("target", WHOLE)
def test_everything_is_carried_or_named(source: str, target: str, snapshot: SnapshotAssertion) -> None:
    """The request, and what is lost of it. Between equal dialects it is as it was."""
    request = copy.deepcopy(WHOLE[source])
    made = convert_request(request, source, target)
    assert request == WHOLE[source]
    if source == target:
        assert made.request == request
        assert made.losses == ()
    else:
        assert (made.request, [f"{loss.code} {loss.message}" for loss in made.losses]) == snapshot


@pytest.mark.parametrize(
    ("source", "request_", "target", "expected"),
    [
        ("anthropic", {"thinking": {"type": "disabled"}}, "chat", {"reasoning_effort": "none"}),
        (
            "anthropic",
            {"tool_choice": {"type": "none"}, "tools": [{"name": "w"}]},
            "chat",
            {"tool_choice": "none"},
        ),
        ("chat", {"reasoning_effort": "none"}, "anthropic", {"thinking": {"type": "disabled"}}),
        ("chat", {"response_format": {"type": "text"}}, "anthropic", {"messages": []}),
        (
            "chat",
            {"function_call": {"name": "f"}, "functions": [{"name": "f"}]},
            "responses",
            {"tool_choice": {"type": "function", "name": "f"}},
        ),
        ("responses", {"include": ["message.output_text.logprobs"]}, "chat", {"logprobs": True}),
        (
            "responses",
            {"user": "u", "service_tier": "auto"},
            "anthropic",
            {"metadata": {"user_id": "u"}, "service_tier": "auto"},
        ),
    ],
)
def test_values(source: str, request_: Any, target: str, expected: Any) -> None:
    """Single parameters."""
    made = convert_request(
        {"messages": [], **request_} if source != "responses" else request_, source, target
    )
    assert {key: made.request.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        ("gemini-2.5-flash", "low", {"thinkingBudget": 2048}),
        ("gemini-3-pro", "xhigh", {"thinkingLevel": "high"}),
        ("gemini-3-pro", "none", {"thinkingBudget": 0}),
    ],
)
def test_effort_on_gemini(model: str, effort: str, thinking: Any) -> None:
    """Older models take a budget, newer ones a level."""
    made = convert_request({"messages": [], "reasoning_effort": effort}, "chat", "gemini", model=model)
    assert made.request["generationConfig"]["thinkingConfig"] == thinking
