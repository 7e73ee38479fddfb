"""How far the reading is, and where anomalies go: into a list, or, in strict mode, out as an exception."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from deltafold.machine.fold import Fold
from deltafold.machine.lifecycle import FINISHED
from deltafold.model.anomalies import ANOMALIES, Anomaly, AnomalyCode
from deltafold.model.errors import WireError
from deltafold.wire.blocks import BlockScanner
from deltafold.wire.frame_decoder import FrameDecoder

__all__ = ["ReadingStage", "Reporter"]

EXCERPT: Final = 120


class ReadingStage(StrEnum):
    """How far the reading is."""

    READING = "reading"
    READ = "read"
    """All that was fed has been read, and nothing more will come."""
    ENDED = "ended"
    """The dialect knows it as well: its `end()` was called."""


class Reporter:
    """Records an anomaly with its position, or raises `WireError` in strict mode.

    It is a class of its own so that parser and dialect do not refer to each other: their memory is freed at
    once, and does not wait for the garbage collector.
    """

    __slots__ = (
        "_decoder",
        "_fold",
        "_limit",
        "_strict",
        "anomalies",
        "at_end",
        "count",
        "current_payload",
        "framed",
        "payload_count",
    )

    def __init__(self, decoder: BlockScanner, fold: Fold, *, strict: bool, limit: int) -> None:
        self._decoder = decoder
        self._fold = fold
        self._strict = strict
        self._limit = limit
        self.framed: FrameDecoder[Any] | None = None
        """What decodes the frames, where these are no server-sent events."""
        self.anomalies: list[Anomaly] = []
        self.count = 0
        """Anomalies met, those included that were not kept."""
        self.current_payload = ""
        """What is being read."""
        self.at_end = False
        """Whether all that was fed has been read."""
        self.payload_count: int | None = None
        """Payloads taken so far, where payloads are fed, not bytes."""

    def position(self) -> tuple[int | None, int]:
        """Where the reading is: bytes from the start, and events before this one."""
        if self.payload_count is not None:
            return None, max(self.payload_count - 1, 0)
        framed = self.framed
        if framed is not None:
            if self.at_end:
                return framed.offset, framed.event_count
            return framed.event_offset, framed.event_index
        decoder = self._decoder
        if not self.at_end and not decoder.between_blocks:
            return decoder.event_offset, decoder.event_count  # in the middle of a block
        if not self.at_end and decoder.event_count:
            return decoder.event_offset, decoder.event_count - 1
        return decoder.offset, decoder.event_count

    def __call__(self, code: AnomalyCode, message: str) -> None:
        """Something is out of order. Raises `WireError` in strict mode, unless the response has ended."""
        offset, event_index = self.position()
        excerpt = self.current_payload[:EXCERPT]
        self.count += 1
        if self._strict and ANOMALIES[code].strict and self._fold.state is not FINISHED:
            raise WireError(message, code=code, offset=offset, event_index=event_index, excerpt=excerpt)
        if len(self.anomalies) < self._limit:
            self.anomalies.append(Anomaly(code, message, offset, event_index, excerpt))

    def kept(self) -> tuple[Anomaly, ...]:
        """The anomalies that are kept, in the order they were met."""
        return tuple(self.anomalies)

    def getstate(self) -> dict[str, Any]:
        """All that it remembers."""
        return {name: getattr(self, name) for name in SNAPSHOT_FIELDS} | {
            "current_payload": self.current_payload[:EXCERPT]
        }

    def setstate(self, state: dict[str, Any]) -> None:
        """Goes on where another one stood."""
        for name in SNAPSHOT_FIELDS:
            setattr(self, name, state[name])


SNAPSHOT_FIELDS: Final = ("anomalies", "at_end", "payload_count", "count", "current_payload")
