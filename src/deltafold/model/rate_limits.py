"""The rate limits of a response or an event. Data only: `diagnosis.rate_limits` reads what is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deltafold.model.frozen import field, frozen

__all__ = ["Credits", "MeteredLimit", "RateLimit", "RateLimits", "RateWindow"]


@frozen
class RateLimit:
    """What is left of one resource that is counted per minute, hour or day."""

    limit: int | None = None
    """How much of it there is in one period."""
    remaining: int | None = None
    """How much of it is left now; 0 is used up, None is unknown."""
    reset_after: float | None = None
    """Seconds until it is whole again, counted from the response."""
    resets_at: float | None = None
    """When it is whole again, in seconds since the epoch, where the server tells the time itself."""


@frozen
class RateWindow:
    """How much of a plan's allowance has been used in one window of time."""

    used_percent: float | None = None
    """From 0 to 100."""
    window_minutes: int | None = None
    """How long the window is."""
    reset_after: float | None = None
    """Seconds until the window begins again, counted from the response."""
    resets_at: float | None = None
    """When the window begins again, in seconds since the epoch."""


@frozen
class MeteredLimit:
    """One metered limit of a plan: a short window and a long one."""

    limit_id: str
    """The server's id, with underscores: `codex`, `codex_bengalfox`."""
    limit_name: str | None = None
    """The name to show for it."""
    primary: RateWindow | None = None
    """The short window; five hours, at this writing."""
    secondary: RateWindow | None = None
    """The long window; a week, at this writing."""


@frozen
class Credits:
    """What can be spent once the plan's allowance is used up."""

    has_credits: bool | None = None
    """Whether there are any."""
    unlimited: bool | None = None
    """Whether they never run out."""
    balance: str | None = None
    """How many there are, in the server's own words (`"9.99"`, `"$5.00"`)."""


@frozen
class RateLimits:
    """Everything that one response or event says about rate limits. What it does not say is None."""

    requests: RateLimit | None = None
    """Requests. `x-ratelimit-*` without a resource counts as requests."""
    tokens: RateLimit | None = None
    """Tokens."""
    others: Mapping[str, RateLimit] = field(factory=dict, hash=False)
    """Further resources by name: `input-images`, `project-tokens`, `requests-day`..."""
    limit_id: str | None = None
    """The metered limit that `primary` and `secondary` are of: the active one, else the plan's own."""
    limit_name: str | None = None
    """Its name to show."""
    primary: RateWindow | None = None
    """Its short window."""
    secondary: RateWindow | None = None
    """Its long window."""
    further_limits: tuple[MeteredLimit, ...] = ()
    """The metered limits sent beside it."""
    credits: Credits | None = None
    """What can be spent beyond the plan."""
    plan_type: str | None = None
    """The plan: `plus`, `pro`, `team`..."""
    allowed: bool | None = None
    """Whether the server accepts requests now. In events only."""
    limit_reached: bool | None = None
    """Whether a limit has been reached. This is no end: with credits the answer still follows."""
    raw: Mapping[str, Any] = field(factory=dict, repr=False, hash=False)
    """The headers that were read, with names in lower case; or the event as it came."""
