"""Which wire a payload is of: what says so, for all dialects, in one place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from deltafold.diagnosis.error_payloads import is_error_payload, is_success

__all__ = ["dialect_of", "form_of", "is_strange", "unwrapped", "wire_of"]

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

COHERE: Final = (
    "message-start",
    "message-end",
    "content-start",
    "content-delta",
    "content-end",
    "tool-plan-delta",
    "tool-call-start",
    "tool-call-delta",
    "tool-call-end",
    "citation-start",
    "citation-end",
    "stream-start",
    "stream-end",
    "text-generation",
)
UI_MESSAGES: Final = (
    "start",
    "start-step",
    "finish-step",
    "finish",
    "abort",
    "text-start",
    "text-delta",
    "text-end",
    "reasoning-start",
    "reasoning-delta",
    "reasoning-end",
    "tool-input-start",
    "tool-input-delta",
    "tool-input-available",
    "tool-output-available",
)
CONVERSE: Final = frozenset(
    ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]
)
STRANGERS: Final[dict[str, str]] = {
    **dict.fromkeys(COHERE, "Cohere's chat API"),
    **dict.fromkeys(UI_MESSAGES, "the UI message stream of the AI SDK"),
}
"""Values of `type`, or of `event_type`, of wires that no dialect speaks."""
STRANGE_PREFIXES: Final[dict[str, str]] = {
    "thread.": "the Assistants API",
    "session.": "the Realtime API",
    "conversation.": "the Realtime API",
    "input_audio_buffer.": "the Realtime API",
    "transcript.text.": "the transcription API",
    "speech.audio.": "the speech API",
    "data-": "the UI message stream of the AI SDK",
}
STRANGE_MEMBERS: Final[tuple[tuple[frozenset[str], str], ...]] = (
    (frozenset({"created_at", "done"}), "Ollama's own API"),
    (frozenset({"token", "generated_text"}), "the generate_stream API of TGI"),
    (frozenset({"content", "stop"}), "the completion API of llama.cpp"),
    (frozenset({"jsonrpc"}), "JSON-RPC"),
    (frozenset({"log"}), "a HAR file"),
    (frozenset({"outputs"}), "a batch of results"),
    (frozenset({"generated_text"}), "the text generation API of Hugging Face"),
)


def wire_of(payload: Any, name: str = "") -> str:
    """What a payload that the dialect did not understand looks like, in words for an error message."""
    if isinstance(payload, str):
        return f"text: {payload[:60]!r}"
    if not isinstance(payload, Mapping):
        return "JSON that is no object"
    found = dialect_of(payload, name)
    if found is not None:
        return f"another wire: use dialect={found!r}"
    for word in (payload.get("type"), payload.get("event_type"), payload.get("object"), name):
        if isinstance(word, str) and word:
            if word in STRANGERS:
                return STRANGERS[word]
            for prefix, wire in STRANGE_PREFIXES.items():
                if word.startswith(prefix):
                    return wire
    if not CONVERSE.isdisjoint(payload):
        return "the Converse API of Bedrock"
    for members, wire in STRANGE_MEMBERS:
        if members <= payload.keys():
            return wire
    if isinstance(payload.get("response"), str):
        return "the text API of Workers AI or Ollama"
    return f"nothing known, with {', '.join(map(str, payload))[:80] or 'no members'}"


STRANGE_LINES: Final = (
    (re.compile(r"[^{]{1,80}?\b(?:data|event): ?\S"), "the lines of a log"),
    (re.compile(r"[0-9a-f]{1,2}:[\"\[{]"), "the data stream protocol of the AI SDK"),
)


def form_of(line: str) -> str:
    """What a line that is no field of an event stream looks like, in words; "" where nobody knows."""
    for pattern, form in STRANGE_LINES:
        if pattern.match(line):
            return form
    return ""


def is_strange(payload: Mapping[str, Any]) -> bool:
    """Whether a payload is of a wire that no dialect speaks, though it has members of one of them."""
    return "choices" not in payload and {"created_at", "done"} <= payload.keys()


def unwrapped(payload: dict[str, Any]) -> dict[str, Any]:
    """What a gateway has wrapped as `{"code": 0, "message": "ok", "data": {…}}`; else the payload itself."""
    inner = payload.get("data")
    if (
        type(inner) is dict
        and dialect_of(payload) is None
        and is_success(payload.get("code"))
        and dialect_of(inner) is not None
        and not is_error_payload(payload)
    ):
        return inner
    return payload


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
