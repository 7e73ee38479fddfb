"""What one stream may make us hold.

Every limit is a count of bytes, characters or entries held in memory, so that it does not depend on how
the bytes were cut. A value of exactly the limit passes; one more raises `LimitExceeded`.
"""

from __future__ import annotations

import attrs

from deltafold.model.attrs_repr import Shown

__all__ = ["DEFAULT", "Limits"]

MIB = 1 << 20


@attrs.frozen(kw_only=True, repr=False)
class Limits(Shown):
    """Upper bounds for one parser. All but `anomalies` raise `LimitExceeded` when passed."""

    line_bytes: int = 16 * MIB
    """Bytes of one line, its end not counted."""
    # opencode raised its cap from 1 to 16 MiB, the MCP go-sdk chose 16; httpx2's 1 MiB broke MCP servers.

    event_bytes: int = 16 * MIB
    """Bytes of the data of one event, all its `data` lines together, each with its line feed."""

    body_bytes: int = 64 * MIB
    """Bytes of a body that is no event stream and has to be read as one JSON document."""

    text_size: int = 256 * MIB
    """Characters of all streamed values of one response together."""

    items: int = 4096
    """Output items of one response."""

    parts: int = 4096
    """Content and summary parts of one item."""

    index: int = 4095
    """The largest `output_index`, `content_index`, `summary_index`, `command_index` or choice index."""

    json_depth: int = 64
    """Arrays and objects inside one another in one payload."""
    # serde_json stops at 128, jiter at 200; the deepest recorded payload has 14.

    anomalies: int = 1000
    """Anomalies kept in `ResponseParser.anomalies`; later ones are only counted."""


DEFAULT = Limits()
"""What holds where nothing else is said."""
