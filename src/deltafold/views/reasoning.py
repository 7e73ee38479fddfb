"""Reasoning as it is to be printed while it comes."""

from __future__ import annotations

from deltafold.model.events import Event, ReasoningDelta

__all__ = ["ReasoningPrinter"]

BLANK_LINE = "\n\n"


class ReasoningPrinter:
    """What to print of the reasoning for each event: all of it, joined, is `Response.reasoning_text`.

    The parts of a summary are paragraphs: the wire has no sign for what stands between them, so that their
    deltas alone would run together. Raw reasoning is printed as it comes. Where a server shows both, its
    summary is printed as well if it comes first; and where it replaces what it had printed (`ValueReplaced`),
    what was printed stands.
    """

    __slots__ = ("_latest", "_raw")

    def __init__(self) -> None:
        # The part of a summary that the last delta belonged to, as its item and its index.
        self._latest: tuple[int, int] | None = None
        self._raw = False

    def text_of(self, event: Event) -> str:
        """The text to print for an event; "" where there is none."""
        if not isinstance(event, ReasoningDelta) or not event.text:
            return ""
        before, latest = self._latest, (event.output_index, event.part_index)
        if event.kind == "text":
            self._latest, first, self._raw = None, not self._raw, True
            return BLANK_LINE + event.text if first and before is not None else event.text
        if self._raw:
            return ""  # the reasoning itself is being streamed, of which this is the summary
        self._latest = latest
        return event.text if before in (None, latest) else BLANK_LINE + event.text
