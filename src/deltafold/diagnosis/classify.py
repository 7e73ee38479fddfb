"""What a provider's error means: of a refused request's body, and of an error inside a stream.

No two servers tell errors alike, so each error is read as layers, the inner before the outer, and each
field is taken from the first layer that tells it. Then the evidence is weighed in this order, where the
first that speaks decides:

1. a `code` that means one thing (`KIND_BY_WORD`), then such a `type`, then such a word in the metadata, and
   what else the metadata tell;
2. the wording of the message: throttling before context overflow, since "too many tokens, please wait" is
   a throttle, then spent credit and overload (`STRONG_WORDINGS`);
3. an HTTP status that means one thing (`KIND_BY_STATUS`); a numeric code counts as a status;
4. the looser wordings (`WEAK_WORDINGS`), and then the codes that servers use for everything
   (`KIND_BY_VAGUE_WORD`): "invalid_request_error" stands beside context overflow and wrong keys alike;
5. any other status.

The tables are data; each entry says where it was seen.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from typing import Any

from deltafold.diagnosis.rate_limits import (
    DURATION_PATTERN,
    Headers,
    decimal_of,
    duration_of,
    lowered,
    moment_of,
    rate_limits_from_headers,
    timestamp_of,
    unified_reset,
    window_is_used_up,
)
from deltafold.model.errors import ErrorKind, ResponseError
from deltafold.model.frozen import frozen
from deltafold.wire.body_kind import MAGIC
from deltafold.wire.json_text import finite_or_none

__all__ = ["classify_http_error", "error_from_payload", "is_bare_error"]

K = ErrorKind

# ----------------------------------------------------------------------------------------------- words

# Codes, types and status words as `normalized()` writes them.
KIND_BY_WORD: dict[str, ErrorKind] = {
    # OpenAI, and most who imitate it; llama.cpp; Anthropic's 413 by bytes; Z.ai 1261
    **dict.fromkeys(
        (
            "context_length_exceeded",
            "context_window_exceeded",
            "model_context_window_exceeded",
            "exceed_context_size_error",
            "request_too_large",
            "1261",
        ),
        K.CONTEXT_WINDOW_EXCEEDED,
    ),
    # OpenAI, Anthropic, Mistral; OpenAI's steering; Z.ai 1302 (concurrency), 1303 (frequency), 1305
    **dict.fromkeys(
        ("too_many_requests", "too_many_pending_steers", "1302", "1303", "1305"),
        K.RATE_LIMITED,
    ),
    # ChatGPT backend (openai/codex, codex-api/src/api_bridge.rs)
    "usage_limit_reached": K.USAGE_LIMIT_REACHED,
    "usage_not_included": K.PERMISSION,
    # OpenAI; Moonshot; Anthropic; DeepSeek; Z.ai 1113 (arrears), 1308 and 1310 (plan used up), 1309 (expired)
    **dict.fromkeys(
        (
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
            "exceeded_current_quota_error",
            "quota_exceeded",
            "billing_error",
            "payment_required",
            "insufficient_credits",
            "insufficient_balance",
            "service_quota_exceeded_exception",
            "quota_exhausted",  # Google's ErrorInfo, here and below
            "insufficient_g1_credits_balance",
            "billing_disabled",
            "arrearage",  # DashScope
            "1113",
            "1308",
            "1309",
            "1310",
        ),
        K.QUOTA_EXCEEDED,
    ),
    # OpenAI; Anthropic; Moonshot; Google's UNAVAILABLE, and xAI's sentence for it
    **dict.fromkeys(
        (
            "server_is_overloaded",
            "slow_down",
            "overloaded",
            "over_capacity",  # Groq's x_groq
            "overloaded_error",
            "engine_overloaded_error",
            "service_unavailable",
            "service_unavailable_error",
            "service_unavailable_exception",  # Bedrock, here and below
            "model_not_ready_exception",
            "model_capacity_exhausted",  # Google's ErrorInfo
            "unavailable",
            "the_service_is_currently_unavailable",
        ),
        K.OVERLOADED,
    ),
    # OpenAI; Anthropic; Google's DEADLINE_EXCEEDED. A socket's 60 minutes are over: a new one will do.
    **dict.fromkeys(
        (
            "timeout",
            "timeout_error",
            "request_timeout",
            "gateway_timeout",
            "vector_store_timeout",
            "model_timeout_exception",
            "deadline_exceeded",
            "websocket_connection_limit_reached",
        ),
        K.TIMEOUT,
    ),
    "successor_creation_failed": K.SERVER_ERROR,  # OpenAI's steering
    **dict.fromkeys(
        ("internal_server_exception", "model_stream_error_exception", "model_error_exception"), K.SERVER_ERROR
    ),
    # OpenAI; Azure's innererror; DashScope; Z.ai 1301
    **dict.fromkeys(
        (
            "bio_policy",
            "cyber_policy",
            "misalignment_policy_violation",
            "content_filter",
            "content_policy_violation",
            "image_content_policy_violation",
            "moderation_blocked",
            "responsible_ai_policy_violation",
            "data_inspection_failed",
            "1301",
        ),
        K.CONTENT_POLICY,
    ),
    # OpenAI; Google's UNAUTHENTICATED and its ErrorInfo reason
    **dict.fromkeys(
        (
            *("invalid_api_key", "incorrect_api_key", "api_key_invalid", "unauthenticated", "unauthorized"),
            *("access_token_expired", "access_token_scope_insufficient", "credentials_missing"),
            *("access_token_type_unsupported", "account_state_invalid", "session_cookie_invalid"),
            *("unrecognized_client_exception", "expired_token_exception", "invalid_signature_exception"),
            "missing_authentication_token_exception",
        ),
        K.AUTHENTICATION,
    ),
    # Google's ErrorInfo; Bedrock
    **dict.fromkeys(
        (
            *("service_disabled", "validation_required", "iam_permission_denied", "user_project_denied"),
            *(
                "consumer_suspended",
                "consumer_invalid",
                "api_key_service_blocked",
                "location_policy_violated",
            ),
            *("api_key_http_referrer_blocked", "api_key_ip_address_blocked", "api_key_android_app_blocked"),
            *("api_key_ios_app_blocked", "security_policy_violated", "access_denied_exception"),
        ),
        K.PERMISSION,
    ),
    # MiniMax's base_resp: its codes are those of nobody else
    "minimax_1001": K.TIMEOUT,
    **dict.fromkeys(("minimax_1002", "minimax_1039", "minimax_1041", "minimax_2045"), K.RATE_LIMITED),
    **dict.fromkeys(("minimax_1004", "minimax_2049"), K.AUTHENTICATION),
    "minimax_1008": K.QUOTA_EXCEEDED,
    "minimax_2056": K.USAGE_LIMIT_REACHED,
    **dict.fromkeys(("minimax_1000", "minimax_1013", "minimax_1024", "minimax_1033"), K.SERVER_ERROR),
    **dict.fromkeys(("minimax_1026", "minimax_1027"), K.CONTENT_POLICY),
    **dict.fromkeys(("minimax_1042", "minimax_2013"), K.INVALID_REQUEST),
    # OpenAI; Anthropic; Google's NOT_FOUND
    **dict.fromkeys(
        (
            "model_not_found",
            "not_found",
            "not_found_error",
            "response_not_found",
            "previous_response_not_found",
            "resource_not_found_exception",
        ),
        K.NOT_FOUND,
    ),
    # OpenAI, its images and its steering; Groq
    **dict.fromkeys(
        (
            "invalid_prompt",
            "empty_image_file",
            "failed_to_download_image",
            "data_residency_mismatch",
            "tool_use_failed",
            "invalid_input",
            "steering_not_supported",
            "response_already_completed",
            "response_not_active",
        ),
        K.INVALID_REQUEST,
    ),
}
KIND_BY_PREFIX: tuple[tuple[str, ErrorKind], ...] = (
    ("rate_limit", K.RATE_LIMITED),  # rate_limit_exceeded, rate_limit_error, Azure's RateLimitReached
    ("throttl", K.RATE_LIMITED),  # Bedrock's ThrottlingException
    ("authentication", K.AUTHENTICATION),
    ("permission", K.PERMISSION),
    ("invalid_image", K.INVALID_REQUEST),  # OpenAI: 15 codes with this prefix or the next
    ("image_", K.INVALID_REQUEST),
)

# What servers say when they do not say what it is. A clear message or status knows better.
KIND_BY_VAGUE_WORD: dict[str, ErrorKind] = {
    **dict.fromkeys(
        (
            "invalid_request",
            "invalid_request_error",
            "bad_request",
            "bad_request_error",
            "client_specified_an_invalid_argument",  # xAI tells gRPC's descriptions as codes
            "failed_precondition",
            "out_of_range",
            "validation_exception",  # Bedrock
        ),
        K.INVALID_REQUEST,
    ),
    **dict.fromkeys(
        (
            "server_error",
            "model_error",
            "api_error",
            "internal",
            "internal_error",
            "internal_server_error",
            "upstream_error",
            "internal_failure",  # AWS
            "data_loss",  # Google, which tells this and UNKNOWN with 500
        ),
        K.SERVER_ERROR,
    ),
    # OpenAI's type is the resource; Google's and xAI's words mean spent credit as well
    **dict.fromkeys(
        ("tokens", "requests", "resource_exhausted", "some_resource_has_been_exhausted"), K.RATE_LIMITED
    ),
    # xAI sends this for content that violates its guidelines as well
    "the_caller_does_not_have_permission_to_execute_the_specified_operation": K.PERMISSION,
    "forbidden": K.PERMISSION,
    "some_requested_entity_was_not_found": K.NOT_FOUND,  # xAI
}
KIND_BY_VAGUE_PREFIX: tuple[tuple[str, ErrorKind], ...] = (
    ("invalid_", K.INVALID_REQUEST),  # OpenAI: invalid_value, invalid_function_parameters
    ("unsupported_", K.INVALID_REQUEST),  # OpenAI: unsupported_parameter, unsupported_value
    ("missing_", K.INVALID_REQUEST),  # OpenAI: missing_required_parameter
)

# ------------------------------------------------------------------------------------------- wordings


def wording(*patterns: str) -> re.Pattern[str]:
    """One case-blind pattern of several. A blank in them stands for any white space."""
    return re.compile("|".join(patterns).replace(" ", r"\s+"), re.IGNORECASE)


STRONG_WORDINGS: tuple[tuple[re.Pattern[str], ErrorKind], ...] = (
    (
        wording(
            r"too many tokens,? please wait",  # Bedrock, jin-bo/agentao#88
            r"throttl(?:ed|ing)",  # Bedrock: "ThrottlingException: ..."
            r"too many requests",  # the reason phrase of 429
            r"(?<![/\w-])rate(?: |-)?limit",  # but not the address of a page on rate limits
            r"(?:tokens|requests) per (?:second|minute|hour|day)",  # Cerebras, continuedev/continue#9800
            r"high concurrency usage",  # Z.ai, kaitranntt/ccs#402
            r"\bqps\b[^\n]{0,40}\blimit",  # Baidu
            # Google calls its limits per minute a quota, and says when to retry: googleapis/python-genai#1875
            r"quota\b[\s\S]{0,2000}\bretry in [0-9]",
        ),
        K.RATE_LIMITED,
    ),
    (
        wording(
            # OpenAI, Anthropic, Ollama, LiteLLM; LM Studio; Together: "exceed context limit", "exceeded max
            # context length", "exceeds model's maximum context length", "greater than the context length"
            r"(?:exceed(?:s|ed|ing)?|(?:greater|longer) than) (?:the |this |your )?(?:model(?:['’]?s)? )?"
            r"(?:available |max(?:imum)? )?context(?: |_)(?:window|length|limit|size)",
            r"context(?: |_)(?:window|length|limit|size)(?: |_)(?:is |was )?exceed",  # MiniMax, the bare code
            r"maximum context (?:window|length|limit|size)",  # OpenAI, OpenRouter, vLLM, Mistral
            r"maximum model length|max_(?:model|seq)_len",  # vLLM; inference-atlas#186
            r"maximum prompt length",  # xAI
            r"reduce the length of (?:the|your) (?:messages|prompt|input)",  # OpenAI, Groq
            r"input tokens exceed the configured limit",  # OpenAI
            # Poolside, earendil-works/pi#4943
            r"exceeds? the (?:model['’]?s )?maximum (?:allowed )?input length",
            # Anthropic, cline/cline#10838; Bedrock; Ollama
            r"\b(?:prompt|input|context|conversation) (?:is )?too long\b",
            r"available context size",  # llama.cpp, cline/kanban#505
            r"exceeds the maximum number of tokens allowed|input token count",  # Gemini
            r"(?:number of input tokens|input tokens) exceed(?:s|ed)",  # Amazon Nova
            r"exceeded model token limit",  # Kimi, archestra-ai/archestra#6044
            r"prompt token count of [0-9,]+ exceeds",  # GitHub Copilot
            r"prompt exceeds max length",  # Z.ai 1261
            r"number of tokens in the (?:prompt|request) cannot exceed",  # Cohere
            r"range of input length should be",  # DashScope
        ),
        K.CONTEXT_WINDOW_EXCEEDED,
    ),
    (
        wording(
            r"usage limit (?:has been |was )?(?:reached|exceeded)",  # ChatGPT backend
            r"reached your (?:\w+ )?usage limit",  # Ollama's cloud, continuedev/continue#10579
            r"limit exhausted\. your limit will reset",  # Z.ai, Yeachan-Heo/gajae-code#1821
        ),
        K.USAGE_LIMIT_REACHED,
    ),
    (
        wording(
            r"insufficient (?:\w+ )?(?:credits?|balance|funds|quota)",  # OpenRouter, DeepSeek, Z.ai
            r"(?:requires|add) more credits|can only afford",  # OpenRouter
            r"used all (?:available|of your) credits|monthly spending limit",  # xAI
            r"credit balance is too low",  # Anthropic
            r"exceeded your current quota",  # OpenAI
            r"exceeded your budget",  # LiteLLM's proxy
            r"billing[\s\S]{0,40}hard limit",  # OpenAI
            r"余额不足",  # Zhipu, continuedev/continue#11823: "balance too low"
        ),
        K.QUOTA_EXCEEDED,
    ),
    (
        wording(
            r"\boverloaded\b",  # OpenAI, Anthropic, Gemini, Moonshot
            r"\b(?:over|at) capacity\b",  # Groq, ChatGPT backend
            r"\bcapacity (?:temporarily )?exceeded\b",  # Mistral's service tier
        ),
        K.OVERLOADED,
    ),
    (wording(r"(?:upstream|idle|backend) (?:idle |request |response )?time(?:d )?-?out"), K.TIMEOUT),
    (
        # What is behind the server broke off. Gateways wrap that in any status: BerriAI/litellm#41778 in 400.
        wording(
            r"stream (?:was |has been )?(?:disconnected|interrupted|aborted|reset)",
            r"(?:stream|connection|response|socket|channel) (?:was |has been |is )?(?:unexpectedly )?"
            r"(?:closed|terminated|ended) (?:before|unexpectedly|prematurely|while|without)",
            r"connection (?:was |has been )?(?:closed|reset|aborted|lost|dropped|broken)",
            r"(?:closed|dropped|reset|lost) (?:the |its )?connection",
            r"upstream (?:prematurely )?(?:closed|disconnected|terminated|broke)",
            r"premature(?:ly)? (?:close|end|eof)|(?:closed|ended) prematurely",
            r"unexpected (?:eof|end of (?:file|stream))|incomplete chunked read|incompleteread",
            r"socket hang up|\beconnreset\b|broken pipe|stream_read_error",
        ),
        K.SERVER_ERROR,
    ),
)

# These say something only where the status does not.
WEAK_WORDINGS: tuple[tuple[re.Pattern[str], ErrorKind], ...] = (
    (
        wording(
            r"content management policy",  # Azure
            # xAI, OpenAI
            r"violates? (?:our |the |\w+ )?(?:usage|content|safety) (?:guidelines|polic(?:y|ies))",
            r"\b(?:was|were|been|input) flagged\b",  # OpenRouter
        ),
        K.CONTENT_POLICY,
    ),
    (
        wording(
            r"(?:incorrect|invalid) api key",  # OpenAI, Groq, Anthropic
            r"api key (?:is )?(?:not valid|invalid|expired)",  # Gemini
            r"no (?:cookie )?auth credentials",  # OpenRouter
            r"\bnot authenticated\b|\bauthentication (?:is )?(?:required|failed)\b|\bunauthorized\b",
        ),
        K.AUTHENTICATION,
    ),
    (
        wording(r"upstream connect error|reset before headers|connection termination|internal server error"),
        K.SERVER_ERROR,  # Envoy
    ),
    (wording(r"\btimed out\b|\bgateway time-?out\b"), K.TIMEOUT),
    (
        wording(
            r"high demand",  # Gemini
            r"service (?:is )?(?:temporarily |currently )?unavailable",  # the reason phrase of 503
        ),
        K.OVERLOADED,
    ),
    (
        wording(r"\bmodel\b[^\n]{0,120}?\b(?:not found|does not exist)\b"),  # OpenAI, xAI, Ollama
        K.NOT_FOUND,
    ),
)
# Messages quote prompts and pages; what they mean stands at their beginning.
READ_FOR_MEANING = 8192

# --------------------------------------------------------------------------------------------- statuses

KIND_BY_STATUS: dict[int, ErrorKind] = {
    401: K.AUTHENTICATION,
    402: K.QUOTA_EXCEEDED,
    404: K.NOT_FOUND,
    408: K.TIMEOUT,
    413: K.CONTEXT_WINDOW_EXCEEDED,
    429: K.RATE_LIMITED,
    499: K.UNKNOWN,  # Google's CANCELLED
    503: K.OVERLOADED,
    504: K.TIMEOUT,
    529: K.OVERLOADED,  # Anthropic
}
RETRYABLE_KINDS = frozenset({K.RATE_LIMITED, K.OVERLOADED, K.SERVER_ERROR, K.TIMEOUT})
# A delay in the text, or the reset of a resource, concerns these kinds alone.
DELAYED_KINDS = frozenset({K.RATE_LIMITED, K.OVERLOADED, K.USAGE_LIMIT_REACHED})

# ----------------------------------------------------------------------------------------------- layers

# Where the error proper is wrapped: also in the `response` of `response.failed`, in an object as FastAPI's
# `detail`, in Cloudflare's list of `errors`.
WRAPPERS = ("error", "response", "detail", "errors", "fault")
DEEPEST_LAYER = 16

# An `error` that is a text comes first: xAI's says what happened, where `code` says what kind of thing.
MESSAGE_FIELDS = (
    *("error", "message", "error_message", "detail", "details", "msg", "title"),
    *("error_msg", "errmsg", "status_msg"),  # Baidu, and others in China; MiniMax
    *("faultstring", "Message"),  # Apigee, AWS
)
CODE_FIELDS = ("code", "error_code", "errcode", "errorcode", "errorCode")
TYPE_FIELDS = ("type", "error_type")
STATUS_FIELDS = ("status", "status_code", "statusCode", "raw_status_code")  # the last is Mistral's
INNER_ERROR_FIELDS = ("innererror", "inner_error")  # Azure
# Google writes its status as a word: "RESOURCE_EXHAUSTED".
STATUS_WORD = re.compile(r"[A-Z][A-Z_]+", re.ASCII)
# What some servers send with each good answer: code 0 and "ok".
SUCCESS_CODES = frozenset({"0", "200", "ok", "success", "succeeded"})
FAILURE_WORDS = ("error", "fail", "failed", "failure")
THREE_DIGITS = re.compile(r"[0-9]{3}", re.ASCII)
# The types of the events that carry errors; they name the envelope, not the error.
ENVELOPE_TYPES = frozenset({"error", "response.error", "response.failed"})

WORD_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
LONGEST_WORD = 128
# Longer numbers are no codes, and have no text that is short.
LARGEST_CODE = 10**18


def normalized(word: str | int) -> str:
    """A code or type in one spelling: `RateLimitReached`, `rate-limit-reached` -> `rate_limit_reached`."""
    text = word if isinstance(word, str) else f"{word:d}" if abs(word) < LARGEST_CODE else ""
    return WORD_BOUNDARY.sub("_", text[:LONGEST_WORD]).strip("_").lower()


def well_formed(text: str) -> str:
    """The text with halves of surrogate pairs joined, or replaced by U+FFFD where one stands alone."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def mappings_in(value: Any) -> Iterator[Mapping[str, Any]]:
    """The object itself, or those in a list."""
    for element in value if isinstance(value, list) else (value,):
        if isinstance(element, Mapping):
            yield element


def str_of(value: Any) -> str:
    """A text, or the empty one for anything else."""
    return value if isinstance(value, str) else ""


def layers_of(value: Any) -> list[Mapping[str, Any]]:
    """The objects that tell the error, the inner before the outer."""
    layers: list[Mapping[str, Any]] = []
    layer = next(mappings_in(value), None)
    while layer is not None and len(layers) < DEEPEST_LAYER:
        layers.append(layer)
        wrapped = [layer.get(key) for key in WRAPPERS]
        inner = (found for value in wrapped if not validation_messages(value) for found in mappings_in(value))
        layer = next(inner, None) or told_as_text(layer)
    return layers[::-1]


def told_as_text(layer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The error that a message holds as JSON: so proxies hand on Google's."""
    message = str_of(layer.get("message")).strip()
    return next(mappings_in(json_of(message)), None) if message.startswith(("{", "[")) else None


def validation_messages(detail: Any) -> str | None:
    """What FastAPI's list of validation errors says."""
    if not isinstance(detail, list):
        return None
    said = (entry.get("msg") for entry in mappings_in(detail))
    return "; ".join(text for text in said if isinstance(text, str)) or None


def first_text(layers: Iterable[Mapping[str, Any]], fields: Iterable[str]) -> str | None:
    """The first text that is not blank, of the first layer that has one."""
    for layer in layers:
        for field in fields:
            value = layer.get(field)
            if isinstance(value, str) and value.strip():
                return well_formed(value)
    return None


def first_message(layers: list[Mapping[str, Any]]) -> str | None:
    """The server's words for people."""
    for layer in layers:
        said = first_text((layer,), MESSAGE_FIELDS) or validation_messages(layer.get("detail"))
        if said is not None:
            return said
    return None


def first_code(layers: list[Mapping[str, Any]]) -> str | int | None:
    """The first code, a text or a number, as it came."""
    for layer in layers:
        # Anthropic's `details`: a stable code that names the cause
        details = layer.get("details")
        cause = str_of(details.get("error_code")).strip() if isinstance(details, Mapping) else ""
        if cause:
            return well_formed(cause)
        for field in CODE_FIELDS:
            value = layer.get(field)
            if isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST_CODE:
                return value
            if isinstance(value, str) and value.strip():
                return well_formed(value)
        if "status_msg" in layer and type(value := layer.get("status_code")) is int:
            return value
    return None


def first_type(layers: list[Mapping[str, Any]], envelope: Mapping[str, Any] | None) -> str | None:
    """The first type, but for what the event that carries the error is called."""
    for layer in layers:
        is_event = layer is envelope and str_of(layer.get("type")) in ENVELOPE_TYPES
        said = first_text((layer,), TYPE_FIELDS[1:] if is_event else TYPE_FIELDS)
        if said is not None:
            return said
    return None


def status_of(value: Any) -> int | None:
    """An HTTP status that is an error: a number, or three digits."""
    if isinstance(value, str) and THREE_DIGITS.fullmatch(value):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599 else None


def told_status(layers: list[Mapping[str, Any]], code: str | int | None) -> int | None:
    """The HTTP status that the error itself tells, at last by a code that is one."""
    sent = (status_of(layer.get(field)) for layer in layers for field in STATUS_FIELDS)
    return next((status for status in sent if status is not None), status_of(code))


def metadata_of(layers: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """OpenRouter's `metadata`, and the error of the provider behind it, which it holds as text."""
    for layer in layers:
        for metadata in mappings_in(layer.get("metadata")):
            yield metadata
            yield from layers_of(json_of(metadata.get("raw")))


def details_of(layers: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Google's `details`: ErrorInfo, RetryInfo, QuotaFailure."""
    for layer in layers:
        yield from mappings_in(layer.get("details"))


# What Google calls a quota of a day, in `quotaId` or `quota_limit`, and what one that is soon whole again.
DAILY = re.compile(r"per_?day|daily", re.IGNORECASE)
SHORT = re.compile(r"per_?(?:second|minute|hour)", re.IGNORECASE)


def google_quotas(layers: list[Mapping[str, Any]]) -> Iterator[str]:
    """The names of the quotas that Google says were exceeded, in QuotaFailure and ErrorInfo."""
    for detail in details_of(layers):
        for violation in mappings_in(detail.get("violations")):
            yield str_of(violation.get("quotaId"))
            yield str_of(violation.get("quotaMetric"))
        for metadata in mappings_in(detail.get("metadata")):
            yield str_of(metadata.get("quota_limit"))


@frozen
class ErrorEvidence:
    """An error as it was sent: its fields, and all that may be evidence of what it means."""

    layers: list[Mapping[str, Any]]
    metadata: list[Mapping[str, Any]]
    message: str | None
    code: str | int | None
    type: str | None
    param: str | None
    status: int | None
    headers: list[dict[str, str]]
    """The response's headers, then those inside the error."""

    @property
    def words(self) -> list[str]:
        """The code, the type, and the like of them in the metadata, normalized."""
        fields = (*CODE_FIELDS, *TYPE_FIELDS, "status")
        inner = [e for layer in self.layers for f in INNER_ERROR_FIELDS for e in mappings_in(layer.get(f))]
        sent = (
            self.code,
            self.type,
            first_text(self.layers, ("status",)),
            *(f"minimax_{layer.get('status_code')}" for layer in self.layers if "status_msg" in layer),
            # {"error": "insufficient_quota"}; a sentence is read as wording
            *(error for layer in self.layers if " " not in (error := str_of(layer.get("error")))),
            *(detail.get("reason") for detail in details_of(self.layers)),
            # AWS: "ThrottlingException:http://internal.amazon.com/coral/com.amazon.coral.service/"
            *(headers.get("x-amzn-errortype", "").partition(":")[0] for headers in self.headers),
            *(evidence.get(field) for evidence in (*inner, *self.metadata) for field in fields),
        )
        return [normalized(word) for word in sent if isinstance(word, (str, int))]

    @property
    def text(self) -> str:
        """What the server, and the provider behind it, say for people."""
        said = [self.message]
        for source in (*self.layers, *self.metadata):
            said += [source.get(field) for field in ("raw", *MESSAGE_FIELDS)]
        return "\n".join(dict.fromkeys(text[:READ_FOR_MEANING] for text in said if isinstance(text, str)))

    @property
    def was_flagged(self) -> bool:
        """Whether OpenRouter's moderation says which input it refused, or why."""
        return any(metadata.get("flagged_input") or metadata.get("reasons") for metadata in self.metadata)

    @property
    def google_delay(self) -> float | None:
        """Seconds of Google's RetryInfo, else of `quotaResetDelay` in its ErrorInfo."""
        details = list(details_of(self.layers))
        sent = [detail.get("retryDelay") for detail in details]
        sent += [inner.get("quotaResetDelay") for e in details for inner in mappings_in(e.get("metadata"))]
        delays = (duration_of(delay) for delay in sent if isinstance(delay, str))
        return next((delay for delay in delays if delay is not None), None)

    @property
    def google_reset(self) -> float | None:
        """The moment of `quotaResetTimeStamp` in Google's ErrorInfo."""
        inner = (found for e in details_of(self.layers) for found in mappings_in(e.get("metadata")))
        moments = (timestamp_of(found.get("quotaResetTimeStamp")) for found in inner)
        return next((moment for moment in moments if moment is not None), None)


def gather_evidence(
    value: Any, text: str | None, status: int | None, headers: list[dict[str, str]], *, in_stream: bool
) -> ErrorEvidence:
    """The report of a JSON value, or of a text where there is none."""
    layers = layers_of(value)
    hidden = json_of(decoded_base64(headers[0].get("x-error-json"))) if headers else None
    known = [*layers, *layers_of(hidden)]
    envelope = layers[-1] if layers and (in_stream or len(layers) > 1) else None
    code = first_code(known)
    kind = first_type(known, envelope)
    word = first_text(known, ("status",))
    metadata = list(metadata_of(known))
    wrapped = (source.get("headers") for source in (*known, *metadata))
    return ErrorEvidence(
        layers=known,
        metadata=metadata,
        message=first_message(known) or text,
        code=code,
        type=kind or (word if word and STATUS_WORD.fullmatch(word) else None),
        param=first_text(known, ("param",)),
        status=status if status is not None and status >= 400 else told_status(known, code) or status,
        headers=[*headers, *(lowered(inner) for inner in wrapped if isinstance(inner, Mapping))],
    )


# ------------------------------------------------------------------------------------------------ kinds


def looked_up(
    words: Iterable[str], table: Mapping[str, ErrorKind], prefixes: Iterable[tuple[str, ErrorKind]]
) -> ErrorKind | None:
    """The kind that the first word in a table, or with a prefix in another, stands for."""
    for word in words:
        if word in table:
            return table[word]
        for prefix, kind in prefixes:
            if word.startswith(prefix):
                return kind
    return None


def read_from(text: str, wordings: Iterable[tuple[re.Pattern[str], ErrorKind]]) -> ErrorKind | None:
    """The kind whose wording is the first in the table to occur in the text."""
    return next((kind for pattern, kind in wordings if pattern.search(text)), None)


def exact_kind(report: ErrorEvidence, words: list[str]) -> ErrorKind | None:
    """What the words, the metadata or the message alone make certain."""
    kind = looked_up(words, KIND_BY_WORD, KIND_BY_PREFIX)
    if kind is None or kind is K.RATE_LIMITED:
        # The window decides, not the word or the prose: "exceeded your current quota" is said of both.
        quotas = [*google_quotas(report.layers)]
        if any(DAILY.search(quota) for quota in quotas):
            return K.QUOTA_EXCEEDED
        if any(SHORT.search(quota) for quota in quotas):
            return K.RATE_LIMITED
        if report.status == 429 and any(window_is_used_up(headers) for headers in report.headers):
            return K.USAGE_LIMIT_REACHED
    if kind is not None:
        return kind
    if report.was_flagged:
        return K.CONTENT_POLICY
    if report.google_delay is not None and "resource_exhausted" in words:
        return K.RATE_LIMITED  # a quota per minute; the message calls it the "current quota" all the same
    return read_from(report.text, STRONG_WORDINGS)


def likely_kind(report: ErrorEvidence, words: list[str]) -> ErrorKind:
    """What the status makes of it, or the vaguer words where the status is none or says as little."""
    status = report.status or 0
    if status in KIND_BY_STATUS:
        return KIND_BY_STATUS[status]
    if status >= 500:
        return K.SERVER_ERROR
    kind = read_from(report.text, WEAK_WORDINGS)
    if kind is None and status == 403:
        kind = K.PERMISSION
    if kind is None:
        kind = looked_up(words, KIND_BY_VAGUE_WORD, KIND_BY_VAGUE_PREFIX)
    if kind is None and any(validation_messages(layer.get("detail")) for layer in report.layers):
        kind = K.INVALID_REQUEST
    if kind is None:
        kind = K.INVALID_REQUEST if status >= 400 else K.UNKNOWN
    return kind


def is_retryable(kind: ErrorKind, status: int | None, *, is_exact: bool) -> bool:
    """Whether the same request may succeed if it is sent again, as far as kind and status tell."""
    if status == 499:  # Google's CANCELLED: nobody knows whose doing it was, and gemini-cli asks again
        return not is_exact
    if kind is K.UNKNOWN:
        # The response had begun, or nothing at all is known: openai/codex retries these too.
        return status is None or 200 <= status < 300
    # A conflict may pass, as openai-python has it, unless a code says more.
    return kind in RETRYABLE_KINDS or (status == 409 and not is_exact)


# ----------------------------------------------------------------------------------------------- delays

DELAY_IN_TEXT = re.compile(
    r"\b(?:(?:try again|retry)(?:[\s-]again)?(?:[\s-](?:in|after))?|resets?[\s-](?:in|after))"
    r":?\s?(?:about |at least )?"
    rf"({DURATION_PATTERN})",
    re.IGNORECASE,
)
# Fields of the error with the seconds that one unit is: ChatGPT backend; OpenRouter's metadata; gateways.
DELAY_FIELDS: dict[str, float] = {
    "resets_in_seconds": 1.0,
    "retry_after_seconds": 1.0,
    "retry_after": 1.0,
    "retry_after_ms": 1000.0,
}


HTTP_DATE = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? ", re.IGNORECASE)


def http_date(text: str | None) -> float | None:
    """Seconds since the epoch of an HTTP date; one without a zone is in UTC."""
    # All three forms begin with the day of the week; the reader below takes almost anything.
    if text is None or not HTTP_DATE.match(text):
        return None
    # Imported with the file, this module would be a sixth of the time that it takes to import the library.
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def header_delay(headers: Mapping[str, str]) -> float | None:
    """Seconds of `retry-after-ms`, else of `retry-after`."""
    milliseconds = decimal_of(headers.get("retry-after-ms"))
    return decimal_of(headers.get("retry-after")) if milliseconds is None else milliseconds / 1000


def delay_of(report: ErrorEvidence, kind: ErrorKind, now: float | None) -> tuple[float | None, float | None]:
    """The seconds to wait, and the moment when the limit is lifted: each None where nothing says it.

    The first source that parses wins. `x-ratelimit-reset-*` comes after the message: it tells when the
    resource is whole again, and the message when this request will fit.
    """
    dates = (http_date(headers.get("date")) for headers in report.headers)
    clock = next((date for date in dates if date is not None), None) if now is None else now

    def until(moment: float) -> float | None:
        return None if clock is None else max(0.0, moment - clock)

    sources = [*report.layers, *report.metadata]
    moments = (moment_of(source.get("resets_at")) for source in sources)
    resets_at = next((moment for moment in moments if moment is not None), report.google_reset)
    if resets_at is None and kind in DELAYED_KINDS:
        sent = (anthropic_reset(headers) for headers in report.headers)
        resets_at = next((moment for moment in sent if moment is not None), None)

    for headers in report.headers:
        seconds = header_delay(headers)
        if seconds is not None:
            return seconds, resets_at
        moment = http_date(headers.get("retry-after"))
        if moment is not None:
            return until(moment), moment if resets_at is None else resets_at

    for field, divisor in DELAY_FIELDS.items():
        for source in sources:
            seconds = decimal_of(source.get(field))
            if seconds is not None:
                return seconds / divisor, resets_at
    if resets_at is not None and clock is not None:
        return until(resets_at), resets_at
    if report.google_delay is not None or kind not in DELAYED_KINDS:
        return report.google_delay, resets_at

    if match := DELAY_IN_TEXT.search(report.text):
        return duration_of(match[1]), resets_at
    for headers in report.headers:
        seconds, moment = exhausted_reset(headers, report.type)
        if moment is not None:
            return until(moment), moment if resets_at is None else resets_at
        if seconds is not None:
            return seconds, resets_at
    return None, resets_at


def anthropic_reset(headers: Mapping[str, str]) -> float | None:
    """When the limit is lifted, as Anthropic's headers tell: of the subscription, else of what is used up."""
    moment = unified_reset(headers)
    if moment is not None:
        return moment
    sent = {name: value for name, value in headers.items() if name.startswith("anthropic-ratelimit-")}
    return exhausted_reset(sent, None)[1] if sent else None


def exhausted_reset(headers: Mapping[str, str], named: str | None) -> tuple[float | None, float | None]:
    """When the resource that is used up is whole again: the seconds until then, or the moment.

    That resource is the one of which nothing remains, else the one that the error's type names, else, where
    the headers do not tell what remains, any. Of several the slowest counts.
    """
    limits = rate_limits_from_headers(headers)
    if limits is None:
        return None, None
    resources = {"requests": limits.requests, "tokens": limits.tokens, **limits.others}
    sent = {name: resource for name, resource in resources.items() if resource is not None}
    exhausted = [resource for resource in sent.values() if resource.remaining == 0]
    if not exhausted and named in sent:
        exhausted = [sent[named]]
    if not exhausted:
        exhausted = [resource for resource in sent.values() if resource.remaining is None]
    seconds = (resource.reset_after for resource in exhausted)
    moments = (resource.resets_at for resource in exhausted)
    return (
        max((second for second in seconds if second is not None), default=None),
        max((moment for moment in moments if moment is not None), default=None),
    )


# ----------------------------------------------------------------------------------------------- bodies

HTML = re.compile(r"\s*<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
HTML_TITLE = re.compile(r"<(title|h1)\b[^<>]*>([^<]+)</\1", re.IGNORECASE)
# A refused stream may hold the error as its one event.
# Cloud Code relays errors with commas too many.
SEVERAL_COMMAS = re.compile(r",(?:\s*,)+")
EVENT_DATA = re.compile(r"^data:[ \t]*(\{.*)$", re.MULTILINE)
CODINGS = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd"})


def short_integer(digits: str) -> int | None:
    """An integer of JSON, or None where it has more digits than any that means something."""
    return int(digits) if len(digits) <= 100 else None


def json_of(text: Any) -> Any:
    """The JSON value of a text, or None where it is none."""
    if not isinstance(text, (str, bytes)):
        return None
    try:
        return json.loads(
            text, parse_float=finite_or_none, parse_int=short_integer, parse_constant=lambda constant: None
        )
    except (ValueError, RecursionError):
        return None


def decoded_base64(text: str | None) -> bytes | None:
    """The bytes of a base64 text, or None where it is none."""
    try:
        return b64decode(text) if text else None
    except ValueError:
        return None


def is_compressed(body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether nobody undid the body's content coding."""
    if body.startswith(MAGIC):
        return True
    if headers.get("content-encoding", "").lower() not in CODINGS:
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return True
    return False


def read_body(body: bytes | str, headers: Mapping[str, str]) -> tuple[Any, str | None, Any]:
    """The JSON value of a body, the text to show where it has none, and the body as it is kept."""
    if isinstance(body, bytes):
        if is_compressed(body, headers):
            return None, None, body
        body = body.decode("utf-8", "replace")
    text = body.removeprefix("\ufeff").strip()
    value = json_of(text)
    if value is None and (event := EVENT_DATA.search(text)):
        value = json_of(event[1])
    if value is None and text[:1] in ("{", "["):
        value = json_of(SEVERAL_COMMAS.sub(",", text))
    if isinstance(value, (dict, list)):
        return value, None, value
    if isinstance(value, str):
        return None, well_formed(value).strip() or None, value
    if HTML.match(text):
        from html import unescape  # which holds a table of all entities

        title = HTML_TITLE.search(text[:READ_FOR_MEANING])
        return None, unescape(title[2]).strip() or None if title else None, body
    return None, well_formed(text) or None, body


# ------------------------------------------------------------------------------------------- the public


def judged(
    report: ErrorEvidence, raw: Any, now: float | None, *, fallback: ErrorKind = K.UNKNOWN
) -> ResponseError:
    """The error that a report amounts to; `fallback` is its kind where nothing tells one."""
    words = report.words
    exact = exact_kind(report, words)
    kind = exact or likely_kind(report, words)
    if kind is K.UNKNOWN:
        kind = fallback
    retryable = is_retryable(kind, report.status, is_exact=exact is not None)
    for headers in report.headers:
        # openai-python: "If the server explicitly says whether or not to retry, obey."
        wish = headers.get("x-should-retry", "").lower()
        if wish in ("true", "false"):
            retryable = wish == "true"
            break
    retry_after, resets_at = delay_of(report, kind, now)
    return ResponseError(
        kind=kind,
        message=report.message,
        code=report.code,
        type=report.type,
        param=report.param,
        status=report.status,
        retryable=retryable,
        retry_after=retry_after,
        resets_at=resets_at,
        raw=raw,
    )


def checked_status(status: Any) -> int | None:
    """The status, which is an int or None. Raises `TypeError` for anything else."""
    if status is not None and (not isinstance(status, int) or isinstance(status, bool)):
        raise TypeError(f"status must be an int, not {type(status).__name__}")
    return status


def classify_http_error(
    status: int,
    headers: Headers | None,
    body: bytes | bytearray | memoryview | str | Mapping[str, Any] | list[Any] | None,
    *,
    now: float | None = None,
) -> ResponseError:
    """What a refused request's response means.

    `headers` is any mapping or iterable of pairs, names in any case, names and values `str` or `bytes`.
    `body` is the body as it came, or its decoded JSON. `now` is the present time in seconds since the epoch,
    against which a date in `retry-after` and `resets_at` are taken; without it the response's own `Date` is.

    `message`, `code` and `type` are the body's own words; of an HTML page the message is the title. Where the
    body tells another status than an HTTP status below 400, that one is the error's. `raw` is the body's
    JSON, else its text, else, where it is still compressed, its bytes.

    Raises `TypeError` for an argument of the wrong type, and nothing for what the arguments hold.
    """
    if checked_status(status) is None:
        raise TypeError("status must be an int, not NoneType")
    if now is not None and (not isinstance(now, (int, float)) or isinstance(now, bool)):
        raise TypeError(f"now must be a number, not {type(now).__name__}")
    by_name = lowered(headers)
    value: Any = None
    text: str | None = None
    raw: Any = body
    if isinstance(body, (bytes, bytearray, memoryview)):
        value, text, raw = read_body(bytes(body), by_name)
    elif isinstance(body, str):
        value, text, raw = read_body(body, by_name)
    elif isinstance(body, (Mapping, list)):
        value = body
    elif body is not None:
        raise TypeError(f"body must be bytes, str, JSON or None, not {type(body).__name__}")
    report = gather_evidence(value, text, status, [by_name], in_stream=False)
    # A success whose body is a page, a text or still compressed is the server's failure.
    is_foreign = 200 <= status < 300 and value is None and bool(raw)
    return judged(report, raw, decimal_of(now), fallback=K.SERVER_ERROR if is_foreign else K.UNKNOWN)


def error_from_payload(
    payload: Mapping[str, Any] | list[Any] | str | None,
    *,
    status: int | None = None,
    headers: Headers | None = None,
) -> ResponseError:
    """What an error inside a stream means.

    `payload` is the event that carries it, the error object itself, its text, or None (`response.failed`
    with `error: null`). `status` and `headers` are of the response or the WebSocket handshake, if known; an
    error status inside the payload counts before a `status` below 400.

    An error that nothing is known of is of kind `unknown` and retryable. `raw` is `payload` itself.
    Raises `TypeError` where `status` or `headers` is of the wrong type, and nothing for what they hold.
    """
    checked_status(status)
    outer = [] if headers is None else [lowered(headers)]
    value: Any = payload
    text: str | None = None
    if isinstance(payload, str):
        value, text, _ = read_body(payload, {})
    return judged(gather_evidence(value, text, status, outer, in_stream=True), payload, None)


def is_bare_error(payload: Mapping[str, Any]) -> bool:
    """Whether a payload without a type, of which nothing says that it is an error, is one by its fields."""
    if first_message([payload]) is None:
        return False
    code = first_code([payload])
    if isinstance(code, int) and (code == 0 or 200 <= code < 300):
        return False
    if isinstance(code, str) and code.strip().lower() in SUCCESS_CODES:
        return False
    has_code = code is not None or told_status([payload], None) is not None
    failed = payload.get("success") is False or payload.get("status") in FAILURE_WORDS
    return has_code or failed or "detail" in payload
