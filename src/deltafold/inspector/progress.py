"""A bar on the terminal while a large file is read."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

__all__ = ["Progress"]

LARGE = 4 << 20
"""Bytes from which on reading takes long enough to be watched."""
OFTEN = 0.1
"""Seconds between two drawings."""
WIDTH = 30


class Progress:
    """Draws how much of a file has been read, on standard error, where that is a terminal."""

    def __init__(self, source: Any, *, wanted: bool) -> None:
        self.total = size_of(source) if wanted and sys.stderr is not None and sys.stderr.isatty() else 0
        self.read = 0
        self.start = self.drawn = time.monotonic()

    def add(self, size: int) -> None:
        """More has been read."""
        self.read += size
        if self.total < LARGE:
            return
        now = time.monotonic()
        if now - self.drawn >= OFTEN:
            self.drawn = now
            share = min(self.read / self.total, 1)
            full = int(share * WIDTH)
            rate = self.read / (now - self.start) / 1e6
            bar = "#" * full + "-" * (WIDTH - full)
            print(f"\r[{bar}] {share:4.0%}  {rate:.1f} MB/s\x1b[K", end="", file=sys.stderr, flush=True)

    def done(self) -> None:
        """Takes the bar away."""
        if self.drawn > self.start:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def size_of(source: Any) -> int:
    """Bytes of a file; 0 of what is none."""
    try:
        return os.fstat(source.fileno()).st_size
    except (OSError, AttributeError, ValueError):
        return 0
