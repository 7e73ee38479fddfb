"""What a wire has room for of a response, and what of its events cannot be written in order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import deltafold as df
from deltafold import ANOMALIES, AnomalyCode, Event, Loss, LossCode, Outcome
from runs import read

GOOD = (Outcome.COMPLETED, Outcome.INCOMPLETE)
KEPT_WORDS = frozenset(code for code, rule in ANOMALIES.items() if not rule.strict)
"""Anomalies that a strict parser lets pass: words that are kept as they came."""


def corrected(events: Sequence[Event]) -> bool:
    """Whether the server took back what it had said, which no wire can."""
    return any(isinstance(event, df.ValueReplaced) for event in events)


def mixes_refusals(events: Sequence[Event]) -> bool:
    """Whether a message of text has a refusal before it, which a part of a message cannot hold as well."""
    refusals = {event.output_index for event in events if isinstance(event, df.RefusalDelta)}
    return any(isinstance(event, df.TextDelta) and event.output_index in refusals for event in events)


def texts_of(response: df.Response, target: str) -> tuple[str, str]:
    """The text and the refusals that a wire has room for, in any order of the choices, whatever the types of
    their parts."""
    first = target in ("responses", "anthropic")
    items = [item for item in response.output if isinstance(item, (df.Message, df.Reasoning))]
    said = [item for item in items if not (first and item.choice_index)]
    said.sort(key=lambda item: item.choice_index or 0)
    parts = [part for item in said for part in item.content]
    return (
        "".join(part.text for part in parts if isinstance(part, df.OutputText)),
        "".join(sent for part in parts if isinstance(sent := part.data.get("refusal"), str)),
    )


def thoughts_of(response: df.Response, target: str) -> str:
    """The summaries and reasoning that a wire has room for, without the lines that part them."""
    first = target in ("responses", "anthropic")
    items = [item for item in response.output if isinstance(item, df.Reasoning)]
    kept = [item for item in items if not (first and item.choice_index)]
    kept.sort(key=lambda item: item.choice_index or 0)
    parts = [part for item in kept for part in (*item.summary, *item.content)]
    return "".join(getattr(part, "text", "") for part in parts).replace("\n\n", "")


def calls_of(response: df.Response, target: str) -> list[tuple[str | None, str, Any]]:
    """The whole calls of functions that a wire has room for."""
    first = target in ("responses", "anthropic")
    return [
        (item.call_id, item.name, json.loads(item.arguments))
        for item in response.output
        if isinstance(item, df.FunctionCall) and item.complete and not (first and item.choice_index)
    ]


def is_json(text: str) -> bool:
    """Whether a text is whole JSON."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def check_written(
    events: Sequence[Event], response: df.Response, target: str, pieces: list[bytes], losses: tuple[Loss, ...]
) -> None:
    """What is written of any whole run: a strict parser finds nothing out of order, and no false success.

    Where nothing is called lost, no text and no reasoning is. Chat Completions has no word for a call that is
    not whole: its arguments may look as if they came again, which is called lost where the response is good.
    What came without a type goes out so.
    """
    replaced, mixed = corrected(events), mixes_refusals(events)
    told = {loss.code for loss in losses}
    broken = any(isinstance(item, df.FunctionCall) and not item.complete for item in response.output)
    may_be = {AnomalyCode.ARGUMENTS_REPEATED} if target == "chat" and broken else set()
    if target == "responses" and not all(item.type for item in response.output):
        may_be |= {AnomalyCode.INVALID_FIELD}
    again, strict = read(target, pieces, strict=not (replaced or mixed or may_be))
    found = {anomaly.code for anomaly in strict.anomalies}
    if not replaced and not mixed:
        assert found <= KEPT_WORDS | may_be
        if AnomalyCode.ARGUMENTS_REPEATED in found:
            assert LossCode.CALL_NOT_WHOLE in told or strict.response.outcome is Outcome.FAILED
    assert sum(isinstance(event, df.ResponseFinished) for event in again) == 1
    assert strict.response.outcome is not Outcome.TRUNCATED
    if response.outcome not in GOOD:
        assert strict.response.outcome is Outcome.FAILED, f"{response.outcome} is told as a success"
    elif not told:
        assert strict.response.outcome is response.outcome
        # Texts that interleave are one text on a wire that has one, in the order in which they came.
        assert [*map(sorted, texts_of(strict.response, target))] == [*map(sorted, texts_of(response, target))]
        assert sorted(thoughts_of(strict.response, target)) == sorted(thoughts_of(response, target))
    if replaced and losses:
        assert LossCode.VALUE_REPLACED in told
