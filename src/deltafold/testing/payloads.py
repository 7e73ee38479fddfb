"""Single payloads, one function for each, in the words of the wire: for streams that no server should send.

They are plain dicts with realistic fields. A keyword replaces a field or adds one; an index of None leaves
the index out. What is well-formed is made more easily by `StreamBuilder`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = [
    "CHUNK",
    "JSON",
    "added",
    "arguments",
    "arguments_done",
    "call",
    "choice",
    "chunk",
    "completed",
    "created",
    "custom_call",
    "done",
    "in_progress",
    "message",
    "output_text",
    "part_added",
    "part_done",
    "reasoning",
    "reasoning_text",
    "refusal",
    "response",
    "streamed_call",
    "streamed_message",
    "summary_text",
    "text",
    "text_done",
    "value",
]

JSON: TypeAlias = dict[str, Any]
"""A JSON object."""


def indexed(index: int | None, at: int | None = None) -> JSON:
    """The place of a value, as far as it is sent."""
    place = {} if index is None else {"output_index": index}
    return place if at is None else {**place, "content_index": at}


# ------------------------------------------------------------------------- Responses: the response, its life


def response(status: str = "in_progress", **fields: Any) -> JSON:
    """A response object."""
    return {
        "id": "resp_6f1d",
        "object": "response",
        "created_at": 1765432100,
        "status": status,
        "model": "gpt-5.1-2025-11-13",
        "output": [],
        "usage": None,
        **fields,
    }


def created(**fields: Any) -> JSON:
    """`response.created`, with these fields of the response."""
    return {"type": "response.created", "response": response(**fields)}


def in_progress(**fields: Any) -> JSON:
    """`response.in_progress`, with these fields of the response."""
    return {"type": "response.in_progress", "response": response(**fields)}


def completed(*output: JSON, type: str = "response.completed", **fields: Any) -> JSON:
    """The end, with these items; without any, the output is empty. `type` is that of the event."""
    status = {"response.incomplete": "incomplete", "response.failed": "failed"}.get(type, "completed")
    return {"type": type, "response": response(**{"status": status, "output": list(output), **fields})}


# -------------------------------------------------------------------------------- Responses: items and parts


def added(index: int | None, item: Any, **fields: Any) -> JSON:
    """`response.output_item.added`."""
    return {"type": "response.output_item.added", **indexed(index), "item": item, **fields}


def done(index: int | None, item: Any, **fields: Any) -> JSON:
    """`response.output_item.done`."""
    return {"type": "response.output_item.done", **indexed(index), "item": item, **fields}


def message(*texts: str, id: str | None = "msg_1", status: str = "completed", **fields: Any) -> JSON:
    """A message with a part for each text."""
    named = {} if id is None else {"id": id}
    content = [output_text(text) for text in texts]
    return {**named, "type": "message", "status": status, "role": "assistant", "content": content, **fields}


def output_text(text: str = "", **fields: Any) -> JSON:
    """A part of a message: text."""
    return {"type": "output_text", "text": text, "annotations": [], **fields}


def refusal(text: str = "") -> JSON:
    """A part of a message: a refusal."""
    return {"type": "refusal", "refusal": text}


def reasoning(*summary: str, id: str | None = "rs_1", **fields: Any) -> JSON:
    """A reasoning item with a part of its summary for each text."""
    named = {} if id is None else {"id": id}
    return {**named, "type": "reasoning", "summary": [summary_text(text) for text in summary], **fields}


def summary_text(text: str = "") -> JSON:
    """A part of a reasoning item: its summary."""
    return {"type": "summary_text", "text": text}


def reasoning_text(text: str = "") -> JSON:
    """A part of a reasoning item: raw reasoning."""
    return {"type": "reasoning_text", "text": text}


def call(
    arguments: str = "",
    *,
    id: str | None = "fc_1",
    call_id: str = "call_1",
    name: str = "tick",
    status: str = "completed",
    **fields: Any,
) -> JSON:
    """A function call."""
    named = {} if id is None else {"id": id}
    sent = {"call_id": call_id, "name": name, "arguments": arguments}
    return {**named, "type": "function_call", "status": status, **sent, **fields}


def custom_call(text: str = "", *, id: str = "ctc_1", call_id: str = "call_1", **fields: Any) -> JSON:
    """A call of a custom tool."""
    sent = {"call_id": call_id, "name": "apply_patch", "input": text}
    return {"id": id, "type": "custom_tool_call", "status": "in_progress", **sent, **fields}


def part_added(index: int | None, part: Any, at: int | None = 0, **fields: Any) -> JSON:
    """`response.content_part.added`; `at` is the content index."""
    return {"type": "response.content_part.added", **indexed(index, at), "part": part, **fields}


def part_done(index: int | None, part: Any, at: int | None = 0, **fields: Any) -> JSON:
    """`response.content_part.done`; `at` is the content index."""
    return {"type": "response.content_part.done", **indexed(index, at), "part": part, **fields}


# ------------------------------------------------------------------------------------------ Responses: values


def value(type: str, index: int | None, **fields: Any) -> JSON:
    """An event about a value of an item: `value("output_text.delta", 0, content_index=0, delta="Hi")`."""
    return {"type": f"response.{type}", **indexed(index), **fields}


def text(index: int | None, delta: Any, part: int | None = 0, **fields: Any) -> JSON:
    """`response.output_text.delta`; `part` is the content index."""
    return {"type": "response.output_text.delta", **indexed(index, part), "delta": delta, **fields}


def text_done(index: int | None, whole: Any, part: int | None = 0, **fields: Any) -> JSON:
    """`response.output_text.done`; `part` is the content index."""
    return {"type": "response.output_text.done", **indexed(index, part), "text": whole, **fields}


def arguments(index: int | None, delta: Any, **fields: Any) -> JSON:
    """`response.function_call_arguments.delta`."""
    return value("function_call_arguments.delta", index, delta=delta, **fields)


def arguments_done(index: int | None, whole: Any, **fields: Any) -> JSON:
    """`response.function_call_arguments.done`."""
    return value("function_call_arguments.done", index, arguments=whole, **fields)


def streamed_message(index: int, *pieces: str, id: str = "msg_1") -> list[JSON]:
    """All events of one message, as api.openai.com sends them."""
    whole = "".join(pieces)
    return [
        added(index, message(id=id, status="in_progress")),
        part_added(index, output_text(), item_id=id),
        *(text(index, piece, item_id=id) for piece in pieces),
        text_done(index, whole, item_id=id),
        part_done(index, output_text(whole), item_id=id),
        done(index, message(whole, id=id)),
    ]


def streamed_call(index: int, *pieces: str, id: str = "fc_1", call_id: str = "call_1") -> list[JSON]:
    """All events of one function call, as api.openai.com sends them."""
    whole = "".join(pieces)
    return [
        added(index, call(id=id, call_id=call_id, status="in_progress")),
        *(arguments(index, piece, item_id=id) for piece in pieces),
        arguments_done(index, whole, item_id=id),
        done(index, call(whole, id=id, call_id=call_id)),
    ]


# ------------------------------------------------------------------------------------------- Chat Completions

CHUNK: JSON = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1767100000,
    "model": "gpt-5.1",
}
"""What each chunk has beside its choices. Not to be changed."""


def chunk(*choices: Any, **fields: Any) -> JSON:
    """A chunk of Chat Completions."""
    return {**CHUNK, "choices": list(choices), **fields}


def choice(delta: Any = None, finish: Any = None, index: Any = 0, **fields: Any) -> JSON:
    """A choice of a chunk; `finish` is its finish reason."""
    return {"index": index, "delta": delta, "finish_reason": finish, **fields}
