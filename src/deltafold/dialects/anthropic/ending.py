"""How a message ends: its stop reason, an error, a transport that broke off.

The stop reason comes before the end, in `message_delta`; what each of them means is in the table.
"""

from __future__ import annotations

from deltafold.dialects.anthropic.blocks import end_block
from deltafold.dialects.anthropic.calls import take_call_back
from deltafold.dialects.anthropic.state import OpenMessage
from deltafold.dialects.anthropic.table import stop_of
from deltafold.dialects.base import ErrorTerminatedDialect
from deltafold.machine.lifecycle import COMPLETED, FAILED, INCOMPLETE, ITEM_STATUS_AT_END, TRUNCATED
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import ErrorKind, ResponseError
from deltafold.model.response import Outcome

__all__ = ["end_by_stop_reason", "end_message", "end_without_stop"]


def end_without_stop(dialect: ErrorTerminatedDialect, message: OpenMessage, outcome: Outcome) -> None:
    """The message ends without `message_stop`: the transport ended, or the caller gave up."""
    if outcome is TRUNCATED and message.only_stop_is_missing:
        dialect.report(AnomalyCode.MISSING_TERMINAL, "the transport ended before message_stop")
        end_by_stop_reason(dialect, message)
    else:
        if outcome is TRUNCATED:
            dialect.report(AnomalyCode.MISSING_TERMINAL, "the transport ended before the message did")
        end_message(dialect, message, outcome, None)


def end_by_stop_reason(dialect: ErrorTerminatedDialect, message: OpenMessage) -> None:
    """The message ends as its stop reason says."""
    word = message.stop_reason
    if word is None:
        dialect.report(AnomalyCode.FINISH_REASON_MISSING, "the message stopped without a stop reason")
        end_message(dialect, message, TRUNCATED, None)
        return
    stop = stop_of(word)
    if stop is None:
        dialect.report(AnomalyCode.FINISH_REASON_UNKNOWN, f"nobody knows the stop reason {word[:40]!r}")
        end_message(dialect, message, COMPLETED, word)
        return
    if stop.outcome is INCOMPLETE:
        take_call_back(dialect, message)
    if stop.outcome is FAILED:
        error = ResponseError(ErrorKind.SERVER_ERROR, None, word, retryable=True, raw={"stop_reason": word})
        dialect.fail_as(error, {"code": word, "message": None})
    end_message(dialect, message, stop.outcome, stop.reason or word)


def end_message(
    dialect: ErrorTerminatedDialect, message: OpenMessage, outcome: Outcome, reason: str | None
) -> None:
    """The message ends, and what is open in it: a limit cuts that, a turn that ends closes it."""
    message.usage.end(dialect)
    opened = message.open_blocks()
    if opened and outcome is COMPLETED:
        dialect.report(AnomalyCode.BLOCK_NOT_ENDED, f"{len(opened)} blocks did not end before their message")
    for block in opened:
        end_block(dialect, block, whole=outcome is COMPLETED, status=ITEM_STATUS_AT_END[outcome])
    dialect.end_response(dialect.ending(outcome, message.stop_reason, reason))
