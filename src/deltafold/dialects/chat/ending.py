"""How a response ends: the finish reasons of its choices, `[DONE]`, an error, a transport that broke off.

A choice may have several finish reasons, and a response several choices: the gravest word counts. What each
of them means is in the table.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from deltafold.dialects.base import ErrorTerminatedDialect
from deltafold.dialects.chat.state import OpenChoice
from deltafold.dialects.chat.table import FINISH_REASONS, NATIVE_REASONS, OTHER, Stop, first, stop_of
from deltafold.dialects.emitter import Emitter
from deltafold.machine.lifecycle import COMPLETED, FAILED, TRUNCATED
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import ResponseError
from deltafold.model.response import Outcome

__all__ = ["new_finish_reason", "outcome_of"]

JSON: TypeAlias = dict[str, Any]


def new_finish_reason(emitter: Emitter, choice: OpenChoice, sent: JSON) -> str | None:
    """The finish reason with which a choice is sent, if it is another one, and not a lesser one."""
    for name in NATIVE_REASONS:
        native = sent.get(name)
        if isinstance(native, str) and (found := stop_of(native)) is not None and found.weight:
            choice.native = native
    reason: Any = first(sent, *FINISH_REASONS)
    if reason is None and isinstance(details := sent.get("finish_details"), dict):
        reason = details.get("type")  # OpenAI, while vision was in preview
    if isinstance(reason, dict):  # SGLang's own endpoint, through gateways
        reason = reason.get("type")
    if not isinstance(reason, str):
        if reason is not None:
            emitter.report_invalid("finish_reason", reason)
        return None
    if reason == choice.finish_reason or (stop := stop_of(reason)) is None:
        return None
    if stop is OTHER:
        emitter.report_once(
            AnomalyCode.FINISH_REASON_UNKNOWN, choice.index, f"finish_reason is {reason[:60]!r}"
        )
    before = None if choice.finish_reason is None else stop_of(choice.finish_reason)
    return None if before is not None and before.weight > stop.weight else reason


def outcome_of(
    dialect: ErrorTerminatedDialect, choices: dict[int, OpenChoice], outcome: Outcome, *, done: bool
) -> tuple[Outcome, str | None]:
    """The outcome, and the server's word that decided it.

    `outcome`: how the transport ended. `done`: whether the server said that nothing more comes.
    """
    if dialect.failing is not None:
        return FAILED, None
    unfinished = not choices
    gravest, word = None, None
    for choice in choices.values():
        unfinished = unfinished or choice.finish_reason is None
        reason = choice.gravest_word()
        stop = None if reason is None else stop_of(reason)
        if stop is not None and (gravest is None or stop.weight > gravest.weight):
            gravest, word = stop, reason
    if gravest is not None and word is not None and gravest.kind is not None:
        fail_by_word(dialect, gravest, word)
        return FAILED, None
    if unfinished:
        if not done:
            if outcome is TRUNCATED:
                dialect.report(AnomalyCode.MISSING_TERMINAL, "the transport ended before the response did")
            return outcome, None
        dialect.report(AnomalyCode.FINISH_REASON_MISSING, "[DONE] came, and a choice has no finish reason")
    return (COMPLETED, None) if gravest is None else (gravest.outcome, word)


def fail_by_word(dialect: ErrorTerminatedDialect, stop: Stop, word: str) -> None:
    """The finish reason says that the server failed, and nothing else spoke of an error."""
    assert stop.kind is not None
    code = None if word == "error" else word
    message = None if code is None else f"the server ended the answer with the finish reason {code[:60]!r}"
    error = ResponseError(stop.kind, message, code, retryable=True, raw={"finish_reason": word})
    dialect.fail_as(error, {"code": code, "message": message})
