"""The payloads in a text: one after another they go to the dialect, which the first of them may tell."""

from __future__ import annotations

from typing import Any, Final

from deltafold.diagnosis.error_payloads import is_error_payload
from deltafold.dialects.claims import dialect_of, unwrapped
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.events import Heartbeat, UnknownEvent
from deltafold.parsing.state import ReaderState
from deltafold.wire.json_text import (
    DONE,
    NotJSON,
    Paths,
    has_surrogates,
    next_payloads,
    replace_lone_surrogates,
)

__all__ = [
    "dispatch_object",
    "dispatch_value",
    "emit_unknown",
    "is_payload",
    "note_stray",
    "payloads_of",
    "read_later",
    "read_values",
    "recognized",
]

# So much of a line that is no field is kept, for an error message.
LONGEST_STRAY: Final = 1_000


def read_values(reader: ReaderState, text: str, name: str) -> dict[str, Any] | None:
    """Whatever the data of an event hold. Gives the object where they are just one."""
    values = payloads_of(reader, text)
    if len(values) == 1 and not reader.rest:
        dispatch_value(reader, values[0], name)
        return values[0] if type(values[0]) is dict else None
    if not text or text.isspace():
        reader.emit_heartbeat(Heartbeat(name or "empty"))
    else:
        # Where events are parted by one line end only, the name is that of the last one.
        read_later(reader, values)
        reader.name = name
    return None


def payloads_of(reader: ReaderState, text: str, start: int = 0) -> list[Any]:
    """The payloads in a text from a position on. Where there are more of them, `rest` is that text."""
    if not start and reader.dialect_unknown:
        reader.has_halves = has_surrogates(text)
    values, end = next_payloads(
        text, start, reader.depth, reader.fragments, reader.report, strict=reader.strict
    )
    reader.rest, reader.rest_at = (text, end) if end < len(text) else ("", 0)
    if any(is_batch(value) for value in values):
        reader.report(AnomalyCode.SEVERAL_PAYLOADS, "payloads come in an array")
        values = [one for value in values for one in (value if is_batch(value) else [value])]
    return values


def read_later(reader: ReaderState, values: list[Any]) -> None:
    """Values that are to be read one after another, where none are waiting."""
    reader.values = values[::-1]


def dispatch_value(reader: ReaderState, value: Any, name: str) -> None:
    """One value out of the data of an event."""
    if type(value) is dict:
        reader.stray = ""
        dispatch_object(reader, value, name)
    elif not isinstance(value, NotJSON):
        kind = "null" if value is None else type(value).__name__
        reader.report(AnomalyCode.PAYLOAD_IS_NO_OBJECT, f"the payload is {kind}, no object")
        emit_unknown(reader, name, value)
    elif value.text == DONE:
        reader.pending.extend(reader.dialect.handle_done())
    elif value.text.startswith(":"):
        reader.emit_heartbeat(Heartbeat("comment", value.text[1:].strip()))
    elif name == "error":
        reader.pending.extend(reader.dialect.translate({"type": name, "error": value.text}, name))
    else:
        if is_sentence(value.text):
            note_stray(reader, value.text)
        emit_unknown(reader, name, value.text)


def dispatch_object(reader: ReaderState, payload: dict[str, Any], name: str) -> dict[str, Any]:
    """An object out of the data of an event. Gives the payload that it is."""
    payload = recognized(reader, payload, name)
    reader.pending.extend(reader.dialect.translate(payload, name))
    return payload


def recognized(reader: ReaderState, payload: dict[str, Any], name: str = "") -> dict[str, Any]:
    """The payload that an object is, out of its wrapper. Where it tells the dialect, that is known now."""
    if "data" in payload:
        payload = unwrapped_payload(reader, payload)
    return detect_dialect(reader, payload, name) if reader.dialect_unknown else payload


def unwrapped_payload(reader: ReaderState, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload itself, where a gateway has put it into a member `data`."""
    inner = unwrapped(payload)
    if inner is not payload:
        reader.report(AnomalyCode.PAYLOAD_WRAPPED, "a payload is wrapped in a member `data`")
    return inner


def detect_dialect(reader: ReaderState, payload: dict[str, Any], name: str = "") -> dict[str, Any]:
    """The first payload tells the dialect; signs of life and bare errors have none. Gives the payload."""
    found = reader.own_dialect.name if reader.own_dialect.has_begun() else dialect_of(payload, name)
    fragments: Paths = frozenset()
    if found is not None:
        reader.dialect_unknown = False
        if found != reader.own_dialect.name:
            reader.select_dialect(found)
        fragments = reader.fragments = reader.own_dialect.fragments
    # So far, pieces of a text were left as they are, wherever they stand.
    return replace_lone_surrogates(payload, reader.report, fragments) if reader.has_halves else payload


def emit_unknown(reader: ReaderState, name: str, value: Any) -> None:
    """What no dialect knows is handed out as it came, unless the response is over."""
    if not reader.dialect.ended:
        event = UnknownEvent(name, value)
        reader.pending.extend([event] if reader.replay is None else reader.replay.filter_event(event))


def note_stray(reader: ReaderState, text: str) -> None:
    """Words that are no event: if nothing follows them, they say why."""
    reader.stray, reader.stray_after = text[:LONGEST_STRAY], reader.events_so_far()


def is_payload(value: Any) -> bool:
    """Whether a value is of one of the wires, or tells of an error."""
    return type(value) is dict and (dialect_of(value) is not None or is_error_payload(value))


def is_batch(value: Any) -> bool:
    """Whether a value is an array of payloads."""
    return type(value) is list and len(value) > 0 and all(type(entry) is dict for entry in value)


def is_sentence(text: str) -> bool:
    """Whether data that are no JSON may be words of a server, not a payload that was cut or damaged."""
    return text[:1] not in ("{", '"') and text[:2] not in ("[{", '["', "[[") and not DONE.startswith(text)
