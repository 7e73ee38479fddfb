"""What the page is drawn from: where each item began and ended, its deltas, and what happened beside them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs

from deltafold.inspector.capture import Capture
from deltafold.inspector.listing import DELTAS, Quiet, Speed
from deltafold.inspector.playing import Ending, Moment
from deltafold.model.anomalies import Anomaly
from deltafold.model.events import (
    AudioDelta,
    Event,
    Heartbeat,
    ItemFinished,
    ItemStarted,
    ItemUpdated,
    PartialImage,
    ReasoningDelta,
    TranscriptDelta,
    ValueReplaced,
)
from deltafold.model.items import Item
from deltafold.model.response import Response

__all__ = ["Flag", "Lane", "Tape"]

MOST_KEPT = 64 << 20
"""Bytes of a capture that are kept for its raw frames."""
LONGEST_FRAME = 4096
"""Bytes of a raw frame that are shown."""
KINDS = {
    "TextDelta": "text",
    "RefusalDelta": "refusal",
    "ArgumentsDelta": "arguments",
    "CodeDelta": "code",
    "DiffDelta": "diff",
    "CommandDelta": "command",
    "OutputDelta": "output",
}
"""What the value is that a delta is a fragment of, as `ValueReplaced.kind` has it."""
SPOKEN = -1
"""The lane of spoken output, which belongs to no item."""


@attrs.define
class Lane:
    """An item, from its start to its finish."""

    index: int
    item: Item | None
    start: Moment
    end: Moment
    finished: bool = False
    deltas: list[Moment] = attrs.Factory(list)
    values: dict[tuple[str, int], list[str]] = attrs.Factory(dict)
    """What it said, by kind and part, in fragments."""

    def said(self) -> list[tuple[str, str]]:
        """What it said, value by value, with the kind of each."""
        return [(kind, "".join(fragments)) for (kind, _), fragments in self.values.items()]


@attrs.frozen
class Flag:
    """An anomaly, where it was met, and the frame that it was met in."""

    anomaly: Anomaly
    moment: Moment
    frame: bytes


class Tape(Quiet):
    """Records a response for the page."""

    def __init__(self) -> None:
        self.captures: list[Capture] = []
        self.lanes: dict[int, Lane] = {}
        self.flags: list[Flag] = []
        self.beats: list[Moment] = []
        self.reconnections: list[Moment] = []
        self.moments: list[Moment] = []
        self.events: Counter[str] = Counter()
        self.speed = Speed()
        self.ending: Ending | None = None
        self.raw: list[bytearray] = []
        self.kept = 0

    @property
    def ended(self) -> Ending:
        """What came of it; only after the end."""
        assert self.ending is not None, "the response has not ended"
        return self.ending

    @property
    def response(self) -> Response:
        """What came of it; only after the end."""
        return self.ended.response

    def begin(self, capture: Capture) -> None:
        self.captures.append(capture)
        self.raw.append(bytearray())

    def arrived(self, data: bytes, moment: Moment) -> None:
        if self.kept < MOST_KEPT:
            self.raw[-1] += data
            self.kept += len(data)

    def reconnected(self, moment: Moment) -> None:
        self.reconnections.append(moment)

    def event(self, event: Event, moment: Moment) -> None:
        self.events[type(event).__name__] += 1
        self.speed.add(event, moment)
        self.moments.append(moment)
        index = getattr(
            event, "output_index", SPOKEN if isinstance(event, (AudioDelta, TranscriptDelta)) else None
        )
        if isinstance(event, Heartbeat):
            self.beats.append(moment)
        elif index is not None:
            self.of_item(index, event, moment)

    def of_item(self, index: int, event: Any, moment: Moment) -> None:
        """An event that belongs to an item."""
        lane = self.lanes.get(index)
        if lane is None:
            lane = self.lanes[index] = Lane(index, None, moment, moment)
        lane.end = moment
        if isinstance(event, (ItemStarted, ItemUpdated, ItemFinished)):
            lane.item = event.item
            lane.finished = isinstance(event, ItemFinished)
        elif isinstance(event, ValueReplaced):
            lane.values[event.kind, event.content_index or event.part_index or 0] = [event.text]
        elif type(event) in DELTAS:
            lane.deltas.append(moment)
            if not isinstance(event, (AudioDelta, PartialImage)):
                lane.values.setdefault(value_of(event), []).append(event.text)

    def anomaly(self, anomaly: Anomaly, moment: Moment) -> None:
        self.flags.append(Flag(anomaly, moment, self.frame_at(anomaly.offset)))

    def frame_at(self, offset: int | None) -> bytes:
        """The raw frame that begins there in the present connection, to its empty line."""
        raw = self.raw[-1]
        if offset is None or not 0 <= offset < len(raw):
            return b""
        ends = [
            at
            for mark in (b"\n\n", b"\r\n\r\n", b"\r\r")
            if (at := raw.find(mark, offset, offset + LONGEST_FRAME)) >= 0
        ]
        return bytes(raw[offset : min(ends, default=offset + LONGEST_FRAME)])

    def end(self, ending: Ending) -> None:
        self.ending = ending


def value_of(event: Any) -> tuple[str, int]:
    """The kind and part of the value that a delta is a fragment of."""
    if isinstance(event, ReasoningDelta):
        return ("summary" if event.kind == "summary" else "reasoning"), event.part_index
    kind = KINDS.get(type(event).__name__) or getattr(event, "stream", "transcript")
    part = getattr(event, "content_index", getattr(event, "command_index", 0))
    return str(kind), int(part)
