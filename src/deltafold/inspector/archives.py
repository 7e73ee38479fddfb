"""Archives of several exchanges: HAR, as browsers and proxies write it, and cassettes of VCR and its kin."""

from __future__ import annotations

import base64
import binascii
import importlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from deltafold.inspector.capture import Capture, CaptureError, Piece, member
from deltafold.inspector.compression import whole
from deltafold.inspector.log_lines import Clock

__all__ = ["cassette", "har", "json_value", "yaml_value"]

MOST_MILLISECONDS = 1e12
STREAM_TYPES = ("event-stream", "eventstream", "ndjson", "jsonl")
ADDRESSES = re.compile(
    r"/(?:responses|completions|messages|chat|generate|converse-stream|invoke-with-response-stream)\b"
    r"|:(?:stream)?generatecontent|/v1(?:beta|alpha)?/",
    re.IGNORECASE,
)


def json_value(data: bytes, what: str) -> Any:
    """A file as JSON. Raises `CaptureError`."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CaptureError(f"it looks like {what}, but cannot be read: {error}") from error


def yaml_value(data: bytes) -> Any:
    """A file as YAML, read by PyYAML, which is no dependency. Raises `CaptureError`."""
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:
        raise CaptureError("it looks like a VCR cassette in YAML: install PyYAML to read it") from None

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Tags of other languages' objects (`!ruby/object:…`, `!!python/unicode`) are the plain values."""

    def plain(loader: Any, _suffix: str, node: Any) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_scalar(node)

    Loader.add_multi_constructor("!", plain)
    Loader.add_multi_constructor("tag:yaml.org,2002:python/", plain)
    try:
        return yaml.load(data, Loader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CaptureError(f"it looks like a VCR cassette in YAML, but cannot be read: {first}") from error


def headers_of(sent: Any) -> tuple[tuple[str, str], ...]:
    """Headers, however they are sent: pairs, a mapping to text or to lists, objects with name and value."""
    pairs: list[tuple[str, Any]] = []
    if isinstance(sent, dict):
        pairs = list(sent.items())
    elif isinstance(sent, list):
        for entry in sent:
            if isinstance(entry, dict):
                pairs.append((entry.get("name", ""), entry.get("value", "")))
            elif isinstance(entry, (list, tuple)) and len(entry) == 2:
                pairs.append((entry[0], entry[1]))
    found = []
    for name, value in pairs:
        for one in value if isinstance(value, list) else [value]:
            found.append((text_of(name), text_of(one)))
    return tuple(found)


def text_of(value: Any) -> str:
    """A name or value as text."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def address(method: Any, url: Any) -> str:
    """Method and address, without the query and without a user's name."""
    plain = re.sub(r"//[^/@]*@", "//", str(url or "").partition("?")[0])
    return " ".join(str(part) for part in (method, plain) if part)


def status_of(value: Any) -> int | None:
    """An HTTP status, where it is one."""
    if isinstance(value, str) and value[:3].isdigit():
        value = int(value[:3])
    return value if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599 else None


def from_base64(text: str) -> bytes | None:
    """What a text in base64 holds; None where it is none."""
    try:
        return base64.b64decode(text, validate=False)
    except (binascii.Error, ValueError):
        return None


# ------------------------------------------------------------------------------------------------- HAR


def har(name: str, value: Any) -> list[Capture]:
    """The exchanges of an HTTP archive, in their order."""
    entries = member(value, "log", "entries")
    return [
        har_entry(f"{name}#{at}", entry)
        for at, entry in enumerate(entries if isinstance(entries, list) else [], 1)
    ]


def har_entry(name: str, entry: Any) -> Capture:
    """One exchange."""
    status = status_of(member(entry, "response", "status"))
    headers = headers_of(member(entry, "response", "headers"))
    request = address(member(entry, "request", "method"), member(entry, "request", "url"))
    capture = Capture(name, (), "HAR entry", status, headers, request, timing_of(entry))
    sockets = member(entry, "_webSocketMessages")
    events = member(entry, "_eventSourceMessages")
    text = member(entry, "response", "content", "text")
    if isinstance(sockets, list) and sockets:
        capture.form = "HAR entry, WebSocket"
        capture.pieces = list(socket_pieces(sockets))
        return capture
    if isinstance(events, list) and events:
        capture.form = "HAR entry, event source"
        capture.pieces = list(event_source_pieces(events))
        return capture
    body = b""
    if isinstance(text, str):
        encoded = member(entry, "response", "content", "encoding") == "base64"
        body = (from_base64(text) if encoded else None) or text.encode("utf-8", "surrogatepass")
        body = whole(body, capture.header("content-encoding"), capture.notes)
    else:
        capture.notes.append("the archive has no body of this response: export it with content")
    kind = member(entry, "response", "content", "mimeType")
    capture.is_stream = looks_like_a_model(f"{kind} {capture.header('content-type')}", request)
    capture.pieces = [Piece(body)]
    return capture


def timing_of(entry: Any) -> str:
    """How long the server took until its first byte, and in all."""
    wait, whole_time = member(entry, "timings", "wait"), member(entry, "time")
    sent = []
    if isinstance(wait, (int, float)) and 0 < wait < MOST_MILLISECONDS:
        sent.append(f"first byte after {wait / 1000:.3f} s")
    if isinstance(whole_time, (int, float)) and 0 < whole_time < MOST_MILLISECONDS:
        sent.append(f"{whole_time / 1000:.3f} s in all")
    return ", ".join(sent)


def looks_like_a_model(content_type: str, request: str) -> bool:
    """Whether an exchange may be that with a model."""
    kind = content_type.lower()
    return any(name in kind for name in STREAM_TYPES) or ADDRESSES.search(request) is not None


def socket_pieces(messages: Iterable[Any]) -> Iterator[Piece]:
    """What came over a WebSocket, as Chrome writes it; what the client sent is passed over."""
    clock = Clock()
    for message in messages:
        time = clock.since(member(message, "time"))
        said = member(message, "data")
        if (
            isinstance(said, str)
            and member(message, "type") != "send"
            and member(message, "opcode") in (None, 1)
        ):
            yield Piece(said, time)


def event_source_pieces(events: Iterable[Any]) -> Iterator[Piece]:
    """The events of an `EventSource`, as Chrome writes them, as frames again."""
    clock = Clock()
    for event in events:
        time = clock.since(member(event, "time"))
        lines = []
        for field, key in (("event", "eventName"), ("id", "eventId")):
            value = member(event, key)
            if isinstance(value, str) and value and value != "message":
                lines.append(f"{field}: {' '.join(value.split())}")
        said = member(event, "data")
        lines += [f"data: {line}" for line in str("" if said is None else said).split("\n")]
        yield Piece(("\n".join(lines) + "\n\n").encode("utf-8", "surrogatepass"), time)


# ------------------------------------------------------------------------------------------- cassettes


def cassette(name: str, value: Any) -> list[Capture]:
    """The interactions of a cassette: vcrpy's, betamax's, go-vcr's and Ruby's, whose names differ."""
    found = next(
        (value[key] for key in ("interactions", "http_interactions") if isinstance(member(value, key), list)),
        None,
    )
    if found is None:
        raise CaptureError("it looks like a VCR cassette, but holds no interactions")
    return [interaction(f"{name}#{at}", entry) for at, entry in enumerate(found, 1)]


def interaction(name: str, entry: Any) -> Capture:
    """One interaction of a cassette."""
    response = member(entry, "response")
    sent = member(response, "status")
    status = status_of(member(sent, "code")) or status_of(member(response, "code"))
    status = status or status_of(member(response, "status_code")) or status_of(sent)
    headers = headers_of(member(response, "headers"))
    request = address(
        str(member(entry, "request", "method") or "").upper(),
        member(entry, "request", "uri") or member(entry, "request", "url"),
    )
    capture = Capture(name, (), "cassette", status, headers, request)
    capture.is_stream = looks_like_a_model(capture.header("content-type"), request)
    body = body_of_interaction(response)
    if body is None:
        capture.notes.append("the cassette has no body of this response")
    capture.pieces = [Piece(whole(body or b"", capture.header("content-encoding"), capture.notes))]
    return capture


def body_of_interaction(response: Any) -> bytes | None:
    """The body, in whichever of the usual places."""
    body = member(response, "body")
    if isinstance(body, dict):
        packed = body.get("base64_string")
        if isinstance(packed, str):
            return from_base64(packed)
        body = body.get("string")
    if body is None:
        body = member(response, "content")
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    return body if isinstance(body, bytes) else None
