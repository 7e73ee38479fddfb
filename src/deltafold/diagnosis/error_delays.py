"""When to ask again: what headers, fields and the message of an error say of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC

from deltafold.diagnosis.error_evidence import ErrorEvidence
from deltafold.diagnosis.google_details import google_delay, google_reset
from deltafold.diagnosis.rate_limits import (
    DURATION_PATTERN,
    decimal_of,
    duration_of,
    moment_of,
    rate_limits_from_headers,
    unified_reset,
)
from deltafold.model.errors import ErrorKind

__all__ = ["DELAY_FIELDS", "DELAY_IN_TEXT", "delay_of"]

K = ErrorKind

# A delay in the text, or the reset of a resource, concerns these kinds alone.
DELAYED_KINDS = frozenset({K.RATE_LIMITED, K.OVERLOADED, K.USAGE_LIMIT_REACHED})
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
    resets_at = next((moment for moment in moments if moment is not None), google_reset(report.layers))
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
    seconds = google_delay(report.layers)
    if seconds is not None or kind not in DELAYED_KINDS:
        return seconds, resets_at

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
