"""What an error means: tables of real errors, and the promise that every input gives a `ResponseError`."""

from __future__ import annotations

import base64
import gzip
import json
import math
import zlib
from email.message import Message
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold.diagnosis.classify import KIND_BY_STATUS, classify_http_error, error_from_payload
from deltafold.diagnosis.error_delays import DELAY_FIELDS
from deltafold.diagnosis.error_fields import MESSAGE_FIELDS, STATUS_FIELDS
from deltafold.diagnosis.error_payloads import is_error_payload
from deltafold.diagnosis.error_words import KIND_BY_WORD
from deltafold.model.errors import ErrorKind as K
from deltafold.model.errors import ResponseError

RATE_LIMIT_TEXT = "Rate limit reached for gpt-5.1 on tokens per min (TPM). Please try again in 6.57s."
NOON = 1_784_030_400.0
NOON_DATE = "Tue, 14 Jul 2026 12:00:00 GMT"
A_MINUTE_LATER = "Tue, 14 Jul 2026 12:01:00 GMT"


def refused(status: int, body: Any, headers: Any = None, now: float | None = None) -> ResponseError:
    """The error of a refused request whose body is this JSON."""
    return classify_http_error(status, headers or {}, json.dumps(body).encode(), now=now)


def told(error: ResponseError, **expected: Any) -> None:
    """Check the named fields of an error, and that its kind is a kind."""
    assert isinstance(error.kind, K)
    assert {name: getattr(error, name) for name in expected} == expected


# ------------------------------------------------------------------------------------------------ words

# One code each, and whether the same request may be sent again.
CODES = {
    K.CONTEXT_WINDOW_EXCEEDED: (False, "context_length_exceeded exceed_context_size_error request_too_large"),
    K.RATE_LIMITED: (
        True,
        (
            "rate_limit_exceeded rate_limit_error RateLimitReached too_many_requests rate-limit-hit "
            "ThrottlingException too_many_pending_steers"
        ),
    ),
    K.USAGE_LIMIT_REACHED: (False, "usage_limit_reached"),
    K.QUOTA_EXCEEDED: (
        False,
        (
            "insufficient_quota billing_hard_limit_reached credit_balance_exhausted "
            "organization_spend_limit_exceeded project_spend_limit_exceeded "
            "organization_usage_limit_exceeded exceeded_current_quota_error 1113"
        ),
    ),
    K.OVERLOADED: (
        True,
        (
            "server_is_overloaded slow_down overloaded overloaded_error service_unavailable "
            "service_unavailable_error UNAVAILABLE"
        ),
    ),
    K.SERVER_ERROR: (
        True,
        "server_error model_error api_error InternalServerError successor_creation_failed",
    ),
    K.TIMEOUT: (True, "timeout vector_store_timeout websocket_connection_limit_reached DEADLINE_EXCEEDED"),
    K.CONTENT_POLICY: (
        False,
        (
            "bio_policy cyber_policy misalignment_policy_violation content_filter content_policy_violation "
            "image_content_policy_violation ResponsibleAIPolicyViolation"
        ),
    ),
    K.AUTHENTICATION: (False, "authentication_error AuthenticationError invalid_api_key UNAUTHENTICATED"),
    K.PERMISSION: (False, "permission_error PERMISSION_DENIED usage_not_included forbidden"),
    K.NOT_FOUND: (
        False,
        "model_not_found not_found NotFoundError response_not_found previous_response_not_found",
    ),
    K.INVALID_REQUEST: (
        False,
        (
            "invalid_prompt invalid_image invalid_image_format image_parse_error image_too_large "
            "empty_image_file failed_to_download_image data_residency_mismatch tool_use_failed invalid_input "
            "invalid_request_error invalid_request bad_request BadRequestError invalid_value "
            "unsupported_parameter missing_required_parameter steering_not_supported "
            "response_already_completed response_not_active"
        ),
    ),
}
CODE_ROWS = [(code, kind, retry) for kind, (retry, codes) in CODES.items() for code in codes.split()]


@pytest.mark.parametrize(("code", "kind", "retryable"), CODE_ROWS)
def test_a_known_code_decides(code: str, kind: K, retryable: bool) -> None:
    """A code that means one thing gives its kind, in any spelling, and is kept as it came."""
    told(error_from_payload({"code": code, "message": "-"}), kind=kind, code=code, retryable=retryable)


@pytest.mark.parametrize(("word", "kind", "retryable"), CODE_ROWS)
def test_a_known_type_decides_where_the_code_is_null(word: str, kind: K, retryable: bool) -> None:
    """The type means what the same word means as a code."""
    error = error_from_payload({"error": {"type": word, "code": None, "message": "-"}})
    told(error, kind=kind, type=word, code=None, retryable=retryable)


def test_a_clear_code_is_weighed_before_type_message_and_status() -> None:
    """The order of evidence is code, type, message, status."""
    body = {"code": "insufficient_quota", "type": "rate_limit_error", "message": "prompt is too long"}
    told(refused(503, body), kind=K.QUOTA_EXCEEDED, retryable=False)
    told(refused(503, {**body, "code": "x"}), kind=K.RATE_LIMITED)
    told(refused(503, {**body, "code": None, "type": None}), kind=K.CONTEXT_WINDOW_EXCEEDED, retryable=False)
    told(refused(503, {}), kind=K.OVERLOADED)


def test_a_vague_word_yields_to_a_clear_one() -> None:
    """DeepSeek's code is a phrase for everything; its type says what it is."""
    body = {"error": {"code": "invalid_request_error", "type": "authentication_error", "message": "-"}}
    told(error_from_payload(body), kind=K.AUTHENTICATION, code="invalid_request_error")


def test_an_odd_code_is_no_word() -> None:
    """Codes that are no text or number, or numbers beyond all sense, count as not told."""
    for odd in (True, [], {}, 1.5, 10**5000, "  "):
        told(error_from_payload({"code": odd, "message": "-"}), code=None, kind=K.UNKNOWN)
    told(error_from_payload({"code": 10**5000, "error_code": "timeout"}), code="timeout")


# --------------------------------------------------------------------------------------------- wordings

CONTEXT_WORDINGS = [
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "This model's maximum context length is 262144 tokens. However, you requested 270000 tokens",
    "Please reduce the length of the messages or completion.",
    "Input tokens exceed the configured limit of 272000 tokens.",
    "Input length 131393 exceeds the maximum allowed input length of 131040 tokens.",
    "Input length (265330) exceeds model's maximum context length (262144).",
    "prompt is too long: 228307 tokens > 200000 maximum",
    "Prompt too long: 5152 tokens exceeds max_seq_len 2048",
    "prompt too long; exceeded max context length by 1119046 tokens",
    "input length and max_tokens exceed context limit: 170636 + 34048 > 200000",
    "the request exceeds the available context size. try increasing the context size",
    "request (2009 tokens) exceeds the available context size (512 tokens), try increasing it",
    "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).",
    "Your request exceeded model token limit: 262144 (requested: 566084)",
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens",
    "prompt token count of 140000 exceeds the limit of 128000",
    "tokens to keep from the initial prompt is greater than the context length",
    "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
    "invalid params, context window exceeds limit",
    "input is too long for requested model",
    "Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
    "too many tokens: total number of tokens in the prompt cannot exceed 4081",
    "Range of input length should be [1, 98304]",
    "context_length_exceeded",
]


@pytest.mark.parametrize("text", CONTEXT_WORDINGS)
def test_context_overflow_is_known_in_every_wording(text: str) -> None:
    """Each server's wording is known, in any case, beside a vague type, and is not retried."""
    for said in (text, text.upper()):
        told(
            refused(400, {"error": {"message": said, "type": "invalid_request_error"}}),
            kind=K.CONTEXT_WINDOW_EXCEEDED,
            message=said,
            retryable=False,
        )


@pytest.mark.parametrize(
    "text",
    [
        "ThrottlingException: Too many tokens, please wait before trying again.",
        "Tokens per minute limit exceeded - too many tokens processed.",
        "Rate limit reached: your prompt is too long for the tokens left this minute",
        (
            "You exceeded your current quota, see https://ai.google.dev/gemini-api/docs/rate-limits.\n"
            "* Quota exceeded for metric: x, limit: 15\nPlease retry in 38.92s."
        ),
        "High concurrency usage of this API, please reduce concurrency",
        "Too Many Requests",
    ],
)
def test_throttling_is_never_taken_for_overflow_or_spent_credit(text: str) -> None:
    """The wordings of throttling are tried first."""
    told(error_from_payload(text), kind=K.RATE_LIMITED, message=text, retryable=True)


OTHER_WORDINGS = [
    ("You exceeded your current quota, please check https://x.test/rate-limits", K.QUOTA_EXCEEDED),
    ("Insufficient credits", K.QUOTA_EXCEEDED),
    ("Insufficient Balance", K.QUOTA_EXCEEDED),
    ("This request requires more credits, or fewer max_tokens. You can only afford 9", K.QUOTA_EXCEEDED),
    ("Add more credits to continue", K.QUOTA_EXCEEDED),
    ("Your credit balance is too low to access the Anthropic API.", K.QUOTA_EXCEEDED),
    ("You've exceeded your budget", K.QUOTA_EXCEEDED),
    ("Billing hard limit has been reached", K.QUOTA_EXCEEDED),
    ("余额不足或无可用资源包,请充值。", K.QUOTA_EXCEEDED),
    ("The usage limit has been reached", K.USAGE_LIMIT_REACHED),
    ("you have reached your session usage limit, please wait", K.USAGE_LIMIT_REACHED),
    ("Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-07-14 07:49:08", K.USAGE_LIMIT_REACHED),
    ("The engine is currently overloaded", K.OVERLOADED),
    ("Selected model is at capacity.", K.OVERLOADED),
    ("Service tier capacity exceeded for this model.", K.OVERLOADED),
    ("This model is currently experiencing high demand.", K.OVERLOADED),
    ("Service Unavailable", K.OVERLOADED),
    ("upstream connect error or disconnect/reset before headers. reset reason: timeout", K.SERVER_ERROR),
    ("Request timed out", K.TIMEOUT),
    ("Content violates usage guidelines.", K.CONTENT_POLICY),
    ("triggering Azure OpenAI's content management policy", K.CONTENT_POLICY),
    ("Incorrect API key provided: sk-x", K.AUTHENTICATION),
    ("API key not valid. Please pass a valid API key.", K.AUTHENTICATION),
    ("The model `gpt-x` does not exist or you do not have access to it.", K.NOT_FOUND),
    ("Something went wrong", K.UNKNOWN),
]


@pytest.mark.parametrize(("text", "kind"), OTHER_WORDINGS)
def test_a_message_alone_tells_its_kind(text: str, kind: K) -> None:
    """Where no code, type or status is told, the wording decides."""
    told(error_from_payload({"error": text}), kind=kind, message=text, code=None, type=None, status=None)


def test_a_clear_status_is_weighed_before_a_loose_wording() -> None:
    """ "Timed out" under 500 is a server error, and under 404 nothing but not found."""
    told(refused(500, {"error": "Request timed out"}), kind=K.SERVER_ERROR)
    told(refused(404, {"error": "Request timed out"}), kind=K.NOT_FOUND)
    told(refused(400, {"error": "Request timed out"}), kind=K.TIMEOUT)


def test_only_the_beginning_of_a_message_is_read_for_its_meaning() -> None:
    """A megabyte of message is kept whole and costs no more than its beginning."""
    text = "retry quota model billing " * 40_000 + "prompt is too long"
    told(error_from_payload({"error": text}), kind=K.UNKNOWN, message=text)


# --------------------------------------------------------------------------------------------- statuses


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, K.INVALID_REQUEST, False),
        (401, K.AUTHENTICATION, False),
        (402, K.QUOTA_EXCEEDED, False),
        (403, K.PERMISSION, False),
        (404, K.NOT_FOUND, False),
        (408, K.TIMEOUT, True),
        (409, K.INVALID_REQUEST, True),
        (413, K.CONTEXT_WINDOW_EXCEEDED, False),
        (418, K.INVALID_REQUEST, False),
        (422, K.INVALID_REQUEST, False),
        (429, K.RATE_LIMITED, True),
        (500, K.SERVER_ERROR, True),
        (502, K.SERVER_ERROR, True),
        (503, K.OVERLOADED, True),
        (504, K.TIMEOUT, True),
        (520, K.SERVER_ERROR, True),
        (529, K.OVERLOADED, True),
        (999, K.SERVER_ERROR, True),
        (200, K.UNKNOWN, True),
        (302, K.UNKNOWN, False),
        (-1, K.UNKNOWN, False),
    ],
)
def test_a_status_decides_where_nothing_else_does(status: int, kind: K, retryable: bool) -> None:
    """An empty body is judged by its status, and so is a code that nobody knows."""
    for body in (b"", b" \r\n", None, "", b"{}", b"null", b'{"error":null}', b'{"code":"x","error":{}}'):
        expected = K.SERVER_ERROR if status == 200 and body in (b" \r\n", b"null") else kind
        error = classify_http_error(status, {}, body)
        told(error, status=status, retryable=retryable, retry_after=None, resets_at=None)
        assert error.kind in (kind, expected)


def test_an_http_status_may_be_an_enum() -> None:
    """`http.HTTPStatus` is an int; and of a response without headers there may be None."""
    told(classify_http_error(HTTPStatus.NOT_FOUND, None, b""), kind=K.NOT_FOUND, status=404)


@pytest.mark.parametrize("code", [502, "502"])
def test_a_numeric_code_counts_as_status(code: int | str) -> None:
    """OpenRouter tells the status as a code, also inside a stream that began with 200."""
    payload = {"error": {"message": "Provider returned error", "code": code}}
    for status in (None, 200):
        told(error_from_payload(payload, status=status), kind=K.SERVER_ERROR, code=code, status=502)
    told(error_from_payload(payload, status=400), kind=K.INVALID_REQUEST, status=400)


@pytest.mark.parametrize("field", STATUS_FIELDS)
def test_a_status_inside_the_error_is_found(field: str) -> None:
    """Servers name it in several ways, as a number or as digits; what is no error status is none."""
    for value in (429, "429"):
        told(error_from_payload({"error": {"message": "-", field: value}}), kind=K.RATE_LIMITED, status=429)
    for odd in (200, "4290", True, None, "४२९", 4.29, []):
        told(error_from_payload({"error": {"message": "-", field: odd}}), kind=K.UNKNOWN, status=None)


def test_a_conflict_is_retryable_unless_a_code_says_what_it_is() -> None:
    """409 may pass; a response that is complete stays complete."""
    told(refused(409, {"error": {"code": "lock", "type": "invalid_request_error"}}), retryable=True)
    told(refused(409, {"error": {"code": "response_already_completed"}}), retryable=False)


@pytest.mark.parametrize(
    ("headers", "retryable"),
    [
        ({"X-Should-Retry": "true"}, True),
        ({"x-should-retry": "FALSE"}, False),
        ({"x-should-retry": "maybe"}, None),
    ],
)
def test_the_server_may_say_whether_to_retry(headers: dict[str, str], retryable: bool | None) -> None:
    """`x-should-retry` overrides every rule, in the response's headers and inside the error."""
    for status in (400, 500):
        expected = status == 500 if retryable is None else retryable
        told(classify_http_error(status, headers, b""), retryable=expected)
        told(error_from_payload({"error": {"headers": headers}}, status=status), retryable=expected)


# ----------------------------------------------------------------------------------------------- shapes

AZURE_FILTER = {
    "message": "The response was filtered",
    "type": None,
    "param": "prompt",
    "code": None,
    "status": 400,
    "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}},
}
GOOGLE_QUOTA = {
    "code": 429,
    "message": "You exceeded your current quota, please check your plan and billing details.",
    "status": "RESOURCE_EXHAUSTED",
    "details": [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure"},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "14s"},
    ],
}
XAI_REFUSAL = {
    "code": "The caller does not have permission to execute the specified operation",
    "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE",
}
SHAPES: list[tuple[str, int, Any, dict[str, Any]]] = [
    (
        "openai",
        400,
        {
            "error": {
                "message": "Bad",
                "type": "invalid_request_error",
                "param": "stop",
                "code": "unsupported",
            }
        },
        {
            "kind": K.INVALID_REQUEST,
            "message": "Bad",
            "type": "invalid_request_error",
            "param": "stop",
            "code": "unsupported",
        },
    ),
    ("azure filter", 400, {"error": AZURE_FILTER}, {"kind": K.CONTENT_POLICY, "param": "prompt"}),
    (
        "azure gateway",
        429,
        {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 20 seconds."},
        {"kind": K.RATE_LIMITED, "retry_after": 20.0},
    ),
    (
        "chatgpt backend",
        429,
        {"error": {"type": "usage_limit_reached", "plan_type": "plus", "resets_at": 1777936568}},
        {"kind": K.USAGE_LIMIT_REACHED, "type": "usage_limit_reached", "resets_at": 1777936568.0},
    ),
    (
        "openrouter moderation without the input",
        403,
        {"error": {"code": 403, "message": "-", "metadata": {"reasons": ["y"]}}},
        {"kind": K.CONTENT_POLICY},
    ),
    (
        "openrouter moderation",
        403,
        {"error": {"code": 403, "message": "-", "metadata": {"flagged_input": "x"}}},
        {"kind": K.CONTENT_POLICY, "code": 403},
    ),
    (
        "openrouter's provider",
        400,
        {
            "error": {
                "code": 400,
                "message": "Provider returned error",
                "metadata": {"raw": "prompt is too long"},
            }
        },
        {"kind": K.CONTEXT_WINDOW_EXCEEDED, "message": "Provider returned error"},
    ),
    (
        "openrouter's provider's code",
        429,
        {"error": {"code": 429, "metadata": {"raw": json.dumps({"error": {"code": "insufficient_quota"}})}}},
        {"kind": K.QUOTA_EXCEEDED, "code": 429},
    ),
    (
        "openrouter's provider's refusal",
        403,
        {"error": {"code": 403, "metadata": {"raw": json.dumps(XAI_REFUSAL)}}},
        {"kind": K.CONTENT_POLICY},
    ),
    (
        "xai",
        400,
        {"code": "Client specified an invalid argument", "error": "Model not available"},
        {
            "kind": K.INVALID_REQUEST,
            "message": "Model not available",
            "code": "Client specified an invalid argument",
        },
    ),
    ("xai refusal", 403, XAI_REFUSAL, {"kind": K.CONTENT_POLICY, "message": XAI_REFUSAL["error"]}),
    (
        "vllm",
        400,
        {"object": "error", "message": "No", "type": "BadRequestError", "param": None, "code": 400},
        {"kind": K.INVALID_REQUEST, "type": "BadRequestError", "code": 400},
    ),
    (
        "mistral",
        400,
        {"object": "error", "message": "No", "type": "invalid_model", "code": "1500", "raw_status_code": 400},
        {"kind": K.INVALID_REQUEST, "code": "1500", "type": "invalid_model"},
    ),
    ("fastapi text", 404, {"detail": "Not Found"}, {"kind": K.NOT_FOUND, "message": "Not Found"}),
    (
        "fastapi list",
        422,
        {"detail": [{"loc": ["body"], "msg": "Field required"}, {"msg": "Too short"}, {"msg": 1}, 2]},
        {"kind": K.INVALID_REQUEST, "message": "Field required; Too short"},
    ),
    (
        "fastapi object",
        401,
        {"detail": {"error": {"message": "No key", "code": "invalid_api_key"}}},
        {"kind": K.AUTHENTICATION, "message": "No key", "code": "invalid_api_key"},
    ),
    (
        "google",
        429,
        [{"error": GOOGLE_QUOTA}],
        {
            "kind": K.RATE_LIMITED,
            "code": 429,
            "type": "RESOURCE_EXHAUSTED",
            "retry_after": 14.0,
            "retryable": True,
        },
    ),
    (
        "google without a delay",
        429,
        [{"error": {**GOOGLE_QUOTA, "details": []}}],
        {"kind": K.QUOTA_EXCEEDED, "retryable": False, "retry_after": None},
    ),
    (
        "google, a quota of a day",
        429,
        [
            {
                "error": {
                    **GOOGLE_QUOTA,
                    "details": [
                        {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},
                        {"retryDelay": "51.2s"},
                    ],
                }
            }
        ],
        {"kind": K.QUOTA_EXCEEDED, "retryable": False, "retry_after": 51.2},
    ),
    (
        "code assist",
        429,
        {
            "error": {
                "code": 429,
                "status": "RESOURCE_EXHAUSTED",
                "message": "You have exhausted your capacity on this model. Your quota will reset after 0s.",
                "details": [
                    {"reason": "RATE_LIMIT_EXCEEDED", "metadata": {"quotaResetDelay": "373.801628ms", "n": 1}}
                ],
            }
        },
        {"kind": K.RATE_LIMITED, "retryable": True, "retry_after": 0.373801628},
    ),
    (
        "code assist, in words",
        429,
        {
            "error": {
                "code": 429,
                "status": "RESOURCE_EXHAUSTED",
                "message": "Your quota will reset after 12s.",
            }
        },
        {"kind": K.RATE_LIMITED, "retry_after": 12.0},
    ),
    (
        "code assist, used up",
        429,
        {"error": {"code": 429, "message": "x", "details": [{"reason": "QUOTA_EXHAUSTED"}]}},
        {"kind": K.QUOTA_EXCEEDED, "retryable": False},
    ),
    (
        "google, an error inside of the message of another",
        503,
        {"error": {"message": json.dumps({"error": GOOGLE_QUOTA}), "status": "Unavailable"}},
        {"kind": K.RATE_LIMITED, "type": "RESOURCE_EXHAUSTED", "retry_after": 14.0},
    ),
    (
        "google, cancelled",
        499,
        {"error": {"code": 499, "message": "The operation was cancelled.", "status": "CANCELLED"}},
        {"kind": K.UNKNOWN, "type": "CANCELLED", "retryable": True},
    ),
    (
        "google's reason",
        400,
        {
            "error": {
                "code": 400,
                "status": "INVALID_ARGUMENT",
                "message": "-",
                "details": [{"reason": "API_KEY_INVALID"}],
            }
        },
        {"kind": K.AUTHENTICATION, "type": "INVALID_ARGUMENT"},
    ),
    (
        "anthropic",
        529,
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "r"},
        {"kind": K.OVERLOADED, "type": "overloaded_error", "message": "Overloaded"},
    ),
    (
        "cloudflare",
        400,
        {"success": False, "errors": [{"code": 7003, "message": "No route"}], "messages": []},
        {"kind": K.INVALID_REQUEST, "code": 7003, "message": "No route"},
    ),
    (
        "problem document",
        403,
        {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "Not yours"},
        {"kind": K.PERMISSION, "message": "Not yours", "type": "about:blank"},
    ),
    ("one word", 400, {"error": "insufficient_quota"}, {"kind": K.QUOTA_EXCEEDED}),
    ("a type named error", 400, {"type": "error", "message": "No"}, {"type": "error", "message": "No"}),
    ("a list of nothing", 500, [1, "x"], {"kind": K.SERVER_ERROR, "message": None}),
]


@pytest.mark.parametrize(
    ("status", "body", "expected"), [row[1:] for row in SHAPES], ids=[r[0] for r in SHAPES]
)
def test_each_servers_body_is_read(status: int, body: Any, expected: dict[str, Any]) -> None:
    """Every known shape of a refusal gives its own words, as bytes, as text and as decoded JSON."""
    text = json.dumps(body)
    for form in (
        text.encode(),
        bytearray(text.encode()),
        memoryview(text.encode()),
        text,
        "\ufeff" + text,
        body,
    ):
        told(classify_http_error(status, {}, form), status=status, raw=body, **expected)


STREAMED: list[tuple[str, Any, dict[str, Any]]] = [
    (
        "flat",
        {"type": "error", "code": "rate_limit_exceeded", "message": RATE_LIMIT_TEXT, "param": "p"},
        {
            "kind": K.RATE_LIMITED,
            "code": "rate_limit_exceeded",
            "type": None,
            "message": RATE_LIMIT_TEXT,
            "param": "p",
            "retry_after": 6.57,
        },
    ),
    (
        "nested with headers",
        {
            "type": "error",
            "error": {
                "type": "tokens",
                "code": "rate_limit_exceeded",
                "headers": {"x-ratelimit-reset-tokens": "50.529s"},
                "message": RATE_LIMIT_TEXT,
            },
        },
        {"kind": K.RATE_LIMITED, "type": "tokens", "retry_after": 6.57},
    ),
    (
        "nested partial over flat",
        {"type": "error", "code": "slow_down", "message": "Flat", "param": "p", "error": {"code": None}},
        {"kind": K.OVERLOADED, "code": "slow_down", "message": "Flat", "param": "p", "type": None},
    ),
    (
        "nested over flat",
        {"type": "error", "code": "x", "message": "Flat", "error": {"code": "slow_down", "message": " "}},
        {"kind": K.OVERLOADED, "code": "slow_down", "message": "Flat"},
    ),
    ("error null", {"type": "error", "error": None}, {"kind": K.UNKNOWN, "message": None, "retryable": True}),
    ("error a text", {"error": "Overloaded"}, {"kind": K.OVERLOADED, "message": "Overloaded"}),
    (
        "response.failed whole",
        {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "No"}}},
        {"kind": K.SERVER_ERROR, "code": "server_error", "message": "No", "type": None},
    ),
    ("response.failed's error", {"code": "cyber_policy", "message": "No"}, {"kind": K.CONTENT_POLICY}),
    ("null", None, {"kind": K.UNKNOWN, "message": None, "retryable": True, "status": None}),
    ("text", "Overloaded", {"kind": K.OVERLOADED, "message": "Overloaded"}),
    ("json text", '{"code":500,"message":"No"}', {"kind": K.SERVER_ERROR, "message": "No", "status": 500}),
    ("no text", " ", {"kind": K.UNKNOWN, "message": None}),
    (
        "websocket",
        {
            "type": "error",
            "status_code": 429,
            "error": {
                "type": "usage_limit_reached",
                "message": "The usage limit has been reached",
                "resets_at": 1777936568,
                "resets_in_seconds": 13872,
            },
            "headers": {"X-Codex-Primary-Used-Percent": "100"},
        },
        {
            "kind": K.USAGE_LIMIT_REACHED,
            "status": 429,
            "retryable": False,
            "retry_after": 13872.0,
            "resets_at": 1777936568.0,
        },
    ),
    (
        "code and details",
        {"code": 400, "details": "Bad prompt"},
        {"kind": K.INVALID_REQUEST, "code": 400, "status": 400, "message": "Bad prompt"},
    ),
    (
        "chunk with error_type",
        {"id": "x", "choices": None, "error_type": "rate_limit_error", "error_message": "No"},
        {"kind": K.RATE_LIMITED, "type": "rate_limit_error", "message": "No"},
    ),
    ("envelope with error_type", {"type": "error", "error_type": "timeout"}, {"type": "timeout"}),
    ("object error", {"object": "error", "message": "No", "code": 404}, {"kind": K.NOT_FOUND, "status": 404}),
    (
        "xai",
        {"code": "The service is currently unavailable", "error": "Timed out waiting for first token"},
        {"kind": K.OVERLOADED, "message": "Timed out waiting for first token"},
    ),
    (
        "response.error",
        {"type": "response.error", "error": {"message": "No"}},
        {"type": None, "message": "No"},
    ),
    ("a list", [{"error": {"code": "slow_down"}}], {"kind": K.OVERLOADED}),
    ("unknown code", {"error": {"code": "unknown-error", "message": "Foobar"}}, {"kind": K.UNKNOWN}),
    ("not even JSON's types", 5, {"kind": K.UNKNOWN, "retryable": True}),
]


@pytest.mark.parametrize(("payload", "expected"), [row[1:] for row in STREAMED], ids=[r[0] for r in STREAMED])
def test_each_shape_inside_a_stream_is_read(payload: Any, expected: dict[str, Any]) -> None:
    """All shapes of errors in streams are read field by field, and kept whole."""
    error = error_from_payload(payload)
    told(error, **expected)
    assert error.raw is payload


@pytest.mark.parametrize(
    ("payload", "is_error"),
    [
        ({"error": {"message": "x"}}, True),
        ({"error": "x"}, True),
        ({"error": None}, False),
        ({"error": {}}, False),
        ({"error": None, "choices": [], "object": "chat.completion.chunk"}, False),
        ({"error": {"code": 502}, "choices": [{"finish_reason": "error"}]}, True),
        ({"object": "error", "message": "x"}, True),
        ({"type": "error", "error": None}, True),
        ({"type": "response.error"}, True),
        ({"type": "response.completed", "error": {"message": "x"}}, False),
        ({"object": "response", "status": "failed", "error": {"code": "x"}}, False),
        ({"choices": None, "error_message": "x"}, True),
        ({"choices": None, "error_type": "x"}, True),
        ({"code": 400, "details": "x"}, True),
        ({"code": "x", "message": "y"}, True),
        ({"status_code": 503, "message": "y"}, True),
        ({"detail": "Not Found"}, True),
        ({"detail": [{"msg": "Field required"}]}, True),
        ({"message": "x"}, False),
        ({"message": "x", "code": 400, "choices": []}, True),
        ({"message": "x", "code": 400, "choices": [{}]}, False),
        ({"message": "ok", "code": 0}, False),
        ({"message": "ok", "code": "200", "data": {}}, False),
        ({"error": {"code": 0, "message": "success"}}, False),
        ({"error": {"code": None, "message": ""}}, False),
        ({"error": "ok", "choices": []}, False),
        ({"errors": [], "success": True, "message": "fine"}, False),
        ({"message": "x", "success": False}, True),
        ({"message": "x", "status": "error"}, True),
        ({"base_resp": {"status_code": 0, "status_msg": ""}, "choices": None}, False),
        ({"base_resp": {"status_code": 1002, "status_msg": "slower"}, "choices": [{}]}, True),
        ({"x_groq": {"id": "r", "error": "over_capacity"}, "choices": []}, True),
        ({"x_groq": {"id": "r", "usage": {}}, "choices": []}, False),
        ({"x_error": "gone", "choices": [{}]}, True),
        ({"error": [{"message": "x"}]}, True),
        ({"error": True}, True),
        ({"message": "x", "code": 400, "type": "ping"}, False),
        ({}, False),
        ({"type": 5, "object": []}, False),
    ],
)
def test_an_error_is_told_from_an_answer(payload: dict[str, Any], is_error: bool) -> None:
    """A payload is an error by what it holds, and a null error is none."""
    assert is_error_payload(payload) is is_error


# ----------------------------------------------------------------------------------------------- bodies

PAGE = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway &amp; co</title></head><body>overloaded</body>"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (PAGE, "502 Bad Gateway & co"),
        ("  <HTML><body><h1>Sorry</h1></body></HTML>", "Sorry"),
        ("<html><body>nothing</body></html>", None),
        ("<html><title> </title></html>", None),
        ("upstream connect error", "upstream connect error"),
        ("\ufeff plain \n", "plain"),
        ('"a JSON text"', "a JSON text"),
        ('{"error": {"message": "cut o', '{"error": {"message": "cut o'),
        ("12", "12"),
        ("", None),
    ],
)
def test_a_body_without_an_object_shows_its_text(body: str, message: str | None) -> None:
    """Of a page the title is shown, of a text the text; the status decides, but for a telling wording."""
    for form in (body, body.encode()):
        told(
            classify_http_error(502, {}, form),
            kind=K.SERVER_ERROR,
            message=message,
            code=None,
            retryable=True,
        )
    told(classify_http_error(403, {}, PAGE), kind=K.PERMISSION, retryable=False)


def test_a_success_that_is_no_answer_is_the_servers_failure() -> None:
    """A page, a text or compressed bytes under 200 are an error to retry."""
    for body in (PAGE, "hello", gzip.compress(b"{}")):
        told(classify_http_error(200, {}, body), kind=K.SERVER_ERROR, retryable=True, status=200)


def test_an_error_event_may_be_the_whole_body() -> None:
    """A stream that holds nothing but an error is read as that error."""
    body = b'event: error\ndata: {"error":{"code":"tool_use_failed","message":"No","status_code":400}}\n\n'
    told(classify_http_error(200, {}, body), kind=K.INVALID_REQUEST, code="tool_use_failed", status=400)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(b'{"error":"x"}'), {}),
        (zlib.compress(b'{"error":"x"}'), {}),
        (b"\x28\xb5\x2f\xfd\x00", {}),
        (b"\x8b\x05\x80\xff", {"Content-Encoding": "br"}),
    ],
)
def test_a_compressed_body_says_nothing(body: bytes, headers: dict[str, str]) -> None:
    """Bytes that nobody decompressed are kept, not shown as text; the status decides."""
    told(classify_http_error(429, headers, body), kind=K.RATE_LIMITED, message=None, raw=body)


def test_a_body_that_was_decompressed_is_read_though_the_header_stays() -> None:
    """Clients undo the coding and leave the header."""
    told(refused(400, {"error": "No"}, {"content-encoding": "gzip"}), message="No")


def test_bad_text_is_repaired() -> None:
    """Invalid UTF-8 and lone surrogates become U+FFFD, and the halves of a pair are joined."""
    told(classify_http_error(400, {}, b'{"error":"a\xff"}'), message="a\ufffd")
    told(classify_http_error(400, {}, b'{"error":"\\ud83d\\ude00 \\ud800"}'), message="\U0001f600 \ufffd")
    told(error_from_payload({"error": {"code": "\ud800", "type": "\udc00"}}), code="\ufffd", type="\ufffd")
    told(error_from_payload({"error": {"message": "\ud83d\ude00"}}), message="\U0001f600")


def test_extreme_json_is_read_or_kept_as_text() -> None:
    """Deep nesting, numbers beyond measure and NaN are survived."""
    deep = "[" * 200_000
    told(classify_http_error(500, {}, deep), kind=K.SERVER_ERROR, message=deep)
    nested: Any = "x"
    for _ in range(5000):
        nested = {"error": nested}
    told(error_from_payload(nested), kind=K.UNKNOWN, message=None)
    body = f'{{"error":{{"message":"m","code":{"9" * 5000},"resets_at":1e999,"param":NaN,"n":1.5}}}}'
    told(classify_http_error(500, {}, body), message="m", code=None, resets_at=None)


def test_the_error_in_a_header_fills_what_the_body_left_out() -> None:
    """The ChatGPT backend tells the error as base64 JSON in `x-error-json`; the body's words come first."""
    hidden = base64.b64encode(b'{"error":{"code":"invalid_api_key","message":"hidden"}}')
    headers = [(b"X-Error-JSON", hidden)]
    told(refused(400, {"error": {"message": "m"}}, headers), kind=K.AUTHENTICATION, message="m")
    told(classify_http_error(400, headers, b""), code="invalid_api_key", message="hidden")
    told(error_from_payload(None, headers=headers), code="invalid_api_key")
    for odd in (b"?", b"abc", base64.b64encode(b"[[[")):
        told(classify_http_error(400, {"x-error-json": odd}, b""), kind=K.INVALID_REQUEST, code=None)


# ----------------------------------------------------------------------------------------------- delays


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "99999"}, 99999.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "0", "retry-after": "1"}, 0.0),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({b"retry-after": b"3"}, 3.0),
        ([("RETRY-AFTER", "4"), ("retry-after", "5")], 4.0),
        ([[b"retry-after", b"4"]], 4.0),
        ({"retry-after": 6}, 6.0),
        ({"retry-after": ["8", "9"]}, 8.0),
        ({"retry-after": None, 5: "x"}, None),
        *(
            ({"retry-after": odd}, None)
            for odd in (
                "0x10",
                "-1",
                "nan",
                "inf",
                "1e3",
                "1_0",
                "٣",
                "9" * 400,
                "1.2.3",
                "",
                "soon",
                True,
                {},
            )
        ),
        *(({"retry-after": odd}, None) for odd in ("Tue, 99 Jul 2026 12:00:00 GMT", "Tuesday ", "Tue, x")),
    ],
)
def test_retry_after_is_read_from_the_headers(headers: Any, seconds: float | None) -> None:
    """`retry-after-ms` comes first, then `retry-after`; what is no number of seconds is not told."""
    told(classify_http_error(429, headers, b""), retry_after=seconds, resets_at=None)
    if isinstance(headers, dict):
        told(error_from_payload({"error": {"headers": headers}}), retry_after=seconds)


def test_headers_may_be_a_message_of_the_standard_library() -> None:
    """The headers of http.client are no mapping, yet have items."""
    headers = Message()
    headers["Retry-After"] = "7"
    told(classify_http_error(503, headers, b""), retry_after=7.0)  # type: ignore[arg-type]


def test_a_date_is_taken_against_the_time_that_is_known() -> None:
    """A date needs `now` or the response's own date; without both only `resets_at` is known."""
    dated = {"Retry-After": A_MINUTE_LATER}
    told(classify_http_error(503, dated, b""), retry_after=None, resets_at=NOON + 60)
    told(classify_http_error(503, dated, b"", now=NOON + 20), retry_after=40.0, resets_at=NOON + 60)
    told(classify_http_error(503, dated, b"", now=NOON + 90), retry_after=0.0, resets_at=NOON + 60)
    told(classify_http_error(503, {**dated, "date": NOON_DATE}, b""), retry_after=60.0)
    told(classify_http_error(503, {**dated, "date": "today"}, b"", now=math.inf), retry_after=None)
    told(error_from_payload({"error": {"headers": {**dated, "Date": NOON_DATE}}}), retry_after=60.0)
    for form in (
        "Tuesday, 14-Jul-26 12:01:00 GMT",
        "Tue Jul 14 12:01:00 2026",
        "Tue, 14 Jul 2026 12:01:00 -0000",
    ):
        told(classify_http_error(503, {"retry-after": form}, b"", now=NOON), retry_after=60.0)
    told(refused(429, {"resets_at": 5}, dated), resets_at=5.0)


def test_resets_at_is_a_moment_and_a_delay_where_the_time_is_known() -> None:
    """`resets_at` comes in seconds, or milliseconds, since the epoch."""
    for moment in (NOON + 60, str(int(NOON) + 60), (NOON + 60) * 1000):
        body = {"error": {"type": "usage_limit_reached", "resets_at": moment}}
        told(refused(429, body), resets_at=NOON + 60, retry_after=None)
        told(refused(429, body, now=NOON), resets_at=NOON + 60, retry_after=60.0)
    for odd in ("soon", -1, True, None, [], 10**400):
        told(refused(429, {"error": {"resets_at": odd}}, now=NOON), resets_at=None, retry_after=None)


@pytest.mark.parametrize("field", DELAY_FIELDS)
def test_the_error_may_hold_the_delay(field: str) -> None:
    """Fields with a delay are read in the error, around it and in its metadata; 0 is not None."""
    unit = DELAY_FIELDS[field]
    for value, seconds in ((9 * unit, 9.0), (0, 0.0), ("9", 9 / unit), ("x", None), (-1, None)):
        for body in ({"error": {field: value}}, {field: value}, {"error": {"metadata": {field: value}}}):
            told(error_from_payload(body), retry_after=seconds)


@pytest.mark.parametrize("delay", ["x", 14, None, ""])
def test_an_odd_retry_info_is_passed_over(delay: Any) -> None:
    """What Google's RetryInfo does not tell as a duration is not told."""
    told(refused(503, {"error": {"details": [{"retryDelay": delay}]}}), retry_after=None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 6.57s. Visit", 6.57),
        ("Please try again in 28ms.", 0.028),
        ("Please try again in 120ms.", 0.12),
        ("Try again in 1.898s", 1.898),
        ("TRY AGAIN IN 35 SECONDS.", 35.0),
        ("Please try again in 1m20s.", 80.0),
        ("Please try again in 6m0s.", 360.0),
        ("try again in 1h2m3.5s", 3723.5),
        ("try again in 6 minutes", 360.0),
        ("try again in about 1 hour, 5 minutes and 3 seconds", 3903.0),
        ("Please retry in 11.054s", 11.054),
        ("Please retry after 26 seconds.", 26.0),
        ("Retry-After: 5s", 5.0),
        ("please retry 3 secs", 3.0),
        ("try again after 2 days", 172800.0),
        ("try again in 0s", 0.0),
        ("try again in 5", None),
        ("try again in 5 requests", None),
        ("try again later", None),
        (f"try again in {'9' * 400}s", None),
    ],
)
def test_the_delay_may_stand_in_the_message(text: str, seconds: float | None) -> None:
    """Seconds, milliseconds, words and compounds are read, for the kinds where waiting helps alone."""
    for code in ("rate_limit_exceeded", "slow_down", "usage_limit_reached"):
        told(error_from_payload({"code": code, "message": text}), retry_after=seconds)
    told(error_from_payload({"code": "invalid_prompt", "message": text}), retry_after=None)


@pytest.mark.parametrize(
    ("headers", "kind", "seconds", "moment"),
    [
        ({"x-ratelimit-reset-tokens": "50.529s"}, None, 50.529, None),
        ({"x-ratelimit-reset-tokens": "1m2s", "x-ratelimit-reset-requests": "120ms"}, None, 62.0, None),
        ({"x-ratelimit-reset-tokens": "1m2s", "x-ratelimit-reset-requests": "120ms"}, "requests", 0.12, None),
        (
            {
                "x-ratelimit-reset-tokens": "1m2s",
                "x-ratelimit-remaining-tokens": "5",
                "x-ratelimit-reset-requests": "3s",
                "x-ratelimit-remaining-requests": "0",
            },
            "tokens",
            3.0,
            None,
        ),
        ({"x-ratelimit-reset-tokens": "9s", "x-ratelimit-remaining-tokens": "5"}, None, None, None),
        ({"x-ratelimit-reset-tokens": "soon"}, None, None, None),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOON + 9) * 1000)}, None, 9.0, NOON + 9),
        ({}, None, None, None),
    ],
)
def test_the_reset_of_the_exhausted_resource_is_the_last_source(
    headers: dict[str, str], kind: str | None, seconds: float | None, moment: float | None
) -> None:
    """The resource of which nothing remains counts, else the one that the type names, else any untold one."""
    body = {"error": {"code": "rate_limit_exceeded", "type": kind}}
    told(refused(429, body, headers, now=NOON), retry_after=seconds, resets_at=moment)
    nested = {"error": {**body["error"], "metadata": {"headers": {**headers, "date": NOON_DATE}}}}
    told(error_from_payload(nested), retry_after=seconds, resets_at=moment)
    told(refused(400, {"error": "No"}, headers, now=NOON), retry_after=None, resets_at=None)


def test_a_moment_in_the_body_stands_beside_the_reset_of_a_resource() -> None:
    """Where both are told, `resets_at` is the body's."""
    headers = {"x-ratelimit-reset": str(int(NOON + 9))}
    told(refused(429, {"resets_at": 5}, headers), resets_at=5.0, retry_after=None)


# ------------------------------------------------------------------------------------------- the promise


@pytest.mark.parametrize(
    "arguments",
    [
        ("429", {}, b""),
        (None, {}, b""),
        (True, {}, b""),
        (429, 5, b""),
        (429, "retry-after", b""),
        (429, ["x"], b""),
        (429, [("a", "b", "c")], b""),
        (429, {}, 5),
        (429, {}, {1, 2}),
        (429, {}, b"", "now"),
        (429, {}, b"", True),
    ],
)
def test_a_wrong_type_is_the_callers_mistake(arguments: tuple[Any, ...]) -> None:
    """Arguments of the wrong type raise `TypeError`."""
    status, headers, body, *now = arguments
    with pytest.raises(TypeError):
        classify_http_error(status, headers, body, now=now[0] if now else None)


def test_a_wrong_type_is_the_callers_mistake_inside_a_stream_too() -> None:
    """The status is an int and the headers are headers, or both are None."""
    with pytest.raises(TypeError):
        error_from_payload({}, status="400")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        error_from_payload({}, headers=5)  # type: ignore[arg-type]


FIELDS = st.sampled_from(
    [
        *MESSAGE_FIELDS,
        *STATUS_FIELDS,
        *DELAY_FIELDS,
        *[
            "code",
            "type",
            "param",
            "errors",
            "response",
            "metadata",
            "raw",
            "flagged_input",
            "details",
            "innererror",
            "headers",
        ],
        *[
            "resets_at",
            "object",
            "choices",
            "retryDelay",
            "reason",
            "retry-after",
            "date",
            "x-ratelimit-reset",
        ],
    ]
)
WORDS = st.sampled_from(
    [*KIND_BY_WORD, *CONTEXT_WORDINGS, *(text for text, _ in OTHER_WORDINGS), A_MINUTE_LATER, "1m2s", "14s"]
)
TEXTS = (
    WORDS | st.text(st.characters(), max_size=12) | st.sampled_from(["\ud800", "\ud83d\ude00", "9" * 5000])
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([*KIND_BY_STATUS, 10**20, -(10**400), 10**400])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(FIELDS | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=12,
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Retry-After",
            "retry-after-ms",
            "date",
            "x-should-retry",
            "content-encoding",
            "x-error-json",
            "x-ratelimit-reset-tokens",
            "x-ratelimit-remaining-tokens",
            "x-ratelimit-reset",
        ]
    ),
    TEXTS | st.binary(max_size=8) | NUMBERS | st.none(),
    max_size=4,
)
BODIES = JSON.map(json.dumps) | st.binary() | TEXTS


def check_sane(error: ResponseError, again: ResponseError) -> None:
    """The promises about every error: well-formed fields, and the same from the same."""
    assert isinstance(error, ResponseError)
    assert isinstance(error.kind, K)
    assert isinstance(error.retryable, bool)
    for text in (error.message, error.type, error.param):
        assert text is None or (text.strip() and text.encode())
    assert error.code is None or str(error.code).encode()
    for number in (error.retry_after, error.resets_at):
        assert number is None or 0 <= number < math.inf
    assert error.status is None or isinstance(error.status, int)
    assert repr(error)
    assert error.kind is again.kind
    assert error.retry_after == again.retry_after


@given(status=st.integers(-1, 999), headers=HEADERS, body=BODIES, now=st.none() | st.floats())
def test_nothing_but_an_error_comes_of_a_refusal(
    status: int, headers: Any, body: Any, now: float | None
) -> None:
    """Whatever a server sends, `classify_http_error` makes the same sane `ResponseError` of it."""
    pairs = list(headers.items())
    check_sane(
        classify_http_error(status, headers, body, now=now), classify_http_error(status, pairs, body, now=now)
    )


@given(payload=JSON, status=st.none() | st.integers(-1, 999), headers=st.none() | HEADERS)
def test_nothing_but_an_error_comes_of_a_payload(payload: Any, status: int | None, headers: Any) -> None:
    """Whatever a stream holds, `error_from_payload` makes the same sane `ResponseError` of it."""
    error = error_from_payload(payload, status=status, headers=headers)
    check_sane(error, error_from_payload(payload, status=status, headers=headers))
    assert error.raw is payload
    if isinstance(payload, dict):
        assert is_error_payload(payload) in (True, False)


# --------------------------------------------------------------------------------- Anthropic, Bedrock, Google

SUBSCRIPTION = {
    "retry-after": "7999",
    "anthropic-ratelimit-unified-status": "rejected",
    "anthropic-ratelimit-unified-reset": "1772359241",
}
RATE_LIMIT = {
    "type": "error",
    "error": {"type": "rate_limit_error", "message": "This would exceed the limit"},
}


@pytest.mark.parametrize(
    ("headers", "kind", "retry_after", "resets_at"),
    [
        (SUBSCRIPTION, K.USAGE_LIMIT_REACHED, 7999.0, 1772359241.0),
        ({**SUBSCRIPTION, "anthropic-ratelimit-unified-status": "allowed"}, K.RATE_LIMITED, 7999.0, None),
        (
            {
                "anthropic-ratelimit-unified-5h-status": "rejected",
                "anthropic-ratelimit-unified-5h-reset": "1772359241",
                "anthropic-ratelimit-unified-7d-status": "rejected",
                "anthropic-ratelimit-unified-7d-reset": "1772400000",
                "anthropic-ratelimit-unified-7d_oi-status": "allowed",
                "anthropic-ratelimit-unified-7d_oi-reset": "1799999999",
                "date": "Sun, 01 Mar 2026 10:00:00 GMT",
            },
            K.USAGE_LIMIT_REACHED,
            1772400000.0 - 1772359200.0,
            1772400000.0,
        ),
        (
            {
                "retry-after": "41",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-03-01T10:00:41Z",
                "anthropic-ratelimit-requests-remaining": "5",
                "anthropic-ratelimit-requests-reset": "2026-03-01T11:00:00Z",
            },
            K.RATE_LIMITED,
            41.0,
            1772359241.0,
        ),
    ],
)
def test_a_subscription_is_told_from_a_throttle(
    headers: dict[str, str], kind: K, retry_after: float | None, resets_at: float | None
) -> None:
    """The unified headers say whether a window of the subscription is used up; their reset is the moment."""
    error = classify_http_error(429, headers, RATE_LIMIT)
    assert (error.kind, error.retry_after, error.resets_at) == (kind, retry_after, resets_at)
    assert error.type == "rate_limit_error"


def test_anthropics_details_name_the_cause() -> None:
    """The stable code in `details` is the code; the type still says what it means."""
    told = {"type": "invalid_request_error", "message": "-", "details": {"error_code": "tool_name_conflict"}}
    error = classify_http_error(400, {}, {"type": "error", "error": told})
    assert (error.code, error.kind) == ("tool_name_conflict", K.INVALID_REQUEST)
    for odd in (None, {}, {"error_code": None}, {"error_code": " "}, ["x"]):
        assert classify_http_error(400, {}, {"error": {**told, "details": odd}}).code is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ThrottlingException:http://internal.amazon.com/coral/", K.RATE_LIMITED),
        ("ValidationException", K.INVALID_REQUEST),
        ("AccessDeniedException", K.PERMISSION),
        ("ServiceQuotaExceededException", K.QUOTA_EXCEEDED),
        ("ModelNotReadyException", K.OVERLOADED),
        ("ResourceNotFoundException", K.NOT_FOUND),
        ("ExpiredTokenException", K.AUTHENTICATION),
    ],
)
def test_bedrock_names_its_errors_in_a_header(name: str, kind: K) -> None:
    """The type of an AWS error stands in a header."""
    assert classify_http_error(400, {"x-amzn-ErrorType": name}, b'{"message": "-"}').kind is kind


def google(details: Any, message: str = "You exceeded your current quota.", code: int | None = 429) -> Any:
    """Google's error that a resource is exhausted."""
    return {"error": {"code": code, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}}


@pytest.mark.parametrize(
    ("details", "kind"),
    [
        ([{"violations": [{"quotaId": "GenerateRequestsPerMinutePerProject"}]}], K.RATE_LIMITED),
        ([{"violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}], K.QUOTA_EXCEEDED),
        (
            [{"reason": "RATE_LIMIT_EXCEEDED", "metadata": {"quota_limit": "RequestsPerDay"}}],
            K.QUOTA_EXCEEDED,
        ),
        ([{"reason": "RATE_LIMIT_EXCEEDED"}], K.RATE_LIMITED),
        ([{"reason": "QUOTA_EXHAUSTED"}], K.QUOTA_EXCEEDED),
        ([{"reason": "MODEL_CAPACITY_EXHAUSTED"}], K.OVERLOADED),
        ([{"reason": "SERVICE_DISABLED"}], K.PERMISSION),
        ([{"violations": 5, "metadata": [5]}, 5], K.QUOTA_EXCEEDED),
    ],
)
def test_the_window_decides_what_google_means(details: Any, kind: K) -> None:
    """A quota of a day is spent, one of a minute is a throttle, whatever the message says."""
    for body in (google(details), [google(details)], {"message": json.dumps(google(details))}):
        assert classify_http_error(429, {}, body).kind is kind
        assert classify_http_error(429, {}, json.dumps(body).encode()).kind is kind


@pytest.mark.parametrize(
    ("metadata", "message", "retry_after", "resets_at"),
    [
        ({"quotaResetDelay": "373.801628ms"}, "reset after 0s", 0.373801628, None),
        ({"quotaResetDelay": "1h2m3.5s"}, "-", 3723.5, None),
        ({"quotaResetTimeStamp": "2026-03-01T10:00:41Z"}, "-", None, 1772359241.0),
        ({"quotaResetDelay": 5}, "Your quota will reset after 12s.", 12.0, None),
    ],
)
def test_google_tells_when_the_quota_is_whole_again(
    metadata: Any, message: str, retry_after: float | None, resets_at: float | None
) -> None:
    """Code Assist tells the delay, or the moment, in its ErrorInfo; else the message does."""
    error = classify_http_error(
        429, {}, google([{"reason": "RATE_LIMIT_EXCEEDED", "metadata": metadata}], message)
    )
    assert (error.kind, error.retry_after, error.resets_at) == (K.RATE_LIMITED, retry_after, resets_at)


def test_commas_too_many_are_passed_over() -> None:
    """Code Assist relays errors with commas too many."""
    error = classify_http_error(
        503, {}, b'{"error": {"code": 503,\n ,"message": "busy", , "status": "UNAVAILABLE"}}'
    )
    assert (error.message, error.kind) == ("busy", K.OVERLOADED)
