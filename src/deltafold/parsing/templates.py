"""Templates of the fast path: blocks that differ in a few fields, and how others are told from them.

A template is made of one block of which it is known what its fields mean. All else in it is compared, byte
for byte, with the blocks that follow: a block that is equal but for these fields is parsed equally.

`match_block()` is what every delta of a stream goes through. In a compiled package it is C (`_speedups.c`);
`match_block_in_python()` says what that does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, Final, Literal, TypeAlias

from deltafold.dialects.base import HotPieces, Tallies
from deltafold.machine.records import StreamedValue
from deltafold.model import events as e

__all__ = [
    "DeltaTemplate",
    "FastEvent",
    "Patterns",
    "PieceTemplate",
    "Shape",
    "match_block",
    "match_block_in_python",
    "patterns_of",
    "shape_of",
]

JSON: TypeAlias = dict[str, Any]
FastEvent: TypeAlias = e.TextDelta | e.ReasoningDelta | e.ArgumentsDelta
Special: TypeAlias = tuple[str, Callable[[str], bool]]
"""First characters of texts that may have to go the long way, and what knows whether such a text has to."""
Fields: TypeAlias = tuple[tuple[int, str], ...]
"""What may differ, field by field, each with what is the same in all blocks behind it.

That begins with the quote that closes a text or padding, and with no digit behind a number. The only line end
in it is the end of the block.
"""
Pattern: TypeAlias = tuple[str, Fields]
"""What stands before the first field, and the fields."""
Patterns: TypeAlias = tuple[tuple[str, tuple[Pattern, ...]], ...]
"""What stands before a sequence number, and the patterns behind it; "" before those that do not begin so."""
Match: TypeAlias = tuple[int, int, str, str]
"""The place of the pattern, the end of the block, its text, and its numbers from the first to the last."""
Field: TypeAlias = tuple[int, int, int]
"""Where a field begins and ends in the `data` line of a block, and what it is."""

BACKSLASH: Final = "\\"
QUOTE: Final = '"'
ESCAPED_QUOTE: Final = '\\"'
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
NEVER: Final[Special] = "", bool
CONTROLS: Final = re.compile(r"[\x00-\x1f]")
OPENINGS: Final[dict[str, str]] = {}
MOST_OPENINGS: Final = 32
LONGEST_OPENING: Final = 256
# How many octets of the fields are looked at first: nearly all blocks end within them.
SHORT: Final = 384
# The longest sequence number and count that is looked at, in digits.
MOST_DIGITS: Final = 15
HIGHEST: Final = 10**MOST_DIGITS


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

    def pattern(self) -> tuple[str, Pattern]:
        """What blocks of this shape look like: what stands before a number that comes first, and the rest."""
        (field, same), *others = fields = [*self.fields, *[(TALLY, same) for same in self.between]]
        if field == COUNT:
            return shared_opening(self.start), (same, tuple(others))
        return "", (self.start, tuple(fields))


def shared_opening(opening: str) -> str:
    """What stands before a number, as one object for all streams. Few are kept, and none that is long."""
    known = OPENINGS.get(opening)
    if known is not None:
        return known
    if len(opening) <= LONGEST_OPENING:
        if len(OPENINGS) >= MOST_OPENINGS:
            OPENINGS.clear()
        OPENINGS[opening] = opening
    return opening


class DeltaTemplate:
    """Blocks that differ in nothing but a text, numbers and padding, and where the text goes."""

    __slots__ = (
        "before_number",
        "has_sequence_number",
        "index",
        "is_special",
        "part",
        "pattern",
        "reasoning",
        "special_first_chars",
        "tallies",
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
        self.before_number, self.pattern = shape.pattern()
        self.tallies = tallies
        """What the numbers are that are tallied; None where there are none."""
        self.has_sequence_number = COUNT in [field for field, _ in shape.fields]
        self.index = event.output_index
        self.part: int | None = None
        self.reasoning: Literal["summary", "text"] | None = None
        if type(event) is e.TextDelta:
            self.part = event.content_index
        elif type(event) is e.ReasoningDelta:
            self.part, self.reasoning = event.part_index, event.kind
        self.value = value
        """Where the text goes."""
        opens, is_special = NEVER if special is None else special
        self.special_first_chars = opens
        self.is_special = is_special

    def is_like(self, other: DeltaTemplate) -> bool:
        """Whether the same blocks match both."""
        return self.pattern == other.pattern and self.before_number == other.before_number


class PieceTemplate:
    """Blocks that differ in nothing but a piece of arguments and the numbers that are tallied."""

    __slots__ = ("find", "index", "key", "pieces", "rest", "tallies", "value")

    def __init__(self, shape: Shape, tallies: Tallies | None, pieces: HotPieces) -> None:
        assert shape.piece is not None
        self.key = shape.start
        """What stands before the piece, …"""
        (_, behind), *others = shape.pattern()[1][1]
        self.rest: Patterns = (("", ((behind, tuple(others)),)),)
        """… and what behind it."""
        self.tallies = tallies
        self.pieces = pieces
        """What makes text of such a piece."""
        self.find = shape.piece.re.match
        """Finds a piece at a position."""
        self.index = -1
        """The item that the last of these pieces belonged to, unless that may have changed, …"""
        self.value: StreamedValue | None = None
        """… and where its text went."""

    def is_like(self, other: PieceTemplate) -> bool:
        """Whether the same blocks match both."""
        return self.key == other.key and self.rest == other.rest


def match_block_in_python(latin1: str, position: int, patterns: Patterns, number: int) -> Match | None:
    """The first of some patterns that the block at a position matches, what its fields hold, and its end.

    `latin1` are octets, one character for each. `number` is the sequence number that is due; -1 where there
    is none. None where the block matches no pattern, or where its text is not plain: the long way knows more.
    """
    written = str(number) if number >= 0 else ""
    place = 0
    for before, alike in patterns:
        at = position
        if before:
            counted = before + written
            at += len(counted)
            if latin1[position:at] != counted or not written:
                place += len(alike)
                continue
        size, begins = 0, ""
        for start, fields in alike:
            if len(start) != size:  # most are as long as the one before
                size = len(start)
                begins = latin1[at : at + size]
            if start == begins:
                begin = at + size
                found = match_fields(latin1, begin, begin + SHORT, fields, written, place)
                if found is None and "\n" not in latin1[begin : begin + SHORT - 1]:
                    stop = latin1.find("\n", begin) + 2
                    found = match_fields(latin1, begin, stop, fields, written, place)
                if found is not None:
                    return found
            place += 1
    return None


def patterns_of(templates: list[DeltaTemplate]) -> Patterns:
    """The patterns of some templates, in their order. Those that follow one another may begin alike."""
    found: list[tuple[str, list[Pattern]]] = []
    for template in templates:
        if not found or found[-1][0] != template.before_number:
            found.append((template.before_number, []))
        found[-1][1].append(template.pattern)
    return tuple([(before, tuple(alike)) for before, alike in found])


def match_fields(latin1: str, at: int, stop: int, fields: Fields, written: str, place: int) -> Match | None:
    """What `match_block_in_python()` gives for the pattern at a place, from its first field on.

    Nothing is looked at from `stop` on.
    """
    block = rest = latin1[at:stop]
    text, counts = "", False
    first, last = 0, 0  # how much was left before the first number and behind the last one
    for field, same in fields:
        begun = rest
        found, behind, rest = begun.partition(same)
        if field == TEXT:
            text = found
            if BACKSLASH in found:  # nearly all escapes are quotes of the JSON inside of arguments
                text = found.replace(ESCAPED_QUOTE, QUOTE)
                found = found.replace(ESCAPED_QUOTE, "")
                behind = "" if BACKSLASH in found else behind
            if not behind:
                escaped = ESCAPED.match(begun)
                if escaped is None or not begun.startswith(same, escaped.end()):
                    return None
                text, rest = characters(escaped[0]), begun[escaped.end() + len(same) :]
            elif QUOTE in found:
                return None
            elif not (text.isascii() and text.isprintable()):
                text = characters(text)
            if not text:
                return None
        elif not behind:
            return None
        elif field == COUNT:
            if not written or found != written:
                return None
        elif field == PADDING:
            if found and not (found.isascii() and found.isalnum()):
                return None
        else:
            if not found.isdecimal() or len(found) > MOST_DIGITS or (found[0] == "0" and found != "0"):
                return None
            counts = counts or found != "0"
            first, last = first or len(begun), len(rest) + len(same)
    end = at + len(block) - len(rest)
    if not first:
        return place, end, text, ""
    # One of the numbers has to count something: usage that counts nothing means something else on some wires.
    return (place, end, text, block[len(block) - first : len(block) - last]) if counts else None


def characters(octets: str) -> str:
    """The characters of a text in UTF-8, without its escapes. "" where it is not plain."""
    text = octets
    if not octets.isascii():
        try:
            text = octets.encode("latin-1").decode()
        except UnicodeDecodeError:
            return ""
    if BACKSLASH in text:
        return str(scanstring(text + QUOTE, 0)[0])
    return "" if not text.isprintable() and CONTROLS.search(text) is not None else text


try:
    from deltafold._speedups import match_block as match_block_in_c
except ImportError:  # a package that is not compiled
    match_block_in_c = match_block_in_python

match_block: Final = match_block_in_c


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
    order = sorted([(number_field(line, name, colon), name) for name in tallies])
    if fields[0][0] <= 0 or (order and order[0][0][0] < fields[-1][0]):
        return None
    own = len(fields)
    fields += [field for field, _ in order]
    # From the last field to the first one: behind each stands what is the same, up to the next.
    rest: list[tuple[int, str]] = []
    stop = len(line)
    for start, end, kind in reversed(fields):
        rest.append((kind, line[end:stop]))
        stop = start
    rest.reverse()
    opening, behind = line[:stop], [same for _, same in rest]
    if BACKSLASH in opening or BACKSLASH in "".join(behind):
        return None
    return Shape(block[:begin] + opening, rest[:own], [name for _, name in order], behind[own:], piece)


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
    found = NUMBER.match(line, at)  # at 0 stands no number, but `data`
    return (0, 0, TALLY) if found is None else (at, found.end(), TALLY)


def position_of(line: str, key: str, colon: str) -> int:
    """Where the value of a key begins that occurs once, else 0. `colon` stands before it, from a quote on."""
    quoted = f'"{key}"'
    if line.count(quoted) != 1:
        return 0
    end = line.find(quoted) + len(quoted) - 1
    return end + len(colon) if line.startswith(colon, end) else 0
