"""The AWS event stream, `application/vnd.amazon.eventstream`: what Bedrock and SageMaker answer with.

All integers are big-endian. A message is its length, the length of its headers, a checksum of these two, the
headers, the payload, and a checksum of all that. Both are CRC-32 (zlib). There is no mark by which the next
message could be found again, so that behind a wrong prelude nothing can be read.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import WireError
from deltafold.model.faults import StickyFault
from deltafold.model.frozen import frozen
from deltafold.wire.frame_decoder import FrameDecoder, Step
from deltafold.wire.json_text import read_object

__all__ = ["AWSEventStreamDecoder", "AWSMessage", "unwrapped"]

PRELUDE: Final = struct.Struct(">III")
LEAST: Final = PRELUDE.size + 4
MOST_HEADER_BYTES: Final = 128 * 1024
"""Bytes of the headers of one message, as AWS's own decoders have it."""
BOOLEANS: Final = {0: True, 1: False}
NUMBERS: Final = {
    code: struct.Struct(form) for code, form in ((2, ">b"), (3, ">h"), (4, ">i"), (5, ">q"), (8, ">q"))
}
BYTE_ARRAY: Final = 6
STRING: Final = 7
UUID: Final = 9


@frozen
class AWSMessage:
    """One message of an AWS event stream."""

    headers: Mapping[str, bool | int | bytes | str]
    """The headers by name: booleans, integers, strings; byte arrays and UUIDs (16 bytes) as bytes; timestamps
    in milliseconds since 1970."""
    payload: bytes
    """The payload as it came."""


class Malformed(ValueError):
    """Headers that cannot be read."""


def header_values(block: bytes) -> dict[str, bool | int | bytes | str]:
    """The headers of a message. Raises `Malformed`."""
    headers: dict[str, bool | int | bytes | str] = {}
    at, size = 0, len(block)
    while at < size:
        end = at + 1 + block[at]
        if end >= size or end == at + 1:
            raise Malformed("a header has no name, or no type")
        try:
            name = block[at + 1 : end].decode()
        except UnicodeDecodeError as error:
            raise Malformed("the name of a header is not UTF-8") from error
        if name in headers:
            raise Malformed("a header comes twice")
        kind, at = block[end], end + 1
        value: bool | int | bytes | str
        if kind in BOOLEANS:
            value = BOOLEANS[kind]
        elif kind in NUMBERS:
            number = NUMBERS[kind]
            at += number.size
            if at > size:
                raise Malformed("the value of a header is cut off")
            value = number.unpack_from(block, at - number.size)[0]
        else:
            if kind == UUID:
                length = 16
            elif kind in (BYTE_ARRAY, STRING):
                length = int.from_bytes(block[at : at + 2], "big")
                at += 2
            else:
                raise Malformed(f"a header is of the unknown type {kind}")
            at += length
            if at > size:
                raise Malformed("the value of a header is cut off")
            value = block[at - length : at]
            if kind == STRING:
                try:
                    value = value.decode()
                except UnicodeDecodeError as error:
                    raise Malformed("the value of a header is not UTF-8") from error
        headers[name] = value
    return headers


class AWSEventStreamDecoder(FrameDecoder[AWSMessage]):
    """Decodes an AWS event stream. `feed()` stores, `next_frame()` decodes as much as one message needs.

    A message with a wrong checksum, a length that cannot be, or headers that cannot be read is a `WireError`
    with the offset at which it begins; a payload of more than `Limits.event_bytes` is `LimitExceeded`. Both
    come from `next_frame()`, after all messages before it, and again at every later call.
    """

    SNAPSHOT_FIELDS = (*FrameDecoder.SNAPSHOT_FIELDS, "_lost")
    __slots__ = ("_lost",)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Whether nobody knows where the next message begins.
        self._lost = False

    def next_frame(self) -> AWSMessage | None:
        """The next message, or None where no further one is complete. Raises `WireError`."""
        step = self.advance()
        if step is Step.FLAW:
            fault = WireError(
                self.flaw, code=self.flaw_code, offset=self.event_offset, event_index=self.event_index
            )
            self._fault = StickyFault(fault)
            self.drop()
            raise self._fault.exception()
        return AWSMessage(self.headers, self.data) if step else None

    def push(self, data: bytes) -> None:
        """Stores bytes, unchecked."""
        super().push(data)
        if self._lost:
            self.drop()

    def advance(self) -> Step:
        """Reads on to the next message or flaw. Raises `LimitExceeded`.

        Behind a message of which the payload's checksum or the headers are wrong the reading can go on.
        """
        self._raise_fault()
        buffer = self._buffer
        if len(buffer) < PRELUDE.size:
            return Step.NOTHING
        if not self._position:
            # The lengths are believed once their checksum is right: a flipped bit would wait for gigabytes.
            total, headers_size, checksum = PRELUDE.unpack_from(buffer)
            if zlib.crc32(buffer[:8]) != checksum:
                return self._give_up("the checksum of a message's prelude is wrong")
            if total < LEAST + headers_size or headers_size > MOST_HEADER_BYTES:
                return self._give_up(f"a message of {total} bytes with {headers_size} bytes of headers")
            if total - LEAST - headers_size > self._limits.event_bytes:
                self._refuse("event_bytes", self._limits.event_bytes)
            self._position = total
        if len(buffer) < self._position:
            return Step.NOTHING
        total = self._position
        whole = bytes(buffer[:total])
        body = PRELUDE.size + int.from_bytes(whole[4:8], "big")
        self.event_offset = self._start
        self._consume(total)
        payload = whole[body : total - 4]
        if zlib.crc32(memoryview(whole)[: total - 4]) != int.from_bytes(whole[total - 4 :], "big"):
            return self._damaged("the checksum of a message is wrong", payload)
        try:
            self.headers = header_values(whole[PRELUDE.size : body])
        except Malformed as error:
            return self._damaged(str(error), payload)
        self.data = payload
        self.event_index = self.event_count
        self.event_count += 1
        return Step.FRAME

    def _damaged(self, message: str, payload: bytes) -> Step:
        """A message that cannot be read; the next one can."""
        step = self._flawed(AnomalyCode.FRAME_DAMAGED, message, payload)
        self.event_count += 1
        return step

    def _give_up(self, message: str) -> Step:
        self.event_offset = self._start
        self._lost = True
        self.drop()
        return self._flawed(AnomalyCode.FRAME_DAMAGED, message + ": nothing after it can be read")

    def unfinished(self) -> tuple[AnomalyCode, str] | None:
        """What is out of order if this is the end of the stream."""
        return (
            (AnomalyCode.UNFINISHED_FINAL_EVENT, "the stream ended inside a message")
            if self._buffer
            else None
        )


# --------------------------------------------------------------------------------------------- payloads

FAULTS: Final = {"exception": ":exception-type", "error": ":error-code"}
"""Values of `:message-type` that tell of a failure, and the header that names it."""


def word(headers: Mapping[str, Any], name: str) -> str:
    """A header that is a text; "" where it is none."""
    value = headers.get(name)
    return value if isinstance(value, str) else ""


def unwrapped(headers: Mapping[str, Any], payload: bytes, depth: int) -> tuple[bytes | dict[str, Any], str]:
    """What a message tells: JSON text, or an error as a payload; and the name of the event.

    Bedrock's InvokeModel wraps each event of the model's own wire as base64 (`{"bytes": …}`); that is undone.
    """
    naming = FAULTS.get(word(headers, ":message-type"))
    text = payload.decode("utf-8", "replace")
    content = read_object(text, depth, strict=False) or {}
    if naming is not None:
        sent = word(headers, ":error-message") or content.get("message") or content.get("Message") or text
        return {"type": "error", "error": {**content, "type": word(headers, naming), "message": sent}}, ""
    inner = content.get("bytes")
    if isinstance(inner, str):
        try:
            return b64decode(inner, validate=True), ""
        except ValueError:
            return payload, ""
    name = word(headers, ":event-type")
    return payload, "" if name == "chunk" else name
