"""The output of a response: items, and the parts inside them. Data only.

Each class names what callers ask for and keeps the whole of what the server told in `data`: a field that this
library does not know is there, and in `to_dict()`, under its own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import attrs

from deltafold.payload import is_strict_json
from deltafold.shown import Shown

__all__ = [
    "CustomToolCall",
    "FunctionCall",
    "Item",
    "Message",
    "OtherItem",
    "OtherPart",
    "OutputText",
    "Part",
    "Reasoning",
    "ReasoningText",
    "Refusal",
    "SummaryText",
    "item_from",
    "part_from",
]

SHOWN = 60


def shorten(value: Any) -> str:
    """The repr of a value, cut where it is long."""
    if isinstance(value, str) and len(value) > SHOWN:
        return f"{value[:SHOWN]!r}… ({len(value)} characters)"
    shown = repr(value)
    return shown if len(shown) <= 4 * SHOWN else f"{shown[: 4 * SHOWN]}… ({len(shown)} characters)"


def copied(value: Any) -> Any:
    """A JSON value that shares no array or object with the given one."""
    if type(value) is dict:
        return {key: copied(member) for key, member in value.items()}
    if type(value) is list:
        return [copied(entry) for entry in value]
    return value


def joined(pieces: list[str]) -> str:
    """The pieces of a text as one, which takes their place: joining them again costs nothing."""
    if len(pieces) > 1:
        pieces[:] = ["".join(pieces)]
    return pieces[0] if pieces else ""


def text_field() -> Any:
    return attrs.field(repr=shorten)


def data_field() -> Any:
    return attrs.field(repr=False, hash=False)


def string(data: Mapping[str, Any], key: str) -> str | None:
    """A member that is a string, or None."""
    value = data.get(key)
    return value if isinstance(value, str) else None


def integer(data: Mapping[str, Any], key: str) -> int | None:
    """A member that is a whole number, or None. (In Python a bool is an int.)"""
    value = data.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def objects(data: Mapping[str, Any], key: str) -> tuple[dict[str, Any], ...]:
    """The objects in a member that is an array."""
    value = data.get(key)
    if not value or not isinstance(value, list):
        return ()
    return tuple([entry for entry in value if isinstance(entry, dict)])


class Told(Shown):
    """What an item or part keeps of the wire."""

    __slots__ = ()
    data: dict[str, Any]
    """The whole of it as JSON, in the Responses API's shape. Not to be changed: it is not a copy."""

    def to_dict(self) -> dict[str, Any]:
        """A copy of `data`."""
        return dict(copied(self.data))


@attrs.frozen(repr=False)
class OutputText(Told):
    """A part of a message: text."""

    text: str = attrs.field(repr=shorten)
    annotations: tuple[dict[str, Any], ...] = attrs.field(hash=False)
    """Citations and file paths, as the server told them."""
    logprobs: tuple[dict[str, Any], ...] = attrs.field(repr=False, hash=False)
    """Log probabilities of the tokens, as the server told them."""
    data: dict[str, Any] = data_field()
    type: str = attrs.field(default="output_text", kw_only=True)


@attrs.frozen(repr=False)
class Refusal(Told):
    """A part of a message: why the model will not answer."""

    refusal: str = text_field()
    data: dict[str, Any] = data_field()
    type: str = attrs.field(default="refusal", kw_only=True)


@attrs.frozen(repr=False)
class ReasoningText(Told):
    """A part of the content of a reasoning item: raw reasoning."""

    text: str = text_field()
    data: dict[str, Any] = data_field()
    type: str = attrs.field(default="reasoning_text", kw_only=True)


@attrs.frozen(repr=False)
class SummaryText(Told):
    """A part of the summary of a reasoning item."""

    text: str = text_field()
    data: dict[str, Any] = data_field()
    type: str = attrs.field(default="summary_text", kw_only=True)


@attrs.frozen(repr=False)
class OtherPart(Told):
    """A part of a type that this library does not know."""

    type: str
    data: dict[str, Any] = data_field()


Part: TypeAlias = OutputText | Refusal | ReasoningText | SummaryText | OtherPart


@attrs.frozen(repr=False)
class Message(Told):
    """Text or a refusal, addressed to the user."""

    id: str | None
    content: tuple[Part, ...]
    role: str | None
    status: str | None
    phase: str | None
    """`commentary` or `final_answer`, where the server tells it."""
    choice_index: int | None
    """Which of several choices this belongs to; None on the Responses API, which has but one."""
    data: dict[str, Any] = data_field()
    type: str = attrs.field(default="message", kw_only=True)


@attrs.frozen(repr=False)
class Reasoning(Told):
    """What the model thought, as far as the server shows it."""

    id: str | None
    summary: tuple[Part, ...]
    content: tuple[Part, ...]
    encrypted_content: str | None = attrs.field(repr=shorten)
    """To be sent back verbatim with the item's id."""
    status: str | None
    choice_index: int | None
    data: dict[str, Any] = data_field()
    type: str = attrs.field(default="reasoning", kw_only=True)

    @property
    def text(self) -> str:
        """The raw reasoning, joined; where the server shows none, its summary, with blank lines between."""
        content = "".join(part.text for part in self.content if isinstance(part, ReasoningText))
        return content or "\n\n".join(
            part.text for part in self.summary if isinstance(part, SummaryText) and part.text
        )


@attrs.frozen(repr=False)
class FunctionCall(Told):
    """A call of a function that the caller is asked to run."""

    id: str | None
    call_id: str | None
    """What the result has to name."""
    name: str
    arguments: str = attrs.field(repr=shorten)
    """The JSON text as it came, never repaired."""
    complete: bool
    """Whether the arguments are whole and one value of strict JSON (RFC 8259). Run nothing else."""
    status: str | None
    needs_approval: bool
    """Whether the name is among the parser's `approval_required`."""
    choice_index: int | None
    data: dict[str, Any] = data_field()
    type: str = attrs.field(default="function_call", kw_only=True)


@attrs.frozen(repr=False)
class CustomToolCall(Told):
    """A call of a custom tool, whose input is free text."""

    id: str | None
    call_id: str | None
    """What the result has to name."""
    name: str
    input: str = attrs.field(repr=shorten)
    whole: bool
    """Whether the server told the whole input. Run nothing else."""
    status: str | None
    needs_approval: bool
    """Whether the name is among the parser's `approval_required`."""
    choice_index: int | None
    data: dict[str, Any] = data_field()
    type: str = attrs.field(default="custom_tool_call", kw_only=True)


@attrs.frozen(repr=False)
class OtherItem(Told):
    """An item of any other type: hosted tools and their results, compaction, and what is yet unknown."""

    type: str
    id: str | None
    status: str | None
    choice_index: int | None
    data: dict[str, Any] = data_field()


Item: TypeAlias = Message | Reasoning | FunctionCall | CustomToolCall | OtherItem


def is_whole(item: Item) -> bool:
    """Whether an item is a function or custom tool call that can be run."""
    return (
        item.complete if isinstance(item, FunctionCall) else isinstance(item, CustomToolCall) and item.whole
    )


def part_from(data: dict[str, Any], *, reasoning: bool = False, summary: bool = False) -> Part:
    """A part out of its JSON, which is kept, not copied. Servers name the parts of reasoning as they like."""
    kind = string(data, "type") or ""
    text = string(data, "text")
    if text is not None:
        if summary:
            return SummaryText(text, data, type=kind)
        if reasoning:
            return ReasoningText(text, data, type=kind)
    if kind == "refusal" and (refusal := string(data, "refusal")) is not None:
        return Refusal(refusal, data)
    if text is not None:
        return OutputText(text, objects(data, "annotations"), objects(data, "logprobs"), data, type=kind)
    return OtherPart(kind, data)


def item_from(
    data: dict[str, Any],
    *,
    whole: bool = False,
    choice_index: int | None = None,
    approval_required: frozenset[str] = frozenset(),
) -> Item:
    """An item out of its JSON, which is kept, not copied.

    `whole` says that the server told the end of the item: only then can a call be complete.
    """
    kind = string(data, "type") or ""
    ident, status = string(data, "id"), string(data, "status")
    if kind == "message":
        content = tuple([part_from(part) for part in objects(data, "content")])
        role, phase = string(data, "role"), string(data, "phase")
        return Message(ident, content, role, status, phase, choice_index, data)
    if kind == "reasoning":
        summary = tuple(part_from(part, summary=True) for part in objects(data, "summary"))
        content = tuple(part_from(part, reasoning=True) for part in objects(data, "content"))
        return Reasoning(
            ident, summary, content, string(data, "encrypted_content"), status, choice_index, data
        )
    name = string(data, "name") or ""
    if kind == "function_call":
        arguments = string(data, "arguments") or ""
        complete = whole and status != "incomplete" and is_strict_json(arguments)
        return FunctionCall(
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
            whole and status != "incomplete",
            status,
            name in approval_required,
            choice_index,
            data,
        )
    return OtherItem(kind, ident, status, choice_index, data)
