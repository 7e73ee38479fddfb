"""How a response ends: errors, finish reasons, a prompt that was blocked, a transport that broke off.

No payload is the end, so the end of the transport decides, by the finish reasons that came. What each of
them means is in the table.
"""

from __future__ import annotations

from deltafold.dialects.base import ErrorTerminatedDialect
from deltafold.dialects.gemini.state import OpenCandidate
from deltafold.dialects.gemini.table import FILTERED, Stop, stop_of
from deltafold.machine.lifecycle import CANCELLED, COMPLETED, FAILED, INCOMPLETE, TRUNCATED
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import ErrorKind, ResponseError
from deltafold.model.response import Outcome

__all__ = ["outcome_of"]


def outcome_of(
    dialect: ErrorTerminatedDialect,
    candidates: dict[int, OpenCandidate],
    block_reason: str | None,
    outcome: Outcome,
) -> tuple[Outcome, str | None, Stop | None]:
    """The outcome, with the finish reason that decided it and what that means.

    `block_reason`: why the prompt was refused. `outcome`: how the transport ended. Of the candidates' words
    the first counts that says of a failure; else the first that cuts a candidate; else the first.
    """
    words = [candidate.finish_reason for _, candidate in sorted(candidates.items())]
    first = words[0] if words else None
    stop = None if first is None else stop_of(first)
    if dialect.failing is not None:
        return FAILED, first, stop
    if outcome is CANCELLED:
        return CANCELLED, first, stop
    if not words and block_reason is not None:
        return INCOMPLETE, block_reason, FILTERED
    if not words or None in words:
        dialect.report(AnomalyCode.MISSING_TERMINAL, "the transport ended before the response did")
        return TRUNCATED, None, None
    for word in words:
        found = None if word is None else stop_of(word)
        if found is not None and found.outcome is FAILED:
            error = ResponseError(ErrorKind.UNKNOWN, None, retryable=True, raw={"finishReason": word})
            dialect.fail_as(error, {"code": None, "message": None})
            return FAILED, word, found
    for word in words:
        found = None if word is None else stop_of(word)
        if found is not None and found.outcome is not COMPLETED:
            return found.outcome, word, found
    return COMPLETED, first, stop
