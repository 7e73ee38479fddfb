"""The short cut for hot deltas: one strict match in place of framing, JSON, dialect and fold.

Nearly all events of a stream are fragments that differ from the one before in their text, their sequence
number and their padding. Once such an event has gone the long way and came out as one plain delta, a pattern
of its exact shape (the same keys in the same order, the same kinds of values) is matched against the bytes
that follow. A match is the same parse: all that is not text, number or padding is compared, byte for byte,
with what went the long way. Whatever does not match goes the long way itself, so the parser is right also
where nothing is ever learned.

Patterns depend on the shape alone and are kept for all parsers. What they lead to is kept for one stream, and
dropped whenever anything but a plain delta comes for the same item.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from json.decoder import scanstring  # type: ignore[attr-defined]
from operator import itemgetter
from typing import Any, Final, Protocol, TypeAlias

from deltafold import events as e
from deltafold.fold import Fold, item_of
from deltafold.sse import SSEDecoder

__all__ = ["HOT", "HotEvent", "HotPath"]

HotEvent: TypeAlias = e.TextDelta | e.ReasoningDelta | e.ArgumentsDelta
Path: TypeAlias = tuple[str | int, ...]
Special: TypeAlias = tuple[str, Callable[[str], bool]]
"""First characters of texts that may have to go the long way, and what knows whether such a text has to."""
Shape: TypeAlias = Any
"""A JSON value with its scalars replaced by what they are, as a hashable value."""

STRING: Final = "string"
NUMBER: Final = "number"
TEXT: Final = "text"
COUNT: Final = "count"
PADDING: Final = "padding"
# What is compared byte for byte may be matched loosely, and a class of one character is matched ten times as
# fast as any other. Text and padding are not compared, so their patterns are exact. Half a surrogate pair may
# wait for its other half, so escapes of such are not in it.
PLAIN: Final = rb'[^"\\\x00-\x1f]*+'
ESCAPE: Final = rb'\\(?:["\\/bfnrt]|u(?:[0-9A-Ca-cEFef][0-9A-Fa-f]|[Dd][0-7])[0-9A-Fa-f]{2})'
PATTERNS: Final = {
    STRING: rb'"[^"]*+"',
    NUMBER: rb"-?[0-9]++",
    TEXT: rb'"(?!")(' + PLAIN + rb"(?:" + ESCAPE + PLAIN + rb')*+)"',
    COUNT: rb"(0|[1-9][0-9]{0,14}+)",
    PADDING: rb'"[A-Za-z0-9]*+"',
}
NEVER: Final[Special] = "", bool
MOST_LANES: Final = 4
MOST_UNUSED: Final = 32
MOST_TARGETS: Final = 1024


class PlainDialect(Protocol):
    """What has to be known of a dialect."""

    last_sequence_number: Any

    def plain_text(self, payload: dict[str, Any], event: Any) -> tuple[Path, Special | None] | None:
        """Where the text of an event stands in the payload that made it.

        Only if payloads that differ in nothing else make events that differ in nothing else; with what
        knows the texts of which that may be untrue, where there are any.
        """


class Template:
    """The shape of a whole block: how it begins, a pattern of the rest, and the groups of that."""

    __slots__ = ("count", "identity", "pattern", "prefix", "text")

    def __init__(
        self,
        prefix: bytes,
        pattern: re.Pattern[bytes],
        text: int,
        count: int | None,
        identity: Callable[[tuple[bytes, ...]], Any],
    ) -> None:
        self.prefix = prefix
        """What every block of this shape begins with."""
        self.pattern = pattern
        """That of what follows."""
        self.text = text
        """The position of the text among the groups."""
        self.count = count
        """That of the sequence number, None where there is none."""
        self.identity = identity
        """Takes out of the groups all that must be as it was."""

    def whole(self, block: bytes) -> re.Match[bytes] | None:
        """The match of a block that is of this shape from its first byte to its last."""
        return self.pattern.fullmatch(block, len(self.prefix)) if block.startswith(self.prefix) else None


DRAFTS: Final = {
    e.TextDelta: e.TextDraft,
    e.ReasoningDelta: e.ReasoningDraft,
    e.ArgumentsDelta: e.ArgumentsDraft,
}
HOT: Final = tuple(DRAFTS)


class Target:
    """Where the text of a match goes."""

    __slots__ = ("append", "draft", "index", "is_special", "kind", "opens", "part", "reasoning")

    def __init__(self, event: HotEvent, append: Callable[[str], None], special: Special | None) -> None:
        self.kind = type(event)
        self.draft = DRAFTS[self.kind]
        self.index = event.output_index
        self.part: int | None = None
        self.reasoning: str | None = None
        if isinstance(event, e.TextDelta):
            self.part = event.content_index
        elif isinstance(event, e.ReasoningDelta):
            self.part, self.reasoning = event.part_index, event.kind
        self.append = append
        opens, is_special = NEVER if special is None else special
        self.opens = opens
        self.is_special = is_special

    def event(self, text: str) -> HotEvent:
        """The event that hands out a text."""
        draft: Any = self.draft()
        draft.output_index = self.index
        draft.text = text
        if self.reasoning is not None:
            draft.part_index = self.part
            draft.kind = self.reasoning
        elif self.part is not None:
            draft.content_index = self.part
            draft.logprobs = ()
        draft.__class__ = self.kind
        event: HotEvent = draft
        return event


class Lane:
    """A template in use, and what its matches lead to in this stream."""

    __slots__ = ("begin", "count", "identity", "match", "prefix", "targets", "template", "text")

    def __init__(self, template: Template) -> None:
        self.template = template
        self.prefix = template.prefix
        self.begin = len(template.prefix)
        """Where, in a block, its match begins."""
        self.match = template.pattern.match
        self.text = template.text
        self.count = template.count
        self.identity = template.identity
        self.targets: dict[Any, Target] = {}


class HotPath:
    """What the hot deltas of one stream look like, and where they go."""

    __slots__ = ("_decoder", "_fold", "_most_text", "_pending", "_unused", "candidate", "dialect", "lanes")

    dialect: PlainDialect

    def __init__(self, decoder: SSEDecoder, fold: Fold, pending: deque[Any]) -> None:
        """`pending` are the events that wait to be handed out: none may overtake them."""
        self._decoder = decoder
        self._fold = fold
        self._pending = pending
        self._most_text = fold.limits.text_size
        self.lanes: list[Lane] = []
        self.candidate: tuple[dict[str, Any], str, bytes] | None = None
        """A payload that may show what hot deltas look like, with the event's name and the block."""
        self._unused = 0
        """How often in a row that was of no use."""

    def speak(self, dialect: PlainDialect) -> None:
        """Another dialect takes over: nothing is known of its deltas."""
        self.dialect = dialect
        self.lanes.clear()
        self._unused = 0

    def take(self) -> HotEvent | None:
        """The next event, if that is a plain delta; else None, and nothing has changed."""
        decoder, lanes = self._decoder, self.lanes
        if not lanes or self._pending:
            return None
        position = decoder.position
        if decoder.fresh and decoder.plain and position >= decoder.complete:
            decoder.join()
            position = 0
        if not decoder.plain or position >= decoder.complete:
            return None
        buffer, fold = decoder.buffer, self._fold
        for lane in lanes:
            begin = position + lane.begin
            # (As a part of the pattern it would be compared byte by byte.)
            found = lane.match(buffer, begin) if buffer[position:begin] == lane.prefix else None
            if found is None:
                continue
            groups = found.groups()
            target = lane.targets.get(lane.identity(groups))
            if target is None:
                continue
            try:
                text = groups[lane.text].decode()
            except UnicodeDecodeError:
                continue
            if "\\" in text:
                # Nearly all escapes are quotes of the JSON inside of arguments.
                unquoted = text.replace('\\"', '"')
                text = scanstring(text + '"', 0)[0] if "\\" in unquoted else unquoted
            end = found.end()
            size = fold.size + len(text)
            if size > self._most_text or end - position > decoder.longest_block:
                continue
            if target.opens and text[0] in target.opens and target.is_special(text):
                continue
            if lane.count is not None:
                dialect, number = self.dialect, int(groups[lane.count])
                if number - 1 != dialect.last_sequence_number:
                    continue
                dialect.last_sequence_number = number
            # From here on it is as if the event had gone the long way.
            decoder.position = end
            decoder.event_count += 1
            fold.size = size
            self._unused = 0
            target.append(text)
            return target.event(text)
        return None

    def consider(self, payload: dict[str, Any], name: str) -> None:
        """A block went the long way and gave just one hot delta, which is about to be handed out."""
        if self._unused < MOST_UNUSED and (block := self._decoder.block()) is not None:
            self.candidate = payload, name, block
        elif self.lanes:
            self.cool()

    def handed_out(self, event: Any) -> None:
        """The event of the candidate was handed out: does it show how the next ones look?"""
        assert self.candidate is not None
        payload, name, block = self.candidate
        self.candidate = None
        self._unused += 1
        found = self.dialect.plain_text(payload, event)
        if found is None:
            self.forget(event.output_index)
        else:
            path, special = found
            self.learn(block, name, payload, path, event, self._fold.fragments(event), special)

    def cool(self) -> None:
        """What goes the long way may change what hot deltas rely on."""
        if not self._pending:
            self.forget(None)
        for event in self._pending:
            # A new item may be the one that the next fragment means.
            self.forget(None if type(event) is e.ItemStarted else item_of(event))

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
        special: Special | None,
    ) -> None:
        """A block went the long way and came out as one plain delta, whose text stands at a path in it."""
        if isinstance(event, e.TextDelta) and event.logprobs:
            return
        for lane in self.lanes:
            found = lane.template.whole(block)
            if found is not None:
                break
        else:
            template, found = template_for(block, name, payload, text)
            if template is None or found is None:
                return
            lane = Lane(template)
            self.lanes.insert(0, lane)
            del self.lanes[MOST_LANES:]
        if len(lane.targets) >= MOST_TARGETS:
            lane.targets.clear()
        lane.targets[lane.identity(found.groups())] = Target(event, fragments.append, special)


def template_for(
    block: bytes, name: str, payload: dict[str, Any], text: Path
) -> tuple[Template | None, re.Match[bytes] | None]:
    """The template of a block, and its match; None where it can have none."""
    # The keys alone nearly always tell the shape, and are at hand.
    recent = recent_templates(name, tuple(payload), text)
    for template in recent:
        found = template.whole(block)
        if found is not None:
            return template, found
    shape = shape_of(payload, text, top=True)
    if shape is None:
        return None, None
    template = template_of(name, shape, b'": ' in block)
    if template not in recent:
        recent.insert(0, template)
        del recent[MOST_LANES:]
    return template, template.whole(block)


@lru_cache(maxsize=64)
def recent_templates(name: str, keys: tuple[str, ...], text: Path) -> list[Template]:
    """Templates that were of use for payloads of these keys: a memory for all parsers, of shapes alone."""
    return []


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
    prefix = b""
    while not pieces[0][0]:
        prefix += pieces.pop(0)[1]
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
    return Template(prefix, re.compile(pattern), text, count, itemgetter(*identity) if identity else nothing)


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
