"""Bodies that are no event stream, or not known to be one: held, told apart by their bytes, read and refused.

What only the end of a stream makes readable is read here too.
"""

from __future__ import annotations

from typing import Any, Final

from deltafold.diagnosis.error_payloads import error_from_text
from deltafold.dialects.claims import form_of
from deltafold.machine.lifecycle import CANCELLED
from deltafold.model.anomalies import ANOMALIES, AnomalyCode
from deltafold.model.errors import ErrorKind, LimitExceeded, ResponseError
from deltafold.model.frozen import evolve
from deltafold.parsing.frames import read_stray
from deltafold.parsing.payload_values import (
    payloads_of,
    read_later,
    read_values,
    recognized,
)
from deltafold.parsing.reporter import EXCERPT
from deltafold.parsing.state import MOST_PIECES, ReaderState
from deltafold.wire.blocks import text_of
from deltafold.wire.body_kind import BOM, EVENT_STREAM, MOST_BLANKS, Body, Opening, is_binary, sniff
from deltafold.wire.frame_decoder import FrameDecoder
from deltafold.wire.json_text import is_strict_json, whole_objects

__all__ = ["begin_frames", "find_body_kind", "forget_pieces", "hold_body", "read_body", "read_rest"]

MOST_RAW: Final = 4096
"""So many characters of a body that was refused are kept in its error."""
MOST_SHOWN: Final = 65_536
"""So many bytes of a body are held that is no stream, to be quoted in its error."""


def hold_body(reader: ReaderState, data: bytes) -> None:
    """Bytes of a body whose kind is not known, or that is no event stream."""
    if reader.ignore_input:
        return
    head = reader.body_chunks
    room = MOST_SHOWN - reader.body_size
    reader.body_size += len(data)
    if reader.body is Body.HTML or reader.body is Body.COMPRESSED:
        data = data[: max(room, 0)]  # its beginning is all that is shown of it
        if not data:
            return
    head.append(data)
    if len(head) >= reader.joins_at:
        # A list of small chunks takes many times their memory, and joining very many at once as well.
        if reader.opening is not None:
            for piece in head[reader.looked :]:
                reader.opening.read(piece)
            reader.looked = reader.joined + 1
        else:
            reader.looked = min(reader.looked, reader.joined)
        head[reader.joined :] = [b"".join(head[reader.joined :])]
        reader.joined = len(head)
        reader.joins_at = reader.joined + MOST_PIECES


def find_body_kind(reader: ReaderState) -> bool:
    """Finds out what kind of body this is. True where there is something in it to be read now."""
    if reader.body is None and reader.body_chunks:
        new = reader.body_chunks[reader.looked :]
        if reader.body_size <= MOST_BLANKS and reader.closed is None and not b"".join(new).strip():
            reader.looked = len(reader.body_chunks)  # blanks behind blanks: nothing has become clear
            return False
        head = b"".join(reader.body_chunks)
        reader.body_chunks = [head]
        forget_pieces(reader)
        start = head.removeprefix(BOM).strip()
        reader.looked = int(not start or (start == b"[" and reader.framing == "auto"))
        become(reader, sniff(head, closed=reader.closed is not None, framing=reader.framing), head)
        if not reader.body_chunks:
            return True
    if reader.opening is not None and look_behind(reader):
        return True
    if reader.body is Body.JSON:
        opening = reader.opening
        check_body(reader, reader.body_size if opening is None or opening.start < 0 else opening.start)
    return False


def check_body(reader: ReaderState, size: int) -> None:
    """Raises `LimitExceeded` for a body of more bytes than may be held."""
    if size > reader.limits.body_bytes:
        raise LimitExceeded("body_bytes", reader.limits.body_bytes)


def forget_pieces(reader: ReaderState) -> None:
    """The pieces that are held are those of another body, or one."""
    reader.joined = reader.looked = 0
    reader.joins_at = MOST_PIECES


def become(reader: ReaderState, body: Body | None, head: bytes) -> None:
    """The body is of this kind, and begins so."""
    reader.body = body
    reader.opening = None
    if body is EVENT_STREAM:
        reader.body_chunks = []
        reader.decoder.push(head)
        reader.direct_to_decoder = (
            reader.closed is None and reader.replay is None and not reader.queued_connections
        )
    elif body is Body.JSON_ARRAY or body is Body.NDJSON or body is Body.AWS_EVENT_STREAM:
        reader.body_chunks = []
        begin_frames(reader, body).push(head)
    elif body is Body.JSON:
        reader.opening, reader.looked = Opening(), 0


def begin_frames(reader: ReaderState, body: Body | None) -> FrameDecoder[Any]:
    """The decoder of a framing, which from here on is the stream's."""
    made: FrameDecoder[Any]
    if body is Body.JSON_ARRAY:
        from deltafold.wire.json_array import JSONArrayDecoder

        made = JSONArrayDecoder(limits=reader.limits)
    elif body is Body.NDJSON:
        from deltafold.wire.ndjson import NDJSONDecoder

        made = NDJSONDecoder(limits=reader.limits)
    else:
        from deltafold.wire.aws_eventstream import AWSEventStreamDecoder

        made = AWSEventStreamDecoder(limits=reader.limits)
    reader.report.framed = made
    return made


def look_behind(reader: ReaderState) -> bool:
    """Whether a body that begins with a JSON object turns out to be a stream."""
    opening = reader.opening
    assert opening is not None
    for piece in reader.body_chunks[reader.looked :]:
        opening.read(piece)
    reader.looked = len(reader.body_chunks)
    kind = opening.kind()
    if kind is None:
        return False
    reader.opening = None
    if kind is Body.JSON or reader.framing == "aws_eventstream":
        return False
    head = b"".join(reader.body_chunks)
    first = head[: opening.end].decode("utf-8", "replace").strip()
    if kind is EVENT_STREAM:
        check_body(reader, opening.start)
        reader.report.current_payload = first
        reader.report(AnomalyCode.VALUE_BEFORE_EVENTS, "a JSON value stands before the events")
        become(reader, kind, head)
        read_values(reader, first.removeprefix("\ufeff"), "")
        return True
    if reader.framing != "auto" or "\n" in first:
        return False  # what is written over several lines is none of JSON lines
    check_body(reader, opening.start)
    become(reader, kind, head)
    return True


def read_rest(reader: ReaderState) -> None:
    """What only the end of the body makes readable."""
    cancelled = reader.closed is CANCELLED  # then what was cut off is no fault
    if reader.body is EVENT_STREAM:
        data = reader.decoder.pending_data()
        if data:
            read_unfinished(reader, text_of(reader.decoder.pending_name), text_of(data), cancelled)
        elif not cancelled and not reader.decoder.event_count and (line := reader.decoder.stray_line()):
            refuse_body(reader, AnomalyCode.BODY_IS_TEXT, line)
        elif not cancelled and (line := reader.decoder.unfinished_line()):
            read_stray(reader, line)
        return
    framed = reader.report.framed
    if framed is not None:
        flaw = None if cancelled else framed.unfinished()
        if flaw is not None:
            reader.report.current_payload = framed.pending[:EXCERPT].decode("utf-8", "replace")
            reader.report(*flaw)
        return
    text = b"".join(reader.body_chunks).decode("utf-8-sig", "replace")
    if reader.body is Body.JSON:
        if not cancelled or is_strict_json(text):
            read_body(reader, text)
    elif reader.body is Body.HTML and not cancelled:
        refuse_body(reader, AnomalyCode.BODY_IS_HTML, text)
    elif reader.body is Body.COMPRESSED and not cancelled:
        refuse_body(reader, AnomalyCode.BODY_IS_COMPRESSED, "")


def read_unfinished(reader: ReaderState, name: str, text: str, cancelled: bool) -> None:
    """The event that was begun when the stream ended, with what came of its data."""
    reader.report.current_payload = text
    name = "" if name == "message" else name
    end = whole_objects(text)
    if not cancelled:
        if end == len(text):
            reader.report(AnomalyCode.UNTERMINATED_FINAL_EVENT, "the stream ended before the blank line")
        else:
            reader.report(AnomalyCode.UNFINISHED_FINAL_EVENT, "the stream ended inside an event")
    if text[:end].strip():
        read_values(reader, text[:end], name)


def read_body(reader: ReaderState, text: str) -> None:
    """A whole body that is a JSON document: one payload, or several in a row."""
    if text.lstrip().startswith("[") and not is_strict_json(text):
        refuse_body(reader, AnomalyCode.BODY_IS_TEXT, text)
        return
    reader.report.current_payload = text
    reader.report(AnomalyCode.BODY_IS_JSON, "the body is a JSON document, not an event stream")
    values = payloads_of(reader, text)
    if len(values) == 1 and not reader.rest:
        value = values[0]
        if isinstance(value, dict):
            payload = recognized(reader, value)  # first: it may be what decides the dialect
            reader.pending.extend(reader.dialect.translate_body(payload))
            return
    read_later(reader, values)


def refuse_body(reader: ReaderState, code: AnomalyCode, text: str) -> None:
    """The body is no stream of any wire: the response fails, and the error quotes it."""
    if code is AnomalyCode.BODY_IS_TEXT and is_binary(text):
        code, text = AnomalyCode.BODY_IS_COMPRESSED, ""
    reader.report.current_payload = text
    rule = ANOMALIES[code]
    reader.report(code, rule.meaning)
    form = form_of(text) if code is AnomalyCode.BODY_IS_TEXT else ""
    looks = f" They look like {form}." if form else ""
    message, raw = f"{rule.meaning}{looks} {text[:EXCERPT]}".strip(), text[:MOST_RAW]
    error = ResponseError(ErrorKind.INVALID_REQUEST, message, str(code), raw=raw)
    if code is not AnomalyCode.BODY_IS_COMPRESSED and not form:
        error = evolve(error_from_text(text), message=message, code=str(code), raw=raw)
    reader.pending.extend(reader.dialect.reject_body(error))
