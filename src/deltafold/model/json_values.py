"""Reading what was sent: members of JSON objects that may be of any type, and values that are shared."""

from __future__ import annotations

import json
from collections.abc import Callable
from json.encoder import c_make_encoder, encode_basestring, encode_basestring_ascii  # type: ignore[attr-defined]
from typing import Any, Final

__all__ = [
    "compact",
    "copied",
    "count_of",
    "encode_with",
    "has_more_members",
    "held",
    "integer",
    "is_same_json",
    "joined",
    "objects",
    "string",
    "weight",
    "whole_number",
]

LONGEST_NUMBER: Final = 18
FEW_NAMES: Final = 15
MANY_NAMES: Final = 64
LONGEST_NAMES: Final = 2048
"""So many characters of names are kept beyond a stream."""
NAMES: Final[dict[int, tuple[str, dict[str, Any]]]] = {}
"""The names that came last of responses with so many members, and an object that has them."""
BETWEEN_NAMES: Final = "\0"
LARGEST_DOUBLE: Final = 2**53
"""Above it, not every whole number is a double."""


def copied(value: Any) -> Any:
    """A JSON value that shares no array or object with the given one."""
    kind = type(value)
    if kind is not dict and kind is not list:
        return value
    made: Any = value.copy()
    waiting = [made]
    while waiting:  # no recursion: how deep a value is nested is the wire's to say
        container = waiting.pop()
        if type(container) is dict:
            members: dict[Any, Any] = container
            for key, member in members.items():
                kind = type(member)
                if kind is dict or kind is list:
                    members[key] = inner = member.copy()
                    waiting.append(inner)
        else:
            entries: list[Any] = container
            for index, member in enumerate(entries):
                kind = type(member)
                if kind is dict or kind is list:
                    entries[index] = inner = member.copy()
                    waiting.append(inner)
    return made


def held(data: dict[str, Any]) -> dict[str, Any]:
    """A copy of the members of a response, which is kept as long as the stream is open.

    Servers send the same members each time, and their names would be strings of their own in each stream,
    which take more than the values. So streams share the names: those that came last stay known.
    """
    count = len(data)
    if not FEW_NAMES < count <= MANY_NAMES:
        return data.copy()
    names = BETWEEN_NAMES.join(data)
    known = NAMES.get(count)
    if known is not None and known[0] == names:
        made = known[1].copy()
        made.update(data)  # a name that is there already stays the string that it was
        return made
    if len(names) <= LONGEST_NAMES and names.count(BETWEEN_NAMES) < count:  # it stands in none of them
        NAMES[count] = names, dict.fromkeys(data)
    return data.copy()


def joined(pieces: list[str]) -> str:
    """The pieces of a text as one, which takes their place: joining them again costs nothing."""
    if len(pieces) > 1:
        pieces[:] = ["".join(pieces)]
    return pieces[0] if pieces else ""


def string(data: dict[str, Any], key: str) -> str | None:
    """A member that is a string, or None."""
    value = data.get(key)
    return value if isinstance(value, str) else None


def integer(data: dict[str, Any], key: str) -> int | None:
    """A member that is a whole number, or None. (In Python a bool is an int.)"""
    value = data.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def whole_number(value: Any) -> int | None:
    """A whole number, however it was written: 7, 7.0 or "7" (ProtoJSON, of 64 bits). Else None."""
    if type(value) is int:
        return value
    if type(value) is float:
        return int(value) if value.is_integer() and abs(value) < LARGEST_DOUBLE else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= LONGEST_NUMBER:
        return int(value)
    return None


def count_of(data: dict[str, Any], *names: str) -> int | None:
    """The first of some members that is a whole number, however it was written; else None."""
    for name in names:
        found = whole_number(data.get(name))
        if found is not None:
            return found
    return None


def encode_with(encoder: json.JSONEncoder, make: Any = c_make_encoder) -> Callable[[Any], str]:
    """What `encoder.encode` does, as far as its options are those of `compact()`, in half the time.

    That makes an encoder in C for each value; here one serves all, where the interpreter has such.
    """
    if make is None:
        return encoder.encode
    string = encode_basestring_ascii if encoder.ensure_ascii else encode_basestring
    pieces_of = make(None, encoder.default, string, None, ":", ",", False, False, encoder.allow_nan)

    def encode(value: Any) -> str:
        return "".join(pieces_of(value, 0))

    return encode


compact: Final = encode_with(json.JSONEncoder(ensure_ascii=False, separators=(",", ":")))
"""JSON without blanks, and with all letters as they are."""


def is_same_json(one: str, other: str) -> bool:
    """Whether two texts are the same, or the same JSON value in another spelling."""
    try:
        return one == other or bool(json.loads(one) == json.loads(other))
    except (ValueError, RecursionError):
        return False


def objects(data: dict[str, Any], key: str) -> tuple[dict[str, Any], ...]:
    """The objects in a member that is an array."""
    value = data.get(key)
    if not value or not isinstance(value, list):
        return ()
    return tuple([entry for entry in value if isinstance(entry, dict)])


def weight(value: Any) -> int:
    """About how many characters a JSON value has."""
    kind = type(value)
    if kind is not dict and kind is not list:
        return len(value) if kind is str else 4
    total = 0
    waiting = [value]
    while waiting:
        found = waiting.pop()
        total += 4
        if type(found) is dict:
            members: dict[str, Any] = found
            for key, member in members.items():
                total += len(key) + 4
                kind = type(member)
                if kind is str:
                    total += len(member)
                elif kind is dict or kind is list:
                    waiting.append(member)
                else:
                    total += 4
        elif type(found) is list:
            waiting.extend(found)
        elif type(found) is str:
            total += len(found) - 4
    return total


def has_more_members(value: dict[str, Any], most: int) -> bool:
    """Whether an object has more members than so many, at any depth, without counting all of them."""
    waiting: list[Any] = [value]
    while waiting:
        found = waiting.pop()
        most -= len(found)
        if most < 0:
            return True
        for member in found.values() if type(found) is dict else found:
            kind = type(member)
            if kind is dict or kind is list:
                waiting.append(member)
    return False
