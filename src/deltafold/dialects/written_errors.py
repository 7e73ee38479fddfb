"""What a client of a wire is sent of a response that did not come to its end: a code and a message."""

from __future__ import annotations

from typing import Any, Final

from deltafold.machine.lifecycle import FAILED, TRUNCATED
from deltafold.model.errors import ErrorKind, ResponseError
from deltafold.model.response import Outcome

__all__ = ["KIND_CODES", "chat_error", "error_of"]

KIND_CODES: Final[dict[ErrorKind, str]] = {
    ErrorKind.CONTEXT_WINDOW_EXCEEDED: "context_length_exceeded",
    ErrorKind.RATE_LIMITED: "rate_limit_exceeded",
    ErrorKind.QUOTA_EXCEEDED: "insufficient_quota",
    ErrorKind.USAGE_LIMIT_REACHED: "usage_limit_reached",
    ErrorKind.AUTHENTICATION: "invalid_api_key",
    ErrorKind.PERMISSION: "permission_denied",
    ErrorKind.NOT_FOUND: "not_found",
    ErrorKind.INVALID_REQUEST: "invalid_request_error",
    ErrorKind.CONTENT_POLICY: "content_policy_violation",
    ErrorKind.OVERLOADED: "server_is_overloaded",
    ErrorKind.SERVER_ERROR: "server_error",
    ErrorKind.TIMEOUT: "timeout",
    ErrorKind.UNKNOWN: "server_error",
}
"""OpenAI's own words for the kinds of errors."""


def error_of(outcome: Outcome, error: ResponseError | None) -> tuple[str, str]:
    """The code and the message of a response that did not come to its end."""
    if outcome is TRUNCATED:
        return "stream_truncated", "the stream ended before the response did"
    if outcome is not FAILED:
        return "cancelled", "the response was cancelled"
    if error is None:
        return "server_error", "the response failed"
    message = error.message or f"the response failed: {error.code or error.kind}"
    return KIND_CODES.get(error.kind, "server_error"), message


def chat_error(outcome: Outcome, error: ResponseError | None, *, own: bool) -> dict[str, Any]:
    """The same as the error object of Chat Completions, in the server's own words where it spoke that."""
    code, message = error_of(outcome, error)
    kind = "server_error" if code in ("stream_truncated", "cancelled") else code
    sent: dict[str, Any] = {"message": message, "type": kind, "param": None, "code": code}
    if error is not None:
        sent["param"] = error.param
        if own:
            sent["type"] = error.type or kind
            sent["code"] = code if error.code is None else error.code
    return sent
