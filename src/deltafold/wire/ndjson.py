"""One JSON value on each line: `application/x-ndjson`, `application/jsonl`.

Lines end with LF or CRLF, and with nothing else: U+2028 and U+0085 are characters like others. Blank lines
are ignored. The last line may lack its end, and counts when it is whole.
"""

from __future__ import annotations

from deltafold.model.anomalies import AnomalyCode
from deltafold.wire.frame_decoder import SPACE, FrameDecoder, Step
from deltafold.wire.json_text import DONE, is_strict_json

__all__ = ["NDJSONDecoder"]


class NDJSONDecoder(FrameDecoder[str]):
    """Decodes JSON lines. `feed()` stores, `next_frame()` gives the text of the next line that is not blank.

    A line is not checked, but for its length: where that passes `Limits.line_bytes` or `Limits.event_bytes`,
    `LimitExceeded` comes from `next_frame()`, after all lines before it, and again at every later call. After
    `close()` a last line without an end is handed out if it is one whole JSON value.
    """

    __slots__ = ()

    def next_frame(self) -> str | None:
        """The JSON text of the next line, or None where no further one is complete."""
        return self.data.decode("utf-8", "replace") if self.advance() else None

    def advance(self) -> Step:
        """Reads on to the next line that is not blank. Raises `LimitExceeded`."""
        self._raise_fault()
        if not self._skip_bom():
            return Step.NOTHING
        buffer = self._buffer
        while (end := buffer.find(b"\n", self._position)) >= 0:
            self._check(end - (buffer[end - 1 : end] == b"\r"))
            if self._line(end, end + 1):
                return Step.FRAME
        self._position = len(buffer)
        # The CR at the end may be half of a line end.
        self._check(len(buffer) - buffer.endswith(b"\r"))
        if self._closed:
            text = buffer.decode("utf-8", "replace").strip()
            if (text == DONE or is_strict_json(text)) and self._line(len(buffer), len(buffer)):
                return Step.FRAME
        return Step.NOTHING

    def _line(self, end: int, after: int) -> bool:
        """Whether the line at the start of the buffer is not blank; then it is the frame."""
        line = bytes(self._buffer[:end]).strip(SPACE)
        self.event_offset = self._start
        self._consume(after)
        if not line:
            return False
        self.data = line
        self.event_index = self.event_count
        self.event_count += 1
        return True

    def _check(self, size: int) -> None:
        """Raises `LimitExceeded` where a line of so many bytes is too long."""
        for limit in ("line_bytes", "event_bytes"):
            most = getattr(self._limits, limit)
            if size > most:
                self._refuse(limit, most)

    def unfinished(self) -> tuple[AnomalyCode, str] | None:
        """What is out of order if this is the end of the stream."""
        if not self._buffer.strip(SPACE):
            return None
        return AnomalyCode.UNFINISHED_FINAL_EVENT, "the stream ended inside a line"
