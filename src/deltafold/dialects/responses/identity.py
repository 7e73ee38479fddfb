"""Which item a payload is about.

`output_index` is the key. `item_id` and `call_id` are aliases, checked and never trusted alone: some servers
change the item id on every event, some omit the index, some let it drift.
"""

from __future__ import annotations

import json
from collections import deque
from itertools import chain
from typing import Any, ClassVar, Final, TypeAlias

from deltafold.arguments.lifted_calls import CallLifts
from deltafold.dialects.base import Dialect
from deltafold.dialects.responses.table import CALLS, COMPARED_FIELDS, KNOWN_TYPES
from deltafold.machine.fold import Fold
from deltafold.machine.lifecycle import ITEM_OPEN
from deltafold.machine.records import ItemRecord
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.json_values import string
from deltafold.wire.json_text import ReportAnomaly

__all__ = ["ItemIdentity", "ids_of", "tool_of"]

JSON: TypeAlias = dict[str, Any]

ID_NAMES: Final = ("call_id", "item_id", "id")


class ItemIdentity(Dialect):
    """Knows the items of one response by their indexes, ids and types."""

    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (
        *Dialect.SNAPSHOT_FIELDS,
        "index_by_wire_index",
        "index_by_id",
        "top",
        "latest_by_type",
        "open_by_type",
    )
    __slots__ = SNAPSHOT_FIELDS[len(Dialect.SNAPSHOT_FIELDS) :]

    def __init__(self, fold: Fold, report: ReportAnomaly, lifts: CallLifts) -> None:
        super().__init__(fold, report, lifts)
        self.index_by_wire_index: dict[int, int] = {}
        """The wire's index, and ours. They differ only where a server uses one index for two items."""
        self.index_by_id: dict[str, int] = {}
        """Item ids and call ids, and whose they are."""
        self.top = -1
        """The greatest index of an item."""
        self.latest_by_type: dict[str, int] | None = None
        """Of each type the item that began last, or got its type last."""
        self.open_by_type: dict[str, deque[int]] | None = None
        """The items of each type in their order, once that is asked for: with indexes it is not.
        Those that ended are left out when they come to an edge."""

    def _wire_and_own_index(self, payload: JSON) -> tuple[int | None, int | None]:
        """The wire's index of an item, and ours where there is an item."""
        place = self.index(payload, "output_index")
        return place, None if place is None else self.index_by_wire_index.get(place)

    def _index_of_id(self, sent: JSON) -> int | None:
        """Whose id or call id this is."""
        for ident in ids_of(sent):
            if ident in self.index_by_id:
                return self.index_by_id[ident]
        return None

    def _learn_ids(self, index: int, sent: JSON) -> None:
        for ident in ids_of(sent):
            self.index_by_id.setdefault(ident, index)

    def _free_index(self, wanted: int | None) -> int:
        if wanted is not None and wanted not in self.fold.items and wanted not in self.begun:
            return wanted
        return self.top + 1

    def _note_type(self, index: int, kind: str) -> None:
        """The type of an item is known from now on."""
        if self.latest_by_type is None:
            self.latest_by_type = {}
        self.latest_by_type[kind] = index
        if self.open_by_type is not None:
            self.open_by_type.setdefault(kind, deque()).append(index)

    def _open_items(self, wanted: str) -> deque[int]:
        """The items of a type: the first and the last are open, those between may have ended."""
        if self.open_by_type is None:
            self.open_by_type = {}
            for record in chain(self.fold.items.values(), self.begun.values()):
                if record.type:
                    self.open_by_type.setdefault(record.type, deque()).append(record.index)
        found = self.open_by_type.get(wanted, deque())
        while found and self.record(found[0]).state is not ITEM_OPEN:
            found.popleft()
        while found and self.record(found[-1]).state is not ITEM_OPEN:
            found.pop()
        return found

    def _latest(self, wanted: str) -> int | None:
        """The last item of a type: the last that is open, if there is one."""
        found = self._open_items(wanted)
        latest = self.latest_by_type or {}
        return found[-1] if found else latest.get(wanted)

    def _find_exact(self, payload: JSON, ident: Any, wanted: Any) -> ItemRecord | None:
        """The item that an index leads to, where its id and type are just what they should be."""
        place = payload.get("output_index")
        if type(place) is int and (index := self.index_by_wire_index.get(place)) is not None:
            record = self.fold.items.get(index)
            if record is not None and record.type == wanted and record.data.get("id") == ident:
                return record
        return None

    def _can_hold(self, index: int, wanted: str, *, by_name: bool) -> bool:
        """Whether an item can hold what an event brings. `by_name`: nothing but the index says otherwise."""
        record = self.record(index)
        if record.type in ("", wanted):
            return True
        if wanted == "message":
            # vLLM streams reasoning under the names of output text.
            return by_name and record.type == "reasoning" and record.state is ITEM_OPEN
        # An item of a type that is not known may hold anything.
        return record.type not in KNOWN_TYPES or (record.type in CALLS and wanted in CALLS)

    def _check_item_id(self, index: int, ids: JSON, name: str = "item_id") -> None:
        sent, known = ids.get(name), self.record(index).data.get("id")
        if (
            isinstance(sent, str)
            and isinstance(known, str)
            and sent != known
            and self.index_by_id.get(sent) != index
        ):
            self.report_once(AnomalyCode.ITEM_ID_CHANGED, index, f"{known[:40]} became {sent[:40]}")

    def _same_type(self, index: int, item: JSON) -> bool:
        sent, known = string(item, "type") or "", self.fold.items[index].type
        return not sent or not known or sent == known

    def _matches_by_id(self, sent: list[JSON]) -> list[int | None]:
        """Which item each of a sent list is, by its id."""
        matches: list[int | None] = [None] * len(sent)
        taken: set[int] = set()
        for position, item in enumerate(sent):
            owner = self._index_of_id(item)
            if owner is not None and owner not in taken and self._same_type(owner, item):
                matches[position] = owner
                taken.add(owner)
        return matches

    def _match_by_content(self, sent: list[JSON], matches: list[int | None]) -> None:
        """Which item each of a sent list is that no id names.

        What they say decides; then the order among items of one type: some servers give every item a new id
        at the end, and some leave items out, so that positions shift. Costs all items.
        """
        taken = set(matches)
        free = {index: record for index, record in sorted(self.fold.items.items()) if index not in taken}
        for likeness in (substance, type_of):
            if None in matches and free:
                alike: dict[str, deque[int]] = {}
                for index, record in free.items():
                    alike.setdefault(likeness(record.to_dict()), deque()).append(index)
                for position, item in enumerate(sent):
                    same = alike.get(likeness(item)) if matches[position] is None else None
                    if same:
                        matches[position] = index = same.popleft()
                        del free[index]


def ids_of(sent: JSON) -> list[str]:
    """The ids by which an item is called."""
    return [ident for name in ID_NAMES if (ident := string(sent, name))]


def tool_of(record: ItemRecord) -> str:
    """The name of the tool that an item calls."""
    return string(record.data, "name") or ""


def substance(item: JSON) -> str:
    """What tells an item from others, its ids aside."""
    return json.dumps([item.get(name) for name in COMPARED_FIELDS])


def type_of(item: JSON) -> str:
    return string(item, "type") or ""
