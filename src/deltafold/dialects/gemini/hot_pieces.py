"""Pieces of arguments by the fast path: their text, where nothing has to be thought over.

Nearly every piece is a leaf that is new in the innermost container, or more of the string that is open. What
else it may be, and whatever would be an anomaly, a limit, or a path that came before, goes the long way
(`partial_arguments`), which makes the same text of what is read here.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final, TypeAlias

from deltafold.dialects.base import HotPieces
from deltafold.dialects.emitter import Emitter
from deltafold.dialects.gemini.argument_text import (
    MOST_NULLS,
    ArgumentText,
    Container,
    Step,
    is_index,
    steps_of,
)
from deltafold.dialects.gemini.state import OpenCandidate

__all__ = ["GeminiPieces", "brings_one_piece"]

JSON: TypeAlias = dict[str, Any]

# Strings with no escapes but those that the text of the arguments has as well, paths with none and in ASCII,
# numbers that a double holds, and no member twice. A space between members stands for whatever does so.
PLAIN: Final = r'[^"\\\x00-\x1f]*+'
PIECE: Final = (
    r'\{"jsonPath": "(\$[^"\\\x00-\x1f\x80-\xff]*+)", "(?:'
    rf'stringValue": ("{PLAIN}(?:\\["\\bfnrt]{PLAIN})*+")|'
    r'numberValue": (-?(?:0|[1-9][0-9]{0,14}+)(?:\.[0-9]{1,15}+)?+)|'
    r'boolValue": (true|false)|'
    r'nullValue": "NULL_VALUE")'
    r'(?:(, "willContinue": true)|, "willContinue": false)?+\}'
)
GOES_ON: Final = frozenset({"partialArgs", "willContinue"})
ROOT: Final = ""
"""No step: no name is empty that is not in quotes."""
REFUSED: Final = 0, ""
MOST_OF_STEPS: Final = 4
"""So many characters of text at most come of each character of a path, …"""
MOST_OF_NULLS: Final = 8 * MOST_NULLS
"""… and so many of what lies between."""


class GeminiPieces(HotPieces):
    """The pieces of the call that is open in one candidate."""

    __slots__ = ("_candidate", "_depth", "_emitter", "_innermost", "_last", "_most_text", "_path", "_prefix")

    key: ClassVar[str] = "partialArgs"
    patterns: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(PIECE.replace(" ", "")),
        re.compile(PIECE),
        re.compile(PIECE.replace(", ", ",")),
    )

    def __init__(self, emitter: Emitter, candidate: OpenCandidate) -> None:
        self._emitter = emitter
        self._candidate = candidate
        self._depth = emitter.fold.limits.json_depth
        self._most_text = emitter.fold.limits.text_size
        self._innermost: Container | None = None
        """A container in which a leaf was placed, …"""
        self._prefix = ""
        """… and its path. A container that is open stays where it is."""
        self._path = ""
        self._last: Step = ROOT
        """The path of the leaf that was placed last, and its last step."""

    def place(self, found: re.Match[str]) -> tuple[int, str]:
        """The index of the call, and the text of a piece in it; "" where the piece has to go the long way."""
        emitter, call = self._emitter, self._candidate.call
        if call is None or not call.open:
            return REFUSED
        arguments = call.text
        if arguments is not None and arguments.tree is not None:
            return REFUSED
        path: str
        text: str | None
        number: str | None
        path, text, number, boolean, goes_on = found.groups()
        if text is not None:
            if not text.isascii():
                text = utf_8(text)
            written = text
        elif number is not None:
            written = number if number.isdecimal() else written_number(number)
        else:
            written = "null" if boolean is None else boolean
        if not written:
            return REFUSED
        begun = ""
        if arguments is None:
            arguments = ArgumentText()
            begun = arguments.begin()
        most = len(written) + MOST_OF_STEPS * len(path) + MOST_OF_NULLS + len(arguments.open)
        if emitter.fold.size + most > self._most_text:
            return REFUSED
        more = text is not None and goes_on is not None
        placed = self._placed(arguments, path, written, is_text=text is not None, more=more)
        if not placed:
            return REFUSED
        call.text = arguments
        return call.index, begun + placed

    def _placed(self, arguments: ArgumentText, path: str, written: str, *, is_text: bool, more: bool) -> str:
        """The text of a leaf at its path; "" where it has to go the long way, or has none."""
        if arguments.open[-1] is self._innermost:
            step = self._last if path == self._path else self._step(path)
            if step != ROOT:  # it lies no deeper than the leaf that was placed there
                self._path, self._last = path, step
                if is_text and step == arguments.leaf:
                    return arguments.more_written(written[1:-1], more=more)
                return arguments.add(step, written, more=more) if arguments.can_add(step) else ""
        found = steps_of(path)
        if found is None:
            return ""
        steps, ends_array = found
        if ends_array or not steps or len(steps) >= self._depth:
            return ""
        if is_text and arguments.goes_on(steps):
            placed = arguments.more_written(written[1:-1], more=more)
        elif arguments.can_place(steps):
            placed = arguments.place(steps, written, more=more)
        else:
            return ""
        self._innermost = None if "'" in path else arguments.open[-1]
        self._path, self._last = path, steps[-1]
        self._prefix = path[: path.rfind("[" if path.endswith("]") else ".")]
        return placed

    def _step(self, path: str) -> Step:
        """The step that leads to a path from the innermost container; `ROOT` where it is not just a step.

        That is `.name` or `[0]`.
        """
        size = len(self._prefix)
        if path[:size] != self._prefix:
            return ROOT
        step = path[size + 1 :]
        if path[size : size + 1] == "[":
            digits = step[:-1]
            return int(digits) if step.endswith("]") and is_index(digits) else ROOT
        named = path[size : size + 1] == "." and step != "*"
        return step if named and "." not in step and "[" not in step and "]" not in step else ROOT


def written_number(number: str) -> str:
    """A number as the text of arguments has it: 50 where the wire has 50.0."""
    value = float(number)
    return str(int(value)) if value.is_integer() else repr(value)


def utf_8(octets: str) -> str:
    """The text that octets are; "" where they are none."""
    try:
        return octets.encode("latin-1").decode()
    except UnicodeDecodeError:
        return ""


def brings_one_piece(part: JSON) -> bool:
    """Whether a part brings nothing but one piece of the arguments of a call that goes on."""
    call = part.get("functionCall")
    if len(part) != 1 or type(call) is not dict or call.keys() - GOES_ON:
        return False
    pieces = call.get("partialArgs")
    return call.get("willContinue") is True and type(pieces) is list and len(pieces) == 1
