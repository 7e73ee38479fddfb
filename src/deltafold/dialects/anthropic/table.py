"""The words of Anthropic Messages, for its reader, writer and documents, and how they are looked up."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.base import ends_complete
from deltafold.dialects.chat.table import OTHER as UNKNOWN_STOP
from deltafold.dialects.chat.table import stop_of as stop_of_chat
from deltafold.machine import make
from deltafold.machine.lifecycle import COMPLETED, INCOMPLETE
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.json_values import copied, count_of
from deltafold.model.response import Outcome, Usage
from deltafold.wire.json_text import (
    has_many,
    has_surrogates,
    is_deeper,
    replace_lone_surrogates,
    scan,
    skip_whitespace,
)

__all__ = [
    "STOPS",
    "Stop",
    "block_from",
    "is_call",
    "members_of",
    "metered",
    "rest_of",
    "stop_of",
    "stop_word",
    "usage_from",
    "usage_of_anthropic",
    "value_of",
]

JSON: TypeAlias = dict[str, Any]

# ------------------------------------------------------------------------------------------------ members

OF_MESSAGE: Final = frozenset({"id", "type", "role", "model", "content", "usage"})
"""Members of a message that stand elsewhere in a response; the others are kept by their names."""
OF_DOCUMENT: Final = frozenset(
    {"object", "status", "error", "incomplete_details", "output", "created_at", "background", "audio"}
)
"""Members that `Response.data` has of its own. What the wire calls so stands under `message`."""
OF_ITEM: Final = frozenset(
    {"type", "id", "status", "role", "content", "summary", "call_id", "name", "arguments", "block"}
    | {"encrypted_content"}
)
"""Members that the items of the Responses API have. What the wire calls so stands under `block`."""
OF_BLOCK: Final[dict[str, frozenset[str]]] = {
    "text": frozenset({"type", "text"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": frozenset({"type", "id", "name"}),
}
"""Members of a block that its item holds in its own words; blocks of other types are kept whole."""
ITEM_TYPES: Final[dict[str, str]] = {
    "text": "message",
    "thinking": "reasoning",
    "redacted_thinking": "reasoning",
    "tool_use": "function_call",
}
"""Types of blocks, and those of their items; a block of any other type keeps its own."""
MADE_ID: Final = "call_{}_synthesized"
"""The id of a call that came without one, by its output index."""


def members_of(data: JSON) -> JSON:
    """The members of a message that are kept by their names, out of `Response.data`."""
    sent = {
        key: copied(value)
        for key, value in data.items()
        if key not in OF_DOCUMENT and key not in OF_MESSAGE and key != "message"
    }
    clashing = data.get("message")
    return {**sent, **copied(clashing)} if isinstance(clashing, dict) else sent


def rest_of(data: JSON, but: tuple[str, ...] = ()) -> JSON:
    """The members of a block that its item does not model."""
    rest = {key: copied(value) for key, value in data.items() if key not in OF_ITEM and key not in but}
    clashing = data.get("block")
    return {**rest, **copied(clashing)} if isinstance(clashing, dict) else rest


# ------------------------------------------------------------------------------------------------- events

EVENTS: Final = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "message",
        "error",
    }
)
"""Types of events that belong to a message, and the message itself."""
DELTAS: Final[dict[str, tuple[str, str]]] = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
}
"""Deltas of texts: the type of block that each belongs to, and the member with the piece."""
UNTYPED: Final[dict[str, frozenset[str]]] = {
    "message_start": frozenset({"message"}),
    "content_block_start": frozenset({"content_block"}),
    "content_block_delta": frozenset({"delta", "index"}),
    "message_delta": frozenset({"delta", "usage"}),
    "message": frozenset({"role", "content", "model"}),
}
"""What an event without a type and a name is, by the members that it has."""
UNTYPED_BLOCKS: Final[dict[str, frozenset[str]]] = {
    "text": frozenset({"text"}),
    "thinking": frozenset({"thinking"}),
    "tool_use": frozenset({"id", "name", "input"}),
}
"""What a block without a type is, by the members that it has."""
UNTYPED_DELTAS: Final[dict[str, str]] = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
    "signature_delta": "signature",
    "citations_delta": "citation",
}
"""What a delta without a type is, by the member that it has."""


def is_call(block: JSON) -> bool:
    """Whether a block of another type than `tool_use` is a call all the same, of a tool of the server."""
    kind = block.get("type")
    return "input" in block or (isinstance(kind, str) and kind.endswith("tool_use"))


OF_OTHERS: Final = frozenset({"arguments", "block", "content", "summary", "type"})
"""Members of blocks of other types that stand under `block`, where their items have such of their own."""


def block_from(data: JSON) -> JSON:
    """A block of another type, out of what its item has."""
    block: JSON = copied(data)
    if is_call(data):
        block.pop("arguments", None)  # the text that its input was streamed as
    clashing = block.get("block")
    if type(clashing) is dict and clashing and not clashing.keys() - OF_OTHERS:
        del block["block"]
        block |= clashing
    return block


MOST_DEPTH: Final = 64
"""How deep the input of a call may be nested: what is deeper stays text. That of `Limits.json_depth`."""


def value_of(arguments: str) -> Any:
    """The value that a JSON text is, as a payload would hold it; None where it is not whole, or too deep."""
    try:
        value, end = scan(arguments, skip_whitespace(arguments, 0))
    except (StopIteration, ValueError, RecursionError):
        return None
    if skip_whitespace(arguments, end) != len(arguments):
        return None
    if has_many(arguments, MOST_DEPTH) and is_deeper(value, MOST_DEPTH):
        return None
    return replace_lone_surrogates(value, unheard, frozenset()) if has_surrogates(arguments) else value


def unheard(code: AnomalyCode, message: str) -> None:
    """The text of arguments stays as it came: what is made of it is no anomaly of the stream."""


# --------------------------------------------------------------------------------------------- stop reasons


class Stop:
    """What a stop reason means."""

    __slots__ = ("outcome", "reason")

    def __init__(self, reason: str, outcome: Outcome) -> None:
        self.reason = reason
        """`Response.finish_reason`."""
        self.outcome = outcome


END: Final = Stop("stop", COMPLETED)
CALLS: Final = Stop("tool_calls", COMPLETED)
LENGTH: Final = Stop("length", INCOMPLETE)
FILTER: Final = Stop("content_filter", INCOMPLETE)
PAUSE: Final = Stop("pause_turn", COMPLETED)
COMPACTION: Final = Stop("compaction", COMPLETED)

STOPS: Final[dict[str, Stop]] = {
    "end_turn": END,
    "stop_sequence": END,
    "tool_use": CALLS,
    "max_tokens": LENGTH,
    "model_context_window_exceeded": LENGTH,
    "refusal": FILTER,
    "pause_turn": PAUSE,
    "compaction": COMPACTION,
}
"""Stop reasons of this wire; what gateways pass on from others, `stop_of()` knows from Chat Completions."""
STOP_REASONS: Final = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
    "pause_turn": "pause_turn",
}
"""The finish reasons of this library, in the wire's words."""
NO_WORDS: Final = frozenset({"", "null", "none"})
"""Texts that say nothing."""


def stop_word(sent: Any) -> str | None:
    """A stop reason as it was sent; None where it says nothing."""
    return sent if isinstance(sent, str) and sent.strip().lower() not in NO_WORDS else None


def stop_of(word: str) -> Stop | None:
    """What a stop reason means, here or on another wire that a gateway translates. None: nobody knows."""
    known = STOPS.get(word.strip().lower().replace("-", "_").replace(" ", "_"))
    if known is not None:
        return known
    other = stop_of_chat(word)
    return None if other is None or other is UNKNOWN_STOP else Stop(other.reason, other.outcome)


def is_lesser(word: str, before: str | None) -> bool:
    """Whether a stop reason means a better end than one told before: of several words the gravest counts."""
    known = None if before is None else stop_of(before)
    if known is None or known.outcome is COMPLETED:
        return False
    return ends_complete(stop_of(word))


# -------------------------------------------------------------------------------------------------- usage

NUMBERS: Final = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
)
COUNTS: Final = (*NUMBERS, "output_tokens_details")
"""Members of the usage that count what this library tells of it."""


def usage_from(data: JSON) -> Usage:
    """Usage out of the wire's, where `input_tokens` leaves out what the cache had a part in."""
    fresh, output = count_of(data, "input_tokens"), count_of(data, "output_tokens")
    written, read = count_of(data, "cache_creation_input_tokens"), count_of(data, "cache_read_input_tokens")
    prompt = None if fresh is None else fresh + (written or 0) + (read or 0)
    details = data.get("output_tokens_details")
    return make.usage(
        prompt,
        output,
        None if prompt is None or output is None else prompt + output,
        read,
        written,
        count_of(details, "thinking_tokens") if isinstance(details, dict) else None,
        data,
    )


def metered(metrics: JSON) -> JSON:
    """Usage out of Bedrock's `amazon-bedrock-invocationMetrics`."""
    sent: JSON = {}
    for name, ours in (("inputTokenCount", "input_tokens"), ("outputTokenCount", "output_tokens")):
        found = count_of(metrics, name)
        if found is not None:
            sent[ours] = found
    return sent


def usage_of_anthropic(usage: Usage) -> JSON:
    """Usage of any API in the words of this one."""
    prompt, read, written = usage.input_tokens or 0, usage.cached_tokens, usage.cache_write_tokens
    if read is not None:
        read = min(read, prompt)  # some servers count what they wrote twice
    if written is not None:
        written = min(written, prompt - (read or 0))
    sent: JSON = {
        "input_tokens": max(prompt - (read or 0) - (written or 0), 0),
        "output_tokens": usage.output_tokens or 0,
    }
    if written is not None:
        sent["cache_creation_input_tokens"] = written
    if read is not None:
        sent["cache_read_input_tokens"] = read
    if usage.reasoning_tokens is not None:
        sent["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return sent
