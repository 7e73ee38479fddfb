"""The words of Gemini's generateContent, for its reader, writer and documents, and how they are looked up.

Names are those of ProtoJSON: lowerCamelCase, which every reader of it has to take in the snake_case of the
proto too; enumerations come by name or number; what is zero, false or empty is left out.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.chat.table import OTHER as UNKNOWN_STOP
from deltafold.dialects.chat.table import stop_of as stop_of_chat
from deltafold.machine import make
from deltafold.model.json_values import copied, count_of, whole_number
from deltafold.model.response import Outcome, Usage

__all__ = ["STOPS", "Stop", "finish_word", "members_of", "stop_of", "usage_from", "usage_metadata"]

JSON: TypeAlias = dict[str, Any]

# ------------------------------------------------------------------------------------------------ members

OF_RESPONSE: Final = frozenset(
    {"candidates", "usageMetadata", "promptFeedback", "responseId", "modelVersion"}
)
"""What a GenerateContentResponse has, and hardly anything else."""
OF_CANDIDATE: Final = frozenset({"content", "finishReason", "index"})
"""Members of a candidate that become items, the end, or its place; the others are kept by their names."""
LISTS_OF_PIECES: Final = frozenset({"logprobsResult", "citationMetadata"})
"""Members of a candidate whose lists go on from chunk to chunk."""
MERGED: Final = frozenset({"groundingMetadata"})
"""Members of a candidate of which a chunk may tell some members and the next chunk others."""
SIDE: Final = frozenset(
    {
        "thought",
        "thoughtSignature",
        "partMetadata",
        "videoMetadata",
        "mediaResolution",
        "mediaProcessing",
        "speechMetadata",
        "documentMetadata",
        "spreadsheetMetadata",
        "audioMetadata",
    }
)
"""Members that stand beside the data of a part, whatever those are."""
DATA: Final = frozenset(
    {
        "functionCall",
        "inlineData",
        "fileData",
        "executableCode",
        "codeExecutionResult",
        "toolCall",
        "toolResponse",
        "functionResponse",
        "audioTranscription",
    }
)
"""Kinds of data that a part may have beside text, of which the proto allows one."""
BARE: Final = frozenset({"text", "thought"})
"""A part with no other members joins a part like it."""
ARGS: Final = ("args", "arguments", "input", "parameters")
"""Where the arguments of a call stand: relays from other wires keep the names of those."""
OF_CALL: Final = frozenset({"id", "name", *ARGS, "partialArgs", "willContinue", "thoughtSignature"})
"""Members of a functionCall; the others are kept by their names."""
OF_ITEM: Final = frozenset(
    {
        "type",
        "id",
        "status",
        "role",
        "content",
        "summary",
        "call_id",
        "name",
        "arguments",
        "input",
        "annotations",
        "logprobs",
        "refusal",
        "encrypted_content",
        "part",
    }
)
"""Members that the items and parts of the Responses API have. What the wire calls so stands under `part`."""
OF_DOCUMENT: Final = frozenset(
    {
        "id",
        "object",
        "model",
        "status",
        "error",
        "incomplete_details",
        "usage",
        "output",
        "created_at",
        "background",
        "audio",
        "members",
    }
)
"""Members of a Responses API response. What the wire calls so at its top stands under `members`."""
MADE_ID: Final = "call_{}_synthesized"
"""The id of a call that the server gave none, made from its output index."""
VALUES: Final = ("stringValue", "numberValue", "boolValue")
"""The values that a PartialArg may have beside null."""

# ------------------------------------------------------------------------------------------- finish reasons


class Stop:
    """What a finish reason means."""

    __slots__ = ("keeps_calls", "outcome", "reason")

    def __init__(self, reason: str | None, outcome: Outcome, keeps_calls: bool = True) -> None:
        self.reason = reason
        """`Response.finish_reason`; None where it is the server's own word."""
        self.outcome = outcome
        """How a candidate ends that has it."""
        self.keeps_calls = keeps_calls
        """Whether calls that came whole may be run."""


FILTERED: Final = Stop("content_filter", Outcome.INCOMPLETE)
CUT: Final = Stop("length", Outcome.INCOMPLETE)
OWN: Final = Stop(None, Outcome.INCOMPLETE)
BROKEN: Final = Stop(None, Outcome.INCOMPLETE, keeps_calls=False)
STOPS: Final[dict[str, Stop]] = {
    "STOP": Stop("stop", Outcome.COMPLETED),
    "MAX_TOKENS": CUT,
    "CONTINUATION": CUT,  # the cap of one request, with budget left; its token goes on
    "SAFETY": FILTERED,
    "RECITATION": FILTERED,
    "LANGUAGE": FILTERED,
    "BLOCKLIST": FILTERED,
    "PROHIBITED_CONTENT": FILTERED,
    "SPII": FILTERED,
    "IMAGE_SAFETY": FILTERED,
    "IMAGE_PROHIBITED_CONTENT": FILTERED,
    "IMAGE_RECITATION": FILTERED,
    "MODEL_ARMOR": FILTERED,  # Vertex
    "ESCALATION": FILTERED,
    "PUP_LIMITED_DISABLED": FILTERED,
    "OTHER": OWN,
    "NO_IMAGE": OWN,
    "IMAGE_OTHER": OWN,
    "MISSING_THOUGHT_SIGNATURE": OWN,
    "MALFORMED_FUNCTION_CALL": BROKEN,
    "UNEXPECTED_TOOL_CALL": BROKEN,
    "TOO_MANY_TOOL_CALLS": BROKEN,
    "MALFORMED_RESPONSE": BROKEN,
}
"""What each finish reason means. `OTHER` and its like end a response that nobody calls good."""
FINISH_NUMBERS: Final = (
    "",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_OTHER",
    "NO_IMAGE",
    "IMAGE_RECITATION",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
)
"""The enumeration FinishReason of google.ai.generativelanguage, by its numbers.

Clients that ask for `$alt=json;enum-encoding=int` get those. Vertex numbers those from 6 on otherwise; none
of them is a good end in either.
"""
BLOCK_NUMBERS: Final = ("", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY")
"""The enumeration BlockReason, by its numbers."""
NO_WORDS: Final = frozenset({"", "NULL", "NONE"})
UNSPECIFIED: Final = "_UNSPECIFIED"

FINISH_WORDS: Final = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}
"""The words for the finish reasons of this library. Others become the nearest by the outcome."""


def item_members(fields: JSON) -> JSON:
    """Members of a part as those of an item; those that the item has of its own stand under `part`."""
    clashing = {key: value for key, value in fields.items() if key in OF_ITEM}
    if not clashing:
        return fields
    return {**{key: value for key, value in fields.items() if key not in OF_ITEM}, "part": clashing}


def members_of(data: JSON, but: tuple[str, ...] = ()) -> JSON:
    """The members of a part, out of those of an item or part of the Responses API."""
    members = {key: copied(value) for key, value in data.items() if key not in OF_ITEM and key not in but}
    clashing = data.get("part")
    return {**members, **copied(clashing)} if isinstance(clashing, dict) else members


def word_of(sent: Any, numbers: tuple[str, ...]) -> str | None:
    """The word of an enumeration, by name or number; None where it says nothing."""
    number = whole_number(sent)
    if number is not None:
        sent = numbers[number] if 0 <= number < len(numbers) else str(number)
    if not isinstance(sent, str) or sent.upper() in NO_WORDS or sent.upper().endswith(UNSPECIFIED):
        return None
    return sent


def finish_word(sent: Any) -> str | None:
    """A finish reason as a word; None where it says nothing."""
    return word_of(sent, FINISH_NUMBERS)


def block_word(sent: Any) -> str | None:
    """A block reason as a word; None where it says nothing."""
    return word_of(sent, BLOCK_NUMBERS)


def stop_of(word: str) -> Stop | None:
    """What a finish reason means: on this wire, else on that from which a gateway has it. None: nobody knows.

    Case does not matter.
    """
    known = STOPS.get(word) or STOPS.get(word.upper())
    if known is None:
        word = word.removeprefix("FinishReason.")  # as an SDK's enumeration writes itself
        known = STOPS.get(word.upper())
    if known is not None:
        return known
    other = stop_of_chat(word)
    if other is None or other is UNKNOWN_STOP:
        return None
    reason = "stop" if other.outcome is Outcome.COMPLETED else other.reason or None
    return Stop(reason, other.outcome, keeps_calls=other.outcome is not Outcome.FAILED)


# --------------------------------------------------------------------------------------------------- usage

COUNTS: Final = (
    "promptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "toolUsePromptTokenCount",
    "totalTokenCount",
)
"""A usageMetadata with none of these counts nothing: Vertex sends its `trafficType` alone."""


def usage_from(data: JSON) -> Usage:
    """Usage out of a usageMetadata.

    Results of the server's own tools are input, thoughts are output; neither is in the count it is added to.
    A zero is left out on the wire.
    """
    if not any(name in data for name in COUNTS):
        return make.usage(data=data)
    thoughts = count_of(data, "thoughtsTokenCount")
    return make.usage(
        (count_of(data, "promptTokenCount") or 0) + (count_of(data, "toolUsePromptTokenCount") or 0),
        (count_of(data, "candidatesTokenCount") or 0) + (thoughts or 0),
        count_of(data, "totalTokenCount"),
        count_of(data, "cachedContentTokenCount"),
        None,
        thoughts,
        data,
    )


def usage_metadata(usage: Usage) -> JSON:
    """A usageMetadata out of the usage that another API sent."""
    sent: JSON = {}
    if usage.input_tokens is not None:
        sent["promptTokenCount"] = usage.input_tokens
    if usage.output_tokens is not None:
        sent["candidatesTokenCount"] = max(usage.output_tokens - (usage.reasoning_tokens or 0), 0)
    if usage.reasoning_tokens:
        sent["thoughtsTokenCount"] = usage.reasoning_tokens
    if usage.cached_tokens is not None:
        sent["cachedContentTokenCount"] = usage.cached_tokens
    total = usage.total_tokens
    if total is None and usage.input_tokens is not None and usage.output_tokens is not None:
        total = usage.input_tokens + usage.output_tokens
    if total is not None:
        sent["totalTokenCount"] = total
    return sent


# ---------------------------------------------------------------------------------------------------- names

FREE: Final = frozenset({"args", "response", "partMetadata", "part_metadata", "data", "parsed"})
"""Members whose own members are the application's, not the API's."""


def camel(key: str) -> str:
    """A name of the proto as ProtoJSON writes it."""
    head, *rest = key.split("_")
    if not head:
        return key
    for word in rest:
        head += word[:1].upper() + word[1:] if word[:1].islower() else "_" + word
    return head


SNAKE: Final = frozenset(
    {
        # of the response
        "model_version",
        "response_id",
        "usage_metadata",
        "prompt_feedback",
        "create_time",
        "model_status",
        # of a candidate
        "finish_reason",
        "finish_message",
        "safety_ratings",
        "citation_metadata",
        "grounding_metadata",
        "url_context_metadata",
        "logprobs_result",
        "avg_logprobs",
        "token_count",
        "continuation_token",
        # of a part
        "function_call",
        "thought_signature",
        "inline_data",
        "file_data",
        "executable_code",
        "code_execution_result",
        "function_response",
        "tool_call",
        "tool_response",
        "audio_transcription",
        "part_metadata",
        "video_metadata",
    }
)
"""Names of the proto by which a chunk is known to have such."""


def is_snake(payload: JSON) -> bool:
    """Whether a chunk has the names of the proto: an SDK's dump, a gRPC client."""
    if not SNAKE.isdisjoint(payload):
        return True
    candidates = payload.get("candidates")
    for candidate in candidates if type(candidates) is list else ():
        if type(candidate) is dict:
            if not SNAKE.isdisjoint(candidate):
                return True
            content = candidate.get("content")
            parts = content.get("parts") if type(content) is dict else None
            for part in parts if type(parts) is list else ():
                if type(part) is dict and not SNAKE.isdisjoint(part):
                    return True
    return False


def camelled(payload: JSON) -> JSON:
    """A chunk with the names of ProtoJSON."""
    made: JSON = {}
    waiting: list[tuple[Any, Any]] = [(payload, made)]
    while waiting:  # no recursion: how deep a value is nested is the wire's to say
        source, target = waiting.pop()
        for key, member in source.items() if type(source) is dict else enumerate(source):
            name = camel(key) if type(key) is str else key
            if type(target) is dict and name in target and member is None:
                continue
            kind = type(member)
            inner: Any = member
            if (kind is dict or kind is list) and key not in FREE:
                inner = {} if kind is dict else []
                waiting.append((member, inner))
            if isinstance(target, dict):
                target[name] = inner
            else:
                target.append(inner)
    return made
