"""Where the texts of a choice stand: its message with parts of text and refusal, and its reasoning.

An item and a part begin with the first of their text. Parts of any other kind stand in the message too.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.base import Dialect
from deltafold.dialects.chat.state import OpenChoice
from deltafold.dialects.chat.think_tags import ThinkTags
from deltafold.dialects.emitter import Emitter
from deltafold.machine.values import ValuePath
from deltafold.model import events as e
from deltafold.model.json_values import copied

__all__ = [
    "add_other_part",
    "emit_fragment",
    "emit_whole_text",
    "end_think_tags",
    "read_text",
    "read_whole_text",
    "value_of",
]

JSON: TypeAlias = dict[str, Any]

REASONING_TEXT: Final[ValuePath] = ("content", 0, "text")
THINK_KINDS: Final[tuple[e.ValueKind, e.ValueKind]] = ("reasoning", "text")


def read_text(dialect: Dialect, choice: OpenChoice, text: str, logprobs: Any = None) -> None:
    """A fragment of the content, which may be reasoning between tags."""
    sent = logprobs if isinstance(logprobs, list) else ()
    if not dialect.think_tags:
        emit_fragment(dialect, choice, "text", text, sent)
        return
    tags = choice.open_tags
    if tags is None:
        tags = choice.open_tags = ThinkTags()
    for kind, piece in tags.feed(text):
        emit_fragment(dialect, choice, kind, piece, sent if piece == text else ())


def end_think_tags(emitter: Emitter, choice: OpenChoice) -> None:
    """The content ends: what might have been the beginning of a tag was none."""
    for kind, piece in () if choice.open_tags is None else choice.open_tags.close():
        emit_fragment(emitter, choice, kind, piece)


def read_whole_text(dialect: Dialect, choice: OpenChoice, text: str) -> None:
    """The whole content of a message."""
    if not dialect.think_tags:
        emit_whole_text(dialect, choice, "text", text)
        return
    tags = ThinkTags()
    pieces = [*tags.feed(text), *tags.close()]
    choice.open_tags = None
    for kind in THINK_KINDS:
        emit_whole_text(dialect, choice, kind, "".join([piece for found, piece in pieces if found == kind]))


def emit_fragment(
    emitter: Emitter, choice: OpenChoice, kind: e.ValueKind, text: str, logprobs: Any = ()
) -> None:
    """Hands out a fragment of text, refusal or reasoning."""
    if text:
        index, key = value_of(emitter, choice, kind)
        emitter.emit_text(index, kind, key, text, logprobs)


def emit_whole_text(emitter: Emitter, choice: OpenChoice, kind: e.ValueKind, text: str) -> None:
    """Hands out what is new of a text that is sent whole."""
    if text:
        index, key = value_of(emitter, choice, kind)
        emitter.emit_whole_value(index, kind, key, text, whole=False)


def value_of(emitter: Emitter, choice: OpenChoice, kind: e.ValueKind) -> tuple[int, ValuePath]:
    """Where a text stands: its item and the path in it, which begin with it."""
    if kind == "reasoning":
        reasoning = choice.reasoning
        if reasoning is None:
            sent: JSON = {"type": "reasoning", "summary": [], "content": []}
            reasoning = choice.reasoning = emitter.begin_item(
                sent, choice_index=choice.index, member=choice.reasoning_field or choice.named
            )
            emitter.begin_part(reasoning, "content", 0, {"type": "reasoning_text", "text": ""})
        return reasoning, REASONING_TEXT
    message = choice.message
    if message is None:
        sent = {"type": "message", "role": choice.role, "status": "in_progress", "content": []}
        message = choice.message = emitter.begin_item(sent, choice_index=choice.index)
    at = choice.parts.get(kind)
    if at is None:
        part: JSON = {"type": "refusal", "refusal": ""}
        if kind == "text":
            part = {"type": "output_text", "text": "", "annotations": []}
        at = choice.parts[kind] = add_part(emitter, choice, message, part)
    return message, ("content", at, kind)


def add_part(emitter: Emitter, choice: OpenChoice, message: int, part: JSON) -> int:
    """A part of the message begins. Gives its index."""
    at = choice.next_part
    emitter.begin_part(message, "content", at, part)
    choice.next_part = at + 1
    return at


def add_other_part(emitter: Emitter, choice: OpenChoice, part: JSON) -> None:
    """A part of another kind, as an image, is whole as it comes."""
    message = choice.message
    if message is None:
        message, _ = value_of(emitter, choice, "text")
    add_part(emitter, choice, message, copied(part))
