"""The event stream format, block by block: where lines and blocks end, and what their fields are.

The rules are those of the WHATWG HTML Standard, section "Server-sent events" (9.2.5 and 9.2.6), whose
sentences stand beside the lines that implement them. A line end is 0x0A or 0x0D and never part of a UTF-8
sequence, so lines are found first and decoded afterwards. They are found in octets: a `str` of one character
for each byte, which Python searches and cuts faster than `bytes`.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from enum import IntEnum
from typing import Any, Final

from deltafold.model.errors import LimitExceeded
from deltafold.model.faults import StickyFault
from deltafold.model.limits import DEFAULT, Limits
from deltafold.wire.json_text import UP_TO_BRACKET

__all__ = ["BlockScanner", "Signal", "as_bytes", "text_of"]

BOM: Final = b"\xef\xbb\xbf"
BOM_OCTETS: Final = "\xef\xbb\xbf"
LINE_END: Final = re.compile(r"\r\n?|\n")
EMPTY_LINES: Final = re.compile(r"(?:data:?\n)++")
# The largest integer that a JavaScript client keeps exactly; it has 16 digits.
MAX_RETRY: Final = 2**53 - 1
# Up to how many bytes of an unfinished block are left unread for the sake of reading it at once: they are
# joined again at each line that comes.
LONGEST_WAIT: Final = 4096
# After so many bytes without a line end, the chunks that brought them are joined: a list of a million chunks
# of one byte takes eight times their memory, and joining it ten times as much again.
PIECE: Final = 16_384
LF: Final = 0x0A
CR: Final = 0x0D
STRAY: Final = 200
WHITESPACE: Final = " \t\n\r\x0b\f"  # that of ASCII: among octets there are others
# What has no name as a field must: JSON, a page, or words before any colon.
UNNAMED: Final = re.compile(r'[ \t]*+(?:[\[{<"]|[^\s:]++[ \t]++[^\s:])')
FIELDS: Final = ("data:", "event:", "id:", "retry:", "error:", ":")


class Signal(IntEnum):
    """What `BlockScanner.advance()` came upon."""

    NOTHING = 0
    EVENT = 1
    COMMENT = 2
    NAMED_BLOCK_WITHOUT_DATA = 3
    """A named block without data: no event, but a sign of life."""
    ERROR_FIELD = 4
    """A field named `error`: ignored by the standard, and used by llama.cpp for errors."""
    STRAY = 5
    """A line that is no field of any name: a piece of JSON, of a page, or a sentence."""


NOTHING: Final = Signal.NOTHING
EVENT: Final = Signal.EVENT
COMMENT: Final = Signal.COMMENT
NAMED_BLOCK_WITHOUT_DATA: Final = Signal.NAMED_BLOCK_WITHOUT_DATA
ERROR_FIELD: Final = Signal.ERROR_FIELD
STRAY_LINE: Final = Signal.STRAY


def as_bytes(data: Any) -> bytes:
    """The bytes of a bytes-like object. Raises `TypeError` for anything else."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        try:
            return bytes(data)
        except ValueError as error:
            raise TypeError(f"the buffer cannot be read: {error}") from error
    raise TypeError(f"a bytes-like object is required, not {type(data).__name__!r}")


def depth_of(line: str) -> int:
    """How many brackets of JSON a line opens beyond those that it closes. (No string spans two lines.)"""
    depth = at = 0
    while (found := UP_TO_BRACKET.match(line, at)) is not None:
        at = found.end()
        depth += 1 if line[at - 1] in "[{" else -1
    return depth


def text_of(latin1: str) -> str:
    """The text that octets are in UTF-8, U+FFFD where they are none."""
    return latin1 if latin1.isascii() else latin1.encode("latin-1").decode("utf-8", "replace")


class BlockScanner:
    """Finds the blocks of one event stream. `push()` stores, `advance()` reads as far as the next signal.

    Everything it holds of the stream is Latin-1: one character for each byte. It is compiled, so that reader
    and fast path can look into it; `SSEDecoder` is its face for everybody else.
    """

    __slots__ = (
        "_at_start",
        "_block",
        "_check_line_above",
        "_data",
        "_end",
        "_event_limit",
        "_fault",
        "_has_returns",
        "_json",
        "_json_depth",
        "_json_size",
        "_line_limit",
        "_longest_wait",
        "_new_id",
        "_pieces",
        "_skip_line_feed",
        "_start",
        "_stray_line",
        "_strip_pending",
        "between_blocks",
        "blocks_end",
        "buffer",
        "chunks",
        "data",
        "drained",
        "event_count",
        "event_name",
        "event_offset",
        "has_unjoined_line",
        "is_closed",
        "join_at",
        "last_event_id",
        "longest_block",
        "only_lf",
        "pending_name",
        "pending_retry",
        "position",
        "reconnection_time",
        "retry",
        "text",
        "unjoined_size",
    )

    def __init__(self, *, limits: Limits | None = None, last_event_id: str = "") -> None:
        limits = DEFAULT if limits is None else limits
        self._line_limit = limits.line_bytes
        self._event_limit = limits.event_bytes
        self.longest_block = min(limits.line_bytes, limits.event_bytes)
        self._longest_wait = min(LONGEST_WAIT, self.longest_block)
        self._check_line_above = limits.line_bytes - PIECE
        self.last_event_id = last_event_id
        """The last event ID string, to be sent as `Last-Event-ID` on reconnection."""
        self.reconnection_time: int | None = None
        """Milliseconds, as the stream last set them; None where it did not."""
        self._begin()

    def _begin(self) -> None:
        """A connection begins: nothing of it has been read."""
        self._fault: StickyFault | None = None
        self.is_closed = False
        # Bytes as they were fed. They are joined once a line end is among them, and never before: joining
        # at each chunk would cost the square of a long line. The first `_pieces` were joined already.
        self.chunks: list[bytes] = []
        self._pieces = 0
        # How many they are, and how many they may be before something is done about it.
        self.unjoined_size = 0
        self.join_at = min(PIECE, self._line_limit)
        # Whether a line end is among them, or more than a line may have.
        self.has_unjoined_line = False
        # Kept by the owner: whether nothing more can be had of what was fed so far.
        self.drained = False
        self._at_start = True
        self._skip_line_feed = False
        self._strip_pending = True  # one of the two
        # The octets of joined bytes, read as far as `position`; up to `end` they are whole lines. `_start` is
        # where they begin in the stream.
        self.buffer = ""
        self.position = 0
        self._end = 0
        self.blocks_end = 0  # up to here there may be whole blocks
        self._start = 0
        self._has_returns = False
        # Whether the last block was dispatched and none has begun.
        self.between_blocks = True
        # The same, and the buffer has no CR: then a block can be cut out in one step.
        self.only_lf = True
        # The block that is being read: where it begins in the stream, and its fields.
        self._block = 0
        self.pending_name = ""
        self._data: str | bytearray | None = None
        self._new_id: str | None = None
        self.pending_retry: int | None = None
        self._stray_line = ""
        # Lines that are no fields but those of JSON that began behind an event, and how deep they are.
        self._json: list[str] | None = None
        self._json_depth = 0
        self._json_size = 0
        # What the last signal was about.
        self.event_offset = 0
        self.event_name = ""
        self.data = ""
        self.text = ""
        self.retry: int | None = None

        self.event_count = 0
        """Events dispatched so far."""

    # ------------------------------------------------------------------------------------- the owner

    def push(self, data: bytes) -> bool:
        """Stores bytes, unchecked. Whether there is now something to read."""
        if data:
            self.chunks.append(data)
            self.unjoined_size += len(data)
            if LF in data or CR in data:  # asked with an int, this takes a seventh of the time
                self.has_unjoined_line = True
            elif self.unjoined_size > self.join_at:
                self.join_long_line()
        return self.has_unjoined_line

    def close(self) -> None:
        """The stream has ended. An unfinished event is discarded; `pending` still shows it."""
        self.is_closed = True

    def reconnect(self) -> None:
        """What is fed from now on comes over another connection; what the old one left unread is dropped.

        The last event ID and the reconnection time stay, all else begins anew. Also after `close()`.
        """
        self._begin()

    def advance(self) -> Signal:
        """Reads on to the next event, comment, block without data, or `error` field.

        After `EVENT`, `data`, `event_name` and `retry` are those of the event, and `event_offset` is where
        its block begins in the stream, as it is after `ERROR_FIELD`; after `NAMED_BLOCK_WITHOUT_DATA`,
        `event_name` is the block's; after `COMMENT` and `ERROR_FIELD`, `text` is the rest of the line, and
        all of it after `STRAY_LINE`. All of them are Latin-1: one character for each byte.
        """
        buffer, position = self.buffer, self.position
        if self.only_lf and position < self.blocks_end:
            # Nearly every block is just an `event` line, a `data` line and a blank line, in this spelling, or
            # a comment and a blank line.
            begin, name = position, ""
            if buffer[position : position + 7] == "event: ":
                begin = buffer.find("\n", position) + 1
                name = buffer[position + 7 : begin - 1]
            if buffer[begin : begin + 6] == "data: ":
                stop = buffer.find("\n", begin)
                if buffer[stop + 1 : stop + 2] == "\n" and stop - position <= self.longest_block:
                    self.data = buffer[begin + 6 : stop]
                    self.event_name = name
                    self.event_offset = self._start + position
                    self.position = stop + 2
                    if stop > PIECE and stop + 2 == len(buffer):  # its text is about to be held twice more
                        self._drop()
                    self.event_count += 1
                    if self.retry is not None:
                        self._commit()
                    return EVENT
            elif buffer[position : position + 1] == ":":
                stop = buffer.find("\n", position)
                if buffer[stop + 1 : stop + 2] == "\n" and stop - position <= self.longest_block:
                    self.text = buffer[position + 1 : stop].removeprefix(" ")
                    self.position = stop + 2
                    if self.retry is not None:
                        self._commit()
                    return COMMENT
        if self.between_blocks:
            self._block = self._start + position
        data, end = self._data, self.end
        while True:
            if position == end:
                self.position = position
                self._data = data
                if not self.refill():
                    return NOTHING
                buffer, position, end = self.buffer, 0, self.end
                if self.between_blocks:
                    self._block = self._start
            self.between_blocks = self.only_lf = False
            if self._has_returns:
                stop, after = line_end(buffer, position)
            else:
                stop = buffer.find("\n", position)
                after = stop + 1
            if stop - position > self._line_limit:
                self._refuse("line_bytes", self._line_limit, self._start + position)
            if buffer[position : position + 6] == "data: ":
                line = buffer[position + 6 : stop]
                data = line if data is None else self._joined(data, line)
            elif buffer[position : position + 7] == "event: ":
                self.pending_name = buffer[position + 7 : stop]
            elif stop == position:
                # "If the line is empty (a blank line): Dispatch the event, as defined below."
                self.event_offset = self._block
                self._block = self._start + after
                if self._new_id is not None or self.pending_retry is not None or self.retry is not None:
                    self._commit()
                if data is not None:
                    self.data = data = dispatched(data)
                    if len(data) > self._event_limit:
                        self._refuse("event_bytes", self._event_limit, self.event_offset)
                    # "Set the data buffer and the event type buffer to the empty string."
                    self.event_name = self.pending_name
                    self.pending_name = ""
                    self._data = None
                    if self._json:
                        self._forget_json()
                    self.position = after
                    if len(data) > PIECE and after == len(buffer):
                        self._drop()
                    self.event_count += 1
                    self.between_blocks = True
                    self.only_lf = not self._has_returns
                    return EVENT
                if self.pending_name:
                    # "If the data buffer is an empty string, set the data buffer and the event type
                    # buffer to the empty string and return."
                    self.event_name = self.pending_name
                    self.pending_name = ""
                    self.position = after
                    return NAMED_BLOCK_WITHOUT_DATA
            elif (run := self._empty_lines(buffer, position)) is not None:
                data = self._joined_empty(data, run)
                after = run.end()
            else:
                self._data = data
                signal = self._field(buffer[position:stop])
                data = self._data
                if signal:
                    self.position = after
                    return signal
            position = after

    def pending_data(self) -> str | None:
        """The data of an unfinished event, its unfinished last line included; None where there are none."""
        tail = self._from(self.end)
        if self._at_start:
            tail = tail.removeprefix(BOM_OCTETS)
        so_far = None if self._data is None else dispatched(self._data)
        if not tail.startswith("data:"):
            return so_far
        line = tail[5:].removeprefix(" ")
        return line if so_far is None else so_far + "\n" + line

    def unfinished_line(self) -> str:
        """The line that has not ended, where it is no field, or the JSON that has not."""
        tail = self._from(self.end)
        if self._json:
            return text_of("\n".join([*self._json, tail]))
        return "" if is_field(tail) or UNNAMED.match(tail) is None else text_of(tail)

    def stray_line(self) -> str:
        """The beginning of the first line that is no field, be it unfinished; "" where there is none."""
        tail = self._from(self.end)[:STRAY]
        if self._at_start:
            tail = tail.removeprefix(BOM_OCTETS)
        return text_of(self._stray_line or ("" if not tail or is_field(tail) else tail))

    @property
    def offset(self) -> int:
        """Bytes from the start of the stream to what has not been read."""
        return self._start + self.position

    @property
    def bytes_fed(self) -> int:
        """All bytes that were fed."""
        return self._start + len(self.buffer) + self.unjoined_size

    @property
    def bytes_pending(self) -> int:
        """Bytes that no event has come of yet: those of an unfinished block, and all that is unread."""
        return self.bytes_fed - (self.offset if self.between_blocks else self._block)

    # ------------------------------------------------------------------------------------- one block

    def _field(self, line: str) -> Signal:
        """A line that is neither blank, nor `data` or `event` in their usual spelling."""
        # "Collect the characters on the line before the first U+003A COLON character (:), and let field be
        # that string. Collect the characters on the line after [it], and let value be that string. If value
        # starts with a U+0020 SPACE character, remove it from value."
        name, colon, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data = value if self._data is None else self._joined(self._data, value)
        elif name == "event":
            self.pending_name = value
        elif not name and colon:
            self.text = value
            return COMMENT
        elif name == "id":
            # "If the field value does not contain U+0000 NULL, then set the last event ID buffer to the
            # field value. Otherwise, ignore the field."
            if "\0" not in value:
                self._new_id = text_of(value)
        elif name == "retry":
            # "If the field value consists of only ASCII digits, then interpret the field value as an integer
            # in base ten, and set the event stream's reconnection time to that integer."
            digits = value.lstrip("0")
            decimal = value.isascii() and value.isdigit() and len(digits) <= 16
            if decimal and (time := int(digits or "0")) <= MAX_RETRY:
                self.pending_retry = self.reconnection_time = time
        elif name == "error":
            self.text = value
            self.event_offset = self._block
            return ERROR_FIELD
        elif self._json:
            return self._more_json(line)
        else:
            # "Otherwise: The field is ignored." The first is kept, to tell what a body is that has no event.
            if not self._stray_line:
                self._stray_line = line[:STRAY]
            if self.event_count and line.startswith(("{", "[")) and depth_of(line) > 0:
                return self._more_json(line)
            if UNNAMED.match(line) is not None:
                self.text = line
                self.event_offset = self._block
                return STRAY_LINE
        return NOTHING

    def _more_json(self, line: str) -> Signal:
        """A line of a JSON value that is printed in several, as Google's servers print errors."""
        if self._json is None:
            self._json = []
        self._json.append(line)
        self._json_depth += depth_of(line)
        self._json_size += len(line) + 1
        if self._json_depth > 0 and self._json_size <= self._event_limit:
            return NOTHING
        self.text = "\n".join(self._json)
        self.event_offset = self._block
        self._forget_json()
        return STRAY_LINE

    def _forget_json(self) -> None:
        self._json = None
        self._json_depth = self._json_size = 0

    def _joined(self, data: str | bytearray, line: str) -> bytearray:
        # "Append the field value to the data buffer, then append a single U+000A LINE FEED (LF) character to
        # the data buffer." A first line alone is kept as it is, for most events have no second one.
        if isinstance(data, str):
            data = bytearray(data.encode("latin-1"))
            data += b"\n"
        data += line.encode("latin-1")
        data += b"\n"
        if len(data) - 1 > self._event_limit:
            self._refuse("event_bytes", self._event_limit, self._block)
        return data

    def _empty_lines(self, buffer: str, position: int) -> re.Match[str] | None:
        """`data` lines without a value, all that follow one another: one step for each would be a way to be
        slow."""
        return None if self._has_returns or self._line_limit < 5 else EMPTY_LINES.match(buffer, position)

    def _joined_empty(self, data: str | bytearray | None, run: re.Match[str]) -> str | bytearray:
        count = run[0].count("\n")
        if data is None:
            return self._joined("", "\n" * (count - 2)) if count > 1 else ""
        return self._joined(data, "\n" * (count - 1))

    def _commit(self) -> None:
        """What an `id` or `retry` line set takes effect at the blank line, with data or without."""
        if self._new_id is not None:
            # "Set the last event ID string of the event source to the value of the last event ID buffer."
            self.last_event_id = self._new_id
            self._new_id = None
        self.retry, self.pending_retry = self.pending_retry, None

    # ----------------------------------------------------------------------------------------- bytes

    def refill(self) -> bool:
        """Whether what was fed since gives another whole line. Raises `LimitExceeded`."""
        if self._fault is not None:
            raise self._fault.exception()
        if self.has_unjoined_line:
            self.join()
            if self.end:
                return True
        self._check_unfinished_line()
        return False

    def join(self) -> None:
        """Joins what was fed since to what has not been read."""
        chunks, position = self.chunks, self.position
        joined = b"".join(chunks)
        chunks.clear()
        whole = joined.decode("latin-1")
        del joined
        unread = self.buffer[position:]
        if unread:
            whole = unread + whole
        self.has_unjoined_line = False
        self.unjoined_size = 0
        self._start += position
        if self._strip_pending:
            whole = self._without_edge(whole, unread)
        self.buffer = whole
        self.position = 0
        # Nearly always the last line that has ended is the blank one behind a block.
        last = whole.rfind("\n")
        if last > 0 and whole[last - 1] != "\n":
            last = whole.rfind("\n\n", 0, last) + 1
        self.blocks_end = last + 1 if last > 0 else 0
        self._has_returns = has_returns = "\r" in whole
        if has_returns and whole.endswith("\r"):
            self._skip_line_feed = self._strip_pending = True
        self._end = -1
        self.only_lf = self.between_blocks and not has_returns
        if self._pieces or len(whole) > self._check_line_above:
            self._pieces = 0
            self.join_at = max(min(PIECE, self._line_limit - (len(whole) - self.end)), 0)

    def _drop(self) -> None:
        """Lets go of a buffer that has been read."""
        self._start += self.position
        self.buffer = ""
        self.position = self._end = self.blocks_end = 0

    def join_long_line(self) -> None:
        """Many bytes came without a line end: they are joined, or are more than a line may have."""
        room = self._line_limit - self._unfinished()
        if room < 0:
            self.has_unjoined_line = True
        else:
            self.chunks[self._pieces :] = [b"".join(self.chunks[self._pieces :])]
            self._pieces += 1
            self.join_at = self.unjoined_size + min(PIECE, room)

    def _without_edge(self, whole: str, unread: str) -> str:
        """What was joined, without a byte order mark at its start or the rest of a CRLF.

        (As long as the CR of a CRLF is `unread` it takes its LF along.)
        """
        if self._at_start:
            # "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if any."
            self._at_start = False
            if whole.startswith(BOM_OCTETS):
                whole = whole[3:]
                self._start = self._block = 3
        if self._skip_line_feed:
            # The line ended with the CR that was the last byte before: acting on it at once costs nobody
            # a wait, and this LF is the rest of that CRLF.
            self._skip_line_feed = False
            if not unread and whole.startswith("\n"):
                whole = whole[1:]
                if self._block == self._start:
                    self._block += 1
                self._start += 1
        self._strip_pending = False
        return whole

    @property
    def end(self) -> int:
        """Up to here the joined bytes are whole lines. (Found when it is asked for, which is seldom.)"""
        if self._end < 0:
            self._end = max(self.buffer.rfind("\n"), self.buffer.rfind("\r") if self._has_returns else -1) + 1
        return self._end

    def is_waiting_for_block_end(self) -> bool:
        """Whether there is nothing to be read but a short beginning of a block in the usual spelling.

        Such a block is left alone until it is whole, to be read in one step.
        """
        position = self.position
        if position < self.blocks_end or not (self.only_lf or position == self.end):
            return False
        if self.has_unjoined_line:
            self.join()
            if self.blocks_end:
                return False
            position = 0
        if not self.only_lf:
            return False
        buffer = self.buffer
        rest = len(buffer) - position
        if rest == 0:
            if position:
                self._drop()
            return True
        return rest <= self._longest_wait and (
            buffer[position : position + 7] == "event: "
            or buffer[position : position + 6] == "data: "
            or position == self.end
        )

    def block(self) -> str | None:
        """The octets of the last event's block; None where they are no longer together."""
        start = self.event_offset - self._start
        return self.buffer[start : self.position] if start >= 0 else None

    def _check_unfinished_line(self) -> None:
        if self._unfinished() > self._line_limit:
            self._refuse("line_bytes", self._line_limit, self._start + self.end)

    def _unfinished(self) -> int:
        """Bytes of the line that has not ended. A byte order mark, whole or begun, is of no line."""
        size = len(self.buffer) - self.end + self.unjoined_size
        if self._at_start and size > self._line_limit:
            start = b"".join(self.chunks[: len(BOM)])[: len(BOM)]
            size -= len(start) if BOM.startswith(start) else 0
        return size

    def _from(self, position: int) -> str:
        """All octets from a position in the buffer on, also those that have not been joined."""
        return self.buffer[position:] + b"".join(self.chunks).decode("latin-1")

    def _refuse(self, limit: str, value: int, offset: int) -> None:
        fault = LimitExceeded(limit, value, offset=offset, event_index=self.event_count)
        self._fault = StickyFault(fault)
        self.position = self.end
        self._data = None  # what made it is let go
        raise self._fault.exception()

    # -------------------------------------------------------------------------------------- snapshot

    def getstate(self) -> dict[str, Any]:
        """All that the decoder is, as JSON values."""
        data = self._data
        return {
            "closed": self.is_closed,
            "at_start": self._at_start,
            "skip_line_feed": self._skip_line_feed and self.position == self.end,
            "offset": self._start + self.position,
            "rest": packed(self._from(self.position)),
            "block": self._block,
            "clean": self.between_blocks,
            "name": packed(self.pending_name),
            "data": None if data is None else packed(data),
            "several_lines": isinstance(data, bytearray),
            "stray_line": packed(self._stray_line),
            "json": [packed(line) for line in self._json or ()],
            "new_id": self._new_id,
            "new_retry": self.pending_retry,
            "retry": self.retry,
            "event_count": self.event_count,
            "event_offset": self.event_offset,
            "last_event_id": self.last_event_id,
            "reconnection_time": self.reconnection_time,
        }

    def setstate(self, state: dict[str, Any]) -> None:
        """Makes a new decoder go on where another one stood."""
        self.is_closed = state["closed"]
        self._at_start = state["at_start"]
        self._skip_line_feed = state["skip_line_feed"]
        self._strip_pending = self._at_start or self._skip_line_feed
        self._start = state["offset"]
        self._block = state["block"]
        self.between_blocks = state["clean"]
        self.pending_name = unpacked(state["name"])
        data = state["data"]
        if data is not None:
            self._data = bytearray(b64decode(data)) if state["several_lines"] else unpacked(data)
        self._stray_line = unpacked(state["stray_line"])
        for line in state["json"]:
            self._more_json(unpacked(line))
        self._new_id = state["new_id"]
        self.pending_retry = state["new_retry"]
        self.retry = state["retry"]
        self.event_count = state["event_count"]
        self.event_offset = state["event_offset"]
        self.last_event_id = state["last_event_id"]
        self.reconnection_time = state["reconnection_time"]
        self.push(b64decode(state["rest"]))


def dispatched(data: str | bytearray) -> str:
    """The data of an event that ends, in octets."""
    # "If the data buffer's last character is a U+000A LINE FEED (LF) character, then remove the last
    # character from the data buffer."
    return data if isinstance(data, str) else data[:-1].decode("latin-1")


def packed(latin1: str | bytearray) -> str:
    """Octets as a snapshot holds them."""
    return b64encode(latin1.encode("latin-1") if isinstance(latin1, str) else latin1).decode()


def unpacked(text: str) -> str:
    return b64decode(text).decode("latin-1")


def is_field(line: str) -> bool:
    """Whether a line is meant as a field, or may become one."""
    start = line.lstrip(WHITESPACE)
    return any(start.startswith(field) or field.startswith(start) for field in FIELDS)


def line_end(buffer: str, position: int) -> tuple[int, int]:
    """Where the line at `position` ends, and where the next one begins.

    "Lines must be separated by either a U+000D CARRIAGE RETURN U+000A LINE FEED (CRLF) character pair, a
    single U+000A LINE FEED (LF) character, or a single U+000D CARRIAGE RETURN (CR) character."
    """
    found = LINE_END.search(buffer, position)
    assert found is not None, "the decoder only asks about whole lines"
    return found.span()
