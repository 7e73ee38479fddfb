"""A response in the shape of an unstreamed Chat Completion.

What Chat Completions sent comes with the server's own words and with all fields that are not known. What
another API sent is converted: its finish reasons become those of Chat, and what it alone has stays out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deltafold.dialects.base import ends_complete
from deltafold.dialects.chat.table import IMAGE, OF_DOCUMENT, more_of_call, stop_of, usage_of_chat
from deltafold.dialects.written_errors import chat_error
from deltafold.dialects.written_items import is_misleading
from deltafold.machine.lifecycle import CANCELLED, FAILED, TRUNCATED
from deltafold.model.items import (
    CustomToolCall,
    FunctionCall,
    Item,
    Message,
    OutputText,
    Reasoning,
    Refusal,
    is_whole,
)
from deltafold.model.json_values import copied

if TYPE_CHECKING:
    from deltafold.model.response import Choice, Response

__all__ = ["chat_completion"]

JSON = dict[str, Any]

NOT_ENDED = (FAILED, TRUNCATED, CANCELLED)
"""Outcomes of which Chat Completions has no finish reason."""
SHARED = ("metadata", "service_tier", "system_fingerprint")
"""Fields that both APIs have under one name."""


def chat_completion(response: Response) -> JSON:
    """The response as Chat Completions would have sent it whole, with the server's own finish reasons."""
    data = copied(response.data)
    sent = {choice.index: choice for choice in response.choices}
    items: dict[int, list[Item]] = {index: [] for index in sent}
    for item in response.output:
        items.setdefault(item.choice_index or 0, []).append(item)
    if not items:
        items[0] = []
    first = min(items)
    completion: JSON = {
        "id": data.get("id"),
        "object": "chat.completion",
        "created": data.get("created_at") if isinstance(data.get("created_at"), (int, float)) else None,
        "model": data.get("model"),
        "choices": [
            choice_of(response, index, sent.get(index), items[index], first=index == first)
            for index in sorted(items)
        ],
        "usage": None if response.usage is None else usage_of_chat(response.usage, response.dialect),
    }
    for key, value in data.items():
        if key in SHARED or (sent and is_own(response) and key not in OF_DOCUMENT):
            completion[key] = value
        elif key == "created_at" and isinstance(value, str) and is_own(response):
            completion[key] = value  # a field of its own beside `created`
    outcome = response.outcome
    if outcome is not None and outcome in NOT_ENDED:
        # A choice without a finish reason alone would be taken for a whole answer.
        completion["error"] = chat_error(outcome, response.error, own=is_own(response))
    return completion


def is_own(response: Response) -> bool:
    """Whether Chat Completions sent a response, or nobody knows who did."""
    return response.dialect in (None, "chat")


def reason_of(response: Response, sent: Choice | None, items: list[Item]) -> str | None:
    """Why a choice finished."""
    if sent is None:
        return response.finish_reason
    if is_own(response) or sent.finish_reason is None:
        return sent.finish_reason
    stop = stop_of(sent.finish_reason)
    if stop is None or stop.outcome in ("failed", "cancelled"):
        return None
    if stop.outcome == "incomplete":
        return stop.reason or "length"  # the nearest word of those that its clients know
    return "tool_calls" if any(is_whole(item) for item in items) else "stop"


def choice_of(response: Response, index: int, sent: Choice | None, items: list[Item], *, first: bool) -> JSON:
    """A choice. What was spoken stands in the first one: nothing says of which it is."""
    more = copied(sent.data) if sent is not None and is_own(response) else {}
    logprobs = more.pop("logprobs", None)
    logprobs = logprobs if isinstance(logprobs, dict) else {}
    tokens = [entry for part in texts(items) for entry in part.logprobs]
    if tokens:
        known = logprobs.get("content")
        logprobs = {**logprobs, "content": [*copied(tokens), *(known if isinstance(known, list) else ())]}
    field = None if sent is None else sent.reasoning_field
    message = message_of(items, field or "reasoning_content", None if sent is None else sent.legacy_call_id)
    images = images_of(items)
    if sent is not None and (parts := parts_of(items)):
        message["content"] = parts
    if images:
        message["images"] = copied(images)
    if first and "audio" in response.data:
        message["audio"] = copied(response.data["audio"])
    fields = more.pop("message", None)
    for key, value in fields.items() if isinstance(fields, dict) else ():
        known = message.get(key)
        message[key] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
    reason = reason_of(response, sent, items)
    if reason is not None and any(map(is_misleading, items)) and ends_complete(stop_of(reason)):
        reason = "length"  # else the calls would look whole
    return {"index": index, "message": message, "logprobs": logprobs or None, "finish_reason": reason, **more}


def texts(items: list[Item]) -> list[OutputText]:
    return [
        part
        for item in items
        if isinstance(item, Message)
        for part in item.content
        if isinstance(part, OutputText)
    ]


def message_of(items: list[Item], reasoning_field: str, legacy_call_id: str | None) -> JSON:
    roles = [item.role for item in items if isinstance(item, Message) and item.role]
    refusals = [
        part.refusal
        for item in items
        if isinstance(item, Message)
        for part in item.content
        if isinstance(part, Refusal)
    ]
    message: JSON = {
        "role": roles[0] if roles else "assistant",
        "content": "".join(part.text for part in texts(items)) or None,
        "refusal": "".join(refusals) or None,
    }
    annotations = [annotation for part in texts(items) for annotation in part.annotations]
    if annotations:
        message["annotations"] = copied(annotations)
    thoughts: list[str] = []
    for item in items:
        if isinstance(item, Reasoning):
            text = item.text
            if text:
                thoughts.append(text)
            if "reasoning_details" in item.data:
                message["reasoning_details"] = copied(item.data["reasoning_details"])
    if thoughts:
        message[reasoning_field] = "".join(thoughts)
    for item in items:
        if isinstance(item, FunctionCall) and item.call_id == legacy_call_id is not None:
            message["function_call"] = {"name": item.name, "arguments": item.arguments}
        elif isinstance(item, (FunctionCall, CustomToolCall)):
            message.setdefault("tool_calls", []).append(call_of(item))
    return message


def parts_of(items: list[Item]) -> list[Any]:
    """The content in parts, where some of them are no text: Mistral's references. Else none."""
    parts = [
        part
        for item in items
        if isinstance(item, Message)
        for part in item.content
        if not isinstance(part, Refusal) and part.type != IMAGE
    ]
    if all(isinstance(part, OutputText) for part in parts):
        return []
    return [
        {"type": "text", "text": part.text} if isinstance(part, OutputText) else copied(part.data)
        for part in parts
    ]


def images_of(items: list[Item]) -> list[Any]:
    """The images, which the message has in a member of their own."""
    return [
        part.data
        for item in items
        if isinstance(item, Message)
        for part in item.content
        if part.type == IMAGE
    ]


def call_of(item: FunctionCall | CustomToolCall) -> JSON:
    more = more_of_call(item)
    if isinstance(item, CustomToolCall):
        return {
            "id": item.call_id,
            "type": "custom",
            "custom": {"name": item.name, "input": item.input},
            **more,
        }
    function = {"name": item.name, "arguments": item.arguments}
    return {"id": item.call_id, "type": "function", "function": function, **more}
