"""Whether a payload tells of a failure, and of which.

What a failure means is in `classify`. That is imported here once there is one: its tables and patterns take
longer to make than everything that reads a stream without one.
"""

from __future__ import annotations

import re
from typing import Any, Final

from deltafold.model.errors import ErrorKind, ResponseError
from deltafold.model.frozen import evolve

__all__ = ["error_from_payload", "error_from_text", "error_in", "is_error_payload", "says_error"]

SUCCESSES: Final = frozenset({"", "0", "200", "ok", "success", "succeeded", "none", "null", "nil"})
"""What servers send as the code or the text of an error when all is well."""
FLAWLESS_STATUS: Final = range(200, 300)
GATEWAYS: Final = ("x_", "x-")
"""How the members begin that gateways add."""
CODES: Final = frozenset({"code", "error_code", "errcode", "status", "status_code", "detail", "success"})
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
    if value is None:
        return False
    if isinstance(value, dict):
        return not all(is_success(member) or member is False or member == [] for member in value.values())
    if isinstance(value, list):
        return any(says_error(entry) for entry in value)
    return value is True or not is_success(value)


def error_in(payload: dict[str, Any]) -> Any:
    """What a payload holds that tells of an error beside a piece of the answer; None where nothing does.

    `error`, MiniMax's `base_resp`, and the members of gateways whose names begin with `x_`: Groq's `x_groq`
    has an `error`, and others are called `x_error`.
    """
    found = payload.get("error")
    if found and says_error(found):
        return found
    found = payload.get("base_resp")
    if isinstance(found, dict) and not is_success(found.get("status_code")):
        return found
    for key in payload:
        # Hardly a name sorts behind "x": one comparison spares all others.
        if key >= "x" and key.startswith(GATEWAYS) and (value := payload[key]):
            found = value.get("error") if isinstance(value, dict) else None
            if found is None and key.endswith("error"):
                found = value
            if found and says_error(found):
                return found
    return None


def exception_in(payload: dict[str, Any]) -> dict[str, Any] | None:
    """The exception that a payload of AWS is: `{"throttlingException": {…}}`, or by its `__type`."""
    word = payload.get("__type")
    if isinstance(word, str):
        return {**payload, "type": word.rpartition("#")[2]}
    if len(payload) == 1:
        ((name, found),) = payload.items()
        if isinstance(name, str) and name.endswith("Exception") and isinstance(found, dict):
            return {**found, "type": name}
    return None


def is_error_payload(payload: dict[str, Any]) -> bool:
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
    # Nearly no payload of an answer has any of these members, so one look spares many.
    odd = len(payload) == 1 or "status" in payload or "errors" in payload
    odd = odd or "__type" in payload or "fault" in payload
    if odd and exception_in(payload) is not None:
        return True
    if of == "response":
        return False
    if odd:
        status = payload.get("status")
        if type(status) is int and status >= 400 and ("title" in payload or "detail" in payload):
            return True  # RFC 9457
        if says_error(payload.get("fault")) or (
            says_error(payload.get("errors")) and not payload.get("data")
        ):
            return kind is None  # Apigee, Cloudflare, GraphQL
    if error_in(payload) is not None or payload.get("error_message") or payload.get("error_type"):
        return True
    if kind is not None or payload.get("choices") or (of and "choices" not in payload):
        return False
    if "choices" in payload and CODES.isdisjoint(payload):
        return False
    from deltafold.diagnosis.error_fields import is_bare_error

    return is_bare_error(payload)


STATUS_FIRST: Final = re.compile(r"(?:http |error:? |status:? )*([45][0-9]{2})\b", re.IGNORECASE)


def error_from_text(text: str) -> ResponseError:
    """What a sentence, or a page, says that came in place of a stream, or of the rest of one."""
    from deltafold.diagnosis import classify

    error = classify.error_from_payload(text)
    if (status := STATUS_FIRST.match(error.message or "")) is not None:
        error = classify.error_from_payload(text, status=int(status[1]))
    if error.kind is ErrorKind.UNKNOWN:
        return evolve(error, kind=ErrorKind.SERVER_ERROR, retryable=True)
    return error


def error_from_payload(payload: dict[str, Any], sent: Any = None) -> ResponseError:
    """What the error inside a payload means; `sent` is that error, where it has a name of its own."""
    from deltafold.diagnosis import classify

    if sent is None:
        sent = exception_in(payload) or error_in(payload)
    if sent is None or sent is payload.get("error"):
        return classify.error_from_payload(payload)
    return evolve(classify.error_from_payload({"error": sent}), raw=payload)
