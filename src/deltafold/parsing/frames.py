"""What a stream has beside events of SSE: frames of other framings, comments, lines that are no field."""

from __future__ import annotations

from typing import Any

from deltafold.model.anomalies import AnomalyCode
from deltafold.model.events import Heartbeat
from deltafold.parsing.payload_values import (
    dispatch_object,
    dispatch_value,
    emit_unknown,
    is_payload,
    note_stray,
    payloads_of,
    read_later,
    read_values,
)
from deltafold.parsing.reporter import EXCERPT
from deltafold.parsing.state import ReaderState
from deltafold.wire.blocks import COMMENT, NAMED_BLOCK_WITHOUT_DATA, STRAY_LINE, Signal, text_of
from deltafold.wire.body_kind import Body
from deltafold.wire.frame_decoder import FrameDecoder, Step
from deltafold.wire.json_text import NotJSON, is_strict_json, read_object

__all__ = ["read_frame", "read_non_event", "read_stray"]


def read_frame(reader: ReaderState, framed: FrameDecoder[Any], step: Step) -> None:
    """What the decoder of another framing came upon."""
    report = reader.report
    if step is Step.FLAW:
        report.current_payload = text = framed.data.decode("utf-8", "replace")
        report(framed.flaw_code, framed.flaw)
        if text:
            emit_unknown(reader, "", text)
        return
    name, data = "", framed.data
    if reader.body is Body.AWS_EVENT_STREAM:
        from deltafold.wire.aws_eventstream import unwrapped

        report.current_payload = data[:EXCERPT].decode("utf-8", "replace")
        sent, name = unwrapped(framed.headers, data, reader.depth)
        reader.has_halves = True  # nobody has looked
        if isinstance(sent, dict):
            dispatch_value(reader, sent, name)
            return
        data = sent
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        report.current_payload = text = data.decode("utf-8", "replace")
        report(AnomalyCode.INVALID_UTF8, f"byte {error.start} of the data: {error.reason}")
    report.current_payload = text
    payload = read_object(text, reader.depth, strict=reader.strict)
    if payload is None:
        read_values(reader, text, name)
    else:
        reader.has_halves = False
        dispatch_object(reader, payload, name)


def read_non_event(reader: ReaderState, signal: Signal) -> None:
    """Something else that the decoder came upon."""
    decoder = reader.decoder
    if signal is COMMENT:
        reader.emit_heartbeat(Heartbeat("comment", text_of(decoder.text)))
    elif signal is NAMED_BLOCK_WITHOUT_DATA:
        reader.emit_heartbeat(Heartbeat(text_of(decoder.event_name)))
    elif signal is STRAY_LINE:
        read_stray(reader, text_of(decoder.text))
    else:  # ERROR_FIELD
        reader.report.current_payload = text = text_of(decoder.text)
        reader.report(AnomalyCode.ERROR_FIELD, "an error came as an SSE field")
        values = payloads_of(reader, text)
        while reader.rest:
            values += payloads_of(reader, reader.rest, reader.rest_at)
        texts = [value.text if isinstance(value, NotJSON) else value for value in values]
        read_later(reader, [{"type": "error", "error": sent} for sent in texts])


def read_stray(reader: ReaderState, text: str) -> None:
    """A line that is no field: "The field is ignored", unless a server has written an error there."""
    start = text.strip()
    if start.startswith(("{", "[")) and is_strict_json(start):
        reader.report.current_payload = start
        values = payloads_of(reader, start)
        if all(is_payload(value) for value in values):
            reader.report(AnomalyCode.PAYLOAD_IN_NO_FIELD, "a line of the stream is a payload, no field")
            read_later(reader, values)
    elif reader.decoder.event_count:
        note_stray(reader, start)
