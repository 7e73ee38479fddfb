"""Items and parts that no wire sent: of a server that speaks for itself, or of text that was lifted out."""

from __future__ import annotations

from typing import Any, TypeAlias

from deltafold.model.items import (
    CustomToolCall,
    FunctionCall,
    Message,
    OutputText,
    Part,
    Reasoning,
    ReasoningText,
    Refusal,
    SummaryText,
)
from deltafold.wire.json_text import is_strict_json

__all__ = [
    "custom_call",
    "function_call",
    "message",
    "reasoning",
    "refusal_part",
    "text_part",
    "thought_part",
]

JSON: TypeAlias = dict[str, Any]


def text_part(text: str = "", annotations: tuple[JSON, ...] = ()) -> OutputText:
    """A part of a message: text."""
    data = {"type": "output_text", "text": text, "annotations": list(annotations)}
    return OutputText(text, annotations, (), data)


def refusal_part(text: str = "") -> Refusal:
    """A part of a message: a refusal."""
    return Refusal(text, {"type": "refusal", "refusal": text})


def thought_part(text: str = "", *, summary: bool = False) -> Part:
    """A part of reasoning, or of its summary."""
    if summary:
        return SummaryText(text, {"type": "summary_text", "text": text})
    return ReasoningText(text, {"type": "reasoning_text", "text": text})


def named(ident: str | None) -> JSON:
    """The id of an item, if it has one."""
    return {} if ident is None else {"id": ident}


def message(
    parts: tuple[Part, ...], *, whole: bool, choice: int | None = None, ident: str | None = None
) -> Message:
    """A message of the assistant."""
    status = "completed" if whole else "in_progress"
    content = [part.data for part in parts]
    data = {**named(ident), "type": "message", "role": "assistant", "status": status, "content": content}
    return Message(ident, parts, "assistant", status, None, choice, data)


def reasoning(
    summary: tuple[Part, ...],
    content: tuple[Part, ...],
    *,
    encrypted: str | None = None,
    choice: int | None = None,
    ident: str | None = None,
) -> Reasoning:
    """A reasoning item."""
    data: JSON = {**named(ident), "type": "reasoning", "summary": [part.data for part in summary]}
    if content:
        data["content"] = [part.data for part in content]
    if encrypted is not None:
        data["encrypted_content"] = encrypted
    return Reasoning(ident, summary, content, encrypted, None, choice, data)


def function_call(
    name: str,
    call_id: str | None,
    arguments: str,
    *,
    whole: bool,
    choice: int | None = None,
    ident: str | None = None,
) -> FunctionCall:
    """A call of a function. It is complete where it is whole and its arguments are JSON."""
    status = "completed" if whole else "in_progress"
    sent = {"call_id": call_id, "name": name, "arguments": arguments}
    data = {**named(ident), "type": "function_call", "status": status, **sent}
    complete = whole and is_strict_json(arguments)
    return FunctionCall(ident, call_id, name, arguments, complete, status, False, choice, data)


def custom_call(
    name: str,
    call_id: str | None,
    text: str,
    *,
    whole: bool,
    choice: int | None = None,
    ident: str | None = None,
) -> CustomToolCall:
    """A call of a custom tool."""
    status = "completed" if whole else "in_progress"
    sent = {"call_id": call_id, "name": name, "input": text}
    data = {**named(ident), "type": "custom_tool_call", "status": status, **sent}
    return CustomToolCall(ident, call_id, name, text, whole, status, False, choice, data)
