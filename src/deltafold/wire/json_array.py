"""A JSON array that comes in pieces: each element as soon as its last byte is there.

So Gemini answers where nobody asked for server-sent events: `[{...}\\n,\\r\\n{...}\\n]`. Depth is counted
outside of strings; what an element holds is read elsewhere.
"""

from __future__ import annotations

import re
from typing import Any, Final

from deltafold.model.anomalies import AnomalyCode
from deltafold.wire.frame_decoder import FrameDecoder, Step
from deltafold.wire.value_end import ValueEnd

__all__ = ["JSONArrayDecoder"]

BLANKS: Final = re.compile(rb"[ \t\r\n]*+")
# What is no object, array or string ends where something else begins.
WORD_END: Final = re.compile(rb'[ \t\r\n,\[\]{}"]')

QUOTE: Final = ord('"')
COMMA: Final = ord(",")
OPEN: Final = ord("[")
CLOSE: Final = ord("]")
OPENING: Final = b"[{"


# Where in the array the reading is.
START: Final = "start"
FIRST: Final = "first"
"""After the opening bracket."""
VALUE: Final = "value"
"""After a comma."""
SEPARATOR: Final = "separator"
"""After a value."""
AFTER: Final = "after"
"""After the closing bracket."""
STRAY: Final = "stray"
"""Before a value that is in no array."""
LONG_VALUE: Final = "long"
"""In an object, an array or a string."""
WORD: Final = "word"
"""In anything else."""


class JSONArrayDecoder(FrameDecoder[str]):
    """Decodes a JSON array in pieces. `feed()` stores, `next_frame()` gives the text of the next element.

    Elements are handed out as they end, whatever stands between them: a comma that is missing or too many,
    and values outside of the array, are passed over in silence (the parser reports them). An element is not
    checked, but for its length: where that passes `Limits.event_bytes`, `LimitExceeded` comes from
    `next_frame()`, after all elements before it, and again at every later call.
    """

    SNAPSHOT_FIELDS = (*FrameDecoder.SNAPSHOT_FIELDS, "_inside", "_place")
    __slots__ = ("_end", "_inside", "_place")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._place = START
        self._inside = False
        self._end = ValueEnd()

    def next_frame(self) -> str | None:
        """The JSON text of the next element, or None where no further one is complete."""
        while step := self.advance():
            if step is Step.FRAME:
                return self.data.decode("utf-8", "replace")
        return None

    def advance(self) -> Step:
        """Reads on to the next element or flaw. Raises `LimitExceeded`."""
        self._raise_fault()
        if not self._skip_bom():
            return Step.NOTHING
        buffer = self._buffer
        while True:
            if self._place in (LONG_VALUE, WORD):
                return self._element()
            found = BLANKS.match(buffer, self._position)
            assert found is not None
            self._consume(found.end())
            if not buffer:
                return Step.NOTHING
            byte, place = buffer[0], self._place
            if byte == OPEN and place == START:
                self._enter()
            elif byte == OPEN and place == AFTER:
                self._enter()
                return self._malformed("another array begins after the end of the array")
            elif byte == COMMA and place != STRAY:
                self._consume(1)
                if place != SEPARATOR:
                    return self._malformed("there is no value before a comma")
                self._place = VALUE
            elif byte == CLOSE and place in (FIRST, VALUE, SEPARATOR):
                self._consume(1)
                self._place, self._inside = AFTER, False
                if place == VALUE:
                    return self._malformed("there is no value after the last comma")
            elif place == SEPARATOR:
                self._place = VALUE
                return self._malformed("there is no comma between two values")
            elif place in (START, AFTER):
                self._place = STRAY
                return self._malformed(
                    "the body does not begin with a bracket"
                    if place == START
                    else "something stands after the end of the array"
                )
            else:
                self._place = LONG_VALUE if byte == QUOTE or byte in OPENING else WORD
                if byte == QUOTE:
                    self._end.in_string = True
                    self._position = 1

    def _enter(self) -> None:
        self._consume(1)
        self._place, self._inside = FIRST, True

    def _malformed(self, message: str) -> Step:
        self.event_offset = self._start
        return self._flawed(AnomalyCode.ARRAY_MALFORMED, message)

    def _element(self) -> Step:
        """Reads on in the element at the start of the buffer."""
        buffer, limit = self._buffer, self._limits.event_bytes
        if self._place == LONG_VALUE:
            end = self._end.find(buffer, self._position)
        else:
            found = WORD_END.search(buffer, max(self._position, 1))
            end = found.start() if found else len(buffer) if self._closed else -1
        if end < 0:
            self._position = len(buffer)
        if (len(buffer) if end < 0 else end) > limit:
            self._end = ValueEnd()
            self._refuse("event_bytes", limit)
        if end < 0:
            return Step.NOTHING
        self._place = SEPARATOR if self._inside else AFTER
        return self._take(end)

    @property
    def clean(self) -> bool:
        """Whether no element has been begun that has not ended."""
        return self._place not in (LONG_VALUE, WORD)

    def unfinished(self) -> tuple[AnomalyCode, str] | None:
        """What is out of order if this is the end of the stream."""
        if not self.clean:
            return AnomalyCode.UNFINISHED_FINAL_EVENT, "the stream ended inside an element of the array"
        if self._inside:
            return AnomalyCode.ARRAY_NOT_CLOSED, "the stream ended before the end of the array"
        return None

    def getstate(self) -> dict[str, Any]:
        """All that the decoder is, as JSON values."""
        end = {name: getattr(self._end, name) for name in ValueEnd.SNAPSHOT_FIELDS}
        return {**super().getstate(), "end": end, "position": self._position}

    def setstate(self, state: dict[str, Any]) -> None:
        """Makes a new decoder go on where another one stood."""
        super().setstate(state)
        self._position = state["position"]
        for name in ValueEnd.SNAPSHOT_FIELDS:
            setattr(self._end, name, state["end"][name])
