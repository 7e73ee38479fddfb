"""The event stream format: bytes to frames, and back.

The rules are those of the WHATWG HTML Standard, section "Server-sent events" (9.2.5 and 9.2.6).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from deltafold.model.errors import UsageError
from deltafold.model.frozen import frozen
from deltafold.model.limits import Limits
from deltafold.wire.blocks import MAX_RETRY, BlockScanner, Signal, as_bytes, text_of

__all__ = ["Frame", "SSEDecoder", "encode_frame"]


@frozen
class Frame:
    """One dispatched event."""

    event: str
    """The event type: the `event` field, or "message" where there was none."""
    data: str
    """The `data` lines, joined with line feeds."""
    id: str = ""
    """The last event ID string at the time of dispatch; it stays from event to event."""
    retry: int | None = None
    """The reconnection time in milliseconds, where this block set it."""


class SSEDecoder:
    """Decodes one event stream. `feed()` stores, `next_frame()` decodes as much as one frame needs.

    Where a line or the data of an event pass `Limits.line_bytes` or `Limits.event_bytes`, `LimitExceeded`
    comes from `next_frame()`, after all frames before it, and again at every later call.
    """

    def __init__(self, *, limits: Limits | None = None, last_event_id: str = "") -> None:
        self._scanner = BlockScanner(limits=limits, last_event_id=last_event_id)

    @property
    def last_event_id(self) -> str:
        """The last event ID string, to be sent as `Last-Event-ID` on reconnection."""
        return self._scanner.last_event_id

    @property
    def reconnection_time(self) -> int | None:
        """Milliseconds, as the stream last set them; None where it did not."""
        return self._scanner.reconnection_time

    @property
    def event_count(self) -> int:
        """Events dispatched so far."""
        return self._scanner.event_count

    @property
    def offset(self) -> int:
        """Bytes from the start of the stream to what has not been read."""
        return self._scanner.offset

    @property
    def bytes_fed(self) -> int:
        """All bytes that were fed."""
        return self._scanner.bytes_fed

    @property
    def bytes_pending(self) -> int:
        """Bytes that no event has come of yet: those of an unfinished block, and all that is unread."""
        return self._scanner.bytes_pending

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Stores bytes as the transport gave them. Raises `TypeError`, or `UsageError` after `close()`."""
        chunk = data if type(data) is bytes else as_bytes(data)
        if self._scanner.is_closed:
            raise UsageError("feed() after close()")
        self._scanner.push(chunk)

    def close(self) -> None:
        """The stream has ended. An unfinished event is discarded; `pending` still shows it."""
        self._scanner.close()

    def reconnect(self) -> None:
        """What is fed from now on comes over another connection; what the old one left unread is dropped.

        The last event ID and the reconnection time stay, all else begins anew. Also after `close()`.
        """
        self._scanner.reconnect()

    def next_frame(self) -> Frame | None:
        """The next event, or None where no further one is complete."""
        scanner = self._scanner
        while signal := scanner.advance():
            if signal is EVENT:
                name, data = text_of(scanner.event_name), text_of(scanner.data)
                return Frame(name or "message", data, scanner.last_event_id, scanner.retry)
        return None

    def frames(self) -> Iterator[Frame]:
        """`iter(self.next_frame, None)`: lazy, holds no state, safe to abandon."""
        return iter(self.next_frame, None)

    @property
    def pending(self) -> Frame | None:
        """The event that was begun and not ended, or None. To be asked once `next_frame()` gives None.

        "Once the end of the file is reached, any pending data must be discarded. (If the file ends in the
        middle of an event, before the final empty line, the incomplete event is not dispatched.)" So this
        is only for owners who want to see what was discarded.
        """
        scanner = self._scanner
        data = scanner.pending_data()
        if data is None:
            return None
        name = text_of(scanner.pending_name)
        return Frame(name or "message", text_of(data), scanner.last_event_id, scanner.pending_retry)

    def getstate(self) -> dict[str, Any]:
        """All that the decoder is, as JSON values."""
        return self._scanner.getstate()

    def setstate(self, state: dict[str, Any]) -> None:
        """Makes a new decoder go on where another one stood, whose `getstate()` this is."""
        self._scanner.setstate(state)


EVENT: Final = Signal.EVENT


def encode_frame(
    data: str | Frame, *, event: str = "message", id: str = "", retry: int | None = None
) -> bytes:
    """The bytes of one event: what `SSEDecoder` reads as a `Frame` of the same fields.

    Takes a `Frame`, or its fields. Raises `UsageError` where a value cannot be said in the format, or would
    forge another field or event: CR, LF or NUL in `event` or `id`, CR in `data`, a `retry` (milliseconds)
    that is negative or above 2**53 - 1, half a surrogate pair anywhere. Raises `TypeError` for what is no
    plain str or int. (CVE-2026-44214 and CVE-2026-44217 are encoders that let line ends through.)
    """
    if isinstance(data, Frame):
        event, id, retry, data = data.event, data.id, data.retry, data.data
    for name, value, forbidden in (("event", event, "\r\n\0"), ("id", id, "\r\n\0"), ("data", data, "\r")):
        if type(value) is not str:  # a subclass may show other characters than it has
            raise TypeError(f"{name} must be a str, not {type(value).__name__!r}")
        for character in forbidden:
            if character in value:
                raise UsageError(f"{character!r} in {name} would forge another field or event")
    lines = []
    if event not in ("", "message"):
        lines.append(f"event: {event}")
    if id:
        lines.append(f"id: {id}")
    if retry is not None:
        if type(retry) is not int:
            raise TypeError(f"retry must be an int, not {type(retry).__name__!r}")
        if not 0 <= retry <= MAX_RETRY:
            raise UsageError(f"retry must be 0 to {MAX_RETRY} ms, not {retry}")
        lines.append(f"retry: {retry}")
    lines += [f"data: {line}" for line in data.split("\n")]
    try:
        return "\n".join([*lines, "", ""]).encode()
    except UnicodeEncodeError as error:
        raise UsageError("half a surrogate pair has no UTF-8 form") from error
