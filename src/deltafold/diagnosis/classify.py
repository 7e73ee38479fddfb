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

The words are in `error_words` and `error_wordings`, the layers in `error_fields`, what Google tells beside
them in `google_details`; `error_delays` reads when to ask again. Here the verdict is reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deltafold.diagnosis.error_bodies import read_body
from deltafold.diagnosis.error_delays import delay_of
from deltafold.diagnosis.error_evidence import ErrorEvidence, gather_evidence
from deltafold.diagnosis.error_fields import validation_messages
from deltafold.diagnosis.error_wordings import STRONG_WORDINGS, WEAK_WORDINGS, read_from
from deltafold.diagnosis.error_words import (
    KIND_BY_PREFIX,
    KIND_BY_VAGUE_PREFIX,
    KIND_BY_VAGUE_WORD,
    KIND_BY_WORD,
    looked_up,
)
from deltafold.diagnosis.google_details import DAILY, SHORT, google_delay, google_quotas
from deltafold.diagnosis.rate_limits import Headers, decimal_of, lowered, window_is_used_up
from deltafold.model.errors import ErrorKind, ResponseError

__all__ = [
    "KIND_BY_STATUS",
    "classify_http_error",
    "error_from_payload",
]

K = ErrorKind

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
    if google_delay(report.layers) is not None and "resource_exhausted" in words:
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
