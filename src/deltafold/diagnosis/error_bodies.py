"""What the body of a refused request holds: JSON, also in an event or with faults; a page; a text."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from deltafold.diagnosis.error_wordings import READ_FOR_MEANING
from deltafold.wire.body_kind import MAGIC
from deltafold.wire.json_text import finite_or_none

__all__ = ["decoded_base64", "json_of", "read_body", "well_formed"]

HTML = re.compile(r"\s*<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
HTML_TITLE = re.compile(r"<(title|h1)\b[^<>]*>([^<]+)</\1", re.IGNORECASE)
# Cloud Code relays errors with commas too many.
SEVERAL_COMMAS = re.compile(r",(?:\s*,)+")
# A refused stream may hold the error as its one event.
EVENT_DATA = re.compile(r"^data:[ \t]*(\{.*)$", re.MULTILINE)
CODINGS = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd"})


def well_formed(text: str) -> str:
    """The text with halves of surrogate pairs joined, or replaced by U+FFFD where one stands alone."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def short_integer(digits: str) -> int | None:
    """An integer of JSON, or None where it has more digits than any that means something."""
    return int(digits) if len(digits) <= 100 else None


def json_of(text: Any) -> Any:
    """The JSON value of a text, or None where it is none."""
    if not isinstance(text, (str, bytes)):
        return None
    try:
        return json.loads(
            text, parse_float=finite_or_none, parse_int=short_integer, parse_constant=lambda constant: None
        )
    except (ValueError, RecursionError):
        return None


def decoded_base64(text: str | None) -> bytes | None:
    """The bytes of a base64 text, or None where it is none."""
    try:
        return b64decode(text) if text else None
    except ValueError:
        return None


def is_compressed(body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether nobody undid the body's content coding."""
    if body.startswith(MAGIC):
        return True
    if headers.get("content-encoding", "").lower() not in CODINGS:
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return True
    return False


def read_body(body: bytes | str, headers: Mapping[str, str]) -> tuple[Any, str | None, Any]:
    """The JSON value of a body, the text to show where it has none, and the body as it is kept."""
    if isinstance(body, bytes):
        if is_compressed(body, headers):
            return None, None, body
        body = body.decode("utf-8", "replace")
    text = body.removeprefix("\ufeff").strip()
    value = json_of(text)
    if value is None and (event := EVENT_DATA.search(text)):
        value = json_of(event[1])
    if value is None and text[:1] in ("{", "["):
        value = json_of(SEVERAL_COMMAS.sub(",", text))
    if isinstance(value, (dict, list)):
        return value, None, value
    if isinstance(value, str):
        return None, well_formed(value).strip() or None, value
    if HTML.match(text):
        from html import unescape  # which holds a table of all entities

        title = HTML_TITLE.search(text[:READ_FOR_MEANING])
        return None, unescape(title[2]).strip() or None if title else None, body
    return None, well_formed(text) or None, body
