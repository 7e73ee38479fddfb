"""Partial arguments: the pieces of a call's `args` that Vertex streams as `partialArgs`.

Each piece is a PartialArg: a leaf, with its path and whether its string goes on. They are handed out as text
of JSON that grows at its end. Where a path comes again that is closed already, the text cannot grow: then the
arguments are kept as a value, and sent whole with the end of the call (`argument_text`). A piece that has no
place is handed out as it is, and the call counts as damaged.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.emitter import Emitter
from deltafold.dialects.gemini.argument_text import ArgumentText, Path, steps_of
from deltafold.dialects.gemini.state import OpenFunctionCall
from deltafold.dialects.gemini.table import VALUES
from deltafold.machine.values import ValuePath
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import LimitExceeded
from deltafold.model.json_values import compact, copied, whole_number
from deltafold.wire.json_text import HIGH, LAST, join_halves

__all__ = ["ARGUMENTS", "PieceReader", "first_path", "is_true"]

JSON: TypeAlias = dict[str, Any]

ARGUMENTS: Final[ValuePath] = ("arguments",)
HALF: Final[ValuePath] = ("partialArgs",)
"""Where half a surrogate pair waits that ends a piece of a string inside of arguments."""


class PieceReader:
    """Reads pieces of the arguments of one call, and hands out the text that they make."""

    __slots__ = ("_begun", "_call", "_emitter")

    def __init__(self, emitter: Emitter, call: OpenFunctionCall) -> None:
        self._emitter = emitter
        self._call = call
        self._begun = ""
        """How the text begins, until that is handed out with the first leaf."""

    # ----------------------------------------------------------------------------------------- what comes

    def read_members(self, args: JSON) -> None:
        """Members come as values while the call goes on."""
        text = self._text()
        for key, value in args.items():
            if text.tree is None and text.can_place((key,)):
                self._emit(self._half() + text.place((key,), compact(value), more=False))
            else:
                self._grow_tree(text)
                if not text.put((key,), copied(value), empty=False):
                    self._drop({key: value})

    def read(self, pieces: Any) -> None:
        """Pieces come. Raises `LimitExceeded` where a path is too long."""
        if type(pieces) is dict:
            self._emitter.report_invalid("partialArgs", pieces)
            pieces = [pieces]
        if type(pieces) is list:
            for piece in pieces:
                if type(piece) is dict:
                    self._piece(piece)
                else:
                    self._drop(piece)
        elif pieces is not None:
            self._drop(pieces)
        self._emit("")

    def end(self) -> None:
        """The arguments are whole."""
        text = self._text()
        if text.tree is None:
            self._emit(self._half() + text.close_to(-1))
        else:
            self._emitter.emit_whole_value(self._call.index, "arguments", ARGUMENTS, text.whole(), whole=True)

    def cut(self) -> None:
        """Nothing more of them will come: they stay open, with as much as surely stands."""
        text = self._call.text
        if text is not None and text.tree is not None:
            # Without its end it is no JSON.
            written = text.whole()[:-1]
            self._emitter.emit_whole_value(self._call.index, "arguments", ARGUMENTS, written, whole=False)

    # ---------------------------------------------------------------------------------------- one piece

    def _piece(self, piece: JSON) -> None:
        path = piece.get("jsonPath")
        found = steps_of(path) if isinstance(path, str) else None
        if found is None:
            self._drop(piece)
            return
        steps, ends_array = found
        limits = self._emitter.fold.limits
        if len(steps) >= limits.json_depth:
            raise LimitExceeded("json_depth", limits.json_depth)
        text = self._text()
        more = is_true(self._emitter, "willContinue", piece)
        known, value = leaf_of(piece)
        if not known:
            self._drop(piece)
        elif value is NOTHING:
            if not more:
                self._end_of(text, steps, ends_array=ends_array)
        elif ends_array or not steps:
            self._drop(piece)
        elif isinstance(value, str) and text.tree is None and text.goes_on(steps):
            self._emit(text.more_text(self._whole_letters(value, more=more), more=more))
        else:
            self._leaf(text, steps, value, piece, more=more)

    def _leaf(self, text: ArgumentText, steps: Path, value: Any, piece: JSON, *, more: bool) -> None:
        """A leaf that does not just go on with the string that is open."""
        place = text.can_place(steps) if text.tree is None else False
        if place is None:
            self._drop(piece)
        elif place:
            half = self._half()
            more = more and isinstance(value, str)
            if isinstance(value, str):
                value = self._whole_letters(value, more=more)
            self._emit(half + text.place(steps, compact(value), more=more))
        else:
            self._grow_tree(text)
            if isinstance(value, str):
                value = self._whole_letters(value, more=False)
            if not text.put(steps, value, empty=False):
                self._drop(piece)

    def _end_of(self, text: ArgumentText, steps: Path, *, ends_array: bool) -> None:
        """A path without a value: the end of what is open there, or an empty object or array."""
        if text.tree is not None:
            text.put(steps, [] if ends_array else {}, empty=True)
        elif steps and text.goes_on(steps):
            self._emit(self._half() + text.more_text("", more=False))
        elif steps and text.depth_of(steps) == len(steps):
            self._emit(self._half() + text.close_to(len(steps) - 1))
        elif steps and text.can_place(steps):
            self._emit(self._half() + text.place(steps, "[]" if ends_array else "{}", more=False))

    def _drop(self, piece: Any) -> None:
        """A piece that has no place in the arguments: the call is not whole without it."""
        self._emit("")
        self._call.damaged = True
        self._emitter.report_once(
            AnomalyCode.PARTIAL_ARGUMENT_LOST, self._call.index, f"a piece of arguments is {piece!r:.80}"
        )
        self._emitter.out.append(e.UnknownEvent("partialArgs", piece))

    # ------------------------------------------------------------------------------------------- the text

    def _text(self) -> ArgumentText:
        """What makes text of the pieces; the text begins with the first of them."""
        text = self._call.text
        if text is None:
            text = self._call.text = ArgumentText()
            self._begun = text.begin()
        return text

    def _emit(self, text: str) -> None:
        """Hands out a fragment of the arguments, and before it what they begin with."""
        text = self._begun + text
        self._begun = ""
        if text:
            self._emitter.emit_text(self._call.index, "arguments", ARGUMENTS, text)

    def _grow_tree(self, text: ArgumentText) -> None:
        """A path came again that is closed: what had been handed out cannot go on."""
        if text.tree is None:
            index = self._call.index
            self._emitter.report_once(
                AnomalyCode.VALUE_CONTRADICTED, index, "a path of the arguments came again"
            )
            half = self._half()
            self._emit("")
            text.become_tree(self._as_written() + half)

    def _as_written(self) -> str:
        """The arguments so far, before anything was lifted out of them."""
        return self._emitter.sent_so_far(self._call.index, ARGUMENTS)

    def _whole_letters(self, text: str, *, more: bool) -> str:
        """A piece of a string in whole characters: half of a surrogate pair waits for the other one."""
        halves = self._emitter.pending_surrogates
        if text and (halves or HIGH <= text[0] <= LAST or HIGH <= text[-1] <= LAST):
            text = join_halves(halves, (self._call.index, HALF), text, self._emitter.report)
        return text if more else text + self._half()

    def _half(self) -> str:
        """What stands for half a pair whose other half did not come."""
        if self._emitter.pending_surrogates.pop((self._call.index, HALF), None) is None:
            return ""
        self._emitter.report(AnomalyCode.LONE_SURROGATE, "half a surrogate pair ends a value")
        return "\ufffd"


class Nothing:
    """Stands for a value that a piece does not have."""

    __slots__ = ()


NOTHING: Final = Nothing()


def leaf_of(piece: JSON) -> tuple[bool, Any]:
    """The value of a piece of arguments, and whether it could be read. `NOTHING` where it has none."""
    for name in VALUES:
        value = piece.get(name)
        if value is None:
            continue
        if name == "stringValue":
            return isinstance(value, str), value
        if name == "boolValue":
            return type(value) is bool, value
        if type(value) is float and (number := whole_number(value)) is not None:
            return True, number  # a double: 50 is what the model wrote
        return type(value) in (int, float), value
    if piece.get("nullValue") is not None:
        return True, None
    # ProtoJSON writes it as null, and an SDK's dump writes null for whatever a piece does not have.
    return True, None if "nullValue" in piece and not piece.keys() & set(VALUES) else NOTHING


def is_true(emitter: Emitter, name: str, sent: JSON) -> bool:
    """Whether a member is true, however that is written."""
    value = sent.get(name)
    if value is None or type(value) is bool:
        return value is True
    emitter.report_invalid(name, value)
    return str(value).lower() in ("true", "1")


def first_path(pieces: Any) -> Path:
    """The path of the first of some pieces; empty where that has none."""
    first = pieces[0] if type(pieces) is list and pieces else None
    path = first.get("jsonPath") if type(first) is dict else None
    found = steps_of(path) if isinstance(path, str) else None
    return () if found is None else found[0]
