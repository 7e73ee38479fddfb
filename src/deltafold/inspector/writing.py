"""A stream in another wire: what `--encode` writes."""

from __future__ import annotations

import sys
from collections.abc import Callable

from deltafold.encoding.encoder import StreamEncoder
from deltafold.inspector.listing import Quiet
from deltafold.inspector.playing import Ending, Moment
from deltafold.inspector.words import Words, safe
from deltafold.model.events import Event

__all__ = ["Writing"]


class Writing(Quiet):
    """Writes each event as the bytes of a wire, and in the end says what that wire could not."""

    def __init__(self, dialect: str, write: Callable[[bytes], object]) -> None:
        self.encoder = StreamEncoder(dialect)
        self.write = write

    def event(self, event: Event, moment: Moment) -> None:
        written = self.encoder.encode(event)
        if written:
            self.write(written)

    def pause(self) -> None:
        sys.stdout.flush()

    def end(self, ending: Ending) -> None:
        for loss in self.encoder.losses:
            at = "" if loss.output_index is None else f" (item {loss.output_index})"
            print(f"deltafold: {loss.code}: {safe(loss.message)}{at}", file=sys.stderr)
        if ending.fault is not None:
            print(f"deltafold: {Words().fault(ending.fault)}", file=sys.stderr)
