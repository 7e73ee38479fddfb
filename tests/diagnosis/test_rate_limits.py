"""Rate limits from headers and events: what is told is read, what is odd is None."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold.diagnosis.rate_limits import (
    Credits,
    MeteredLimit,
    RateLimit,
    RateLimits,
    RateWindow,
    rate_limits_from_event,
    rate_limits_from_headers,
    timestamp_of,
)


def read(headers: Any) -> RateLimits:
    """The rate limits of headers that tell some."""
    limits = rate_limits_from_headers(headers)
    assert limits is not None
    return limits


OPENAI = {
    "Content-Type": "application/json",
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-limit-tokens": "4000000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-reset-tokens": "6m0s",
}


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_requests_and_tokens_are_read(case: Any) -> None:
    """OpenAI's six headers are read as a mapping or pairs, of str or bytes, in any case of letters."""
    headers = {case(name): value for name, value in OPENAI.items()}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    for form in (headers, list(headers.items()), pairs, [list(pair) for pair in pairs], dict(pairs)):
        limits = read(form)
        assert limits.requests == RateLimit(limit=5000, remaining=4999, reset_after=0.012)
        assert limits.tokens == RateLimit(limit=4_000_000, remaining=0, reset_after=360.0)
        assert limits.raw == {name: value for name, value in OPENAI.items() if name.startswith("x-")}
        assert limits == RateLimits(requests=limits.requests, tokens=limits.tokens, raw=limits.raw)


@pytest.mark.parametrize(
    ("reset", "after", "at"),
    [
        ("50.529s", 50.529, None),
        ("1m2s", 62.0, None),
        ("120ms", 0.12, None),
        ("25m54.826s", 1554.826, None),
        ("17.116999999s", 17.116999999, None),
        ("1h0m0s", 3600.0, None),
        ("500us", 0.0005, None),
        ("20ns", 2e-8, None),
        ("0s", 0.0, None),
        ("0", 0.0, None),
        ("24483.60509300232", 24483.60509300232, None),
        ("1769759907", None, 1769759907.0),
        ("1759845420000", None, 1759845420.0),
        ("", None, None),
        ("REDACTED", None, None),
        ("-1", None, None),
        ("5x", None, None),
        ("s", None, None),
        ("1e3", None, None),
        ("٣s", None, None),
        ("9" * 400, None, None),
        ("9" * 400 + "s", None, None),
    ],
)
def test_resets_are_durations_seconds_or_moments(reset: str, after: float | None, at: float | None) -> None:
    """Go's durations, plain seconds, and epochs in seconds or milliseconds are told apart."""
    limits = read({"x-ratelimit-reset-tokens": reset})
    assert limits.tokens == RateLimit(reset_after=after, resets_at=at)


@pytest.mark.parametrize(
    ("count", "number"),
    [
        ("0", 0),
        ("20", 20),
        ("9223372036854767616", 9223372036854767616),
        (7, 7),
        (["3"], 3),
        ("-1", None),
        ("REDACTED", None),
        ("1.5", None),
        ("1_000", None),
        ("٣", None),
        ("9" * 5000, None),
        ("", None),
    ],
)
def test_counts_are_whole_and_not_negative(count: Any, number: int | None) -> None:
    """0 is used up, and what is no count is None."""
    limits = read({"x-ratelimit-remaining-tokens": count})
    assert limits.tokens == RateLimit(remaining=number)


@pytest.mark.parametrize("value", [None, True, [], {}, 10**400, float("nan"), object()])
def test_a_header_without_a_text_is_not_told(value: Any) -> None:
    """Values that no header can have are passed over."""
    assert rate_limits_from_headers({"x-ratelimit-limit-tokens": value, 5: "x", None: "y"}) is None


def test_further_resources_keep_their_names() -> None:
    """Resources beside requests and tokens come by name; a bare family counts requests."""
    limits = read({"x-ratelimit-limit-input-images": "50000", "x-ratelimit-remaining-requests-day": "9"})
    assert limits.others == {"input-images": RateLimit(limit=50000), "requests-day": RateLimit(remaining=9)}
    bare = {"X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1759845420000"}
    assert read(bare).requests == RateLimit(limit=20, remaining=0, resets_at=1759845420.0)
    assert read({**bare, "x-ratelimit-limit-requests": "30"}).requests == RateLimit(limit=30)


CODEX = {
    "X-Codex-Primary-Used-Percent": "12.5",
    "X-Codex-Primary-Window-Minutes": "300",
    "X-Codex-Primary-Reset-At": "1788879438",
    "X-Codex-Primary-Reset-After-Seconds": "9569",
    "X-Codex-Secondary-Used-Percent": "0",
    "X-Codex-Secondary-Window-Minutes": "10080",
    "X-Codex-Credits-Has-Credits": "True",
    "X-Codex-Credits-Unlimited": "0",
    "X-Codex-Credits-Balance": "$5.00",
    "X-Codex-Plan-Type": "plus",
    "X-Codex-Limit-Name": "Codex",
    "X-Codex-Turn-State": "sticky",
}
PRIMARY = RateWindow(used_percent=12.5, window_minutes=300, reset_after=9569.0, resets_at=1788879438.0)


def test_the_plans_windows_and_credits_are_read() -> None:
    """The ChatGPT backend's headers give both windows, credits, plan and name; 0 percent is not None."""
    limits = read(CODEX)
    assert limits == RateLimits(
        limit_id="codex",
        limit_name="Codex",
        primary=PRIMARY,
        secondary=RateWindow(used_percent=0.0, window_minutes=10080),
        credits=Credits(has_credits=True, unlimited=False, balance="$5.00"),
        plan_type="plus",
        raw={name.lower(): value for name, value in CODEX.items() if "Turn-State" not in name},
    )


FURTHER = {
    "x-codex-secondary-primary-used-percent": "80",
    "x-codex-bengalfox-primary-used-percent": "99",
    "x-codex-bengalfox-limit-name": "gpt-5.2-codex-sonic",
}


def test_further_limits_come_beside_the_plans() -> None:
    """Each `x-<limit>-` family is a limit of its own, also one whose name ends in `secondary`."""
    secondary = MeteredLimit("codex_secondary", primary=RateWindow(used_percent=80.0))
    bengalfox = MeteredLimit(
        "codex_bengalfox", limit_name="gpt-5.2-codex-sonic", primary=RateWindow(used_percent=99.0)
    )
    limits = read({**CODEX, **FURTHER})
    assert (limits.limit_id, limits.primary) == ("codex", PRIMARY)
    assert limits.further_limits == (secondary, bengalfox)
    assert "x-codex-bengalfox-limit-name" in limits.raw
    active = read({**CODEX, **FURTHER, "x-codex-active-limit": "codex-bengalfox"})
    assert (active.limit_id, active.limit_name) == ("codex_bengalfox", "gpt-5.2-codex-sonic")
    assert [limit.limit_id for limit in active.further_limits] == ["codex", "codex_secondary"]
    alone = read(FURTHER)
    assert (alone.limit_id, alone.primary, alone.further_limits) == (None, None, (secondary, bengalfox))


def test_an_odd_field_loses_itself_alone() -> None:
    """The window stays with what is sound, and credits of which nothing is sound are not told."""
    odd = {
        **CODEX,
        "X-Codex-Primary-Used-Percent": "full",
        "X-Codex-Primary-Reset-At": "-5",
        "X-Codex-Credits-Has-Credits": "maybe",
        "X-Codex-Credits-Unlimited": "",
        "X-Codex-Credits-Balance": " ",
        "X-Codex-Plan-Type": "",
    }
    limits = read(odd)
    assert limits.primary == RateWindow(window_minutes=300, reset_after=9569.0)
    assert (limits.credits, limits.plan_type) == (None, None)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        [],
        {"content-type": "text/plain"},
        {"x-codex-turn-state": "x"},
        {"x-ratelimitbysize-limit-minute": "5"},
    ],
)
def test_headers_without_rate_limits_give_none(headers: Any) -> None:
    """Where nothing is told there is no snapshot."""
    assert rate_limits_from_headers(headers) is None


@pytest.mark.parametrize("headers", [5, "x-ratelimit-limit", ["ab"], [("a", "b", "c")], b"ab"])
def test_what_are_no_headers_is_the_callers_mistake(headers: Any) -> None:
    """Neither a mapping nor pairs: `TypeError`."""
    with pytest.raises(TypeError):
        rate_limits_from_headers(headers)


EVENT: dict[str, Any] = {
    "type": "codex.rate_limits",
    "plan_type": "plus",
    "rate_limits": {
        "allowed": False,
        "limit_reached": True,
        "primary": {
            "used_percent": 100,
            "window_minutes": 300,
            "reset_after_seconds": 16394,
            "reset_at": 1788897775,
        },
        "secondary": None,
    },
    "credits": {"has_credits": True, "unlimited": False, "balance": None},
}


def test_the_event_is_read() -> None:
    """A `codex.rate_limits` event tells the same as the headers, and whether the limit is reached."""
    expected = RateLimits(
        limit_id="codex",
        primary=RateWindow(
            used_percent=100.0, window_minutes=300, reset_after=16394.0, resets_at=1788897775.0
        ),
        credits=Credits(has_credits=True, unlimited=False),
        plan_type="plus",
        allowed=False,
        limit_reached=True,
        raw=EVENT,
    )
    assert rate_limits_from_event(EVENT) == expected
    untyped = {key: value for key, value in EVENT.items() if key != "type"}
    assert rate_limits_from_event(untyped) == attrs.evolve(expected, raw=untyped)


@pytest.mark.parametrize(
    ("fields", "limit_id", "limit_name"),
    [
        ({}, "codex", None),
        ({"metered_limit_name": "codex-bengalfox", "limit_name": "Sonic"}, "codex_bengalfox", "Sonic"),
        ({"limit_name": "Codex-Other"}, "codex_other", "Codex-Other"),
        ({"metered_limit_name": " ", "limit_name": 5}, "codex", None),
    ],
)
def test_the_event_names_its_limit(fields: dict[str, Any], limit_id: str, limit_name: str | None) -> None:
    """The metered name is the id; without one the name to show is."""
    limits = rate_limits_from_event({**EVENT, **fields})
    assert limits is not None
    assert (limits.limit_id, limits.limit_name) == (limit_id, limit_name)


@pytest.mark.parametrize("odd", [None, [], "x", 5, {"primary": 5, "secondary": [], "allowed": 1}])
def test_an_odd_event_is_still_one(odd: Any) -> None:
    """Fields of the wrong type are not told."""
    event = {"type": "codex.rate_limits", "rate_limits": odd, "credits": odd, "plan_type": 5}
    assert rate_limits_from_event(event) == RateLimits(limit_id="codex", raw=event)


def test_numbers_in_an_event_may_be_odd() -> None:
    """Numbers that are negative, not finite, too large or truth values are None; digits as text are read."""
    for odd in (-1, float("nan"), float("inf"), 10**400, True, "x", [], None):
        window = {"used_percent": odd, "window_minutes": odd, "reset_at": odd}
        limits = rate_limits_from_event(
            {**EVENT, "rate_limits": {"primary": window}, "credits": {"balance": 5}}
        )
        assert limits is not None
        assert limits.primary == RateWindow()
        assert limits.credits == Credits(balance="5")
    told = {"used_percent": "12.5", "window_minutes": 300.0, "reset_at": "1788897775"}
    limits = rate_limits_from_event({**EVENT, "rate_limits": {"primary": told}})
    assert limits is not None
    assert limits.primary == RateWindow(used_percent=12.5, window_minutes=300, resets_at=1788897775.0)


@pytest.mark.parametrize(
    "payload", [{}, {"type": "ping"}, {"type": "x", "rate_limits": {}}, {"rate_limits": []}]
)
def test_another_event_gives_none(payload: dict[str, Any]) -> None:
    """Only events of that type, or untyped ones with that object, are read."""
    assert rate_limits_from_event(payload) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["primary", "secondary", "used_percent", "window_minutes", "reset_at", "balance", "unlimited"]
            ),
            inner,
        )
    ),
    max_leaves=8,
)
NAMES = st.builds(
    "{}-{}".format,
    st.sampled_from(["x-ratelimit", "X-Codex", "x-codex-other", "x"]),
    st.sampled_from(
        [
            "limit",
            "remaining-tokens",
            "reset",
            "reset-tokens",
            "primary-used-percent",
            "secondary-reset-at",
            "credits-balance",
            "active-limit",
            "limit-name",
        ]
    ),
)


@given(headers=st.dictionaries(NAMES | NAMES.map(str.encode), JSON | st.binary(max_size=9), max_size=6))
def test_no_header_is_too_odd(headers: dict[Any, Any]) -> None:
    """Whatever the headers hold, there is a snapshot or None, and the same as from pairs."""
    limits = rate_limits_from_headers(headers)
    assert limits is None or isinstance(limits, RateLimits)
    assert limits == rate_limits_from_headers(list(headers.items()))
    assert limits is None or json.dumps(attrs.asdict(limits), allow_nan=False)


@given(limits=JSON, credits_=JSON, plan=JSON)
def test_no_event_is_too_odd(limits: Any, credits_: Any, plan: Any) -> None:
    """Whatever the event holds, there is a snapshot of sound numbers."""
    event = {"type": "codex.rate_limits", "rate_limits": limits, "credits": credits_, "plan_type": plan}
    found = rate_limits_from_event(event)
    assert found is not None
    assert found.raw is event
    assert json.dumps(attrs.asdict(attrs.evolve(found, raw={})), allow_nan=False)


# ----------------------------------------------------------------------------------------------- Anthropic

ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2026-03-01T10:00:41Z",
    "anthropic-ratelimit-tokens-limit": "90000",
    "anthropic-ratelimit-tokens-remaining": "0",
    "anthropic-ratelimit-tokens-reset": "2026-03-01T10:00:41.5+00:00",
    "anthropic-ratelimit-input-tokens-remaining": "7",
    "anthropic-priority-input-tokens-limit": "10000",
}
MOMENT = 1772359241.0
UNIFIED = {
    "anthropic-ratelimit-unified-status": "rejected",
    "anthropic-ratelimit-unified-reset": "1772359241",
    "anthropic-ratelimit-unified-representative-claim": "five_hour",
    "anthropic-ratelimit-unified-5h-status": "rejected",
    "anthropic-ratelimit-unified-5h-reset": "1772359241",
    "anthropic-ratelimit-unified-5h-utilization": "1.25",
    "anthropic-ratelimit-unified-7d-utilization": "0.5",
    "anthropic-ratelimit-unified-7d_oi-status": "allowed",
    "anthropic-ratelimit-unified-99999999h-status": "allowed",
    "anthropic-ratelimit-unified-overage-status": "allowed",
}


def test_anthropics_resources_are_read() -> None:
    """Anthropic's resources are those of the others; their resets are times."""
    limits = read(ANTHROPIC)
    assert limits.requests == RateLimit(limit=50, remaining=49, resets_at=MOMENT)
    assert limits.tokens == RateLimit(limit=90_000, remaining=0, resets_at=MOMENT + 0.5)
    assert limits.others == {
        "input-tokens": RateLimit(remaining=7),
        "priority-input-tokens": RateLimit(limit=10_000),
    }
    assert limits.raw == ANTHROPIC


def test_the_windows_of_a_claude_subscription_are_read() -> None:
    """The windows of five hours and of seven days are the plan's own; further ones stand beside them."""
    limits = read(UNIFIED)
    assert limits == RateLimits(
        limit_id="unified",
        limit_name="five_hour",
        primary=RateWindow(used_percent=125.0, window_minutes=300, resets_at=MOMENT),
        secondary=RateWindow(used_percent=50.0, window_minutes=10_080),
        further_limits=(
            MeteredLimit("7d_oi", primary=RateWindow(window_minutes=10_080)),
            MeteredLimit("99999999h", primary=RateWindow()),
        ),
        credits=Credits(has_credits=True),
        allowed=True,
        limit_reached=True,
        raw=UNIFIED,
    )
    both = read({**UNIFIED, **ANTHROPIC})
    assert attrs.evolve(both, requests=None, tokens=None, others={}, raw=UNIFIED) == limits
    assert both.requests == read(ANTHROPIC).requests
    assert both.raw == {**UNIFIED, **ANTHROPIC}
    bare = read({"anthropic-ratelimit-unified-fallback": "available"})
    assert bare == RateLimits(limit_id="unified", raw=bare.raw)


@pytest.mark.parametrize(
    "odd",
    ["", "5", "2026-03-01", "2026-13-01T10:00:41Z", "2026-03-01T10:00:41x", "0001-01-01T00:00:00+14:00"],
)
def test_times_that_are_none(odd: str) -> None:
    """What is no time of RFC 3339 tells no reset."""
    assert read({"anthropic-ratelimit-tokens-reset": odd}).tokens in (RateLimit(), RateLimit(reset_after=5.0))
    assert timestamp_of(5) is None
    assert timestamp_of("2026-03-01T10:00:41") == MOMENT
