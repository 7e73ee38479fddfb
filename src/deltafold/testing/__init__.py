"""For tests of code that embeds this library: streams as servers send them, and what may happen to them.

`StreamBuilder` writes a stream of any dialect in a few lines; `payloads` has the single events, `damage`
what may go wrong. These need nothing more. `deltafold.testing.strategies` draws all that for property tests,
and needs Hypothesis: `pip install "deltafold[testing]"`. Importing `deltafold` imports none of it.
"""

from __future__ import annotations

from deltafold.testing import damage, payloads
from deltafold.testing.builder import Stream, StreamBuilder, ToolCall

__all__ = ["Stream", "StreamBuilder", "ToolCall", "damage", "payloads"]
