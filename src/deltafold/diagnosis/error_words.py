"""Codes, types and status words that servers send with an error, and the kind of error that each stands for.

The tables are data; each entry says where it was seen. A word in `KIND_BY_WORD` means one thing; those in
`KIND_BY_VAGUE_WORD` are what servers say when they do not say what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from deltafold.model.errors import ErrorKind

__all__ = [
    "KIND_BY_PREFIX",
    "KIND_BY_VAGUE_PREFIX",
    "KIND_BY_VAGUE_WORD",
    "KIND_BY_WORD",
    "LARGEST_CODE",
    "looked_up",
    "normalized",
]

K = ErrorKind

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

WORD_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
LONGEST_WORD = 128
# Longer numbers are no codes, and have no text that is short.
LARGEST_CODE = 10**18


def normalized(word: str | int) -> str:
    """A code or type in one spelling: `RateLimitReached`, `rate-limit-reached` -> `rate_limit_reached`."""
    text = word if isinstance(word, str) else f"{word:d}" if abs(word) < LARGEST_CODE else ""
    return WORD_BOUNDARY.sub("_", text[:LONGEST_WORD]).strip("_").lower()


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
