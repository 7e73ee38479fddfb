"""A delta whose frame is ready but for its text: the next one of its item, if it goes on with the one before.

A writer sets it up while it writes a delta in full, and drops it as soon as anything else is written.
"""

from __future__ import annotations

from typing import Final

from deltafold.model import events as e

__all__ = ["ARGUMENTS", "HOT", "REASONING", "TEXT", "HotDelta"]

TEXT: Final = e.TextDelta
ARGUMENTS: Final = e.ArgumentsDelta
REASONING: Final = e.ReasoningDelta
HOT: Final = frozenset((TEXT, ARGUMENTS, REASONING))


class HotDelta:
    """What the next delta of an item is written with, if it is like the one before."""

    __slots__ = ("at", "delta", "kind", "pieces", "prefix", "special", "suffix", "unscanned")

    def __init__(
        self,
        delta: type,
        at: int,
        kind: str,
        prefix: str,
        suffix: str,
        pieces: list[str] | None,
        unscanned: list[str] | None,
        special: str,
    ) -> None:
        self.delta = delta
        """Its class, …"""
        self.at = at
        """… its part, …"""
        self.kind = kind
        """… and which reasoning it is."""
        self.prefix = prefix
        """All of its frame before its text; "" where nothing is written of it yet, …"""
        self.suffix = suffix
        """… and behind it; "" where its number stands there."""
        self.pieces = pieces
        """Where its text is kept, …"""
        self.unscanned = unscanned
        """… and where it waits to be looked at, if it is."""
        self.special = special
        """A text that begins with one of these may have to be written otherwise."""
