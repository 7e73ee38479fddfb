"""Reasoning that a server leaves in the text, between `<think>` and `</think>`."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

__all__ = ["ThinkTags"]

Piece: TypeAlias = tuple[Literal["text", "reasoning"], str]

OPEN: Final = "<think>"
CLOSE: Final = "</think>"


class ThinkTags:
    """Splits the text of one choice. Nothing is held back but what may be the beginning of the next tag.

    `<think-tank>` is text, and so is a `</think>` that nothing opened.
    """

    SNAPSHOT_FIELDS: Final = ("thinking", "held")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self) -> None:
        self.thinking = False
        self.held = ""

    def feed(self, text: str) -> list[Piece]:
        """The pieces of a fragment, each with what it is."""
        text, self.held = self.held + text, ""
        pieces: list[Piece] = []
        start = 0
        while (found := text.find(self._tag, start)) >= 0:
            self._add(pieces, text[start:found])
            start = found + len(self._tag)
            self.thinking = not self.thinking
        rest = text[start:]
        keep = max((n for n in range(1, len(self._tag)) if rest.endswith(self._tag[:n])), default=0)
        self._add(pieces, rest[: len(rest) - keep])
        self.held = rest[len(rest) - keep :]
        return pieces

    def close(self) -> list[Piece]:
        """The text has ended: what was held back was no tag."""
        pieces: list[Piece] = []
        self._add(pieces, self.held)
        self.held = ""
        return pieces

    @property
    def _tag(self) -> str:
        return CLOSE if self.thinking else OPEN

    def _add(self, pieces: list[Piece], text: str) -> None:
        if text:
            pieces.append(("reasoning" if self.thinking else "text", text))
