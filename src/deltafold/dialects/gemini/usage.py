"""Usage: the last count that came, and when it is handed out.

Nearly every chunk of text counts the tokens so far, which would be two events for each, and nobody needs the
second: so the usage waits for a chunk that brings more than text. What its members mean is in the table.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.base import MOST_COUNTS, Tallies
from deltafold.dialects.emitter import Emitter
from deltafold.dialects.gemini.table import COUNTS, usage_from
from deltafold.machine import make
from deltafold.model import events as e
from deltafold.model.json_values import copied, weight

__all__ = ["LatestUsage", "counts_anything"]

JSON: TypeAlias = dict[str, Any]

TEXT_DELTAS: Final = (e.TextDelta, e.ReasoningDelta, e.ArgumentsDelta)
"""The events of a chunk that brings nothing but text."""


class LatestUsage:
    """The usage of one response."""

    SNAPSHOT_FIELDS: Final = ("known", "reported")
    __slots__ = ("known", "reported", "tallied")

    def __init__(self) -> None:
        self.known: JSON = {}
        """As it was sent last."""
        self.reported: JSON = {}
        """As it was handed out last."""
        self.tallied: Tallies | None = None
        """What came last by the fast path, if anything did since the last payload. In no snapshot."""

    def read(self, emitter: Emitter, sent: Any) -> None:
        """The last usage that counts anything replaces the one before: what is left out there is 0."""
        if type(sent) is dict:
            if counts_anything(sent):
                self.tallied = None
                if sent != self.known:
                    self.known = dict(sent)
            else:
                self._add(emitter, sent)
        elif sent is not None:
            emitter.report_invalid("usageMetadata", sent)
        out = emitter.out
        if len(out) != 1 or type(out[0]) not in TEXT_DELTAS:
            self.catch_up()
            if len(self.known) <= MOST_COUNTS:  # what has more than any server sends is reported at the end
                self.report(emitter)

    def _add(self, emitter: Emitter, sent: JSON) -> None:
        """What a usage says that counts nothing: on Vertex, the type of traffic."""
        self.catch_up()
        known = self.known
        new = {key: value for key, value in sent.items() if key not in known or known[key] != value}
        for key in COUNTS:
            if key in known:
                new.pop(key, None)  # null or 0, which says nothing
        if not new:
            return
        if len(known) <= MOST_COUNTS:
            known = self.known = dict(known)  # the other one may have been handed out
        for key, value in new.items():
            emitter.hold_text(len(key) + weight(value) - weight(known.get(key)))
            known[key] = copied(value)

    def report(self, emitter: Emitter) -> None:
        """Hands out the usage as it is by now, where that is new."""
        self.catch_up()
        if self.known != self.reported:
            self.reported = self.known
            emitter.out.append(make.usage_reported(usage_from(self.known)))

    def catch_up(self) -> None:
        """Takes note of what came by the fast path."""
        if self.tallied is not None:
            sent = self.tallied.latest()
            self.tallied = None
            if sent != self.known:
                self.known = sent


def counts_anything(sent: JSON) -> bool:
    """Whether a usage counts tokens: on Vertex there is one with nearly every chunk that does not."""
    return any(sent.get(name) for name in COUNTS)
