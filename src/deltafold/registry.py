"""The dialects by name, and where their parts live.

A dialect is one folder `dialects/<name>/` with the modules named in `PARTS`. Whatever needs one asks here, at
run time and by name: so the model, the parser and the encoder know that there are dialects, and none of them,
and a program that speaks one dialect imports one.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

__all__ = ["DIALECTS", "PARTS", "part_of"]

DIALECTS = ("responses", "chat", "anthropic", "gemini")
"""The names under which a dialect is asked for. A new one is one row here and one folder."""

PARTS = ("table", "reader", "writer", "document", "request")
"""The modules that a dialect may have: its words, bytes in, bytes out, unstreamed bodies, requests."""


@cache
def part_of(dialect: str, part: str) -> Any:
    """A module of a dialect, imported when it is first asked for."""
    return import_module(f"deltafold.dialects.{dialect}.{part}")
