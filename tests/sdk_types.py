"""Whether the official SDKs' own parameter types take a request. Without the SDK a test is skipped."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest

from conversations import CONVERSATION

JSON = dict[str, Any]

PARAMETERS = {
    "responses": ("openai.types.responses.response_create_params", "ResponseCreateParamsNonStreaming"),
    "chat": ("openai.types.chat.completion_create_params", "CompletionCreateParamsNonStreaming"),
    "anthropic": ("anthropic.types.message_create_params", "MessageCreateParamsNonStreaming"),
}
SAMPLING = {"temperature", "top_p", "top_k"}
"""Newer types of Anthropic's have none; its API has, for older models."""
AROUND: dict[str, JSON] = {
    "responses": {"model": "m"},
    "chat": {"model": "m"},
    "anthropic": {"model": "m", "max_tokens": 1},
    "gemini": {},
}


@cache
def adapter_of(dialect: str, beta: bool = False) -> tuple[Any, set[str]]:
    """What reads the parameters of an API, and their names."""
    pydantic = pytest.importorskip("pydantic")
    typing_extensions = pytest.importorskip("typing_extensions")
    module, name = PARAMETERS[dialect]
    if beta:
        module = module.replace("types.", "types.beta.")
    kind = getattr(pytest.importorskip(module), name)
    return pydantic.TypeAdapter(kind), set(typing_extensions.get_type_hints(kind))


def exhaust(value: Any) -> None:
    """Looks at all of a value: pydantic reads iterables when they are read."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            waiting.extend(found.values())
        elif hasattr(found, "__iter__") and not isinstance(found, (str, bytes)):
            waiting.extend(found)


def check_gemini(request: JSON) -> None:
    types = pytest.importorskip("google.genai.types")
    kinds = {
        "systemInstruction": types.Content,
        "generationConfig": types.GenerationConfig,
        "toolConfig": types.ToolConfig,
    }
    for content in request["contents"]:
        types.Content.model_validate(content)
    for tool in request.get("tools", ()):
        types.Tool.model_validate(tool)
    for key, kind in kinds.items():
        if key in request:
            kind.model_validate(request[key])
    assert request.keys() <= {"contents", "tools", *kinds}


def check_request(dialect: str, request: JSON, beta: bool = False) -> None:
    """Raises what the types have against a request; those of Anthropic's betas with `beta`."""
    request = copy.deepcopy(request)
    if dialect == "gemini":
        check_gemini(request)
        return
    adapter, names = adapter_of(dialect, beta)
    for key in ("stream", "stream_options"):
        request.pop(key, None)
    request.setdefault("model", "m")  # Gemini has it in its URL
    if dialect == "anthropic":
        names = names | SAMPLING
    if dialect == "responses":
        for item in request["input"]:
            if item.get("role") == "assistant" and isinstance(item.get("content"), list):
                item.setdefault("id", "msg_0")  # the type wants both, and the API does not
                item.setdefault("status", "completed")
    assert request.keys() <= names
    exhaust(adapter.validate_python(request))


def check_items(dialect: str, items: tuple[JSON, ...], beta: bool = False) -> None:
    """Raises what the types have against a turn."""
    check_request(dialect, {**AROUND[dialect], CONVERSATION[dialect]: [*items]}, beta)
