"""Which wire a payload is of: what says so, for all dialects, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["dialect_of"]

TYPES: Final[dict[str, str]] = {
    "message_start": "anthropic",
    "content_block_start": "anthropic",
    "content_block_delta": "anthropic",
    "content_block_stop": "anthropic",
    "message_delta": "anthropic",
    "message_stop": "anthropic",
}
"""Values of `type`, or else the names of SSE events, that one wire alone has."""
PREFIXES: Final[dict[str, str]] = {"response.": "responses"}
"""How such words begin."""
OBJECTS: Final[dict[str, str]] = {
    "response": "responses",
    "chat.completion": "chat",
    "chat.completion.chunk": "chat",
    "text_completion": "chat",
}
"""Values of `object`."""
MEMBERS: Final[dict[str, str]] = {
    "choices": "chat",
    "candidates": "gemini",
    "promptFeedback": "gemini",
    "prompt_feedback": "gemini",
    "usageMetadata": "gemini",
    "usage_metadata": "gemini",
}
"""Members that one wire alone has."""


def dialect_of(payload: Mapping[str, Any], name: str = "") -> str | None:
    """The dialect that a payload is of; None where it may be anybody's: heartbeats and bare errors.

    `name` is the SSE event name, "" where there is none.
    """
    kind, of = payload.get("type"), payload.get("object")
    word = kind if isinstance(kind, str) and kind else name
    found = TYPES.get(word)
    if found is not None:
        return found
    for member, dialect in MEMBERS.items():
        if member in payload:
            return dialect
    if isinstance(of, str) and of in OBJECTS:
        return OBJECTS[of]
    for prefix, dialect in PREFIXES.items():
        if word.startswith(prefix):
            return dialect
    if kind == "message" and isinstance(payload.get("content"), list):
        return "anthropic"  # a whole message
    inner = payload.get("response")
    if not word and isinstance(inner, dict) and any(MEMBERS.get(member) == "gemini" for member in inner):
        return "gemini"  # Cloud Code wraps each chunk
    return None
