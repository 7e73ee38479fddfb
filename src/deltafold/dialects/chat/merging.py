"""What Chat Completions tells in pieces that are no streamed values: usage, unknown fields, details."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.machine.records import empty
from deltafold.model.json_values import copied, integer, string, weight
from deltafold.wire.json_text import join_surrogates

__all__ = ["Details", "merge_fields", "merge_usage"]

JSON: TypeAlias = dict[str, Any]

PIECES: Final = ("text", "summary", "data")
"""Members of a reasoning detail that come in pieces."""


def merge_usage(known: JSON, sent: JSON) -> int | None:
    """Lays counts over those known: the last that is sent wins, field by field.

    Gives by how many characters more is known; None where nothing is new.
    """
    more: int | None = None
    for key, value in sent.items():
        before = known.get(key)
        grown: int | None = None
        if isinstance(before, dict) and isinstance(value, dict):
            grown = merge_usage(before, value)
        elif (value is not None or key not in known) and (before != value or key not in known):
            grown = weight(value) - weight(before) if key in known else weight(value) + len(key)
            known[key] = copied(value)
        if grown is not None:
            more = grown + (more or 0)
    return more


def merge_fields(known: JSON, sent: JSON) -> JSON:
    """Lays fields that this library does not model over those known: the last wins, member by member.

    Gives what is new of them.
    """
    news: JSON = {}
    for key, value in sent.items():
        before = known.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            inner = merge_fields(before, value)
            if inner:
                news[key] = inner
        elif key not in known or before != value:
            known[key] = copied(value)
            news[key] = copied(value)
    return news


class Details:
    """OpenRouter's `reasoning_details` of one choice: pieces of one entry come under its id or its index.

    An entry is its fields, and, until the end, the pieces of those that come in pieces. One without id and
    index is sent at once.
    """

    SNAPSHOT_FIELDS: Final = ("entries", "places")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self) -> None:
        self.entries: list[dict[str, JSON]] = []
        self.places: dict[tuple[str, str | int], int] = {}
        """Where the entry of a type stands that has an id, or an index."""

    def add(self, sent: JSON) -> int:
        """An entry, or a piece of one. Gives how many characters of it nobody else keeps."""
        kind, index, ident = string(sent, "type") or "", integer(sent, "index"), string(sent, "id")
        at = self._find(kind, index, ident)
        if at is None:
            at = len(self.entries)
            self.entries.append({"fields": {}, "pieces": {}})
        if ident:
            self.places[kind, ident] = at
        if index is not None:
            self.places[kind, index] = at
        entry = self.entries[at]
        fields, pieces = entry["fields"], entry["pieces"]
        kept = 0
        for key, value in sent.items():
            if key in PIECES and isinstance(value, str):
                pieces.setdefault(key, []).append(value)
                fields.setdefault(key, "")
                if key == "data":
                    kept += len(value)
            elif not empty(value) or key not in fields:
                fields[key] = copied(value)
                pieces.pop(key, None)
                if isinstance(value, str):
                    kept += len(value)
        return kept

    def _find(self, kind: str, index: int | None, ident: str | None) -> int | None:
        """Where the entry stands that a piece belongs to; None where it begins one."""
        if ident:
            at = self.places.get((kind, ident))
            if at is not None:
                return at
        at = None if index is None else self.places.get((kind, index))
        if at is None or not ident:
            return at
        # Another id under the same index is another entry; a first one belongs to what had none.
        return None if string(self.entries[at]["fields"], "id") else at

    def joined(self) -> list[JSON]:
        """The entries as they would have come whole."""
        return [
            {
                key: join_surrogates("".join(entry["pieces"][key]))
                if key in entry["pieces"]
                else copied(value)
                for key, value in entry["fields"].items()
            }
            for entry in self.entries
        ]
