"""The output of a response: items, and the parts inside them. Data only.

Each class names what callers ask for and keeps the whole of what the server sent in `data`: a field that this
library does not know is there, and in `to_dict()`, under its own name.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from deltafold.model.frozen import field, frozen
from deltafold.model.json_values import copied

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
    "is_whole",
]

SHOWN = 60


def shorten(value: Any) -> str:
    """The repr of a value, cut where it is long."""
    if isinstance(value, str) and len(value) > SHOWN:
        return f"{value[:SHOWN]!r}… ({len(value)} characters)"
    shown = repr(value)
    return shown if len(shown) <= 4 * SHOWN else f"{shown[: 4 * SHOWN]}… ({len(shown)} characters)"


def text_field() -> Any:
    return field(repr=shorten)


def data_field() -> Any:
    return field(repr=False, hash=False)


class WireObject:
    """What an item or part keeps of the wire."""

    __slots__ = ()
    data: dict[str, Any]
    """The whole of it as JSON, in the Responses API's shape. Not to be changed: it is not a copy."""

    def to_dict(self) -> dict[str, Any]:
        """A copy of `data`."""
        return dict(copied(self.data))


@frozen
class OutputText(WireObject):
    """A part of a message: text."""

    text: str = field(repr=shorten)
    annotations: tuple[dict[str, Any], ...] = field(hash=False)
    """Citations and file paths, as the server sent them."""
    logprobs: tuple[dict[str, Any], ...] = field(repr=False, hash=False)
    """Log probabilities of the tokens, as the server sent them."""
    data: dict[str, Any] = data_field()
    type: str = field(default="output_text", kw_only=True)


@frozen
class Refusal(WireObject):
    """A part of a message: why the model will not answer."""

    refusal: str = text_field()
    data: dict[str, Any] = data_field()
    type: str = field(default="refusal", kw_only=True)


@frozen
class ReasoningText(WireObject):
    """A part of the content of a reasoning item: raw reasoning."""

    text: str = text_field()
    data: dict[str, Any] = data_field()
    type: str = field(default="reasoning_text", kw_only=True)


@frozen
class SummaryText(WireObject):
    """A part of the summary of a reasoning item."""

    text: str = text_field()
    data: dict[str, Any] = data_field()
    type: str = field(default="summary_text", kw_only=True)


@frozen
class OtherPart(WireObject):
    """A part of a type that this library does not know."""

    type: str
    data: dict[str, Any] = data_field()


Part: TypeAlias = OutputText | Refusal | ReasoningText | SummaryText | OtherPart


@frozen
class Message(WireObject):
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
    type: str = field(default="message", kw_only=True)


@frozen
class Reasoning(WireObject):
    """What the model thought, as far as the server shows it."""

    id: str | None
    summary: tuple[Part, ...]
    content: tuple[Part, ...]
    encrypted_content: str | None = field(repr=shorten)
    """To be sent back verbatim with the item's id."""
    status: str | None
    choice_index: int | None
    data: dict[str, Any] = data_field()
    type: str = field(default="reasoning", kw_only=True)

    @property
    def text(self) -> str:
        """The raw reasoning, joined; where the server shows none, its summary, with blank lines between."""
        content = "".join(part.text for part in self.content if isinstance(part, ReasoningText))
        return content or "\n\n".join(
            part.text for part in self.summary if isinstance(part, SummaryText) and part.text
        )


@frozen
class FunctionCall(WireObject):
    """A call of a function that the caller is asked to run."""

    id: str | None
    call_id: str | None
    """What the result has to name."""
    name: str
    arguments: str = field(repr=shorten)
    """The JSON text as it came, never repaired."""
    complete: bool
    """Whether the arguments are whole and one value of strict JSON (RFC 8259). Run nothing else."""
    status: str | None
    needs_approval: bool
    """Whether the name is among the parser's `approval_required`."""
    choice_index: int | None
    data: dict[str, Any] = data_field()
    type: str = field(default="function_call", kw_only=True)


@frozen
class CustomToolCall(WireObject):
    """A call of a custom tool, whose input is free text."""

    id: str | None
    call_id: str | None
    """What the result has to name."""
    name: str
    input: str = field(repr=shorten)
    whole: bool
    """Whether the server sent the whole input. Run nothing else."""
    status: str | None
    needs_approval: bool
    """Whether the name is among the parser's `approval_required`."""
    choice_index: int | None
    data: dict[str, Any] = data_field()
    type: str = field(default="custom_tool_call", kw_only=True)


@frozen
class OtherItem(WireObject):
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
