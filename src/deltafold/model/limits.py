"""What one stream may make us hold.

Every limit is a count of bytes, characters or entries held in memory, so that it does not depend on how
the bytes were cut. A value of exactly the limit passes; one more raises `LimitExceeded`.
"""

from __future__ import annotations

from typing import Any

from deltafold.model.errors import UsageError
from deltafold.model.frozen import field, frozen

__all__ = ["DEEPEST", "DEFAULT", "Limits"]

MIB = 1 << 20
DEEPEST = 200
"""The largest `json_depth`. Python itself reads and writes JSON by recursion, within the interpreter's own
limit; serde_json stops at 128, jiter at 200."""


def _check_limit(limits: Limits, field: Any, value: Any) -> None:
    if type(value) is not int:
        raise TypeError(f"{field.name} must be an int, not {value!r:.60}")
    most = DEEPEST if field.name == "json_depth" else 2**63 - 1
    if not 0 <= value <= most:
        raise UsageError(f"{field.name} must be 0 to {most}, not {value!r:.60}")


def _limit(default: int) -> Any:
    return field(default=default, validator=_check_limit)


@frozen(kw_only=True)
class Limits:
    """Upper bounds for one parser. All but `anomalies` raise `LimitExceeded` when passed.

    Raises `TypeError` where one is no int, and `UsageError` where it is negative or, of `json_depth`, above
    200.
    """

    line_bytes: int = _limit(16 * MIB)
    """Bytes of one line, its end not counted."""
    # opencode raised its cap from 1 to 16 MiB, the MCP go-sdk chose 16; httpx2's 1 MiB broke MCP servers.

    event_bytes: int = _limit(16 * MIB)
    """Bytes of the data of one event, all its `data` lines with the line feeds between them, or of one
    payload that is fed."""

    body_bytes: int = _limit(64 * MIB)
    """Bytes of a body that is no event stream and has to be read as one JSON document."""

    text_size: int = _limit(256 * MIB)
    """Characters of all streamed values of one response together. As much may be sent of the response and its
    choices beside items."""

    items: int = _limit(4096)
    """Output items of one response."""

    parts: int = _limit(4096)
    """Content and summary parts of one item."""

    index: int = _limit(4095)
    """The largest `output_index`, `content_index`, `summary_index`, `command_index` or choice index."""

    json_depth: int = _limit(64)
    """Arrays and objects inside one another in one payload."""
    # serde_json stops at 128, jiter at 200; the deepest recorded payload has 14.

    anomalies: int = _limit(1000)
    """Anomalies kept in `ResponseParser.anomalies`; later ones are only counted."""


DEFAULT = Limits()
"""What holds where nothing else is said."""
