"""JSON that is written: values as text that forges no frame; pieces of text that may be a whole object."""

from __future__ import annotations

import json
import math
import re
from json.encoder import encode_basestring_ascii
from typing import Any, Final, TypeAlias

from deltafold.model.errors import UsageError
from deltafold.model.json_values import encode_with
from deltafold.wire.json_text import is_strict_json

__all__ = [
    "LEFT_OPEN",
    "ObjectScan",
    "countable",
    "custom_as_function",
    "dumps",
    "json_object",
    "object_in",
    "quoted",
]

JSON: TypeAlias = dict[str, Any]

quoted: Final = encode_basestring_ascii
"""A string as JSON, in ASCII: no character of it can end a line, whatever reads the lines."""


finite: Final = encode_with(json.JSONEncoder(allow_nan=False, separators=(",", ":")))
"""A JSON value as text in ASCII. Raises `ValueError` where it holds what JSON has no number for."""


def dumps(value: Any) -> str:
    """A JSON value as text in ASCII. What JSON has no number for becomes null.

    Raises `UsageError` for what is no JSON value.
    """
    try:
        return finite(value)
    except ValueError:
        return finite(countable(value))
    except TypeError as error:
        raise UsageError(f"an event holds what is no JSON value: {error}") from None
    except RecursionError:
        raise UsageError("an event holds a value that is nested too deeply") from None


def countable(value: Any) -> Any:
    """A JSON value without numbers that JSON cannot say."""
    made: Any = [value]
    waiting: list[Any] = [made]
    while waiting:
        holder = waiting.pop()
        for key, member in list(holder.items() if type(holder) is dict else enumerate(holder)):
            if type(member) is dict or type(member) is list:
                holder[key] = inner = member.copy()
                waiting.append(inner)
            elif (type(member) is float and not math.isfinite(member)) or (
                type(member) is int and member.bit_length() > 1024
            ):
                holder[key] = None
    return made[0]


def json_object(text: str) -> JSON | None:
    """The object that a text is, or None."""
    found = json.loads(text) if is_strict_json(text) else None
    return found if type(found) is dict else None


def custom_as_function(text: str, *, whole: bool) -> str:
    """The input of a custom tool as arguments of a function; they stay open where it is not whole."""
    made = dumps({"input": text})
    return made if whole else made[: -len('"}')]


def object_in(text: str) -> str:
    """A text up to the end of the object with which it begins."""
    rest = ObjectScan().feed(text)
    return text[: len(text) - len(rest)]


LEFT_OPEN: Final = "{"
"""What stands for the arguments of a call of which none came, and which may have had some."""
STRUCTURE: Final = re.compile(r'[{}\[\]"]')
IN_STRING: Final = re.compile(r'["\\]')


class ObjectScan:
    """Whether pieces of text are one whole JSON object, as far as brackets and strings say.

    Each piece is looked at once.
    """

    SNAPSHOT_FIELDS: Final = ("depth", "in_string", "escaped", "begun", "whole", "other")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self) -> None:
        self.depth = 0
        self.in_string = False
        self.escaped = False
        self.begun = False
        self.whole = False
        """Whether the object is closed."""
        self.other = False
        """Whether the text is no object: it begins with something else."""

    def feed(self, text: str) -> str:
        """The next piece. Gives what of it stands behind the end of the object."""
        if self.whole:
            return text
        at, size = 0, len(text)
        if not self.begun:
            stripped = text.lstrip(" \t\r\n")
            if not stripped:
                return ""
            self.begun = True
            self.other = stripped[0] != "{"
            at = size - len(stripped)
        if self.other:
            return ""
        if self.escaped and at < size:
            self.escaped = False
            at += 1
        while at < size:
            found = (IN_STRING if self.in_string else STRUCTURE).search(text, at)
            if found is None:
                return ""
            at = found.end()
            sign = found.group()
            if sign == '"':
                self.in_string = not self.in_string
            elif sign == "\\":
                if at == size:
                    self.escaped = True
                at += 1
            elif sign in "{[":
                self.depth += 1
            else:
                self.depth -= 1
                if self.depth <= 0:
                    self.whole = True
                    return text[at:]
        return ""
