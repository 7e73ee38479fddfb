"""Whether a payload tells of a failure, and of which.

What a failure means is in `classify`. That is imported here once there is one: its tables and patterns take
longer to make than everything that reads a stream without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from deltafold.model.errors import ResponseError

__all__ = ["error_from_payload", "error_in", "is_error_payload", "says_error"]

SUCCESSES = frozenset({"", "0", "200", "ok", "success", "succeeded", "none", "null", "nil"})
"""What servers send as the code or the text of an error when all is well."""
FLAWLESS_STATUS = range(200, 300)
CODES = frozenset({"code", "error_code", "errcode", "status", "status_code", "detail", "success"})
"""Members of which one is in every bare error."""


def is_success(value: Any) -> bool:
    """Whether a code or a text says that all is well, or nothing."""
    if isinstance(value, str):
        return value.strip().lower() in SUCCESSES
    return value is None or (isinstance(value, (int, float)) and (value == 0 or value in FLAWLESS_STATUS))


def says_error(value: Any) -> bool:
    """Whether what stands under a name like `error` tells of one.

    `{"code": 0, "message": "ok"}` does not, nor does an object of which each member is empty.
    """
    if isinstance(value, Mapping):
        return not all(is_success(member) or member is False or member == [] for member in value.values())
    if isinstance(value, list):
        return any(says_error(entry) for entry in value)
    return value is True or not is_success(value)


def error_in(payload: Mapping[str, Any]) -> Any:
    """What a payload holds that tells of an error beside a piece of the answer; None where nothing does.

    `error`, MiniMax's `base_resp`, and the members of gateways whose names begin with `x_`: Groq's `x_groq`
    has an `error`, and others are called `x_error`.
    """
    found = payload.get("error")
    if found and says_error(found):
        return found
    found = payload.get("base_resp")
    if isinstance(found, Mapping) and not is_success(found.get("status_code")):
        return found
    for key, value in payload.items():
        if key[:2] in ("x_", "x-") and value:
            found = value.get("error") if isinstance(value, Mapping) else None
            if found is None and key.endswith("error"):
                found = value
            if found and says_error(found):
                return found
    return None


def is_error_payload(payload: Mapping[str, Any]) -> bool:
    """Whether an event carries an error instead of, or beside, a piece of the answer.

    True for events of type `error`, and for payloads without such a type that hold an `error`, `"object":
    "error"`, an `error_message`, or a bare code with a message. `"error": null` is none, nor is a code that
    means success. Typed events of the Responses API and whole responses are none either: their `error` is a
    part of them.
    """
    kind, of = payload.get("type"), payload.get("object")
    if isinstance(kind, str) and kind.startswith("response."):
        return kind == "response.error"
    if kind == "error" or of == "error":
        return True
    if of == "response":
        return False
    if error_in(payload) is not None or payload.get("error_message") or payload.get("error_type"):
        return True
    if kind is not None or payload.get("choices") or (of and "choices" not in payload):
        return False
    if "choices" in payload and not CODES & payload.keys():
        return False
    from deltafold.diagnosis.classify import is_bare_error

    return is_bare_error(payload)


def error_from_payload(payload: Mapping[str, Any], told: Any = None) -> ResponseError:
    """What the error inside a payload means; `told` is that error, where it has a name of its own."""
    from deltafold.diagnosis import classify

    if told is None or told is payload.get("error"):
        return classify.error_from_payload(payload)
    return attrs.evolve(classify.error_from_payload({"error": told}), raw=payload)
