"""Rate limits, as servers tell them in headers and in stream events, read into one snapshot.

Five families of headers are known:

- `x-ratelimit-{limit,remaining,reset}-{requests,tokens,...}`: OpenAI, Azure, Groq and others
  (https://platform.openai.com/docs/guides/rate-limits, "Rate limits in headers");
- `x-ratelimit-{limit,remaining,reset}` without a resource: OpenRouter, for requests;
- `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`, the reset as an
  RFC 3339 time (https://platform.claude.com/docs/en/api/rate-limits, "Response headers"), and
  `anthropic-priority-{input-tokens,output-tokens}-...` of the priority tier;
- `anthropic-ratelimit-unified-...`: the windows of a Claude subscription: `5h` and `7d`, and further ones of
  seven days for one model or beyond the plan;
- `x-codex-{primary,secondary}-...`, `x-codex-credits-...` and, for each further limit,
  `x-<limit>-{primary,secondary}-...`: the ChatGPT backend (openai/codex, codex-api/src/rate_limits.rs),
  which tells the same again as a `codex.rate_limits` event.

Nothing here raises for what a header or a field holds: an odd value is None, and stays in `raw`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from deltafold.model.frozen import evolve
from deltafold.model.rate_limits import Credits, MeteredLimit, RateLimit, RateLimits, RateWindow

__all__ = [
    "Credits",
    "MeteredLimit",
    "RateLimit",
    "RateLimits",
    "RateWindow",
    "rate_limits_from_event",
    "rate_limits_from_headers",
    "timestamp_of",
    "unified_reset",
    "window_is_used_up",
]

Headers: TypeAlias = Mapping[Any, Any] | Iterable[tuple[Any, Any]]
"""What HTTP libraries call headers: a mapping or pairs, names and values str or bytes, names in any case."""


# -------------------------------------------------------------------------------------------- readers

# 64-bit counters have 20 digits; Azure AI Foundry tells 9223372036854767616 tokens remaining.
INTEGER = re.compile(r"[0-9]{1,20}", re.ASCII)
DECIMAL = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+", re.ASCII)
# Beyond this an integer is no measure of anything, and str() or float() may refuse it.
LARGEST_NUMBER = 10**20
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}

UNIT_SECONDS = {
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3_600.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
}
# Whole divisors keep "28ms" the nearest double to 0.028.
UNIT_DIVISORS = {
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 1e3),
    **dict.fromkeys(("us", "µs", "μs"), 1e6),
    "ns": 1e9,
}
UNITS = "|".join(sorted([*UNIT_SECONDS, *UNIT_DIVISORS], key=len, reverse=True))
# "1m20s", "6m0s", "50.529s", "120ms", "1 hour, 5 minutes and 3 seconds"
DURATION_PART = rf"(?:[0-9]+(?:\.[0-9]+)?)\s?(?:{UNITS})(?![a-z])"
DURATION_PATTERN = rf"{DURATION_PART}(?:(?:\s?,)?(?:\s?and)?\s?{DURATION_PART})*"
DURATION = re.compile(DURATION_PATTERN, re.IGNORECASE)
DURATION_PARTS = re.compile(rf"([0-9]+(?:\.[0-9]+)?)\s?({UNITS})(?![a-z])", re.IGNORECASE)

# A reset of a billion seconds is a moment of this century; one a hundred times that is in milliseconds
# (OpenRouter's x-ratelimit-reset: 1759845420000).
FIRST_EPOCH_SECOND = 1e9
FIRST_EPOCH_MILLISECOND = 1e11


def is_number(value: Any) -> bool:
    """Whether this is a number that can be a measure of something."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGEST_NUMBER


def text_of(value: Any) -> str | None:
    """A header's name or value as text: latin-1 as HTTP has it, numbers as written, of a list the first."""
    if isinstance(value, (list, tuple)) and value:
        value = value[0]
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("latin-1").strip()
    return str(value) if is_number(value) else None


def lowered(headers: Headers | None) -> dict[str, str]:
    """Headers by their name in lower case; of repeated ones the first.

    Raises `TypeError` where `headers` is neither a mapping nor pairs.
    """
    if headers is None:
        return {}
    # email.message.Message (http.client's headers) has items(), yet is no Mapping.
    items = getattr(headers, "items", None)
    pairs: Iterable[Any] = headers if items is None else items()
    found: dict[str, str] = {}
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"headers must be a mapping or pairs, not hold {type(pair).__name__}")
        name, value = text_of(pair[0]), text_of(pair[1])
        if name is not None and value is not None:
            found.setdefault(name.lower(), value)
    return found


def decimal_of(value: Any) -> float | None:
    """A number that is not negative: as it is, or as ASCII digits with one point at most."""
    if isinstance(value, str):
        # float() makes an infinity of more digits than a double holds.
        number = float(value) if DECIMAL.fullmatch(value) else math.nan
    elif is_number(value):
        number = float(value)
    else:
        return None
    return number if 0 <= number < math.inf else None


def integer_of(value: Any) -> int | None:
    """A count: a whole number that is not negative, as it is or as ASCII digits."""
    if isinstance(value, str):
        return int(value) if INTEGER.fullmatch(value) else None
    number = decimal_of(value)
    return int(value) if number is not None and number.is_integer() else None


def boolean_of(value: Any) -> bool | None:
    """A truth value, or its name or digit in a header."""
    if isinstance(value, str):
        return BOOLEANS.get(value.lower())
    return value if isinstance(value, bool) else None


def duration_of(text: str) -> float | None:
    """The seconds of "1m20s", "50.529s", "120ms" or "6 minutes", where the text is nothing else."""
    if DURATION.fullmatch(text) is None:
        return None
    seconds = 0.0
    for number, unit in DURATION_PARTS.findall(text):
        name = unit.lower()
        scale = UNIT_SECONDS.get(name)
        seconds += float(number) * scale if scale else float(number) / UNIT_DIVISORS[name]
    return seconds if seconds < math.inf else None


def moment_of(value: Any) -> float | None:
    """Seconds since the epoch, of a number in seconds or milliseconds."""
    number = decimal_of(value)
    return number / 1000 if number is not None and number >= FIRST_EPOCH_MILLISECOND else number


TIMESTAMP = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:?\d{2})?", re.ASCII
)


def timestamp_of(value: Any) -> float | None:
    """Seconds since the epoch of an RFC 3339 time; one without a zone is in UTC."""
    if not isinstance(value, str) or TIMESTAMP.fullmatch(value) is None:
        return None
    try:
        moment = datetime.fromisoformat(value.upper())
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds >= 0 else None


def word_of(value: Any) -> str | None:
    """A text that is not blank."""
    return value.strip() or None if isinstance(value, str) else None


# -------------------------------------------------------------------------------------------- headers

RATE_LIMIT_HEADER = re.compile(r"x-ratelimit-(limit|remaining|reset)(?:-([a-z0-9_-]+))?", re.ASCII)
ANTHROPIC_HEADER = re.compile(
    r"anthropic-(?:ratelimit|(priority))-((?!unified-)[a-z0-9_-]+?)-(limit|remaining|reset)", re.ASCII
)
UNIFIED = "anthropic-ratelimit-unified-"
UNIFIED_WINDOW = re.compile(UNIFIED + r"((\d+)([hd])(?:_[a-z0-9_]+)?)-(status|reset|utilization)", re.ASCII)
MINUTES = {"h": 60, "d": 1440}
# The lazy name leaves "x-codex-secondary-primary-used-percent" to the limit "codex-secondary".
WINDOW_HEADER = re.compile(
    r"x-([a-z0-9_-]+?)-(primary|secondary)-(used-percent|window-minutes|reset-at|reset-after-seconds)",
    re.ASCII,
)
PLAN_HEADER = re.compile(r"x-codex-(?:credits-(?:has-credits|unlimited|balance)|plan-type|active-limit)")
DEFAULT_LIMIT = "codex"


def limit_id_of(name: str) -> str:
    """The id of a metered limit as the server writes it in JSON."""
    return name.strip().lower().replace("-", "_")


def resource_of(sent: Mapping[str, str]) -> RateLimit:
    """One resource of the `x-ratelimit` family, of its `limit`, `remaining` and `reset`."""
    reset = sent.get("reset", "")
    number = decimal_of(reset)
    is_moment = number is not None and number >= FIRST_EPOCH_SECOND
    seconds = number if number is not None else duration_of(reset)
    moment = moment_of(number) if is_moment else timestamp_of(reset)
    return RateLimit(
        limit=integer_of(sent.get("limit")),
        remaining=integer_of(sent.get("remaining")),
        reset_after=None if is_moment else seconds,
        resets_at=moment,
    )


def window_of(sent: Mapping[str, Any] | None) -> RateWindow | None:
    """One window, of its fields in a header or in an event; both use the same names but for the dashes."""
    if sent is None:
        return None
    return RateWindow(
        used_percent=decimal_of(sent.get("used_percent")),
        window_minutes=integer_of(sent.get("window_minutes")),
        reset_after=decimal_of(sent.get("reset_after_seconds")),
        resets_at=moment_of(sent.get("reset_at")),
    )


def unified_windows(headers: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The windows of a Claude subscription by name (`5h`, `7d_oi`), each with what is known of it."""
    windows: dict[str, dict[str, str]] = {}
    for name, value in headers.items():
        if match := UNIFIED_WINDOW.fullmatch(name):
            windows.setdefault(match[1], {})[match[4]] = value
    return windows


def unified_window_of(name: str, sent: Mapping[str, str] | None) -> RateWindow | None:
    """One window of a Claude subscription. What is used is sent as a share of one."""
    if sent is None:
        return None
    match = UNIFIED_WINDOW.fullmatch(f"{UNIFIED}{name}-status")
    minutes = int(match[2]) * MINUTES[match[3]] if match and len(match[2]) < 5 else None
    used = decimal_of(sent.get("utilization"))
    return RateWindow(
        used_percent=None if used is None else used * 100,
        window_minutes=minutes,
        resets_at=moment_of(sent.get("reset")),
    )


def window_is_used_up(headers: Mapping[str, str]) -> bool:
    """Whether a Claude subscription has no allowance left; names of headers are in lower case."""
    sent = [headers.get(UNIFIED + "status")]
    if sent[0] is None:
        sent = [window.get("status") for window in unified_windows(headers).values()]
    return any(status is not None and status.lower() == "rejected" for status in sent)


def unified_reset(headers: Mapping[str, str]) -> float | None:
    """When a Claude subscription that is used up may be used again: of several windows the latest."""
    if headers.get(UNIFIED + "status", "rejected").lower() != "rejected":
        return None
    moments = [moment_of(headers.get(UNIFIED + "reset"))]
    if moments[0] is None:
        sent = unified_windows(headers).values()
        rejected = [window for window in sent if window.get("status", "").lower() == "rejected"]
        moments = [moment_of(window.get("reset")) for window in rejected]
    return max((moment for moment in moments if moment is not None), default=None)


def unified_limits(headers: Mapping[str, str]) -> RateLimits | None:
    """The limits of a Claude subscription, or None where nothing speaks of them."""
    read = {name: value for name, value in headers.items() if name.startswith(UNIFIED)}
    if not read:
        return None
    windows = unified_windows(read)
    status = read.get(UNIFIED + "status", "").lower()
    further = [name for name in windows if name not in ("5h", "7d")]
    overage = read.get(UNIFIED + "overage-status", "").lower()
    return RateLimits(
        limit_id="unified",
        limit_name=word_of(read.get(UNIFIED + "representative-claim")),
        primary=unified_window_of("5h", windows.get("5h")),
        secondary=unified_window_of("7d", windows.get("7d")),
        further_limits=tuple(
            [MeteredLimit(name, None, unified_window_of(name, windows[name])) for name in further]
        ),
        credits=Credits(has_credits=overage.startswith("allowed")) if overage else None,
        allowed=status != "rejected" or overage.startswith("allowed") if status else None,
        limit_reached=status == "rejected" if status else None,
        raw=read,
    )


def credits_of(sent: Mapping[str, Any]) -> Credits | None:
    """Credits, where anything speaks of them."""
    found = Credits(
        has_credits=boolean_of(sent.get("has_credits")),
        unlimited=boolean_of(sent.get("unlimited")),
        balance=word_of(text_of(sent.get("balance"))),
    )
    return None if found == Credits() else found


def rate_limits_from_headers(headers: Headers) -> RateLimits | None:
    """The rate limits that a response's headers tell, or None where they tell none.

    `headers` is any mapping or iterable of pairs; names in any case, names and values `str` or `bytes`.
    Raises `TypeError` where it is neither, and nothing for what it holds.
    """
    read: dict[str, str] = {}
    resources: dict[str, dict[str, str]] = {}
    windows: dict[str, dict[str, dict[str, str]]] = {}
    by_name = lowered(headers)
    for name, value in by_name.items():
        if match := RATE_LIMIT_HEADER.fullmatch(name):
            resources.setdefault(match[2] or "", {})[match[1]] = value
        elif match := ANTHROPIC_HEADER.fullmatch(name):
            resource = f"priority-{match[2]}" if match[1] else match[2]
            resources.setdefault(resource, {})[match[3]] = value
        elif match := WINDOW_HEADER.fullmatch(name):
            family = windows.setdefault(match[1], {})
            family.setdefault(match[2], {})[match[3].replace("-", "_")] = value
        elif PLAN_HEADER.fullmatch(name) is None:
            continue
        read[name] = value
    unified = unified_limits(by_name)
    if not read:
        return unified

    names = {family: f"x-{family}-limit-name" for family in windows}
    read.update({name: by_name[name] for name in names.values() if name in by_name})
    metered = {
        limit_id_of(family): MeteredLimit(
            limit_id=limit_id_of(family),
            limit_name=word_of(by_name.get(names[family])),
            primary=window_of(slots.get("primary")),
            secondary=window_of(slots.get("secondary")),
        )
        for family, slots in windows.items()
    }
    active = limit_id_of(by_name.get("x-codex-active-limit", ""))
    plan = metered.pop(active, None) or metered.pop(DEFAULT_LIMIT, None)
    bare = resources.pop("", None)
    found = {name: resource_of(sent) for name, sent in resources.items()}
    limits = RateLimits(
        requests=found.pop("requests", None) or (resource_of(bare) if bare else None),
        tokens=found.pop("tokens", None),
        others=found,
        limit_id=plan.limit_id if plan else None,
        limit_name=plan.limit_name if plan else None,
        primary=plan.primary if plan else None,
        secondary=plan.secondary if plan else None,
        further_limits=tuple(metered.values()),
        credits=credits_of(
            {
                "has_credits": by_name.get("x-codex-credits-has-credits"),
                "unlimited": by_name.get("x-codex-credits-unlimited"),
                "balance": by_name.get("x-codex-credits-balance"),
            }
        ),
        plan_type=word_of(by_name.get("x-codex-plan-type")),
        raw=read,
    )
    if unified is None:
        return limits
    return evolve(
        unified,
        requests=limits.requests,
        tokens=limits.tokens,
        others=limits.others,
        raw={**read, **unified.raw},
    )


# --------------------------------------------------------------------------------------------- events

RATE_LIMIT_EVENT = "codex.rate_limits"


def mapping_of(value: Any) -> Mapping[str, Any] | None:
    """A JSON object, or None for anything else."""
    return value if isinstance(value, Mapping) else None


def rate_limits_from_event(payload: Mapping[str, Any]) -> RateLimits | None:
    """The rate limits that a `codex.rate_limits` event tells, or None where `payload` is no such event.

    A payload that lost its `type` is one by its `rate_limits` object. The event is information only: also
    with `limit_reached` the response goes on. Raises nothing for what `payload` holds.
    """
    limits = mapping_of(payload.get("rate_limits"))
    kind = payload.get("type")
    if kind != RATE_LIMIT_EVENT and not (kind is None and limits is not None):
        return None
    limits = limits or {}
    limit_name = word_of(payload.get("limit_name"))
    limit_id = word_of(payload.get("metered_limit_name")) or limit_name or DEFAULT_LIMIT
    return RateLimits(
        limit_id=limit_id_of(limit_id),
        limit_name=limit_name,
        primary=window_of(mapping_of(limits.get("primary"))),
        secondary=window_of(mapping_of(limits.get("secondary"))),
        credits=credits_of(mapping_of(payload.get("credits")) or {}),
        plan_type=word_of(payload.get("plan_type")),
        allowed=boolean_of(limits.get("allowed")),
        limit_reached=boolean_of(limits.get("limit_reached")),
        raw=payload,
    )
