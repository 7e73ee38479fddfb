"""Single payloads of Anthropic Messages, one function for each, in the words of the wire.

They are plain dicts with realistic fields. A keyword replaces a field or adds one; an index of None leaves
the index out. What is well-formed is made more easily by `StreamBuilder`.
"""

from __future__ import annotations

from typing import Any

from deltafold.testing.payloads import JSON

__all__ = [
    "begin",
    "block",
    "citation",
    "delta",
    "end",
    "error",
    "fragment",
    "message",
    "message_delta",
    "message_start",
    "message_stop",
    "ping",
    "redacted_thinking",
    "said",
    "server_tool_use",
    "signature",
    "text",
    "thinking",
    "thought",
    "tool_use",
    "usage",
]


def usage(prompt: int = 12, output: int = 1, **fields: Any) -> JSON:
    """Usage. The prompt is what the cache had no part in."""
    return {"input_tokens": prompt, "output_tokens": output, **fields}


def message(*content: Any, **fields: Any) -> JSON:
    """A message with these blocks."""
    return {
        "id": "msg_01Hq",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": list(content),
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage(),
        **fields,
    }


# ------------------------------------------------------------------------------------------------- events


def message_start(*content: Any, **fields: Any) -> JSON:
    """The message begins; `content` are blocks that come whole with it."""
    return {"type": "message_start", "message": message(*content, **fields)}


def message_delta(stop_reason: str | None = "end_turn", output: int | None = 5, **fields: Any) -> JSON:
    """The stop reason, and the usage so far. `fields` stand beside the stop reason."""
    sent = {"stop_reason": stop_reason, "stop_sequence": None, **fields}
    counted = {} if output is None else {"usage": {"output_tokens": output}}
    return {"type": "message_delta", "delta": sent, **counted}


def message_stop(**fields: Any) -> JSON:
    """The message ends."""
    return {"type": "message_stop", **fields}


def ping(**fields: Any) -> JSON:
    """A sign of life."""
    return {"type": "ping", **fields}


def error(kind: str = "overloaded_error", text: str = "Overloaded", **fields: Any) -> JSON:
    """An error in place of the rest of the message."""
    return {"type": "error", "error": {"type": kind, "message": text, **fields}}


def placed(index: int | None) -> JSON:
    """The index of a block, as far as it is sent."""
    return {} if index is None else {"index": index}


def begin(sent: Any, index: int | None = 0) -> JSON:
    """A block begins."""
    return {"type": "content_block_start", **placed(index), "content_block": sent}


def end(index: int | None = 0) -> JSON:
    """A block ends."""
    return {"type": "content_block_stop", **placed(index)}


def delta(kind: str, index: int | None = 0, **fields: Any) -> JSON:
    """A piece of a block."""
    return {"type": "content_block_delta", **placed(index), "delta": {"type": kind, **fields}}


def said(piece: Any, index: int | None = 0, **fields: Any) -> JSON:
    """A piece of text."""
    return delta("text_delta", index, text=piece, **fields)


def thought(piece: Any, index: int | None = 0, **fields: Any) -> JSON:
    """A piece of thinking."""
    return delta("thinking_delta", index, thinking=piece, **fields)


def signature(sent: Any = "EqQBCkYI", index: int | None = 0) -> JSON:
    """The signature of a block of thinking."""
    return delta("signature_delta", index, signature=sent)


def fragment(piece: Any, index: int | None = 0) -> JSON:
    """A piece of the JSON of an input."""
    return delta("input_json_delta", index, partial_json=piece)


def citation(index: int | None = 0, **fields: Any) -> JSON:
    """A citation."""
    sent = {"type": "char_location", "cited_text": "High water", "document_index": 0, "document_title": None}
    return delta("citations_delta", index, citation={**sent, "start_char_index": 0, **fields})


# ------------------------------------------------------------------------------------------------- blocks


def text(sent: Any = "", **fields: Any) -> JSON:
    """A block of text."""
    return {"type": "text", "text": sent, **fields}


def thinking(sent: Any = "", **fields: Any) -> JSON:
    """A block of thinking."""
    return {"type": "thinking", "thinking": sent, "signature": "", **fields}


def redacted_thinking(data: str = "EmwKAhgB") -> JSON:
    """Thinking that is not shown, whole as it comes."""
    return {"type": "redacted_thinking", "data": data}


def tool_use(name: Any = "get_weather", ident: Any = "toolu_01", **fields: Any) -> JSON:
    """A call that the caller is asked to run."""
    return {"type": "tool_use", "id": ident, "name": name, "input": {}, **fields}


def server_tool_use(name: str = "web_search", ident: str = "srvtoolu_01", **fields: Any) -> JSON:
    """A call that the server runs."""
    return {"type": "server_tool_use", "id": ident, "name": name, "input": {}, **fields}


def block(sent: JSON, *deltas: JSON, index: int = 0) -> list[JSON]:
    """A whole block: its beginning, its pieces, its end."""
    pieces = [{**piece, "index": index} for piece in deltas]
    return [begin(sent, index), *pieces, end(index)]
