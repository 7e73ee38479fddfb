"""Spoken output: the pieces of its sound and transcript, and what else is said of it, as its id."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.base import MOST_COUNTS
from deltafold.dialects.emitter import Emitter
from deltafold.machine import make
from deltafold.machine.records import empty
from deltafold.machine.values import ValuePath
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.json_values import copied, has_more_members, weight
from deltafold.wire.json_text import join_halves

__all__ = ["SpokenOutput", "end_transcript"]

JSON: TypeAlias = dict[str, Any]

FRAGMENTS: Final = ("data", "transcript")
TRANSCRIPT: Final[ValuePath] = ("transcript",)


class SpokenOutput:
    """The spoken output of one response."""

    SNAPSHOT_FIELDS: Final = ("known",)
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self) -> None:
        self.known: JSON = {}
        """What was said of it beside its pieces."""

    def read(self, emitter: Emitter, choice_index: int, sent: JSON, *, again: bool) -> None:
        """Hands out the pieces, unless they come `again`, and what else is new."""
        if not again and isinstance(sent.get("data"), str) and sent["data"]:
            emitter.out.append(e.AudioDelta(sent["data"]))
        if not again and isinstance(sent.get("transcript"), str):
            place = (-1 - choice_index, TRANSCRIPT)
            text = join_halves(emitter.pending_surrogates, place, sent["transcript"], emitter.report)
            if text:
                emitter.out.append(e.TranscriptDelta(text))
        known, news = self.known, False
        for name, value in sent.items():
            if name not in FRAGMENTS and not empty(value) and known.get(name) != value:
                if has_more_members(known, MOST_COUNTS):
                    emitter.hold_text(len(name) + weight(value) - weight(known.get(name)))
                known[name] = copied(value)
                news = True
        if news and not has_more_members(known, MOST_COUNTS):
            emitter.out.append(make.status_changed(None, {"audio": copied(known)}))

    def end(self, emitter: Emitter) -> None:
        """The response ends: what was not handed out of very many members is."""
        if has_more_members(self.known, MOST_COUNTS):
            emitter.out.append(make.status_changed(None, {"audio": copied(self.known)}))


def end_transcript(emitter: Emitter, choice_index: int) -> None:
    """The transcript of a choice ends."""
    if emitter.pending_surrogates.pop((-1 - choice_index, TRANSCRIPT), None) is not None:
        emitter.report(AnomalyCode.LONE_SURROGATE, "half a surrogate pair ends a transcript")
        emitter.out.append(e.TranscriptDelta("\ufffd"))
