"""Where a JSON value ends, found as its bytes come in."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["ValueEnd"]

# Whole strings, and all that is neither a string nor a bracket.
PLAIN: Final = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
STRING_REST: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
QUOTE: Final = ord('"')
BACKSLASH: Final = ord("\\")
OPENING: Final = b"[{"


class ValueEnd:
    """Looks for the end of an object, an array or a string, at a constant cost for each byte."""

    SNAPSHOT_FIELDS: Final = ("depth", "escaped", "in_string")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self) -> None:
        self.depth = 0
        self.in_string = False
        self.escaped = False

    def find(self, piece: bytes | bytearray, position: int) -> int:
        """The position behind the value, or -1 where it goes on behind this piece."""
        size = len(piece)
        if self.escaped and position < size:
            self.escaped = False
            position += 1
        while position < size:
            if self.in_string:
                found = STRING_REST.match(piece, position)
                assert found is not None
                position = found.end()
                if position == size:
                    return -1
                if piece[position] == BACKSLASH:
                    self.escaped = True
                    return -1
                self.in_string = False
                position += 1
                if not self.depth:
                    return position
            found = PLAIN.match(piece, position)
            assert found is not None
            position = found.end()
            if position == size:
                return -1
            byte = piece[position]
            position += 1
            if byte == QUOTE:
                self.in_string = True
            elif byte in OPENING:
                self.depth += 1
            else:
                self.depth -= 1
                if self.depth <= 0:
                    self.depth = 0
                    return position
        return -1
