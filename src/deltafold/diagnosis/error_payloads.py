"""Whether a payload tells of a failure, and of which.

What a failure means is in `classify`. That is imported here once there is one: its tables and patterns take
longer to make than everything that reads a stream without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deltafold.model.errors import ResponseError

__all__ = ["error_from_payload", "is_error_payload"]


def is_error_payload(payload: Mapping[str, Any]) -> bool:
    """Whether an event carries an error instead of, or beside, a piece of the answer.

    True for events of type `error`, and for payloads without such a type that hold a truthy `error`,
    `"object": "error"`, an `error_message`, or a bare code with a message. `"error": null` is none. Typed
    events of the Responses API and whole responses are none either: their `error` is a part of them.
    """
    kind, of = payload.get("type"), payload.get("object")
    if isinstance(kind, str) and kind.startswith("response."):
        return kind == "response.error"
    if kind == "error" or of == "error":
        return True
    if of == "response":
        return False
    if payload.get("error") or payload.get("error_message") or payload.get("error_type"):
        return True
    if kind is not None or of is not None or "choices" in payload:
        return False
    from deltafold.diagnosis.classify import is_bare_error

    return is_bare_error(payload)


def error_from_payload(payload: Mapping[str, Any]) -> ResponseError:
    """What the error inside a payload means."""
    from deltafold.diagnosis import classify

    return classify.error_from_payload(payload)
