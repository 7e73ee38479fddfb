"""Generated requests of each API, with what the others have too and what they have not."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from deltafold import Approval, OtherItem, Outcome, Response, ToolResult, Turn, convert_request

JSON = dict[str, Any]

DIALECTS = ("responses", "chat", "anthropic", "gemini")
CONVERSATION = {"responses": "input", "chat": "messages", "anthropic": "messages", "gemini": "contents"}
"""Where a request has its conversation."""
PNG = "iVBORw0KGgo="
URL = "https://e.example/a.png"

TEXTS = st.text('abc é\n{}"', min_size=1, max_size=6).filter(str.strip)
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
OUTPUTS = st.one_of(
    TEXTS, st.sampled_from(['{"a": 1}', '{"error": "no"}', '{"output": 5}', "[1]", "5", '{"$ref": "#/a"}'])
)
PIECES = ("image", "image url", "image id", "file", "text file", "file id", "audio")
IDS = st.sampled_from(["call_{}", "a:b.{}", "x" * 70 + "{}", "é{}"])


@st.composite
def conversations(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """A conversation in no API's words: who speaks, and pieces (kind, value)."""
    told: list[tuple[Any, ...]] = []
    if draw(st.booleans()):
        told.append(("system", draw(st.lists(TEXTS, min_size=1, max_size=2))))
    ids = draw(IDS)
    for turn in range(draw(st.integers(1, 3))):
        pieces = draw(st.lists(st.sampled_from(PIECES), max_size=2, unique=True))
        told.append(("user", [("text", draw(TEXTS)), *((piece, None) for piece in pieces)]))
        if draw(st.integers(0, 5)) == 0:
            told.append((draw(st.sampled_from(["system", "developer"])), [draw(TEXTS)]))
        calls = []
        for number in range(draw(st.integers(0, 2))):
            kind = draw(st.sampled_from(["function", "function", "custom"]))
            name = {"function": draw(st.sampled_from(["wave", "look"])), "custom": "patch"}[kind]
            calls.append((kind, name, ids.format(f"{turn}{number}"), draw(st.integers(0, 9))))
        said = [draw(TEXTS)] if not calls or draw(st.booleans()) else []
        extra = draw(st.lists(st.sampled_from(["reasoning", "refusal", "hosted"]), max_size=1))
        told.append(("assistant", said, calls, extra))
        results = []
        for call in calls:
            content = draw(st.lists(st.sampled_from(["text", "image", "file"]), min_size=1, max_size=2))
            results.append((call, content, draw(OUTPUTS), draw(st.integers(0, 3)) == 0))
        told.append(("tool", draw(st.permutations(results))))
    told.append(("user", [("text", draw(TEXTS))]))
    return told


ARGUMENTS = [
    '{"x":1}',
    "{}",
    '{"x": [1.5, null, "é"]}',
    '{"x":2}',
    '{"x":{}}',
    '{"y":0}',
    "[1]",
    "",
    '{"x":',
    "null",
]


def arguments_of(number: int) -> JSON:
    try:
        found = json.loads(ARGUMENTS[number])
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {"x": found}


def responses_part(piece: str, text: str) -> JSON:
    return {
        "text": {"type": "input_text", "text": text},
        "image": {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "low"},
        "image url": {"type": "input_image", "image_url": URL, "detail": "auto"},
        "image id": {"type": "input_image", "file_id": "file_1", "detail": "auto"},
        "file": {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
        "text file": {"type": "input_file", "filename": "a.csv", "file_data": "data:text/csv;base64,SGk="},
        "file id": {"type": "input_file", "file_id": "file_2"},
        "audio": {"type": "input_file", "file_url": "https://e.example/a.pdf"},
    }[piece]


def responses_request(told: list[tuple[Any, ...]]) -> JSON:
    items: list[JSON] = []
    made: JSON = {"model": "m", "input": items}
    for number, (role, *rest) in enumerate(told):
        if role in ("system", "developer"):
            if number == 0 and len(rest[0]) == 1:
                made["instructions"] = rest[0][0]
            else:
                parts = [{"type": "input_text", "text": text} for text in rest[0]]
                items.append({"type": "message", "role": role, "content": parts})
        elif role == "user":
            items.append({"role": role, "content": [responses_part(piece, text) for piece, text in rest[0]]})
        elif role == "assistant":
            said, calls, extra = rest
            if "reasoning" in extra:
                items.append({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "E"})
            parts = [{"type": "output_text", "text": text, "annotations": []} for text in said]
            parts += [{"type": "refusal", "refusal": "No."}] if "refusal" in extra else []
            if parts:
                items.append(
                    {"type": "message", "role": role, "id": "msg_1", "status": "completed", "content": parts}
                )
            if "hosted" in extra:
                items.append({"type": "web_search_call", "id": "ws_1", "status": "completed"})
            for kind, name, ident, arguments in calls:
                call = {"call_id": ident, "name": name, "id": "fc_1", "status": "completed"}
                if kind == "custom":
                    items.append({"type": "custom_tool_call", **call, "input": ARGUMENTS[arguments]})
                else:
                    items.append({"type": "function_call", **call, "arguments": ARGUMENTS[arguments]})
        else:
            for (kind, _, ident, _), content, text, _ in rest[0]:
                output = [responses_part(piece, text) for piece in content]
                type_ = "custom_tool_call_output" if kind == "custom" else "function_call_output"
                items.append(
                    {"type": type_, "call_id": ident, "output": text if content == ["text"] else output}
                )
    made["tools"] = [
        {"type": "function", "name": "wave", "description": "d", "parameters": SCHEMA, "strict": True},
        {
            "type": "function",
            "name": "look",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        },
        {
            "type": "custom",
            "name": "patch",
            "format": {"type": "grammar", "syntax": "lark", "definition": "x"},
        },
    ]
    return made


def chat_part(piece: str, text: str) -> JSON:
    return {
        "text": {"type": "text", "text": text},
        "image": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
        "image url": {"type": "image_url", "image_url": {"url": URL}},
        "image id": {"type": "text", "text": "no id"},
        "file": {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
        },
        "text file": {
            "type": "file",
            "file": {"filename": "a.csv", "file_data": "data:text/csv;base64,SGk="},
        },
        "file id": {"type": "file", "file": {"file_id": "file_2"}},
        "audio": {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
    }[piece]


def chat_request(told: list[tuple[Any, ...]]) -> JSON:
    messages: list[JSON] = []
    for role, *rest in told:
        if role in ("system", "developer"):
            parts = [{"type": "text", "text": text} for text in rest[0]]
            messages.append({"role": role, "content": rest[0][0] if len(parts) == 1 else parts})
        elif role == "user":
            messages.append({"role": role, "content": [chat_part(piece, text) for piece, text in rest[0]]})
        elif role == "assistant":
            said, calls, extra = rest
            message: JSON = {"role": role, "content": said[0] if said else None}
            if "reasoning" in extra:
                message["reasoning_content"] = "Hm."
            if "refusal" in extra:
                message["refusal"] = "No."
            if "hosted" in extra:
                message["audio"] = {"id": "audio_1"}
            for kind, name, ident, arguments in calls:
                member = "input" if kind == "custom" else "arguments"
                call = {"id": ident, "type": kind, kind: {"name": name, member: ARGUMENTS[arguments]}}
                message.setdefault("tool_calls", []).append(call)
            messages.append(message)
        else:
            for (_, _, ident, _), content, text, _ in rest[0]:
                parts = [{"type": "text", "text": text} for _ in content]
                output = text if content == ["text"] else parts
                messages.append({"role": "tool", "tool_call_id": ident, "content": output})
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}
    tools = [
        {
            "type": "function",
            "function": {"name": "wave", "description": "d", "parameters": SCHEMA, "strict": True},
        },
        {"type": "function", "function": {"name": "look"}},
        {"type": "custom", "custom": {"name": "patch", "format": grammar}},
    ]
    return {"model": "m", "messages": messages, "tools": tools}


def anthropic_block(piece: str, text: str) -> JSON:
    def source(kind: str, **members: str) -> JSON:
        return {"type": kind, **members}

    return {
        "text": {"type": "text", "text": text},
        "image": {"type": "image", "source": source("base64", media_type="image/png", data=PNG)},
        "image url": {"type": "image", "source": source("url", url=URL)},
        "image id": {"type": "image", "source": source("file", file_id="file_1")},
        "file": {
            "type": "document",
            "title": "a.pdf",
            "source": source("base64", media_type="application/pdf", data="JVBE"),
        },
        "text file": {"type": "document", "source": source("text", media_type="text/plain", data="Hi")},
        "file id": {"type": "document", "source": source("file", file_id="file_2")},
        "audio": {"type": "search_result", "source": "s", "title": "t", "content": []},
    }[piece]


def anthropic_request(told: list[tuple[Any, ...]]) -> JSON:
    messages: list[JSON] = []
    made: JSON = {"model": "m", "max_tokens": 5000, "messages": messages}
    for number, (role, *rest) in enumerate(told):
        if role in ("system", "developer"):
            blocks = [{"type": "text", "text": text} for text in rest[0]]
            if number == 0:
                made["system"] = blocks
            else:
                messages.append({"role": "system", "content": blocks})
        elif role == "user":
            blocks = [anthropic_block(piece, text) for piece, text in rest[0]]
            if messages and messages[-1]["role"] == "user":
                messages[-1]["content"] += blocks
            else:
                messages.append({"role": role, "content": blocks})
        elif role == "assistant":
            said, calls, extra = rest
            blocks = (
                [{"type": "thinking", "thinking": "Hm.", "signature": "S"}] if "reasoning" in extra else []
            )
            blocks += [{"type": "text", "text": text} for text in said]
            if "hosted" in extra:
                blocks.append(
                    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
                )
            for _, name, ident, arguments in calls:
                used = {"type": "tool_use", "id": ident, "name": name, "input": arguments_of(arguments)}
                blocks.append(used)
            messages.append({"role": role, "content": blocks or "Well."})
        elif rest[0]:
            blocks = []
            for (_, _, ident, _), content, text, is_error in rest[0]:
                inside = [anthropic_block(piece, text) for piece in content]
                result = {"type": "tool_result", "tool_use_id": ident}
                blocks.append(
                    {**result, "content": text if content == ["text"] else inside, "is_error": is_error}
                )
            messages.append({"role": "user", "content": blocks})
    made["tools"] = [
        {"name": "wave", "description": "d", "input_schema": SCHEMA, "strict": True},
        {"name": "look", "input_schema": {"type": "object"}},
        {"name": "patch", "input_schema": SCHEMA, "cache_control": {"type": "ephemeral"}},
    ]
    return made


def gemini_part(piece: str, text: str) -> JSON:
    return {
        "text": {"text": text},
        "image": {"inlineData": {"mimeType": "image/png", "data": PNG}},
        "image url": {"fileData": {"mimeType": "image/png", "fileUri": URL}},
        "image id": {"fileData": {"mimeType": "image/png", "fileUri": "gs://bucket/a.png"}},
        "file": {"inlineData": {"mimeType": "application/pdf", "data": "JVBE", "displayName": "a.pdf"}},
        "text file": {"inlineData": {"mimeType": "text/plain", "data": "SGk="}},
        "file id": {"fileData": {"mimeType": "application/pdf", "fileUri": "https://e.example/a.pdf"}},
        "audio": {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
    }[piece]


def gemini_request(told: list[tuple[Any, ...]]) -> JSON:
    contents: list[JSON] = []
    made: JSON = {"contents": contents}
    named = True
    for number, (role, *rest) in enumerate(told):
        if role in ("system", "developer"):
            if number == 0:
                made["systemInstruction"] = {"parts": [{"text": text} for text in rest[0]]}
        elif role == "user":
            contents.append({"role": "user", "parts": [gemini_part(piece, text) for piece, text in rest[0]]})
        elif role == "assistant":
            said, calls, extra = rest
            parts: list[JSON] = [{"text": "Hm.", "thought": True}] if "reasoning" in extra else []
            parts += [{"text": text} for text in said]
            if "hosted" in extra:
                parts.append({"executableCode": {"language": "PYTHON", "code": "1"}})
            named = "refusal" not in extra  # some answers of the API have ids of calls, and some have not
            for _, name, ident, arguments in calls:
                call = {"name": name, "args": arguments_of(arguments)}
                parts.append({"functionCall": {"id": ident, **call} if named else call})
            contents.append({"role": "model", "parts": parts or [{"text": "Well."}]})
        elif rest[0]:
            parts = []
            for (_, name, ident, _), content, text, is_error in rest[0]:
                response: Any = {"error" if is_error else "output": text}
                answer: JSON = {"name": name, "response": response}
                if "image" in content:
                    answer["parts"] = [gemini_part("image", text)]
                parts.append({"functionResponse": {"id": ident, **answer} if named else answer})
            contents.append({"role": "user", "parts": parts})
    declarations = [
        {"name": "wave", "description": "d", "parametersJsonSchema": SCHEMA},
        {"name": "look"},
        {
            "name": "patch",
            "parameters": {"type": "OBJECT", "properties": {"x": {"type": "STRING", "nullable": True}}},
        },
    ]
    made["tools"] = [{"functionDeclarations": declarations}]
    return made


WRITERS = {
    "responses": responses_request,
    "chat": chat_request,
    "anthropic": anthropic_request,
    "gemini": gemini_request,
}
FORMAT = {"name": "answer", "schema": SCHEMA, "strict": True}
PARAMETERS: dict[str, list[JSON]] = {
    "responses": [
        {"max_output_tokens": 3000},
        {"temperature": 0.5, "top_p": 0.9},
        {"temperature": 1.5},
        {"reasoning": {"effort": "high", "summary": "auto"}},
        {"reasoning": {"effort": "none"}},
        {"text": {"format": {"type": "json_schema", **FORMAT}, "verbosity": "low"}},
        {"text": {"format": {"type": "json_object"}}},
        {"metadata": {"k": "v"}, "user": "u"},
        {"safety_identifier": "s", "prompt_cache_key": "k", "service_tier": "flex"},
        {"store": True, "stream": True, "parallel_tool_calls": False},
        {"top_logprobs": 2, "include": ["message.output_text.logprobs"]},
        {"previous_response_id": "resp_0", "truncation": "auto", "background": True},
        {"tool_choice": "required"},
        {"tool_choice": {"type": "function", "name": "wave"}},
        {
            "tool_choice": {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "wave"}],
            }
        },
        {"tool_choice": {"type": "custom", "name": "patch"}},
    ],
    "chat": [
        {"max_completion_tokens": 3000, "stop": ["END"]},
        {"max_tokens": 3000, "stop": "END"},
        {"temperature": 0.5, "top_p": 0.9, "n": 2, "seed": 7},
        {"presence_penalty": 0.5, "frequency_penalty": 0.5, "logit_bias": {"1": 2}},
        {"reasoning_effort": "low", "verbosity": "high"},
        {"response_format": {"type": "json_schema", "json_schema": FORMAT}},
        {"response_format": {"type": "json_object"}},
        {"metadata": {"k": "v"}, "user": "u"},
        {"safety_identifier": "s", "prompt_cache_key": "k", "service_tier": "auto"},
        {"store": True, "stream": True, "parallel_tool_calls": False},
        {"logprobs": True, "top_logprobs": 2},
        {"tool_choice": "none"},
        {"tool_choice": {"type": "function", "function": {"name": "wave"}}},
        {"web_search_options": {"search_context_size": "low"}},
        {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
    ],
    "anthropic": [
        {"temperature": 0.5, "top_p": 0.9, "top_k": 5},
        {"stop_sequences": ["END"], "stream": True},
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        {"thinking": {"type": "disabled"}},
        {"thinking": {"type": "adaptive", "display": "summarized"}},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {"metadata": {"user_id": "u"}, "service_tier": "auto"},
        {"service_tier": "standard_only", "container": "c"},
        {"tool_choice": {"type": "any"}},
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        {"tool_choice": {"type": "tool", "name": "wave", "disable_parallel_tool_use": True}},
        {"cache_control": {"type": "ephemeral"}},
    ],
    "gemini": [
        {"generationConfig": {"maxOutputTokens": 3000, "stopSequences": ["END"], "candidateCount": 2}},
        {"generationConfig": {"temperature": 0.5, "topP": 0.9, "topK": 5, "seed": 7}},
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": 2000, "includeThoughts": True}}},
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": -1}}},
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}},
        {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}},
        {"generationConfig": {"responseMimeType": "application/json", "responseSchema": {"type": "STRING"}}},
        {"generationConfig": {"responseMimeType": "application/json"}},
        {
            "generationConfig": {
                "responseModalities": ["TEXT", "IMAGE"],
                "mediaResolution": "MEDIA_RESOLUTION_LOW",
            }
        },
        {"generationConfig": {"responseLogprobs": True, "logprobs": 2}},
        {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
        {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["wave"]}}},
        {
            "toolConfig": {
                "functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["wave", "look"]}
            }
        },
        {
            "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
            "cachedContent": "c",
        },
        {"serviceTier": "flex", "labels": {"k": "v"}},
    ],
}
"""Parameters of each API, some of which go together."""


@st.composite
def requests(draw: st.DrawFn, dialect: str) -> JSON:
    """A request of an API."""
    made = WRITERS[dialect](draw(conversations()))
    for more in draw(st.lists(st.sampled_from(PARAMETERS[dialect]), max_size=3)):
        for key, value in more.items():
            old = made.get(key)
            both = isinstance(old, dict) and isinstance(value, dict) and key in ("generationConfig", "text")
            made[key] = {**old, **value} if both else value
    copied: JSON = json.loads(json.dumps(made))
    return copied


JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, 1, "x", [], {}, True, False, [None], [{}], {"a": 1}, -1.5, "", {"type": 5}, [[1]], "data:,", 1e30]
).map(copy.deepcopy)


def containers(value: Any, path: str = "") -> Iterator[tuple[Any, str]]:
    """All objects and arrays in a value, with their paths."""
    waiting = [(value, path)]
    while waiting:
        found, where = waiting.pop()
        if isinstance(found, (dict, list)):
            yield found, where
        if isinstance(found, dict):
            waiting += [(member, f"{where}.{key}".removeprefix(".")) for key, member in found.items()]
        if isinstance(found, list):
            waiting += [(member, f"{where}[{index}]") for index, member in enumerate(found)]


RAN: dict[str, JSON] = {
    "computer_call": {"output": {"type": "computer_screenshot", "image_url": "data:image/png;base64,iVBO"}},
    "local_shell_call": {"output": "ok"},
    "shell_call": {"output": [{"stdout": "ok", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]},
    "apply_patch_call": {"status": "completed", "output": "ok"},
}
"""Hosted calls that the caller runs, and what comes of them."""


def answers_to(response: Response) -> tuple[list[ToolResult], list[Approval]]:
    """A result for each call of the first choice, in the shape that it wants, and all approvals."""
    calls = [call for call in response.tool_calls if not call.choice_index]
    results = [ToolResult(call.call_id or "", "ok") for call in calls]
    others = [item for item in response.output if isinstance(item, OtherItem)]
    told = {(item.type, str(item.data.get("call_id"))) for item in others}
    for item in others:
        if item.type in RAN:
            ident = item.data.get("call_id")
            if (f"{item.type}_output", str(ident)) not in told:
                results.append(ToolResult(ident if isinstance(ident, str) else item.id or "", RAN[item.type]))
    asked = [item.id for item in response.output if item.type == "mcp_approval_request"]
    return results, [Approval(ident, True) for ident in asked if ident is not None]


def check_taken(turn: Turn, response: Response, source: str, target: str) -> None:
    """Raises what an API has against a whole turn: its own gets all back as it came, whatever that was, and
    of a failed response there are only answers."""
    if source != target and response.outcome is not Outcome.FAILED:
        convert_request({CONVERSATION[target]: [*turn.items]}, target, source)
