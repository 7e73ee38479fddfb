"""Names and ids as a wire takes them: not too long, and of letters that are allowed there."""

from __future__ import annotations

import hashlib
import re
from typing import Final

__all__ = ["LONGEST_REPEATED", "SAFE_NAME", "digest", "fitting_call_id"]

SAFE_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
"""Event names that may stand outside of JSON."""
LONGEST_REPEATED: Final = 1024
"""Characters of a name that stands in every frame: a longer one would be written again and again."""
FITTING_IDS: Final[dict[str, tuple[str, re.Pattern[str]]]] = {
    "responses": ("call", re.compile(r"[\s\S]{1,64}")),
    "chat": ("call", re.compile(r"[\s\S]{1,64}")),
    "anthropic": ("toolu", re.compile(r"[a-zA-Z0-9_-]{1,64}")),
}
"""What the id of a call may be on a wire, and what one begins with that had to be made. Gemini takes any."""


def fitting_call_id(dialect: str, ident: str) -> str:
    """The id of a call as a wire takes it: itself where it fits, else a prefix and a digest.

    The digest is the same wherever the id is sent: in a call, and in its result.
    """
    found = FITTING_IDS.get(dialect)
    if found is None or found[1].fullmatch(ident):
        return ident
    return digest(found[0], ident)


def digest(prefix: str, ident: str) -> str:
    """An id made of another one, always the same."""
    return f"{prefix}_{hashlib.sha256(ident.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
