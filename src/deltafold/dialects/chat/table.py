"""The words of Chat Completions: members of its objects, and what finish reasons mean. Data, and look-ups."""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias

from deltafold.machine.lifecycle import CANCELLED, COMPLETED, FAILED, INCOMPLETE
from deltafold.machine.usage import counted_usage
from deltafold.model.errors import ErrorKind
from deltafold.model.items import CustomToolCall, FunctionCall
from deltafold.model.response import Outcome, Usage

__all__ = ["NO_WORDS", "STOPS", "Stop", "normalized", "stop_of"]

JSON: TypeAlias = dict[str, Any]

KEEP_FIRST: Final = ("id", "model", "created")
"""Members of a chunk that say the same in each, or should."""
OF_CHUNK: Final = frozenset({"choices", "usage", "obfuscation", "object", "error", *KEEP_FIRST})
KNOWN_CHUNK: Final = frozenset(
    {"choices", "usage", "model", "created", "x_groq", "prompt_filter_results", "prompt_annotations"}
)
"""Members of which one says that a payload is a chunk."""
CHUNK: Final = "chat.completion.chunk"
HEARTBEATS: Final = ("keepalive", "ping")
OF_CHOICE: Final = frozenset(
    {"index", "delta", "message", "text", "finish_reason", "finishReason", "usage", "logprobs"}
)
FINISH_REASONS: Final = ("finish_reason", "finishReason")
NATIVE_REASONS: Final = ("native_finish_reason", "nativeFinishReason")
"""What OpenRouter tells beside its own word: that of the server behind it."""
REASONING: Final = (
    "reasoning_content",  # DeepSeek, and most who imitate it
    "reasoning",  # OpenRouter, Groq, vLLM
    "reasoning_text",  # GitHub Copilot
    "cot_summary",  # GitHub Copilot
    "thinking",  # Ollama, and gateways to Anthropic
    "thinking_content",
    "thought",
    "thoughts",
    "reasoning_summary",
)
"""Members of a delta or message that hold reasoning: as text, or as an object or a list with texts in it."""
TEXTS: Final = ("text", "content", "thinking", "reasoning", "summary")
"""Where the text of reasoning stands in an object."""
SIGNATURES: Final = (
    "reasoning_signature",
    "thinking_signature",
    "signature",
    "reasoning_opaque",  # GitHub Copilot
    "reasoning_encrypted_content",
    "encrypted_content",
)
"""Members that hold what proves the reasoning, or all of it in a form that only the server reads."""
OF_DELTA: Final = frozenset(
    {
        "role",
        "content",
        "refusal",
        "tool_calls",
        "function_call",
        "reasoning_details",
        "annotations",
        "images",
        *REASONING,
    }
)
OF_REASONING: Final = frozenset({*REASONING, "reasoning_details", "thinking_blocks"})
"""Members of a delta or message in which reasoning comes."""
REASONING_PARTS: Final = frozenset(
    {"thinking", "reasoning", "thought", "reasoning_text", "reasoning_content", "summary", "summary_text"}
    | {"redacted_thinking", "reasoning.text", "reasoning.summary", "reasoning.encrypted"}
)
"""Types of parts of the content that are reasoning: Mistral's, and those that gateways pass on."""
OF_CALL: Final = frozenset(
    {"index", "id", "type", "function", "custom", "name", "function_name", "tool_name", "arguments", "input"}
)
OF_DOCUMENT: Final = frozenset(
    {"id", "object", "model", "created", "created_at", "status", "error", "incomplete_details", "usage"}
    | {"output", "audio", "choices"}
)
"""Members of `Response.data` that a chunk or completion has elsewhere, or not at all."""
IMAGE: Final = "image_url"
"""The type of a part that is an image, and of an entry of `images`."""
RENAMED: Final = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens_details": "completion_tokens_details",
}
"""Counts of the Responses API in the words of this one."""
OF_FUNCTION: Final = frozenset({"name", "arguments", "input", "parameters"})
OF_CALL_ITEM: Final = frozenset({"type", "status", "call_id", "name", "arguments", "input"})
"""Members that the item of a call has from its own message, whatever stands under that name elsewhere."""
AROUND_CALL: Final = frozenset({"index", "function", "custom"})
"""Members that the entry of a call has of its own: what stood under these names inside of it has no place."""
NOT_MORE: Final = OF_CALL_ITEM | AROUND_CALL | {"id"}


def usage_of_chat(usage: Usage, dialect: str | None = None) -> dict[str, Any]:
    """Usage in the words of Chat Completions, whichever API sent it."""
    sent = usage.to_dict() if dialect in (None, "chat", "responses") else counted_usage(usage)
    return {RENAMED.get(key, key): value for key, value in sent.items()}


def more_of_call(item: FunctionCall | CustomToolCall) -> dict[str, Any]:
    """The members of a call that its item does not model, and that its entry has room for."""
    return {key: value for key, value in item.to_dict().items() if key not in NOT_MORE}


class Stop:
    """What a finish reason means."""

    __slots__ = ("kind", "outcome", "reason", "weight")

    def __init__(self, reason: str, outcome: Outcome, kind: ErrorKind | None = None) -> None:
        self.reason = reason
        """`Response.finish_reason`; "" where that is the server's own word."""
        self.outcome = outcome
        """How a response ends that has it."""
        self.kind = kind
        """The kind of the error, where it is one."""
        self.weight = WEIGHTS[outcome]
        """Of several words the gravest counts: a false success is worse than a false alarm."""


WEIGHTS: Final[dict[Outcome, int]] = {COMPLETED: 0, INCOMPLETE: 1, CANCELLED: 2, FAILED: 3}

STOP: Final = Stop("stop", COMPLETED)
CALLS: Final = Stop("tool_calls", COMPLETED)
PAUSE: Final = Stop("pause_turn", COMPLETED)
LENGTH: Final = Stop("length", INCOMPLETE)
FILTER: Final = Stop("content_filter", INCOMPLETE)
CUT: Final = Stop("", INCOMPLETE)
CANCEL: Final = Stop("cancelled", CANCELLED)
FAULT: Final = Stop("error", FAILED, ErrorKind.UNKNOWN)
BROKEN: Final = Stop("error", FAILED, ErrorKind.SERVER_ERROR)
BUSY: Final = Stop("error", FAILED, ErrorKind.OVERLOADED)
LATE: Final = Stop("error", FAILED, ErrorKind.TIMEOUT)
THROTTLED: Final = Stop("error", FAILED, ErrorKind.RATE_LIMITED)
OTHER: Final = Stop("", COMPLETED)
"""A word that no server here is known to say."""

STOPS: Final[dict[str, Stop]] = {
    # A good end. OpenAI, and most who imitate it.
    "stop": STOP,
    "stopped": STOP,
    "stop_sequence": STOP,  # TGI, Anthropic, Cohere
    "stop_token": STOP,
    "stop_string": STOP,
    "stop_str": STOP,
    "end_turn": STOP,  # Anthropic's and Bedrock's, passed on by gateways; xAI
    "eos": STOP,  # Together
    "eos_token": STOP,  # TGI
    "eos_found": STOP,
    "end_of_text": STOP,
    "endoftext": STOP,  # AI21
    "complete": STOP,  # Cohere
    "completed": STOP,
    "done": STOP,
    "finish": STOP,
    "finished": STOP,
    "end": STOP,
    "normal": STOP,  # Baidu
    "success": STOP,
    "word": STOP,  # llama.cpp's own endpoint, through gateways
    "load": STOP,  # Ollama: an empty prompt loads or unloads the model
    "unload": STOP,
    # The model calls a tool.
    "tool_calls": CALLS,
    "tool_call": CALLS,  # Cohere
    "tool_use": CALLS,  # Anthropic
    "function_call": CALLS,  # OpenAI, before there were tools; Baidu
    "function_calls": CALLS,
    "pause_turn": PAUSE,  # Anthropic: the server's tools go on with the next request
    # A limit.
    "length": LENGTH,
    "length_limit": LENGTH,
    "limit": LENGTH,  # llama.cpp's own endpoint
    "max_tokens": LENGTH,  # Anthropic, Cohere, Gemini
    "max_token": LENGTH,
    "max_new_tokens": LENGTH,
    "max_completion_tokens": LENGTH,
    "max_output_tokens": LENGTH,
    "max_output": LENGTH,  # MiniMax
    "max_length": LENGTH,
    "max_len": LENGTH,  # xAI: REASON_MAX_LEN
    "max_context": LENGTH,  # xAI: REASON_MAX_CONTEXT
    "max_context_length": LENGTH,
    "max_model_length": LENGTH,
    "maximum_tokens": LENGTH,  # Aleph Alpha
    "maximum_length": LENGTH,
    "model_length": LENGTH,  # Mistral
    "token_limit": LENGTH,
    "token_limit_reached": LENGTH,  # Azure AI Inference
    "context": LENGTH,  # SenseNova
    "context_length": LENGTH,
    "context_length_exceeded": LENGTH,
    "context_window_exceeded": LENGTH,
    "model_context_window_exceeded": LENGTH,  # Zhipu, Anthropic
    "error_limit": LENGTH,  # Cohere: the context is full
    "truncated": LENGTH,
    "incomplete": LENGTH,
    "continuation": LENGTH,  # Gemini: more of it can be asked for
    "compaction": LENGTH,  # Anthropic
    "time_limit": LENGTH,  # xAI: REASON_TIME_LIMIT
    # A filter.
    "content_filter": FILTER,
    "content_filtered": FILTER,  # Azure AI Inference, Bedrock
    "content_filter_error": FILTER,
    "content_policy": FILTER,
    "content_policy_violation": FILTER,
    "content_moderation": FILTER,
    "contentfilter": FILTER,
    "moderation": FILTER,
    "sensitive": FILTER,  # Zhipu, Hunyuan
    "sensitive_content": FILTER,
    "data_inspection_failed": FILTER,  # DashScope
    "refusal": FILTER,  # Anthropic
    "guardrail": FILTER,
    "guardrails": FILTER,
    "guardrail_intervened": FILTER,  # Bedrock
    "error_toxic": FILTER,  # Cohere
    "safety": FILTER,  # this and what follows are Gemini's, through Google's and other compatible endpoints
    "recitation": FILTER,
    "blocklist": FILTER,
    "prohibited_content": FILTER,
    "spii": FILTER,
    "language": FILTER,
    "image_safety": FILTER,
    "image_prohibited_content": FILTER,
    "image_recitation": FILTER,
    "model_armor": FILTER,
    "escalation": FILTER,
    "pup_limited_disabled": FILTER,
    "blocked": FILTER,
    "flagged": FILTER,
    # Not whole, for another reason.
    "other": CUT,  # Gemini
    "no_image": CUT,
    "image_other": CUT,
    "malformed_function_call": CUT,
    "malformed_response": CUT,
    "malformed_tool_use": CUT,  # Bedrock
    "malformed_model_output": CUT,
    "unexpected_tool_call": CUT,
    "too_many_tool_calls": CUT,
    "missing_thought_signature": CUT,
    "function_call_filter": CUT,  # Google's compatible endpoint: "function_call_filter: MALFORMED_…"
    "max_turns": CUT,
    "repetition": CUT,  # vLLM stops what repeats itself
    "repetition_detected": CUT,
    # Somebody took it back.
    "abort": CANCEL,  # vLLM, SGLang, LMDeploy
    "aborted": CANCEL,
    "cancel": CANCEL,
    "canceled": CANCEL,
    "cancelled": CANCEL,  # TensorRT-LLM
    "user_cancel": CANCEL,  # Cohere
    "user_canceled": CANCEL,
    "user_cancelled": CANCEL,
    "interrupt": CANCEL,
    "interrupted": CANCEL,
    # A fault.
    "error": FAULT,  # OpenRouter, Mistral, vLLM, LMDeploy, Cohere
    "errored": FAULT,
    "failed": FAULT,
    "failure": FAULT,
    "unknown_error": FAULT,
    "network_error": BROKEN,  # Zhipu: "the model's inference is broken"
    "connection_error": BROKEN,
    "stream_error": BROKEN,
    "server_error": BROKEN,
    "internal_error": BROKEN,
    "internal_server_error": BROKEN,
    "inference_error": BROKEN,
    "model_error": BROKEN,
    "engine_error": BROKEN,
    "system_error": BROKEN,
    "api_error": BROKEN,
    "upstream_error": BROKEN,
    "provider_error": BROKEN,
    "exception": BROKEN,
    "insufficient_system_resource": BUSY,  # DeepSeek
    "insufficient_system_resources": BUSY,
    "overloaded": BUSY,
    "engine_overloaded": BUSY,
    "over_capacity": BUSY,  # Groq
    "unavailable": BUSY,
    "service_unavailable": BUSY,
    "timeout": LATE,  # TensorRT-LLM, Cohere
    "timed_out": LATE,
    "time_out": LATE,
    "deadline_exceeded": LATE,
    "rate_limit": THROTTLED,
    "rate_limited": THROTTLED,
    "rate_limit_exceeded": THROTTLED,
    "resource_exhausted": THROTTLED,
}
"""Finish reasons of public servers, as `normalized()` writes them."""

NO_WORDS: Final = frozenset(
    {
        "",
        "null",  # DashScope says so until there is one
        "none",
        "nil",
        "undefined",
        "unspecified",  # Gemini: FINISH_REASON_UNSPECIFIED
        "not_finished",  # TensorRT-LLM
        "in_progress",
    }
)
"""What servers send in place of a finish reason while there is none."""

WORD_BOUNDARY: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
PREFIXES: Final = ("finish_reason_", "stop_reason_", "reason_")
"""What the names of enumerations begin with: FINISH_REASON_STOP, REASON_MAX_LEN."""
LONGEST_WORD: Final = 128


def normalized(word: str) -> str:
    """A word in one spelling: `MAX_TOKENS`, `maxTokens`, `max-tokens` -> `max_tokens`."""
    text = WORD_BOUNDARY.sub("_", word[:LONGEST_WORD]).strip("_").lower()
    for prefix in PREFIXES:
        text = text.removeprefix(prefix)
    return text


def stop_of(word: str) -> Stop | None:
    """What a finish reason means; `OTHER` where no server is known to say it, None where it says nothing."""
    known = STOPS.get(word)
    if known is not None:
        return known
    text = normalized(word)
    if text in NO_WORDS and (text or not word.strip()):
        return None
    known = STOPS.get(text)
    if known is None:
        # Google's compatible endpoint says which filter: "content_filter: PROHIBITED_CONTENT".
        known = STOPS.get(normalized(word.partition(":")[0]))
    return OTHER if known is None else known


# --------------------------------------------------------------------------------------------- looking up


def first(table: JSON, *names: str) -> Any:
    """The first member of those names that is sent."""
    for name in names:
        value = table.get(name)
        if value is not None:
            return value
    return None
