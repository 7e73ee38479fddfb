"""Items and parts out of their JSON."""

from __future__ import annotations

from typing import Any, Final

from deltafold.machine import make
from deltafold.model.items import (
    CustomToolCall,
    Item,
    OtherItem,
    OtherPart,
    Part,
    ReasoningText,
    Refusal,
)
from deltafold.model.json_values import objects, string
from deltafold.wire.json_text import is_strict_json

__all__ = ["NO_ARGUMENTS", "has_no_arguments", "item_from", "part_from"]

NO_ARGUMENTS: Final = "{}"
"""The arguments of a call that the server ended without any."""


def part_from(data: dict[str, Any], *, reasoning: bool = False, summary: bool = False) -> Part:
    """A part out of its JSON, which is kept, not copied. Servers name the parts of reasoning as they like."""
    kind = string(data, "type") or ""
    text = string(data, "text")
    if text is not None:
        if summary:
            return make.summary_text(text, data, type=kind)
        if reasoning:
            return ReasoningText(text, data, type=kind)
    if kind == "refusal" and (refusal := string(data, "refusal")) is not None:
        return Refusal(refusal, data)
    if text is not None:
        return make.output_text(
            text, objects(data, "annotations"), objects(data, "logprobs"), data, type=kind
        )
    return OtherPart(kind, data)


def has_no_arguments(data: dict[str, Any]) -> bool:
    """Whether an item that was sent whole is a function call without any argument text: then it has `{}`."""
    return (
        data.get("type") == "function_call"
        and data.get("status") != "incomplete"
        and data.get("arguments") in (None, "")
    )


def item_from(
    data: dict[str, Any],
    *,
    whole: bool = False,
    choice_index: int | None = None,
    approval_required: frozenset[str] = frozenset(),
) -> Item:
    """An item out of its JSON, which is kept, not copied.

    `whole` says that the server sent the end of the item: only then can a call be complete.
    """
    kind = string(data, "type") or ""
    ident, status = string(data, "id"), string(data, "status")
    if kind == "message":
        content = tuple([part_from(part) for part in objects(data, "content")])
        role, phase = string(data, "role"), string(data, "phase")
        return make.message(ident, content, role, status, phase, choice_index, data)
    if kind == "reasoning":
        summary = tuple(part_from(part, summary=True) for part in objects(data, "summary"))
        content = tuple(part_from(part, reasoning=True) for part in objects(data, "content"))
        return make.reasoning(
            ident, summary, content, string(data, "encrypted_content"), status, choice_index, data
        )
    name = string(data, "name") or ""
    if kind == "function_call":
        arguments = string(data, "arguments") or ""
        if whole and has_no_arguments(data):
            arguments = NO_ARGUMENTS
        complete = whole and status != "incomplete" and is_strict_json(arguments)
        return make.function_call(
            ident,
            string(data, "call_id"),
            name,
            arguments,
            complete,
            status,
            name in approval_required,
            choice_index,
            data,
        )
    if kind == "custom_tool_call":
        return CustomToolCall(
            ident,
            string(data, "call_id"),
            name,
            string(data, "input") or "",
            whole and status != "incomplete" and isinstance(data.get("input", ""), (str, type(None))),
            status,
            name in approval_required,
            choice_index,
            data,
        )
    return OtherItem(kind, ident, status, choice_index, data)
