"""Where the fields of an error stand: its layers, and the message, code, type and status that they tell.

No two servers tell errors alike, so each error is read as layers, the inner before the outer, and each
field is taken from the first layer that tells it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from deltafold.diagnosis.error_bodies import json_of, well_formed
from deltafold.diagnosis.error_words import LARGEST_CODE

__all__ = [
    "CODE_FIELDS",
    "INNER_ERROR_FIELDS",
    "MESSAGE_FIELDS",
    "STATUS_FIELDS",
    "STATUS_WORD",
    "TYPE_FIELDS",
    "first_code",
    "first_message",
    "first_text",
    "first_type",
    "is_bare_error",
    "layers_of",
    "mappings_in",
    "metadata_of",
    "str_of",
    "told_status",
    "validation_messages",
]

# Where the error proper is wrapped: also in the `response` of `response.failed`, in an object as FastAPI's
# `detail`, in Cloudflare's list of `errors`.
WRAPPERS = ("error", "response", "detail", "errors", "fault", "base_resp")
DEEPEST_LAYER = 16

# An `error` that is a text comes first: xAI's says what happened, where `code` says what kind of thing.
MESSAGE_FIELDS = (
    *("error", "message", "error_message", "detail", "details", "msg", "title"),
    *("error_msg", "errmsg", "status_msg"),  # Baidu, and others in China; MiniMax
    *("faultstring", "Message"),  # Apigee, AWS
)
CODE_FIELDS = ("code", "error_code", "errcode", "errorcode", "errorCode")
TYPE_FIELDS = ("type", "error_type")
STATUS_FIELDS = ("status", "status_code", "statusCode", "raw_status_code")  # the last is Mistral's
INNER_ERROR_FIELDS = ("innererror", "inner_error")  # Azure
# Google writes its status as a word: "RESOURCE_EXHAUSTED".
STATUS_WORD = re.compile(r"[A-Z][A-Z_]+", re.ASCII)
# What some servers send with each good answer: code 0 and "ok".
SUCCESS_CODES = frozenset({"0", "200", "ok", "success", "succeeded"})
FAILURE_WORDS = ("error", "fail", "failed", "failure")
THREE_DIGITS = re.compile(r"[0-9]{3}", re.ASCII)
# The types of the events that carry errors; they name the envelope, not the error.
ENVELOPE_TYPES = frozenset({"error", "response.error", "response.failed"})


def mappings_in(value: Any) -> Iterator[Mapping[str, Any]]:
    """The object itself, or those in a list."""
    for element in value if isinstance(value, list) else (value,):
        if isinstance(element, Mapping):
            yield element


def str_of(value: Any) -> str:
    """A text, or the empty one for anything else."""
    return value if isinstance(value, str) else ""


def layers_of(value: Any) -> list[Mapping[str, Any]]:
    """The objects that tell the error, the inner before the outer."""
    layers: list[Mapping[str, Any]] = []
    layer = next(mappings_in(value), None)
    while layer is not None and len(layers) < DEEPEST_LAYER:
        layers.append(layer)
        wrapped = [layer.get(key) for key in WRAPPERS]
        inner = (found for value in wrapped if not validation_messages(value) for found in mappings_in(value))
        layer = next(inner, None) or told_as_text(layer)
    return layers[::-1]


def told_as_text(layer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The error that a message holds as JSON: so proxies hand on Google's."""
    message = str_of(layer.get("message")).strip()
    return next(mappings_in(json_of(message)), None) if message.startswith(("{", "[")) else None


def validation_messages(detail: Any) -> str | None:
    """What FastAPI's list of validation errors says."""
    if not isinstance(detail, list):
        return None
    said = (entry.get("msg") for entry in mappings_in(detail))
    return "; ".join(text for text in said if isinstance(text, str)) or None


def first_text(layers: Iterable[Mapping[str, Any]], fields: Iterable[str]) -> str | None:
    """The first text that is not blank, of the first layer that has one."""
    for layer in layers:
        for field in fields:
            value = layer.get(field)
            if isinstance(value, str) and value.strip():
                return well_formed(value)
    return None


def first_message(layers: list[Mapping[str, Any]]) -> str | None:
    """The server's words for people."""
    for layer in layers:
        said = first_text((layer,), MESSAGE_FIELDS) or validation_messages(layer.get("detail"))
        if said is not None:
            return said
    return None


def first_code(layers: list[Mapping[str, Any]]) -> str | int | None:
    """The first code, a text or a number, as it came."""
    for layer in layers:
        # Anthropic's `details`: a stable code that names the cause
        details = layer.get("details")
        cause = str_of(details.get("error_code")).strip() if isinstance(details, Mapping) else ""
        if cause:
            return well_formed(cause)
        for field in CODE_FIELDS:
            value = layer.get(field)
            if isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST_CODE:
                return value
            if isinstance(value, str) and value.strip():
                return well_formed(value)
        if "status_msg" in layer and type(value := layer.get("status_code")) is int:
            return value
    return None


def first_type(layers: list[Mapping[str, Any]], envelope: Mapping[str, Any] | None) -> str | None:
    """The first type, but for what the event that carries the error is called."""
    for layer in layers:
        is_event = layer is envelope and str_of(layer.get("type")) in ENVELOPE_TYPES
        said = first_text((layer,), TYPE_FIELDS[1:] if is_event else TYPE_FIELDS)
        if said is not None:
            return said
    return None


def status_of(value: Any) -> int | None:
    """An HTTP status that is an error: a number, or three digits."""
    if isinstance(value, str) and THREE_DIGITS.fullmatch(value):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599 else None


def told_status(layers: list[Mapping[str, Any]], code: str | int | None) -> int | None:
    """The HTTP status that the error itself tells, at last by a code that is one."""
    sent = (status_of(layer.get(field)) for layer in layers for field in STATUS_FIELDS)
    return next((status for status in sent if status is not None), status_of(code))


def metadata_of(layers: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """OpenRouter's `metadata`, and the error of the provider behind it, which it holds as text."""
    for layer in layers:
        for metadata in mappings_in(layer.get("metadata")):
            yield metadata
            yield from layers_of(json_of(metadata.get("raw")))


def is_bare_error(payload: Mapping[str, Any]) -> bool:
    """Whether a payload without a type, of which nothing says that it is an error, is one by its fields."""
    if first_message([payload]) is None:
        return False
    code = first_code([payload])
    if isinstance(code, int) and (code == 0 or 200 <= code < 300):
        return False
    if isinstance(code, str) and code.strip().lower() in SUCCESS_CODES:
        return False
    has_code = code is not None or told_status([payload], None) is not None
    failed = payload.get("success") is False or payload.get("status") in FAILURE_WORDS
    return has_code or failed or "detail" in payload
