"""What the decoders of all framings but server-sent events have in common.

`feed()` stores, `advance()` reads on to the next frame or to what is out of order. All state is in plain
fields, so that a snapshot can take it.
"""

from __future__ import annotations

from abc import abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, ClassVar, Final, Generic, NoReturn, TypeVar

from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import LimitExceeded, UsageError
from deltafold.model.faults import StickyFault
from deltafold.model.limits import DEFAULT, Limits
from deltafold.wire.blocks import BOM, as_bytes

__all__ = ["FrameDecoder", "Step"]

FrameType = TypeVar("FrameType")
SPACE: Final = b" \t\r\n"


class Step(IntEnum):
    """What `FrameDecoder.advance()` came upon."""

    NOTHING = 0
    FRAME = 1
    FLAW = 2


class FrameDecoder(Generic[FrameType]):
    """Decodes one stream of frames. `feed()` stores, `next_frame()` decodes as much as one frame needs."""

    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (
        "_closed",
        "_start",
        "event_count",
        "event_index",
        "event_offset",
    )
    """What a snapshot keeps, beside the bytes that have not been read."""
    __slots__ = (
        "_buffer",
        "_closed",
        "_fault",
        "_limits",
        "_position",
        "_start",
        "data",
        "event_count",
        "event_index",
        "event_offset",
        "flaw",
        "flaw_code",
        "headers",
    )

    def __init__(self, *, limits: Limits | None = None) -> None:
        self._limits = DEFAULT if limits is None else limits
        self._fault: StickyFault | None = None
        self._closed = False
        # The bytes of the frame that is being read and what follows them; where they begin in the stream,
        # and how far they have been looked at.
        self._buffer = bytearray()
        self._start = 0
        self._position = 0
        self.data = b""
        """After `Step.FRAME` and `Step.FLAW`: the bytes that this is about."""
        self.headers: dict[str, bool | int | bytes | str] = {}
        """After `Step.FRAME`, of a framing that has such: the headers of the frame."""
        self.flaw = ""
        """After `Step.FLAW`: what is out of order, …"""
        self.flaw_code = AnomalyCode.ARRAY_MALFORMED
        """… and its name."""
        self.event_count = 0
        """Frames handed out so far."""
        self.event_index = 0
        self.event_offset = 0
        """Where the frame or flaw that was met last begins, in bytes from the start of the stream; and
        `event_index` is how many frames come before it."""

    # ------------------------------------------------------------------------------------- the owner

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Stores bytes as the transport gave them. Raises `TypeError`, or `UsageError` after `close()`."""
        data = as_bytes(data)
        if self._closed:
            raise UsageError("feed() after close()")
        self.push(data)

    def push(self, data: bytes) -> None:
        """Stores bytes, unchecked."""
        if self._fault is None:
            self._buffer += data
        else:
            self._start += len(data)

    def close(self) -> None:
        """The stream has ended. Idempotent; `pending` shows what was left unfinished."""
        self._closed = True

    @abstractmethod
    def next_frame(self) -> FrameType | None:
        """The next frame, or None where no further one is complete."""

    def frames(self) -> Iterator[FrameType]:
        """`iter(self.next_frame, None)`: lazy, holds no state, safe to abandon."""
        return iter(self.next_frame, None)

    @property
    def pending(self) -> bytes:
        """The bytes of a frame that was begun and not ended. To be asked once `next_frame()` gives None."""
        return bytes(self._buffer)

    # -------------------------------------------------------------------------------- the next layer

    @abstractmethod
    def advance(self) -> Step:
        """Reads on to the next frame or flaw. Raises `LimitExceeded`."""

    @abstractmethod
    def unfinished(self) -> tuple[AnomalyCode, str] | None:
        """What is out of order if this is the end of the stream."""

    @property
    def clean(self) -> bool:
        """Whether nothing of a frame is there that has not ended."""
        return not self._buffer

    @property
    def offset(self) -> int:
        """Bytes from the start of the stream to the frame that is being read."""
        return self._start

    @property
    def bytes_fed(self) -> int:
        """All bytes that were fed."""
        return self._start + len(self._buffer)

    @property
    def bytes_pending(self) -> int:
        """Bytes that no frame has come of yet."""
        return len(self._buffer)

    def drop(self) -> None:
        """Lets go of what was fed: nothing is read any more."""
        self._consume(len(self._buffer))

    def _consume(self, count: int) -> None:
        """The first bytes of the buffer have been read."""
        if count:
            # Of a bytearray the front is cut off without moving the rest.
            del self._buffer[:count]
            self._start += count
        self._position = 0

    def _take(self, end: int) -> Step:
        """The frame is what stands before a position of the buffer."""
        self.data = bytes(self._buffer[:end])
        self.event_offset = self._start
        self._consume(end)
        self.event_index = self.event_count
        self.event_count += 1
        return Step.FRAME

    def _flawed(self, code: AnomalyCode, message: str, data: bytes = b"") -> Step:
        self.flaw_code, self.flaw, self.data = code, message, data
        self.event_index = self.event_count
        return Step.FLAW

    def _refuse(self, limit: str, value: int) -> NoReturn:
        """A limit is passed by the frame that begins at the start of the buffer."""
        self.event_offset = self._start
        fault = LimitExceeded(limit, value, offset=self._start, event_index=self.event_count)
        self._fault = StickyFault(fault)
        self.drop()
        raise self._fault.exception()

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault.exception()

    def _skip_bom(self) -> bool:
        """Passes over a byte order mark at the start. False while it is not clear whether there is one."""
        if self._start == 0 and len(self._buffer) < len(BOM) and BOM.startswith(self._buffer):
            return self._closed
        if self._start == 0 and self._buffer.startswith(BOM):
            self._consume(len(BOM))
        return True

    # -------------------------------------------------------------------------------------- snapshot

    def getstate(self) -> dict[str, Any]:
        """All that the decoder is, as JSON values."""
        state = {name: getattr(self, name) for name in self.SNAPSHOT_FIELDS}
        return {**state, "rest": b64encode(self._buffer).decode()}

    def setstate(self, state: dict[str, Any]) -> None:
        """Makes a new decoder go on where another one stood."""
        for name in self.SNAPSHOT_FIELDS:
            setattr(self, name, state[name])
        self._buffer += b64decode(state["rest"])
