"""JSON that arrives in fragments: every character is read once, and the value is there at any time.

Theory of operation. The reader is a pushdown automaton over RFC 8259: `_State` says what may come next, and
`_stack` holds the arrays and objects that are open, each already in its place in the value. At the bottom
of the stack lies a list that takes the whole value as its one element, so the top level needs no case of
its own.

- A string or a number that goes on is a list of fragments, joined once.
- A token that must be seen whole (an escape, a surrogate pair, `true`) waits in `_held` and is read again
  together with what follows: at most eleven characters.
- No generator, closure or decoder holds state, so `getstate()` is all there is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeAlias

from deltafold.model.errors import UsageError
from deltafold.model.frozen import fields_of, frozen

__all__ = [
    "ArgumentsError",
    "ArgumentsReader",
    "JSONKind",
    "JSONValueFinished",
    "JSONValueStarted",
    "Path",
    "PathEvent",
    "StringDelta",
]

Path: TypeAlias = tuple[str | int, ...]
"""Where a value stands: the object keys and array positions that lead to it. The whole value is at `()`."""


class JSONKind(StrEnum):
    """The seven kinds of JSON values, `true` and `false` being one."""

    OBJECT = "object"
    ARRAY = "array"
    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    NULL = "null"


@frozen
class ArgumentsError:
    """Why a text is not JSON. What was read before stands."""

    message: str
    position: int
    """Characters before the one at fault; the length of the text where its end is at fault."""


@frozen
class JSONValueStarted:
    """A value has begun. A literal (`true`, `false`, `null`) begins once it is whole."""

    path: Path
    kind: JSONKind
    position: int
    """Characters before its first one."""


@frozen
class StringDelta:
    """The string at `path` goes on. The deltas of a string, joined, are its value."""

    path: Path
    text: str
    """Decoded, never empty."""


@frozen
class JSONValueFinished:
    """A value is whole."""

    path: Path
    kind: JSONKind
    value: str | int | float | bool | None
    """The value; None for arrays and objects, whose values have been sent one by one."""
    position: int
    """Characters up to and including its last one."""


PathEvent: TypeAlias = JSONValueStarted | StringDelta | JSONValueFinished


def _written(event: PathEvent) -> list[Any]:
    """The name of an event's class, and its fields."""
    kind = type(event)
    return [kind.__name__, *(getattr(event, field.name) for field in fields_of(kind))]


def _event_from(name: str, path: list[str | int], *fields: Any) -> PathEvent:
    """The event that `getstate()` wrote down."""
    if name == "StringDelta":
        return StringDelta(tuple(path), *fields)
    kind, *rest = fields
    if name == "JSONValueStarted":
        return JSONValueStarted(tuple(path), JSONKind(kind), *rest)
    if name == "JSONValueFinished":
        return JSONValueFinished(tuple(path), JSONKind(kind), *rest)
    raise ValueError(f"no path event is called {name!r}")


class _State(StrEnum):
    """What the next character belongs to."""

    VALUE = "value"
    FIRST_VALUE = "first_value"
    """A value, or the end of the array that has just begun."""
    KEY = "key"
    FIRST_KEY = "first_key"
    """A key, or the end of the object that has just begun."""
    KEY_TEXT = "key_text"
    COLON = "colon"
    STRING = "string"
    NUMBER = "number"
    AFTER = "after"
    """A comma or the end, after a value in an array or an object."""
    END = "end"


# An attribute of an enumeration costs six times what a global does.
_VALUE, _FIRST_VALUE = _State.VALUE, _State.FIRST_VALUE
_KEY, _FIRST_KEY, _KEY_TEXT, _COLON = _State.KEY, _State.FIRST_KEY, _State.KEY_TEXT, _State.COLON
_STRING, _NUMBER, _AFTER, _END = _State.STRING, _State.NUMBER, _State.AFTER, _State.END

_EXPECTED = {
    _VALUE: "expected a value",
    _FIRST_VALUE: "expected a value or ']'",
    _KEY: "expected a key in double quotes",
    _FIRST_KEY: "expected a key in double quotes or '}'",
    _COLON: "expected ':'",
    _AFTER: "expected ',' or the end of the array or object",
    _END: "expected nothing but whitespace after the value",
}

# RFC 8259, section 2: "Insignificant whitespace is allowed before or after any of the six structural
# characters": space, horizontal tab, line feed, carriage return, and no other.
_WHITESPACE = " \t\n\r"
_find_token = re.compile(r"[^ \t\n\r]").search

# Section 7: "All Unicode characters may be placed within the quotation marks, except for the characters
# that MUST be escaped: quotation mark, reverse solidus, and the control characters (U+0000 through
# U+001F)." Surrogates stop the run as well, because they may be halves of a pair.
_find_special = re.compile(r'["\\\x00-\x1f\ud800-\udfff]').search
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_UNICODE_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_ESCAPE_BEGUN = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
# "To escape an extended character that is not in the Basic Multilingual Plane, the character is
# represented as a 12-character sequence, encoding the UTF-16 surrogate pair."
_LOW_SURROGATE = re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})|([\udc00-\udfff])")
_LOW_SURROGATE_BEGUN = re.compile(r"(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?")

# Section 6: number = [ minus ] int [ frac ] [ exp ]
_find_number_end = re.compile(r"[^-+.0-9eE]").search
_WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)((?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?)")
_NUMBER_BEGUN = re.compile(
    r"-?(?:(?:0|[1-9][0-9]*+)(?:\.(?:[0-9]++(?:[eE][-+]?[0-9]*+)?)?|[eE][-+]?[0-9]*+)?)?"
)
_NUMBER_STARTS = "-0123456789"

# Section 3: "The literal names MUST be lowercase. No other literal names are allowed."
_LITERALS = {
    "t": ("true", True, JSONKind.BOOLEAN),
    "f": ("false", False, JSONKind.BOOLEAN),
    "n": ("null", None, JSONKind.NULL),
}

_LITERAL_BEGUN = re.compile(r"t(?:r(?:ue?)?)?|f(?:a(?:l(?:se?)?)?)?|n(?:u(?:ll?)?)?")

_Container: TypeAlias = dict[str, Any] | list[Any]


def _viable(begun: re.Pattern[str], text: str) -> int:
    """How many characters of `text` may still become what `begun` describes the beginnings of."""
    return len(text) - len(begun.sub("", text, count=1))


class ArgumentsReader:
    """Reads one JSON text from fragments cut anywhere, strictly by RFC 8259; nothing is repaired.

    Each fragment costs what it is long. An unpaired surrogate becomes U+FFFD. Of duplicate keys the last
    wins: the earlier value is shown until the later one is known in part, and keeps its place among the
    keys, as in `json.loads`. A number too large for a double is infinite, as in `json.loads`; an integer of
    more digits than `int()` takes (4300 unless the interpreter was sent otherwise) is an error.

    `max_depth` is how many arrays and objects may be open inside one another. `events=True` records what
    `take_events()` returns, of values whose path has no more than `events_depth` steps.
    """

    __slots__ = (
        "_closed",
        "_error",
        "_events",
        "_events_depth",
        "_held",
        "_key",
        "_keys",
        "_max_depth",
        "_path",
        "_pieces",
        "_position",
        "_reported",
        "_shown",
        "_stack",
        "_start",
        "_state",
        "_top",
    )

    # 512 is half of what the interpreter lets `json.dumps` descend, and eight times what people nest.
    def __init__(
        self, *, max_depth: int = 512, events: bool = False, events_depth: int | None = None
    ) -> None:
        self._max_depth = max_depth
        self._events: list[PathEvent] | None = [] if events else None
        self._events_depth = max_depth + 1 if events_depth is None else events_depth
        self._state = _VALUE
        self._top: list[Any] = []
        self._stack: list[_Container] = [self._top]
        self._keys: list[str | int] = []  # where each open container but `_top` stands in the one around it
        self._key = ""  # the last key read in the innermost object
        self._pieces: list[str] = []  # of the open string, key or number
        self._reported = 0  # how many of `_pieces` are in events already
        self._shown = False  # whether the open string has its place in the value, with what came so far
        self._path: Path = ()  # of the open string or number, kept for its events
        self._start = 0  # characters before the open string or number
        self._position = 0  # characters read, those in `_held` not counted
        self._held = ""
        self._closed = False
        self._error: ArgumentsError | None = None

    def feed(self, text: str) -> None:
        """Read the next fragment of any length.

        What it holds never raises: see `error`, after which fragments change nothing.
        Raises `UsageError` after `close()`, and `TypeError` if `text` is not a `str`.
        """
        if not isinstance(text, str):
            raise TypeError(f"text must be str, not {type(text).__name__}")
        if self._closed:
            raise UsageError("feed() after close()")
        if self._error is not None:
            return
        if self._held:
            text = self._held + text
        read = self._read(text)
        self._held = text[read:]
        if self._events is not None and self._state is _STRING:
            self._tell_text(self._events)
        self._position += read

    def close(self) -> None:
        """Say that the text is whole: a value that is not finished is an error now. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._error is not None:
            return
        # Only here can a number end without a delimiter; inside an array or an object it was cut off.
        if self._state is _NUMBER and len(self._stack) == 1:
            self._finish_number(0)
        elif self._state is not _END:
            begun = self._top or self._state is not _VALUE or self._held
            message = "the text ends before the value does" if begun else "the text holds no value"
            self._fail(message, len(self._held))

    def value(self) -> Any:
        """The value as far as it is known; None while nothing is.

        Open strings, arrays and objects stand as far as they are known. A key without a value, and an
        unfinished number, literal, escape or half of a surrogate pair are left out until they cannot
        change.

        Arrays and objects are the reader's own and grow as more is read: copy what you want to keep, and
        change nothing. A call costs what came to the open string since the last call, so asking after each
        fragment stays linear, as long as nobody else holds on to the unfinished string: then, and on
        interpreters other than CPython, the string is copied once for each call.
        """
        if self._state is _STRING:
            self._show_string()
        return self._top[0] if self._top else None

    @property
    def complete(self) -> bool:
        """Whether one whole JSON value, and nothing else but whitespace, has been read.

        A number on its own is complete only after `close()`.
        """
        if self._state is not _END or self._error is not None:
            return False
        return self._closed or type(self._top[0]) not in (int, float)

    @property
    def error(self) -> ArgumentsError | None:
        """The first thing that is wrong, or None."""
        return self._error

    @property
    def path(self) -> Path | None:
        """Where the string or number stands that is being read, or the member whose key has been read.

        None between values, and inside a key or a literal.
        """
        container = self._stack[-1]
        if (
            self._state is _STRING
            or self._state is _NUMBER
            or self._state is _COLON
            or (self._state is _VALUE and isinstance(container, dict))
        ):
            return self._value_path()
        return None

    def take_events(self) -> list[PathEvent]:
        """The path events since the last call, in the order of the text.

        How a string's text is divided among its `StringDelta`s depends on the fragments, nothing else does.
        Raises `UsageError` if the reader was not made with `events=True`.
        """
        if self._events is None:
            raise UsageError("take_events() needs ArgumentsReader(events=True)")
        events, self._events = self._events, []
        return events

    def getstate(self) -> dict[str, Any]:
        """All that `resume()` needs to go on from here, as a JSON-safe dict that does not change any more.

        Costs as much as the value is long.
        """
        self.value()  # moves the fragments of an open string into the value
        events = self._events
        return {
            "max_depth": self._max_depth,
            "state": str(self._state),
            # As text: it is a copy, and may hold an infinite number, for which JSON has no value.
            "value": json.dumps(self._top),
            "keys": list(self._keys),
            "key": self._key,
            "text": "".join(self._pieces),
            "start": self._start,
            "position": self._position,
            "held": json.dumps(self._held),  # may hold half of a surrogate pair, which is no JSON
            "closed": self._closed,
            "error": None if self._error is None else [self._error.message, self._error.position],
            "events_depth": self._events_depth,
            "events": None if events is None else json.dumps([_written(event) for event in events]),
        }

    @classmethod
    def resume(cls, state: Mapping[str, Any]) -> ArgumentsReader:
        """The reader that goes on where `getstate()` was called. Raises `UsageError` on a damaged state."""
        try:
            reader = cls(
                max_depth=state["max_depth"],
                events=state["events"] is not None,
                events_depth=state["events_depth"],
            )
            reader._state = _State(state["state"])
            reader._top = json.loads(state["value"])
            reader._stack = [reader._top]
            for key in state["keys"]:
                reader._stack.append(reader._stack[-1][key])
            reader._keys = list(state["keys"])
            reader._key = state["key"]
            reader._pieces = [state["text"]] if state["text"] else []
            reader._start = state["start"]
            reader._position = state["position"]
            reader._held = json.loads(state["held"])
            reader._closed = state["closed"]
            if state["error"] is not None:
                reader._error = ArgumentsError(*state["error"])
            if state["events"] is not None:
                reader._events = [_event_from(*event) for event in json.loads(state["events"])]
            reader._shown = reader._state is _STRING
            reader._path = reader.path or ()
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as exc:
            raise UsageError(f"not a state of ArgumentsReader: {exc!r}") from exc
        return reader

    def _read(self, text: str) -> int:
        """Read what can be read of `text`, and return how many characters that was."""
        position, end = 0, len(text)
        pieces = self._pieces
        while position < end:
            state = self._state
            if state is _STRING or state is _KEY_TEXT:
                found = _find_special(text, position)
                if found is None:
                    pieces.append(text[position:])
                    return end
                at = found.start()
                if at > position:
                    pieces.append(text[position:at])
                if text[at] == '"':
                    position = at + 1
                    if state is _STRING:
                        self._finish_string(position)
                    else:
                        self._key = "".join(pieces)
                        pieces.clear()
                        self._state = _COLON
                else:
                    after = self._read_special(text, at)
                    if after is None:
                        return at
                    position = after
                continue
            if state is _NUMBER:
                found = _find_number_end(text, position)
                if found is None:
                    pieces.append(text[position:])
                    return end
                at = found.start()
                pieces.append(text[position:at])
                position = at
                self._finish_number(position)
                if self._error is not None:
                    return position
                continue
            char = text[position]
            if char in _WHITESPACE:
                found = _find_token(text, position)
                if found is None:
                    return end
                position = found.start()
                char = text[position]
            if state is _COLON and char == ":":
                self._state = _VALUE
            elif state is _AFTER and char == ",":
                self._state = _KEY if isinstance(self._stack[-1], dict) else _VALUE
            elif char == '"' and (state is _KEY or state is _FIRST_KEY):
                self._state = _KEY_TEXT
            elif state is _VALUE or (state is _FIRST_VALUE and char != "]"):
                after = self._begin_value(text, position, char)
                if after is None:
                    return position
                position = after
                continue
            elif (state is _AFTER or state is _FIRST_KEY or state is _FIRST_VALUE) and char == (
                "}" if isinstance(self._stack[-1], dict) else "]"
            ):
                self._close_container(position + 1)
            else:
                self._fail(_EXPECTED[state], position)
                return position
            position += 1
        return end

    def _read_special(self, text: str, at: int) -> int | None:
        """Read the escape or surrogate at `at`. Returns where it ends, None if it is unfinished or wrong."""
        if text[at] == "\\":
            plain = _ESCAPES.get(text[at + 1 : at + 2])
            if plain is not None:
                self._pieces.append(plain)
                return at + 2
            escape = _UNICODE_ESCAPE.match(text, at)
            if escape is None:
                if not _ESCAPE_BEGUN.fullmatch(text, at):
                    self._fail("no such escape", at + _viable(_ESCAPE_BEGUN, text[at : at + 6]))
                return None
            unit, after = int(escape[1], 16), escape.end()
        elif text[at] < " ":
            self._fail("a control character inside a string must be escaped", at)
            return None
        else:
            unit, after = ord(text[at]), at + 1
        if 0xD800 <= unit < 0xDC00:
            low = _LOW_SURROGATE.match(text, after)
            if low is not None:
                low_unit = int(low[1], 16) if low[1] else ord(low[2])
                unit = 0x10000 + ((unit - 0xD800) << 10) + (low_unit - 0xDC00)
                after = low.end()
            elif _LOW_SURROGATE_BEGUN.fullmatch(text, after):
                return None
            else:
                unit = 0xFFFD
        elif 0xDC00 <= unit < 0xE000:
            unit = 0xFFFD
        self._pieces.append(chr(unit))
        return after

    def _begin_value(self, text: str, at: int, char: str) -> int | None:
        """Begin the value that starts with `char` at `at`.

        Returns where what was read of it ends, None if it is an unfinished literal or wrong.
        """
        if char == '"':
            self._begin_token(_STRING, JSONKind.STRING, at)
            return at + 1
        if char in _NUMBER_STARTS:
            self._begin_token(_NUMBER, JSONKind.NUMBER, at)
            return at
        if char == "{":
            return self._open_container({}, _FIRST_KEY, JSONKind.OBJECT, at)
        if char == "[":
            return self._open_container([], _FIRST_VALUE, JSONKind.ARRAY, at)
        if char not in _LITERALS:
            self._fail(_EXPECTED[self._state], at)
            return None
        word, value, kind = _LITERALS[char]
        if text.startswith(word, at):
            after = at + len(word)
            if self._events is not None and len(self._keys) <= self._events_depth:
                path = self._value_path()
                self._events.append(JSONValueStarted(path, kind, self._position + at))
                self._events.append(JSONValueFinished(path, kind, value, self._position + after))
            self._place(value)
            return after
        begun = text[at : at + len(word)]
        if not word.startswith(begun):
            self._fail(f"expected {word!r}", at + _viable(_LITERAL_BEGUN, begun))
        return None

    def _begin_token(self, state: _State, kind: JSONKind, at: int) -> None:
        self._state = state
        self._start = self._position + at
        if self._events is not None and len(self._keys) <= self._events_depth:
            self._path = self._value_path()
            self._events.append(JSONValueStarted(self._path, kind, self._start))

    def _open_container(self, container: _Container, state: _State, kind: JSONKind, at: int) -> int | None:
        stack = self._stack
        if len(stack) > self._max_depth:
            self._fail(f"more than {self._max_depth} arrays and objects inside one another", at)
            return None
        parent = stack[-1]
        self._keys.append(self._key if isinstance(parent, dict) else len(parent))
        self._place(container)
        stack.append(container)
        self._state = state
        if self._events is not None and len(self._keys) <= self._events_depth + 1:
            self._events.append(JSONValueStarted(tuple(self._keys[1:]), kind, self._position + at))
        return at + 1

    def _close_container(self, after: int) -> None:
        container = self._stack.pop()
        if self._events is not None and len(self._keys) <= self._events_depth + 1:
            kind = JSONKind.OBJECT if isinstance(container, dict) else JSONKind.ARRAY
            self._events.append(JSONValueFinished(tuple(self._keys[1:]), kind, None, self._position + after))
        self._keys.pop()
        self._state = _AFTER if self._keys else _END

    def _finish_string(self, after: int) -> None:
        if self._events is not None:
            self._tell_text(self._events)
        if self._shown:
            text = self._show_string()
            self._shown = False
            self._state = _AFTER if self._keys else _END
        else:
            text = "".join(self._pieces)
            self._pieces.clear()
            self._place(text)
        self._reported = 0
        if self._events is not None and len(self._keys) <= self._events_depth:
            self._events.append(JSONValueFinished(self._path, JSONKind.STRING, text, self._position + after))

    def _finish_number(self, after: int) -> None:
        digits = "".join(self._pieces)
        self._pieces.clear()
        start = self._start - self._position
        whole = _WHOLE_NUMBER.fullmatch(digits)
        if whole is None:
            self._fail("not a number", start + _viable(_NUMBER_BEGUN, digits))
            return
        try:
            number = float(digits) if whole[1] else int(digits)
        except ValueError:
            self._fail("an integer of more digits than Python reads", start)
            return
        if self._events is not None and len(self._keys) <= self._events_depth:
            self._events.append(
                JSONValueFinished(self._path, JSONKind.NUMBER, number, self._position + after)
            )
        self._place(number)

    def _place(self, value: Any) -> None:
        """Give a value its place in the innermost open container."""
        container = self._stack[-1]
        if isinstance(container, dict):
            container[self._key] = value
        else:
            container.append(value)
        self._state = _AFTER if self._keys else _END

    def _show_string(self) -> str:
        """Move the fragments of the open string to its place in the value, and return it."""
        if not self._shown:
            self._place("")
            self._state = _STRING
            self._shown = True
        container: Any = self._stack[-1]
        place = self._key if isinstance(container, dict) else -1
        text: str = container[place]
        # CPython extends a string in place where a local variable holds the only reference to it.
        container[place] = ""
        text += "".join(self._pieces)
        container[place] = text
        self._pieces.clear()
        self._reported = 0
        return text

    def _tell_text(self, events: list[PathEvent]) -> None:
        """Record what came to the open string since the last time."""
        if len(self._keys) > self._events_depth:
            return
        text = "".join(self._pieces[self._reported :])
        if text:
            events.append(StringDelta(self._path, text))
        self._reported = len(self._pieces)

    def _value_path(self) -> Path:
        container = self._stack[-1]
        if not self._keys:
            return ()
        last = self._key if isinstance(container, dict) else len(container) - self._shown
        return (*self._keys[1:], last)

    def _fail(self, message: str, at: int) -> None:
        self._error = ArgumentsError(message, self._position + at)
