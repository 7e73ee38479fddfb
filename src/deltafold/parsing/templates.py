"""Templates of the fast path: blocks that differ in a few fields, and how others are told from them.

A template is made of one block of which it is known what its fields mean. All else in it is compared, byte
for byte, with the blocks that follow: a block that is equal but for these fields is parsed equally.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, Final, TypeAlias

from deltafold.dialects.base import HotPieces, Tallies
from deltafold.machine.records import StreamedValue
from deltafold.model import events as e
from deltafold.model.frozen import draft_of

__all__ = ["DRAFTS", "DeltaTemplate", "FastEvent", "PieceTemplate", "Shape", "TemplateGroup", "shape_of"]

JSON: TypeAlias = dict[str, Any]
FastEvent: TypeAlias = e.TextDelta | e.ReasoningDelta | e.ArgumentsDelta
Special: TypeAlias = tuple[str, Callable[[str], bool]]
"""First characters of texts that may have to go the long way, and what knows whether such a text has to."""
Field: TypeAlias = tuple[int, int, int]
"""Where a field begins and ends in the `data` line of a block, and what it is."""

BACKSLASH: Final = "\\"
# What a field is.
TEXT: Final = 0
COUNT: Final = 1
PADDING: Final = 2
PIECE: Final = 3
TALLY: Final = 4
# A text with escapes, up to its closing quote. Half a surrogate pair may wait for its other half, so escapes
# of such are not in it.
PLAIN: Final = r'[^"\\\x00-\x1f]*+'
ESCAPE: Final = r'\\(?:["\\/bfnrt]|u(?:[0-9A-Ca-cEFef][0-9A-Fa-f]|[Dd][0-7])[0-9A-Fa-f]{2})'
ESCAPED: Final = re.compile(f'{PLAIN}(?:{ESCAPE}{PLAIN})*+(?=")')
NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,14})(?![0-9])")
ARRAY: Final = re.compile(r": ?\[ ?")
NOTHING_BETWEEN: Final[list[str]] = []
NEVER: Final[Special] = "", bool
NOWHERE: Final = 0, ""
NOBODY: Final = None, 0, ""
# The longest sequence number and count that is looked at, in digits.
MOST_DIGITS: Final = 15
HIGHEST: Final = 10**MOST_DIGITS
NINE: Final = ord("9")
ZERO: Final = ord("0")

DRAFTS: Final = {
    e.TextDelta: draft_of(e.TextDelta),
    e.ReasoningDelta: draft_of(e.ReasoningDelta),
    e.ArgumentsDelta: draft_of(e.ArgumentsDelta),
}


class Shape:
    """A block as it begins, and the fields in which others differ, each with what stands behind it."""

    __slots__ = ("between", "fields", "names", "piece", "start")

    def __init__(
        self,
        start: str,
        fields: list[tuple[int, str]],
        names: list[str],
        between: list[str],
        piece: re.Match[str] | None,
    ) -> None:
        self.start = start
        self.fields = fields
        """The fields but for those that are tallied, which are the last ones."""
        self.names = names
        """The names of those."""
        self.between = between
        """What stands behind each of them."""
        self.piece = piece
        """The piece of arguments that is a field, if there is one."""


class Template:
    """Blocks of one shape."""

    __slots__ = ("after_first", "between", "key", "numbers", "place", "remaining", "start", "tallies")

    def __init__(self, shape: Shape, tallies: Tallies | None) -> None:
        fields = shape.fields
        # A number that comes first is the same for all templates: they are told apart by what follows it.
        first = fields[0][0] == COUNT
        self.start = shape.start if first else ""
        """What stands before a number that comes first."""
        self.key = fields[0][1] if first else shape.start
        """What stands next, …"""
        self.place, self.after_first = fields[1 if first else 0]
        """… what may differ behind it, and what is the same behind that."""
        self.remaining = fields[2 if first else 1 :]
        """What else may differ, each with what is the same behind it, …"""
        self.between = shape.between or NOTHING_BETWEEN
        """… and what is the same behind each number that is tallied."""
        self.tallies = tallies
        """What these numbers are; None where there are none."""
        self.numbers = ""
        """These numbers in the block that was found last, with what stands between them."""

    def is_like(self, other: Template) -> bool:
        """Whether the same blocks match both."""
        alike = self.key == other.key and self.after_first == other.after_first
        return alike and self.remaining == other.remaining and self.between == other.between

    def match(self, latin1: str, begin: int, number: str) -> tuple[int, str]:
        """The end of the block whose first field ends at `begin`, with a later one's text; else `NOWHERE`."""
        at, text = begin + len(self.after_first), ""
        if latin1[begin:at] != self.after_first:
            return NOWHERE
        for place, piece in self.remaining:
            begin, found = match_field(latin1, at, place, number)
            if place == TEXT:
                text = found
            at = begin + len(piece)
            if not begin or latin1[begin:at] != piece:
                return NOWHERE
        if self.tallies is not None:
            at = self._match_numbers(latin1, at)
        return at, text

    def _match_numbers(self, latin1: str, at: int) -> int:
        """The end of the block, from the first number on that is tallied. 0 where it is another block.

        One of them has to count something: usage that counts nothing means something else on some wires.
        """
        begin = stop = at
        size, counts = len(latin1), False
        for piece in self.between:
            start = at
            while at < size and ZERO <= ord(latin1[at]) <= NINE:
                at += 1
            if at == start or at - start > MOST_DIGITS:
                return 0
            if ord(latin1[start]) != ZERO:
                counts = True
            elif at - start > 1:
                return 0
            stop = at
            at += len(piece)
            if latin1[stop:at] != piece:
                return 0
        self.numbers = latin1[begin:stop]
        return at if counts else 0


class DeltaTemplate(Template):
    """Blocks that differ in nothing but a text, a number and padding, and where the text goes."""

    __slots__ = (
        "draft",
        "has_sequence_number",
        "index",
        "is_special",
        "kind",
        "part",
        "reasoning",
        "special_first_chars",
        "value",
    )

    def __init__(
        self,
        shape: Shape,
        tallies: Tallies | None,
        event: FastEvent,
        value: StreamedValue,
        special: Special | None,
    ) -> None:
        super().__init__(shape, tallies)
        self.has_sequence_number = COUNT in [place for place, _ in shape.fields]
        """Whether there is a number in them."""
        self.kind = type(event)
        self.draft = DRAFTS[self.kind]
        self.index = event.output_index
        self.part: int | None = None
        self.reasoning: str | None = None
        if isinstance(event, e.TextDelta):
            self.part = event.content_index
        elif isinstance(event, e.ReasoningDelta):
            self.part, self.reasoning = event.part_index, event.kind
        self.value = value
        """Where the text goes."""
        opens, is_special = NEVER if special is None else special
        self.special_first_chars = opens
        self.is_special = is_special

    def event(self, text: str) -> FastEvent:
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
        event: FastEvent = draft
        return event


class PieceTemplate(Template):
    """Blocks that differ in nothing but a piece of arguments and the numbers that are tallied."""

    __slots__ = ("find", "index", "pieces", "value")

    def __init__(self, shape: Shape, tallies: Tallies | None, pieces: HotPieces) -> None:
        assert shape.piece is not None
        super().__init__(shape, tallies)
        self.pieces = pieces
        """What makes text of such a piece."""
        self.find = shape.piece.re.match
        """Finds a piece at a position."""
        self.index = -1
        """The item that the last of these pieces belonged to, unless that may have changed, …"""
        self.value: StreamedValue | None = None
        """… and where its text went."""


def match_field(latin1: str, begin: int, place: int, number: str) -> tuple[int, str]:
    """The end of the field that starts at `begin`, with its text if it is one; else `NOWHERE`.

    Where all escapes of a text are of quotes, it comes without them, else as it was written.
    """
    if place == COUNT:
        at = begin + len(number)
        return (at, "") if number and latin1[begin:at] == number else NOWHERE
    at = latin1.find('"', begin)
    if at < 0:
        return NOWHERE
    found = latin1[begin:at]
    if place == PADDING:
        return (at, "") if not found or (found.isascii() and found.isalnum()) else NOWHERE
    if BACKSLASH in found:
        return match_escaped(latin1, begin, at)
    return (at, found) if found else NOWHERE


def match_escaped(latin1: str, begin: int, at: int) -> tuple[int, str]:
    """The end of a text with escapes that starts at `begin`, and the text. `at` is the first quote."""
    # Nearly all escapes are of quotes, in the JSON inside of arguments. Of any other, and of two backslashes
    # before a quote, a backslash is left over.
    while at > begin and latin1[at - 1] == BACKSLASH:
        at = latin1.find('"', at + 1)
    if at > begin:
        text = latin1[begin:at].replace('\\"', '"')
        if BACKSLASH not in text:
            return at, text
    escaped = ESCAPED.match(latin1, begin)
    return NOWHERE if escaped is None else (escaped.end(), escaped[0])


class TemplateGroup:
    """Templates that begin alike, but for their keys, which are of one length."""

    __slots__ = ("length", "place", "start", "templates")

    def __init__(self, template: DeltaTemplate) -> None:
        self.start = template.start
        self.length = len(template.key)
        self.place = template.place
        self.templates = [template]
        """The newest first."""

    def begins(self, template: DeltaTemplate) -> bool:
        """Whether a template begins so."""
        alike = self.place == template.place and self.start == template.start
        return alike and self.length == len(template.key)

    def find(self, latin1: str, at: int, number: str) -> tuple[DeltaTemplate | None, int, str]:
        """Whose the block at a position is, where it ends, and its text."""
        start = self.start
        if start:
            begin = at + len(start)
            if not number or latin1[at:begin] != start:
                return NOBODY
            at = begin + len(number)
            if latin1[begin:at] != number:
                return NOBODY
        begin = at + self.length
        key, text = latin1[at:begin], ""
        at = 0
        for template in self.templates:
            if template.key == key:
                if not at:
                    at, text = match_field(latin1, begin, self.place, number)
                    if not at:
                        return NOBODY
                end, other = template.match(latin1, at, number)
                if end:
                    return template, end, text or other
        return NOBODY


def digits(number: Any) -> str:
    """A sequence number as it is written; "" where there is none, or a very long one."""
    return str(number) if type(number) is int and 0 <= number < HIGHEST else ""


def shape_of(
    block: str, payload: JSON, key: str, pieces: HotPieces | None, tallies: tuple[str, ...]
) -> Shape | None:
    """The shape of a block, in which a text stands under a key, or a piece of arguments alone in an array.

    None where the block is not just an `event` line, a `data` line and a blank line, or where it cannot be
    told for certain what stands where. That can be told of a key that is there, occurs but once, and cannot
    be spelled in another way, because there are no escapes.
    """
    begin = block.find("\n") + 1 if block.startswith("event: ") else 0
    if block[begin : begin + 6] != "data: " or block.find("\n", begin) != len(block) - 2:
        return None
    line = block[begin:]
    colon = '": ' if '": ' in line else '":'
    piece = None if pieces is None else find_piece(line, key, pieces)
    if pieces is None:
        fields = [text_field(line, key, colon)]
    elif piece is not None:
        fields = [(piece.start(), piece.end(), PIECE)]
    else:
        return None
    number = payload.get("sequence_number")
    if type(number) is int:
        written = digits(number)
        end = position_of(line, "sequence_number", colon + written) if written else 0
        fields.append((end - len(written), end, COUNT))
    if isinstance(payload.get("obfuscation"), str):
        at = position_of(line, "obfuscation", colon + '"')
        fields.append((at, scanstring(line, at)[1] - 1 if at else 0, PADDING))
    fields.sort()
    counted = [number_field(line, name, colon) for name in tallies]
    order = sorted(zip(counted, tallies, strict=True))
    last = fields[-1][0]
    fields += [field for field, _ in order]
    if fields[0][0] <= 0 or (order and order[0][0][0] < last):
        return None
    start = line[: fields[0][0]]
    behind = [
        line[field[1] : (fields[at + 1][0] if at + 1 < len(fields) else len(line))]
        for at, field in enumerate(fields)
    ]
    if BACKSLASH in start or BACKSLASH in "".join(behind):
        return None
    own = len(fields) - len(order)
    rest = [(field[2], same) for field, same in zip(fields[:own], behind, strict=False)]
    return Shape(block[:begin] + start, rest, [name for _, name in order], behind[own:], piece)


def text_field(line: str, key: str, colon: str) -> Field:
    """The text under a key. It begins at 0 where that cannot be told."""
    at = position_of(line, key, colon + '"')
    return (at, scanstring(line, at)[1] - 1, TEXT) if at else (0, 0, TEXT)


def find_piece(line: str, key: str, pieces: HotPieces) -> re.Match[str] | None:
    """The piece of arguments that is alone in the array under a key. None where that cannot be told."""
    before = position_of(line, key, '"')
    opened = ARRAY.match(line, before) if before else None
    if opened is not None:
        for pattern in pieces.patterns:
            found = pattern.match(line, opened.end())
            if found is not None:
                return found
    return None


def number_field(line: str, key: str, colon: str) -> Field:
    """The number under a key. Like `text_field()`."""
    at = position_of(line, key, colon)
    found = NUMBER.match(line, at) if at else None
    return (0, 0, TALLY) if found is None else (at, found.end(), TALLY)


def position_of(line: str, key: str, colon: str) -> int:
    """Where the value of a key begins that occurs once, else 0. `colon` stands before it, from a quote on."""
    quoted = f'"{key}"'
    at = line.find(quoted)
    begin = at + len(quoted) - 1 + len(colon)
    once = at >= 0 and line.find(quoted, begin) < 0
    return begin if once and line[begin - len(colon) : begin] == colon else 0
