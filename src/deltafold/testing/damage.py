"""What may happen to a stream on its way, place by place: for tests that try every one of them.

Nothing here needs Hypothesis; `deltafold.testing.strategies` draws from the same.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, TypeAlias

from deltafold.testing.builder import json_bytes

__all__ = [
    "HEARTBEATS",
    "NO_STREAMS",
    "WRONG_VALUES",
    "JSONPath",
    "byte_by_byte",
    "every_cut",
    "json_paths",
    "mistyped",
]

JSONPath: TypeAlias = tuple[str | int, ...]
"""Object keys and array positions, from the top of a JSON value."""

HEARTBEATS = (
    b": ping\n",
    b": ping\n\n",
    b"\n",
    b"\r\n",
    b"event: ping\n\n",
    b"retry: 1\n\n",
    b"id: 1\n\n",
    b"data: \n\n",
    b'data: {"type":"keepalive"}\n\n',
)
"""Signs of life that may stand between any two events and say nothing."""

WRONG_VALUES = (
    *("null", "true", "0", "-1", "1.5", "65535", "65536", "9223372036854775808", "1e400", "NaN", "-Infinity"),
    *('""', '"x"', '"\\ud83d"', '"\\ude00 tail"', '"response.completed"', '"in_progress"', '"failed"'),
    *("[]", "{}", '["x"]', "[null]", "[{}]", '{"a":1}', '{"type":"function_call"}', '{"text":5}', "[[[[]]]]"),
    "9" * 4301,
)
"""JSON text that does not belong where it is put; the last is a number with more digits than Python reads."""

NO_STREAMS = (
    b"",
    b"\n\n",
    b"[]",
    b"{}{}",
    b'{"error":{"code":"rate_limit_exceeded","message":"slow down"}}',
    b'[{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}]',
    b'{"detail":"Not Found"}',
    b'{"a":',
    b"<html>\r\n<body>502 Bad Gateway</body></html>",
    b"\x1f\x8b\x08\x00\x00\x00",
    b"upstream connect error or disconnect/reset before headers",
    b"data: " + b"[" * 100,
    b'data: {"type":"response.created"',
    b'error: {"message":"slow down"}\n\n',
    b"\xef\xbb\xbf\xff\xfe\x00",
)
"""Bodies that are no stream, or never become one: errors, pages, compressed bytes, an event cut short."""


def byte_by_byte(body: bytes) -> list[bytes]:
    """A body in chunks of one byte."""
    return [body[at : at + 1] for at in range(len(body))]


def every_cut(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """A body cut in two, at every place, both ends included."""
    for at in range(len(body) + 1):
        yield body[:at], body[at:]


def json_paths(value: Any, here: JSONPath = ()) -> Iterator[JSONPath]:
    """The places inside a JSON value, itself included, each before those inside it."""
    yield here
    if isinstance(value, dict):
        for key, member in value.items():
            yield from json_paths(member, (*here, key))
    elif isinstance(value, list):
        for at, entry in enumerate(value):
            yield from json_paths(entry, (*here, at))


def mistyped(payload: Any, path: JSONPath, token: str) -> bytes:
    """A payload as JSON text, with another piece of JSON text at a place.

    Raises `LookupError` where there is no such place.
    """
    mark = "@"
    while mark.encode() in json_bytes(payload):
        mark += "@"
    return json_bytes(put(payload, path, mark)).replace(b'"%s"' % mark.encode(), token.encode())


def put(value: Any, path: JSONPath, new: Any) -> Any:
    """A copy of a JSON value with another one at a place."""
    if not path:
        return new
    made = copy.copy(value)
    made[path[0]] = put(value[path[0]], path[1:], new)
    return made
