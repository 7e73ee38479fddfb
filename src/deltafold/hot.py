"""The short cut for hot deltas: one strict match in place of framing, JSON, dialect and fold.

Nearly all events of a stream are fragments that differ from the one before in their text, their sequence
number and their padding. Once such an event has gone the long way and came out as one plain delta, a pattern
of its exact shape (the same keys in the same order, the same kinds of values) is matched against the bytes
that follow. A match is the same parse: all that is not text, number or padding is compared, byte for byte,
with what went the long way. Whatever does not match goes the long way itself, so the parser is right without
this file.

Patterns depend on the shape alone and are kept for all parsers. What they lead to is kept for one stream, and
dropped whenever anything but a plain delta comes for the same item.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache, partial
from json.decoder import scanstring  # type: ignore[attr-defined]
from operator import itemgetter
from typing import Any, TypeAlias

import attrs

from deltafold import events as e

__all__ = ["HotEvent", "HotPath", "Lane", "unescaped"]

HotEvent: TypeAlias = e.TextDelta | e.ReasoningDelta | e.ArgumentsDelta
Path: TypeAlias = tuple[str | int, ...]
Shape: TypeAlias = Any
"""A JSON value with its scalars replaced by what they are, as a hashable value."""

STRING, NUMBER, TEXT, COUNT, PADDING = "string", "number", "text", "count", "padding"
# What is compared byte for byte may be matched loosely, and a class of one character is matched ten times as
# fast as any other. Text and padding are not compared, so their patterns are exact.
PATTERNS = {
    STRING: rb'"[^"]*+"',
    NUMBER: rb"-?[0-9]++",
    TEXT: rb'"((?:[^"\\\x00-\x1f]++|\\["\\/bfnrt])*+)"',
    COUNT: rb"(0|[1-9][0-9]{0,14}+)",
    PADDING: rb'"[A-Za-z0-9]*+"',
}
MOST_LANES = 4
MOST_TARGETS = 1024


@attrs.frozen(eq=False)
class Template:
    """The shape of a whole block: bytes that never differ, then a pattern, and its groups."""

    head: bytes
    pattern: re.Pattern[bytes]
    text: int
    """The position of the text among the groups."""
    count: int | None
    """That of the sequence number, None where there is none."""
    identity: Callable[[tuple[bytes, ...]], Any]
    """Takes out of the groups all that must be as it was."""

    def whole(self, block: bytes) -> re.Match[bytes] | None:
        """The match of a block that is of this shape from its first byte to its last."""
        return self.pattern.fullmatch(block, len(self.head)) if block.startswith(self.head) else None


@attrs.frozen(eq=False)
class Target:
    """Where the text of a match goes."""

    make: Callable[[str], Any]
    kind: type
    append: Callable[[str], None]
    index: int
    opens: str | None
    """First characters of texts that must go the long way."""


class Lane:
    """A template in use, and what its matches lead to in this stream."""

    __slots__ = ("count", "head", "identity", "match", "skip", "targets", "template", "text")

    def __init__(self, template: Template) -> None:
        self.template = template
        self.head = template.head
        self.skip = len(template.head)
        self.match = template.pattern.match
        self.text = template.text
        self.count = template.count
        self.identity = template.identity
        self.targets: dict[Any, Target] = {}


class TextDraft:
    """A `TextDelta` while it is being made: setting the slots of a frozen class takes twice as long."""

    __slots__ = e.TextDelta.__slots__  # type: ignore[attr-defined]

    def __init__(self, output_index: int, content_index: int, text: str) -> None:
        self.output_index = output_index
        self.content_index = content_index
        self.text = text
        self.logprobs = ()


class ReasoningDraft:
    """A `ReasoningDelta` while it is being made."""

    __slots__ = e.ReasoningDelta.__slots__  # type: ignore[attr-defined]

    def __init__(self, output_index: int, part_index: int, kind: str, text: str) -> None:
        self.output_index = output_index
        self.part_index = part_index
        self.text = text
        self.kind = kind


class ArgumentsDraft:
    """An `ArgumentsDelta` while it is being made."""

    __slots__ = e.ArgumentsDelta.__slots__  # type: ignore[attr-defined]

    def __init__(self, output_index: int, text: str) -> None:
        self.output_index = output_index
        self.text = text


def maker(event: HotEvent) -> Callable[[str], Any] | None:
    """Makes events like this one, with another text; None where that cannot be said."""
    if isinstance(event, e.ArgumentsDelta):
        return partial(ArgumentsDraft, event.output_index)
    if isinstance(event, e.ReasoningDelta):
        return partial(ReasoningDraft, event.output_index, event.part_index, event.kind)
    return None if event.logprobs else partial(TextDraft, event.output_index, event.content_index)


class HotPath:
    """What the hot deltas of one stream look like, and where they go."""

    __slots__ = ("lanes",)

    def __init__(self) -> None:
        self.lanes: list[Lane] = []

    def forget(self, index: int | None) -> None:
        """Something else came for an item, or for the response as a whole if None."""
        for lane in self.lanes:
            if index is None:
                lane.targets.clear()
            elif lane.targets:
                lane.targets = {key: target for key, target in lane.targets.items() if target.index != index}

    def learn(
        self,
        block: bytes,
        name: str,
        payload: dict[str, Any],
        text: Path,
        event: HotEvent,
        fragments: list[str],
        opens: str | None,
    ) -> None:
        """A block went the long way and came out as one plain delta, whose text stands at a path in it."""
        make = maker(event)
        if make is None:
            return
        for lane in self.lanes:
            found = lane.template.whole(block)
            if found is not None:
                break
        else:
            template = template_for(block, name, payload, text)
            found = None if template is None else template.whole(block)
            if template is None or found is None:
                return
            lane = Lane(template)
            self.lanes.insert(0, lane)
            del self.lanes[MOST_LANES:]
        if len(lane.targets) >= MOST_TARGETS:
            lane.targets.clear()
        lane.targets[lane.identity(found.groups())] = Target(
            make, type(event), fragments.append, event.output_index, opens
        )


def template_for(block: bytes, name: str, payload: dict[str, Any], text: Path) -> Template | None:
    """The template of a block; None where it can have none."""
    # The keys alone nearly always tell the shape, and are at hand.
    recent = recent_templates(name, tuple(payload), text)
    for template in recent:
        if template.whole(block) is not None:
            return template
    shape = shape_of(payload, text, top=True)
    if shape is None:
        return None
    template = template_of(name, shape, b'": ' in block)
    if template not in recent:
        recent.insert(0, template)
        del recent[MOST_LANES:]
    return template


@lru_cache(maxsize=64)
def recent_templates(name: str, keys: tuple[str, ...], text: Path) -> list[Template]:
    """Templates that were of use for payloads of these keys: a memory for all parsers, of shapes alone."""
    return []


def unescaped(text: str) -> str:
    """The text of a JSON string's inside."""
    found: tuple[str, int] = scanstring(text + '"', 0)
    return found[0]


def shape_of(value: Any, text: Path, *, top: bool = False) -> Shape | None:
    """The shape of a payload; None where a plain delta cannot be told by its shape."""
    if isinstance(value, dict):
        members = []
        for key, member in value.items():
            inner: Shape
            if text and key == text[0]:
                inner = shape_of(member, text[1:]) if len(text) > 1 else TEXT
            elif top and key == "sequence_number" and type(member) is int:
                inner = COUNT
            elif top and key == "obfuscation" and isinstance(member, str):
                inner = PADDING
            elif top and key == "type" and isinstance(member, str):
                inner = ("type", member)
            else:
                inner = shape_of(member, ())
            if inner is None:
                return None
            members.append((key, inner))
        return ("object", tuple(members))
    if isinstance(value, list):
        entries = [
            shape_of(entry, text[1:] if text and text[0] == i else ()) for i, entry in enumerate(value)
        ]
        return None if None in entries else ("array", tuple(entries))
    if isinstance(value, str):
        return STRING
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return NUMBER if isinstance(value, int) else None


@lru_cache(maxsize=256)
def template_of(name: str, shape: Shape, spaced: bool) -> Template:
    """The template of a shape. The cache is for all parsers: it holds nothing of any stream."""
    pieces: list[tuple[str, bytes]] = [("", (f"event: {name}\n" if name else "").encode() + b"data: ")]
    write(shape, (b", ", b": ") if spaced else (b",", b":"), pieces)
    pieces.append(("", b"\n\n"))
    head = b""
    while pieces[0][0] == "":
        head += pieces.pop(0)[1]
    # What stands between the free pieces is one group, if anything in it can differ.
    pattern, run, differs = b"", b"", False
    text, count, groups = 0, None, 0
    identity: list[int] = []
    for kind, piece in [*pieces, (PADDING, b"")]:
        if kind in ("", STRING, NUMBER):
            run += piece if kind else re.escape(piece)
            differs = differs or kind != ""
            continue
        if differs:
            identity.append(groups)
            groups += 1
            run = b"(" + run + b")"
        pattern += run + piece
        run, differs = b"", False
        if kind == TEXT:
            text = groups
        elif kind == COUNT:
            count = groups
        groups += kind in (TEXT, COUNT)
    return Template(head, re.compile(pattern), text, count, itemgetter(*identity) if identity else nothing)


def nothing(groups: tuple[bytes, ...]) -> None:
    """Nothing but text, number and padding can differ."""


def write(shape: Shape, separators: tuple[bytes, bytes], pieces: list[tuple[str, bytes]]) -> None:
    """Writes the pattern of a shape, piece by piece, each with what it is."""
    comma, colon = separators
    if isinstance(shape, str):
        pieces.append((shape, PATTERNS[shape]) if shape in PATTERNS else ("", shape.encode()))
        return
    kind, content = shape
    if kind == "type":
        pieces.append(("", json.dumps(content).encode()))
        return
    opening, closing = (b"{", b"}") if kind == "object" else (b"[", b"]")
    pieces.append(("", opening))
    for position, member in enumerate(content):
        if position:
            pieces.append(("", comma))
        if kind == "object":
            key, member = member
            pieces.append(("", json.dumps(key).encode() + colon))
        write(member, separators, pieces)
    pieces.append(("", closing))
