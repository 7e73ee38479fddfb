"""A second decoder of event streams, written from the standard's text, to which ours is held."""

from __future__ import annotations

import re

import attrs

from deltafold.wire.sse import Frame

BOM = b"\xef\xbb\xbf"


@attrs.define
class Oracle:
    """The standard's algorithm on a whole stream, sentence by sentence, and nothing else."""

    frames: list[Frame] = attrs.field(factory=list)
    last_event_id: str = ""
    reconnection_time: int | None = None
    id_buffer: str = ""
    type_buffer: str = ""
    data_buffer: str | None = (
        None  # None: no data line, which the standard does not tell from an empty buffer
    )
    retry: int | None = None

    def read(self, stream: bytes) -> Oracle:
        """All lines of a stream; what follows the last line end is no line."""
        text = stream.decode("utf-8", "replace")
        if text.startswith("\ufeff") and stream.startswith(BOM):
            text = text[1:]
        for line in re.split("\r\n|\n|\r", text)[:-1]:
            self.line(line)
        return self

    def line(self, line: str) -> None:
        """One line."""
        if line == "":
            self.dispatch()
        elif line.startswith(":"):
            pass
        elif ":" in line:
            field, value = line.split(":", 1)
            self.field(field, value[1:] if value.startswith(" ") else value)
        else:
            self.field(line, "")

    def field(self, field: str, value: str) -> None:
        """One field."""
        if field == "event":
            self.type_buffer = value
        elif field == "data":
            self.data_buffer = (self.data_buffer or "") + value + "\n"
        elif field == "id" and "\0" not in value:
            self.id_buffer = value
        elif field == "retry" and re.fullmatch("0*[0-9]{1,16}", value) and int(value) <= 2**53 - 1:
            self.retry = self.reconnection_time = int(value)

    def dispatch(self) -> None:
        """A blank line."""
        self.last_event_id = self.id_buffer
        if self.data_buffer is not None:
            data = self.data_buffer.removesuffix("\n")
            self.frames.append(Frame(self.type_buffer or "message", data, self.last_event_id, self.retry))
        self.data_buffer, self.type_buffer, self.retry = None, "", None
