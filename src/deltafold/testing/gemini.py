"""Single payloads of Gemini, one function for each, in the words of the wire: for streams that nobody sends.

They are plain dicts with realistic fields. A keyword replaces a field or adds one; an index of None leaves
the index out. What is well-formed is made more easily by `StreamBuilder`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deltafold.testing.payloads import JSON

__all__ = [
    "call",
    "candidate",
    "candidates",
    "chunk",
    "error",
    "piece",
    "pieces_of",
    "text",
    "thought",
    "usage",
]


def candidates(*sent: JSON, **fields: Any) -> JSON:
    """A chunk with these candidates."""
    made = {"candidates": list(sent), "modelVersion": "gemini-3.5-flash", "responseId": "r7QoacSCMdLr"}
    return {**made, **fields}


def candidate(*parts: Any, index: int | None = 0, **fields: Any) -> JSON:
    """A candidate with these parts; without any it has no content."""
    sent: JSON = {"content": {"parts": list(parts), "role": "model"}} if parts else {}
    return {**sent, **({} if index is None else {"index": index}), **fields}


def chunk(*parts: Any, index: int | None = 0, **fields: Any) -> JSON:
    """A chunk with one candidate, which has these parts and fields."""
    return candidates(candidate(*parts, index=index, **fields))


def text(said: str, **fields: Any) -> JSON:
    """A part: text."""
    return {"text": said, **fields}


def thought(said: str, **fields: Any) -> JSON:
    """A part: a thought."""
    return {"text": said, "thought": True, **fields}


def call(name: str | None = "get_weather", signature: str | None = None, **fields: Any) -> JSON:
    """A part: a function call, or a piece of one."""
    sent = {**({} if name is None else {"name": name}), **fields}
    return {"functionCall": sent, **({} if signature is None else {"thoughtSignature": signature})}


def piece(path: str, *value: Any, more: bool = False) -> JSON:
    """A piece of streamed arguments: a leaf with its path; without a value, the end of what stands there."""
    sent: JSON = {"jsonPath": path}
    for one in value:
        if one is None:
            sent["nullValue"] = "NULL_VALUE"
        elif isinstance(one, bool):
            sent["boolValue"] = one
        else:
            sent["stringValue" if isinstance(one, str) else "numberValue"] = one
    return {**sent, "willContinue": True} if more else sent


def pieces_of(value: Any, path: str = "$") -> Iterator[JSON]:
    """Arguments as Vertex streams them. Strings of two letters and more come in two pieces."""
    if isinstance(value, (dict, list)) and (value or path == "$"):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for key, member in members:
            if isinstance(key, str) and not (key.isascii() and key.isidentifier()):
                step = "['" + key.replace("\\", "\\\\").replace("'", "\\'") + "']"
            else:
                step = f".{key}" if isinstance(key, str) else f"[{key}]"
            yield from pieces_of(member, path + step)
    elif isinstance(value, (dict, list)):
        yield piece(path + ("[]" if isinstance(value, list) else ""))
    elif isinstance(value, str) and len(value) > 1:
        yield piece(path, value[:1], more=True)
        yield piece(path, value[1:])
    else:
        yield piece(path, value)


def usage(prompt: int = 12, output: int = 5, thoughts: int = 0, **fields: Any) -> JSON:
    """A usageMetadata. What is 0 is left out, as on the wire."""
    sent = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": output,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": prompt + output + thoughts,
    }
    return {**{key: count for key, count in sent.items() if count}, **fields}


def error(code: int = 503, status: str = "UNAVAILABLE", message: str = "Overloaded.", *details: JSON) -> JSON:
    """An error: a google.rpc.Status."""
    sent = {"code": code, "message": message, "status": status}
    return {"error": {**sent, "details": list(details)} if details else sent}
