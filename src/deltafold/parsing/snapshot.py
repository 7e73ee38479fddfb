"""A parser's state as JSON values, and back.

The state is made of frozen classes, classes with `SNAPSHOT_FIELDS`, enumerations and the usual containers;
each is written with its name, and read by it. What JSON has itself stays as it is.
"""

from __future__ import annotations

import json
import zlib
from collections import deque
from enum import StrEnum
from typing import Any

from deltafold.arguments.lift import Lift
from deltafold.machine import lifecycle as state
from deltafold.machine.fold import Fold, PendingFinish
from deltafold.machine.records import ChoiceRecord, ItemRecord, PartRecord, StreamedValue
from deltafold.model import anomalies, errors, events, items, limits, rate_limits, response
from deltafold.model.errors import UsageError
from deltafold.model.frozen import fields_of, is_frozen
from deltafold.parsing.replay import ReplayMode
from deltafold.parsing.reporter import ReadingStage
from deltafold.registry import part_of
from deltafold.wire.body_kind import Body
from deltafold.wire.json_text import NotJSON

__all__ = ["from_json", "learn", "to_json", "unwrap", "wrap"]

VERSION = 6
MARK = "$"
CONTAINERS: dict[str, type] = {"tuple": tuple, "set": set, "frozenset": frozenset, "deque": deque}
CLASSES: dict[str, type] = {
    name: found
    for module in (rate_limits, anomalies, errors, events, items, limits, response, state)
    for name, found in vars(module).items()
    if isinstance(found, type) and (is_frozen(found) or issubclass(found, StrEnum))
}
CLASSES |= {found.__name__: found for found in (Body, Lift, ReadingStage, ReplayMode)}
STATE_CLASSES: dict[type, int] = {
    ChoiceRecord: 1,
    PendingFinish: 1,
    Fold: 1,
    ItemRecord: 3,
    PartRecord: 1,
    NotJSON: 1,
    StreamedValue: 2,
}
"""Classes with `SNAPSHOT_FIELDS`, and how many of these their constructor takes. Those of the dialects are
found when they are first met."""
CLASSES |= {found.__name__: found for found in STATE_CLASSES}


def learn(dialect: str) -> None:
    """Makes the classes known that a dialect remembers."""
    for found, count in part_of(dialect, "reader").DIALECT.state_classes:
        STATE_CLASSES[found] = count
        CLASSES[found.__name__] = found


def to_json(value: Any) -> Any:
    """A value as JSON values."""
    kind = type(value)
    if kind in (str, int, float, bool, type(None)):
        return value
    if kind is list:
        return [to_json(entry) for entry in value]
    if kind is dict:
        if all(type(key) is str for key in value) and MARK not in value:
            return {key: to_json(member) for key, member in value.items()}
        return {MARK: "dict", "items": [[to_json(key), to_json(member)] for key, member in value.items()]}
    if kind in (set, frozenset):
        return {MARK: kind.__name__, "items": [to_json(entry) for entry in sorted(value, key=repr)]}
    if kind in (tuple, deque):
        return {MARK: kind.__name__, "items": [to_json(entry) for entry in value]}
    if isinstance(value, str):
        return {MARK: kind.__name__, "value": str(value)}
    return {MARK: kind.__name__, **fields(value)}


def fields(value: Any) -> dict[str, Any]:
    """What an object is made of, as JSON values."""
    kind: Any = type(value)
    names = kind.SNAPSHOT_FIELDS if kind in STATE_CLASSES else [field.name for field in fields_of(kind)]
    return {name: to_json(getattr(value, name)) for name in names}


def from_json(value: Any) -> Any:
    """What `to_json()` was given. Raises `KeyError`, `TypeError` or `ValueError` for what it never gave."""
    if type(value) is list:
        return [from_json(entry) for entry in value]
    if type(value) is not dict:
        return value
    if MARK not in value:
        return {key: from_json(member) for key, member in value.items()}
    name = value[MARK]
    if name == "dict":
        return {from_json(key): from_json(member) for key, member in value["items"]}
    if name in CONTAINERS:
        return CONTAINERS[name](from_json(entry) for entry in value["items"])
    found = CLASSES[name]
    if issubclass(found, str):
        return found(value["value"])
    sent = {key: from_json(member) for key, member in value.items() if key != MARK}
    made: Any = found
    if made not in STATE_CLASSES:
        return made(**{field.name: sent[field.name] for field in fields_of(made)})
    held = made(*[sent[name] for name in made.SNAPSHOT_FIELDS[: STATE_CLASSES[made]]])
    for name in made.SNAPSHOT_FIELDS:
        setattr(held, name, sent[name])
    return held


def wrap(content: dict[str, Any]) -> dict[str, Any]:
    """A snapshot with what is needed to tell whether it is whole, and of our kind."""
    return {"deltafold": VERSION, "crc32": checksum(content), **content}


def unwrap(snapshot: Any) -> dict[str, Any]:
    """The content of a snapshot. Raises `UsageError` where it is none, of another version, or damaged."""
    if not isinstance(snapshot, dict) or "deltafold" not in snapshot:
        raise UsageError("this is no snapshot of a ResponseParser")
    if snapshot["deltafold"] != VERSION:
        raise UsageError(
            f"a snapshot of version {snapshot['deltafold']}; this library reads version {VERSION}"
        )
    content = {key: value for key, value in snapshot.items() if key not in ("deltafold", "crc32")}
    if snapshot.get("crc32") != checksum(content):
        raise UsageError("the snapshot is damaged: its checksum is wrong")
    return content


def checksum(content: dict[str, Any]) -> int:
    try:
        return zlib.crc32(json.dumps(content, sort_keys=True).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the snapshot is damaged: {error}") from error
