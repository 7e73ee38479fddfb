"""Lengths in place of text, so that a capture can be shown to others.

Names stay: of members, tools, models and ids, as far as they look like names.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["length_of", "redacted"]

WORDS = """
    event class type object kind group into stream anomaly fault source id response_id item_id call_id status
    outcome role phase model dialect code finish_reason incomplete_reason reason name member framing limit
    stop_reason finishReason modelVersion responseId native_finish_reason service_tier
"""
KEPT = frozenset(WORDS.split())
"""Members whose values are words of the wire, and no text of anybody."""
WORD = re.compile(r"[\w.:/-]{1,80}")


def length_of(length: int) -> str:
    """What stands in place of a text."""
    return f"<{length} character{'' if length == 1 else 's'}>"


def redacted(value: Any) -> Any:
    """A JSON value in which texts are replaced by their lengths: all strings but those known to be words."""
    top: list[Any] = [value]
    waiting: list[tuple[Any, Any, Any]] = [(top, 0, None)]  # a container, a key in it, the member's name
    while waiting:
        holder, key, name = waiting.pop()
        inner = holder[key]
        if isinstance(inner, str):
            if name not in KEPT or not WORD.fullmatch(inner):
                holder[key] = length_of(len(inner)) if inner else inner
        elif isinstance(inner, dict):
            # Names of members may be anything inside of arguments and payloads.
            named = {(key if WORD.fullmatch(key) else length_of(len(key))): one for key, one in inner.items()}
            holder[key] = named
            waiting += [(named, key, key) for key in named]
        elif isinstance(inner, (list, tuple)):
            copied = list(inner)
            holder[key] = copied
            waiting += [(copied, at, name) for at in range(len(copied))]
    return top[0]
