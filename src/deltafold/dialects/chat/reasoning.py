"""Reasoning: the many members in which servers send it, its entries, and what proves it."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.chat.reasoning_details import Details
from deltafold.dialects.chat.state import OpenChoice
from deltafold.dialects.chat.table import OF_REASONING, REASONING, TEXTS, first
from deltafold.dialects.chat.texts import value_of
from deltafold.dialects.emitter import Emitter
from deltafold.machine.records import empty
from deltafold.model.errors import LimitExceeded
from deltafold.model.json_values import objects

__all__ = ["end_reasoning", "read_reasoning", "read_signature", "reasoning_text"]

JSON: TypeAlias = dict[str, Any]

DEEPEST_REASONING: Final = 3
"""How deep the texts of reasoning stand in objects and lists."""


def read_reasoning(emitter: Emitter, choice: OpenChoice, sent: JSON) -> list[str]:
    """The pieces of reasoning in a delta or message, which the caller hands out."""
    texts: list[str] = []
    if OF_REASONING.isdisjoint(sent):
        return texts
    for key in REASONING:
        if key not in sent:
            continue
        value = sent[key]
        text = reasoning_text(value, 0)
        if text:
            if text not in texts:
                # vLLM was renaming the field and sent both.
                texts.append(text)
                if choice.reasoning_field is None:
                    choice.reasoning_field = key
        elif not empty(value):
            emitter.report_invalid(key, value)
    details = objects(sent, "reasoning_details")
    single = sent.get("reasoning_details")
    if isinstance(single, dict) and single:
        details = (single,)
    if details:
        keep_details(emitter, choice, sent, details)
    if not texts and not isinstance(sent.get("reasoning"), str):
        for detail in details:
            piece = detail.get("text") or detail.get("summary")
            if isinstance(piece, str):
                texts.append(piece)
    blocks = objects(sent, "thinking_blocks")  # LiteLLM passes Anthropic's on, beside their text
    if not texts and not isinstance(sent.get("reasoning"), str):
        for block in blocks:
            piece = block.get("thinking")
            if isinstance(piece, str):
                texts.append(piece)
    for block in blocks:
        read_signature(emitter, choice, first(block, "signature", "data"))
    return texts


def keep_details(emitter: Emitter, choice: OpenChoice, sent: JSON, details: tuple[JSON, ...]) -> None:
    """Entries of `reasoning_details` are kept until the reasoning ends. Raises `LimitExceeded`."""
    limits = emitter.fold.limits
    kept = choice.reasoning_details
    if kept is None:
        kept = choice.reasoning_details = Details()
    for detail in details:
        emitter.hold_text(kept.add(detail))
        if len(kept.entries) > limits.parts:
            raise LimitExceeded("parts", limits.parts)
    if choice.reasoning_field is None and choice.named is None:
        choice.named = next((name for name in REASONING if name in sent), None)
    value_of(emitter, choice, "reasoning")


def read_signature(emitter: Emitter, choice: OpenChoice, signature: Any) -> None:
    """What proves the reasoning, or holds all of it encrypted. A later one replaces."""
    if isinstance(signature, str) and signature:
        value_of(emitter, choice, "reasoning")
        choice.late_reasoning["encrypted_content"] = signature


def end_reasoning(choice: OpenChoice) -> None:
    """The entries of the reasoning, as they would have come whole, are handed out with its end."""
    if choice.reasoning is not None and choice.reasoning_details is not None:
        choice.late_reasoning["reasoning_details"] = choice.reasoning_details.joined()


def reasoning_text(value: Any, depth: int) -> str:
    """The reasoning in an object or a list: its texts, joined."""
    if isinstance(value, str):
        return value
    if depth >= DEEPEST_REASONING:
        return ""
    if isinstance(value, list):
        return "".join([reasoning_text(entry, depth + 1) for entry in value])
    if isinstance(value, dict):
        for name in TEXTS:
            text = reasoning_text(value.get(name), depth + 1)
            if text:
                return text
    return ""
