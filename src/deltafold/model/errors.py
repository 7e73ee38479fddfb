"""What can go wrong: the exceptions, and provider failure as data."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from deltafold.model.frozen import field, frozen

__all__ = [
    "DeltafoldError",
    "ErrorKind",
    "LimitExceeded",
    "ResponseError",
    "UsageError",
    "WireError",
]


class DeltafoldError(Exception):
    """Everything that this library raises on purpose, but for `TypeError` on wrong argument types.

    All of them can be copied and pickled.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return made_again, (type(self), self.args, dict(self.__dict__))


class UsageError(DeltafoldError):
    """The caller's mistake: feeding after the end, an unknown dialect, a damaged snapshot."""


class WireError(DeltafoldError):
    """The peer's mistake, in strict mode; and, as `LimitExceeded`, in lenient mode too.

    It surfaces from `next_event()` after every event that came before it, and is the same object on
    every later call.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        offset: int | None = None,
        event_index: int | None = None,
        excerpt: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.offset = offset
        self.event_index = event_index
        self.excerpt = excerpt

    def __str__(self) -> str:
        where = "" if self.event_index is None else f" in event {self.event_index}"
        if self.offset is not None:
            where += f" at byte {self.offset}"
        said = f": {self.excerpt!r}" if self.excerpt else ""
        return f"{self.code}{where}: {self.message}{said}"


class LimitExceeded(WireError):
    """The stream would make us hold more than `Limits` allows."""

    def __init__(
        self, limit: str, value: int, *, offset: int | None = None, event_index: int | None = None
    ) -> None:
        super().__init__(
            f"more than the {value} of Limits.{limit}",
            code="limit_exceeded",
            offset=offset,
            event_index=event_index,
        )
        self.limit = limit
        """The name of the field of `Limits`."""
        self.value = value
        """What that field allows."""


def made_again(kind: type[DeltafoldError], args: tuple[Any, ...], fields: dict[str, Any]) -> DeltafoldError:
    """An exception out of what it is made of."""
    made = kind.__new__(kind, *args)
    made.__dict__.update(fields)
    return made


class ErrorKind(StrEnum):
    """What an error means for the caller, whatever the server calls it."""

    CONTEXT_WINDOW_EXCEEDED = "context_window_exceeded"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXCEEDED = "quota_exceeded"
    USAGE_LIMIT_REACHED = "usage_limit_reached"
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    INVALID_REQUEST = "invalid_request"
    CONTENT_POLICY = "content_policy"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    UNKNOWN = "unknown"


@frozen
class ResponseError:
    """A failure that the provider reported."""

    kind: ErrorKind
    message: str | None = None
    """The server's own words."""
    code: str | int | None = None
    """The server's own code, as it came."""
    type: str | None = None
    """The server's own type."""
    param: str | None = None
    """The parameter of the request that is at fault."""
    status: int | None = None
    """The HTTP status, where it is known: of the response, or sent inside the stream."""
    retryable: bool = False
    """Whether the same request may succeed if it is sent again."""
    retry_after: float | None = None
    """Seconds to wait before that, as the server sent; None where it did not, which is not 0."""
    resets_at: float | None = None
    """When the limit is lifted, in seconds since the epoch, as the server sent."""
    raw: Any = field(default=None, repr=False, hash=False)
    """The payload as it came."""
