"""`reasoning_details`: OpenRouter's entries of reasoning, joined from their pieces."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.machine.records import empty
from deltafold.model.json_values import copied, integer, string
from deltafold.wire.json_text import join_surrogates

__all__ = ["Details"]

JSON: TypeAlias = dict[str, Any]

PIECES: Final = ("text", "summary", "data")
"""Members of a reasoning detail that come in pieces."""


class Details:
    """The entries of one choice: pieces of one entry come under its id or its index.

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
