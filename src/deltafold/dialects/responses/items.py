"""The life of an item: announced, begun without that, sent whole, closed with the response."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeAlias

from deltafold.arguments.lifted_calls import CallLifts
from deltafold.dialects.responses.identity import ItemIdentity, tool_of
from deltafold.dialects.responses.table import BARE_PARTS, CALLS, LIFTABLE
from deltafold.machine import make
from deltafold.machine.evidence import (
    EMPTY_ARGUMENTS,
    close_item,
    reconcile_as_streamed,
    reconcile_item,
    reconcile_no_arguments,
    reconcile_part,
)
from deltafold.machine.fold import Fold
from deltafold.machine.lifecycle import ITEM_DONE, ITEM_OPEN
from deltafold.machine.records import ItemRecord, arguments_key, empty, merge_fields, part_indexes
from deltafold.machine.values import GROUPS, ITEM_VALUES, ValuePath
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import LimitExceeded
from deltafold.model.json_values import compact, copied, string, weight
from deltafold.wire.json_text import ReportAnomaly

__all__ = ["ItemReader"]

JSON: TypeAlias = dict[str, Any]

MANY_REPEATS: Final = 16
LARGE_PART: Final = 0.8
"""What is sent again of an item is weighed at once where it is so large a part of it."""
OUTPUT: Final = -1
HOSTED: Final = frozenset({"output", "input", "action", "server_label", "error"})
PROVISIONAL: Final = ("encrypted_content", "status")


class ItemReader(ItemIdentity):
    """Begins, updates and ends the items of one response."""

    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (
        *ItemIdentity.SNAPSHOT_FIELDS,
        "implicit_items",
        "announced_text",
        "budgets",
        "resent",
        "unmatched",
        "gaps",
    )
    __slots__ = SNAPSHOT_FIELDS[len(ItemIdentity.SNAPSHOT_FIELDS) :]

    def __init__(self, fold: Fold, report: ReportAnomaly, lifts: CallLifts) -> None:
        super().__init__(fold, report, lifts)
        self.implicit_items: dict[int, bool] | None = None
        """Items that began without having been announced."""
        self.announced_text: dict[tuple[int, ValuePath], str] = {}
        """Text that came with an announcement. Deltas tell it again, or continue it."""
        self.budgets: dict[int, list[int]] | None = None
        """What is sent again of items and of the output (under -1): how often that was, how much was sent
        since it was weighed last, and how much it was weighed against then."""
        self.resent: dict[int, JSON] = {}
        """What was sent again of items and is not weighed yet."""
        self.unmatched: dict[tuple[str, int], JSON] = {}
        """Items in snapshots of the output that are not compared yet with those that are known: of each type
        the first, the second and so on."""
        self.gaps: dict[int, int] | None = None
        """Items with a fragment of arguments that could not be read, and how many characters of them had come
        before."""

    def _start(self, data: JSON | None = None, *, announced: bool = False) -> None:
        """The response begins, whatever began it."""
        if self.started:
            return
        self.started = True
        if not announced:
            self.report(AnomalyCode.RESPONSE_NOT_ANNOUNCED, "the response began without response.created")
        self.announce(without_output(data or {}))

    def _close_item(self, record: ItemRecord, status: str | None) -> None:
        """An item that was never sent whole, with the text that was held back for it."""
        more = {}
        for key, value in record.values.items():
            if not value.is_complete:
                announced = self.announced_text.pop((record.index, key), "")
                more[key] = announced if not value.text else ""
                if self.lifts.declared and key == ("arguments",) and record.type in LIFTABLE:
                    held = self.lifts.fragment(record.index, tool_of(record), more[key], self.out)
                    more[key] = held + self.lifts.close(record.index, self.out)
                if (record.index, key) in self.pending_surrogates and status is not None:
                    self.report(AnomalyCode.LONE_SURROGATE, "half a surrogate pair ends a value")
                    more[key] += "\ufffd"
        late = self.take_update(record.index)
        if record.index in self.resent:
            late = overlay({**copied(record.to_dict(more)), **late}, self.resent.pop(record.index))
        if status == "completed" and self._has_gap(record):
            status = "incomplete"
        self.out += close_item(self.fold, record, status, more, late, self.report)

    def _has_gap(self, record: ItemRecord) -> bool:
        """Whether arguments are not whole, whatever they look like: a fragment could not be read before or
        between others, and they were never sent whole."""
        before = None if self.gaps is None else self.gaps.get(record.index)
        if before is None:
            return False
        size = self.size_so_far(record.index, arguments_key(record))
        return size == 0 or 0 < before < size or (before > 0 and record.type == "custom_tool_call")

    def _fill_gap(self, record: ItemRecord, text: Any) -> None:
        """Arguments were sent whole. An empty object is less than what was streamed."""
        if self.gaps is None or not isinstance(text, str) or not text:
            return
        if text not in EMPTY_ARGUMENTS or not self.size_so_far(record.index, arguments_key(record)):
            self.gaps.pop(record.index, None)

    def _begin(self, place: int | None, sent: JSON, *, whole: bool = False) -> int:
        """An item begins, whatever announced it first. Gives its index."""
        self._check_parts(sent)
        if self.free_index() >= self.fold.limits.items:
            raise LimitExceeded("items", self.fold.limits.items)
        self._start()
        self.check_name(string(sent, "name") or "", None)
        index = self._free_index(place)
        self.top = max(self.top, index)
        if place is not None:
            self.index_by_wire_index[place] = index
        self._learn_ids(index, sent)
        record = ItemRecord(index, string(sent, "type") or "", None)
        if record.type:
            self._note_type(index, record.type)
        field = ITEM_VALUES.get(record.type, "")
        blank: JSON = {group: [] for group in GROUPS if isinstance(sent.get(group), list) and sent[group]}
        if isinstance(sent.get(field), str) and sent[field]:
            blank[field] = ""
        bare = {**sent, **blank} if blank else sent
        record.merge(bare)
        self.begun[index] = record
        self.out.append(make.item_started(index, self.fold.item(record, bare, whole=False)))
        if not blank and not whole:
            self.fold.announce(record)
            return index
        if whole:
            sent = self._lifted_item(record, sent, whole=True)
        else:
            sent = self._hold_text(record, sent)
        merged, events = reconcile_item(record, sent, self.report, whole=whole)
        self.out += events
        if whole:
            self.out += reconcile_no_arguments(record, merged)
            self.out.append(make.item_finished(index, self.fold.item(record, merged, whole=True)))
        else:
            record.merge(merged)
        return index

    def _hold_text(self, record: ItemRecord, sent: JSON) -> JSON:
        """An announcement without its text, which is kept until it is known whether deltas tell it again."""
        blank: JSON = copied(sent)
        for group in GROUPS:
            entries = blank.get(group)
            for position, entry in enumerate(entries if isinstance(entries, list) else ()):
                self._hold_part_text(record, group, position, entry)
        self._hold_value(record, blank)
        return blank

    def _hold_value(self, record: ItemRecord, sent: JSON) -> None:
        field = ITEM_VALUES.get(record.type, "")
        if text := string(sent, field):
            self.announced_text[record.index, (field,)] = text
            sent[field] = ""

    def _hold_part_text(self, record: ItemRecord, group: e.Group, index: int, part: Any) -> None:
        for field, _ in record.part_values(group, part):
            if part[field]:
                self.announced_text[record.index, (group, index, field)] = part[field]
                part[field] = ""

    def _find_or_begin(self, payload: JSON, wanted: str) -> ItemRecord:
        """The item that an event is about; it begins where it was not announced.

        `output_index` is the key. `item_id` and `call_id` are aliases: they decide where the index is
        missing, or leads to an item that cannot be meant, or where they are another item's for certain.
        """
        record = self._find_exact(payload, payload.get("item_id"), wanted)
        if record is not None:
            return record
        self._start()
        place, here = self._wire_and_own_index(payload)
        owner = self._index_of_id(payload)
        if owner is not None and not self._can_hold(owner, wanted, by_name=True):
            owner = None
        if here is not None and owner in (None, here) and self._can_hold(here, wanted, by_name=True):
            self._check_item_id(here, payload)
            return self._set_missing_type(here, wanted)
        if owner is not None:
            if place is None:
                self.report_once(AnomalyCode.INDEX_MISSING, owner, f"no output_index for item {owner}")
            else:
                self.report_once(
                    AnomalyCode.INDEX_CHANGED, owner, f"item {owner} came as output_index {place}"
                )
            return self._set_missing_type(owner, wanted)
        if place is None or here is not None:
            code = AnomalyCode.INDEX_MISSING if place is None else AnomalyCode.INDEX_CHANGED
            found = self._latest(wanted)
            if found is not None:
                self.report_once(code, found, f"a fragment of item {found} has output_index {place}")
                return self.record(found)
        self.report_once(AnomalyCode.ITEM_NOT_ANNOUNCED, place, f"a {wanted} was not announced")
        sent: JSON = {"type": wanted}
        if isinstance(payload.get("item_id"), str):
            sent = {"id": payload["item_id"], **sent}
        if wanted == "message":
            sent |= {"role": "assistant", "status": "in_progress", "content": []}
        elif wanted == "reasoning":
            sent |= {"summary": []}
        else:
            sent |= {"status": "in_progress"}
            if isinstance(payload.get("call_id"), str):
                sent["call_id"] = payload["call_id"]
        index = self._begin(place, sent)
        if self.implicit_items is None:
            self.implicit_items = {}
        self.implicit_items[index] = True
        return self.record(index)

    def _set_missing_type(self, index: int, wanted: str | None) -> ItemRecord:
        """An item that was announced without a type gets that of what comes for it."""
        record = self.record(index)
        if wanted and not record.type:
            data = self._with_type(record, wanted)
            self.out.append(e.ItemUpdated(index, self.fold.item(record, data, whole=False)))
        return record

    def _with_type(self, record: ItemRecord, kind: str) -> JSON:
        """An item as JSON. Where its type becomes known only now, the text that it came with is held back."""
        data = record.to_dict()
        if record.type or not kind:
            return data
        record.type = kind
        self._note_type(record.index, kind)
        return self._hold_text(record, {**data, "type": kind})

    def _item_added(self, payload: JSON, kind: str) -> None:
        self._start()
        item = payload.get("item")
        if not isinstance(item, dict):
            self.report(AnomalyCode.INVALID_FIELD, f"{kind} has no item")
            return
        item = self._as_text(item)
        place, here = self._wire_and_own_index(payload)
        if place is None:
            here = self._index_of_id(item)
            self.report_once(AnomalyCode.INDEX_MISSING, None, "an item was announced without output_index")
        if here is None:
            self._begin(place, self._typed(item))
            return
        record = self.fold.items[here]
        same_type = (string(item, "type") or "") in ("", record.type) or not record.type
        named = isinstance(item.get("id"), str) or isinstance(item.get("call_id"), str)
        implicit = self.implicit_items is not None and here in self.implicit_items
        if same_type and (
            implicit or self._index_of_id(item) == here or (not named and record.state is ITEM_OPEN)
        ):
            if not implicit:
                self.report_once(AnomalyCode.ANNOUNCED_TWICE, here, f"item {here} was announced again")
            self._check_parts(item)
            if record.state is ITEM_OPEN:
                self._learn_ids(here, item)
                self._check_item_id(here, item, "id")
                named_type = string(item, "type") or ""
                type_is_new = not record.type and named_type != ""
                if not type_is_new:
                    item = self._begin_parts(record, self._hold_text(record, item))
                    if self._waits(record.index, item, record.to_dict):
                        overlay(self.held_update(here), item)
                        return
                item = overlay(self.take_update(here), item)
                known = self._with_type(record, named_type)
                sent = self._hold_text(record, item)
                if type_is_new:
                    sent = self._begin_parts(record, sent)
                if adds(record.data, sent):
                    merged = overlay(copied(known), sent)
                    if record.type and not isinstance(item.get("type"), str):
                        merged["type"] = record.type
                    if merged != record.to_dict():
                        self.out.append(e.ItemUpdated(here, self.fold.item(record, merged)))
            if self.implicit_items is not None:
                self.implicit_items.pop(here, None)
        else:
            self.report(AnomalyCode.INDEX_REUSED, f"output_index {place} announces another item")
            self._begin(place, self._typed(item))

    def _begin_parts(self, record: ItemRecord, sent: JSON) -> JSON:
        """The parts that an announcement brings behind those that are known begin, each with its event. Gives
        what else was sent, which entries that are no parts belong to."""
        rest = sent
        for group in GROUPS:
            entries, known = sent.get(group), record.parts(group)
            if isinstance(entries, list) and len(entries) > len(known):
                indexes = part_indexes(record.keys(group), len(entries))
                for index, entry in zip(indexes, entries, strict=True):
                    if index not in known:
                        self.out += reconcile_part(record, group, index, entry, self.report, whole=False)[1]
                if all(isinstance(entry, dict) for entry in entries[len(known) :]):
                    rest = {**rest, group: entries[: len(known)]}
        return rest

    def _waits(self, index: int, sent: Any, whole: Callable[[], Any]) -> bool:
        """Whether what is sent again of an item, or of the output, is to be weighed with what comes later.

        To weigh it costs all that it belongs to, which is `whole`, and an update hands that out. So that a
        thousand repeats do not cost a square, what is small beside it waits until about as much was sent as
        there is of it, or for the end.
        """
        size = weight(sent)
        if self.budgets is None:
            self.budgets = {}
        budget = self.budgets.setdefault(index, [0, 0, 0])
        budget[0] += 1
        budget[1] += size
        if budget[0] < MANY_REPEATS or budget[1] >= budget[2] * LARGE_PART:
            budget[1], budget[2] = 0, weight(whole())
            return False
        self.hold_text(size)
        return True

    def _item_done(self, payload: JSON, kind: str) -> None:
        self._start()
        item = payload.get("item")
        if not isinstance(item, dict):
            self.report(AnomalyCode.INVALID_FIELD, f"{kind} has no item")
            return
        item = self._as_text(item)
        self.check_name(string(item, "name") or "", None)
        record = self._find_exact(payload, item.get("id"), item.get("type"))
        if record is not None and record.state is ITEM_OPEN:
            self._finalize(record, item)
            return
        place, here = self._wire_and_own_index(payload)
        owner = self._index_of_id(item)
        if owner is not None and not self._same_type(owner, item):
            owner = None
        if here is not None and not self._same_type(here, item):
            here = None if owner is None else owner
        elif here is not None and owner is not None and owner != here:
            self.report_once(
                AnomalyCode.INDEX_CHANGED, owner, f"item {owner} was sent whole as output_index {place}"
            )
            here = owner
        elif here is not None and owner is None and self.fold.items[here].state is ITEM_DONE:
            if isinstance(item.get("id"), str) and item != self.fold.items[here].to_dict():
                here = None
        elif here is None and owner is not None:
            code = AnomalyCode.INDEX_MISSING if place is None else AnomalyCode.INDEX_CHANGED
            self.report_once(code, owner, f"item {owner} was sent whole as output_index {place}")
            here = owner
        elif place is None:
            self.report_once(AnomalyCode.INDEX_MISSING, None, "an item was sent whole without output_index")
            same = self._open_items(string(item, "type") or "")
            here = same[0] if same else None
        if here is not None:
            self._finalize(self.fold.items[here], item, waits=True)
            return
        if place in self.index_by_wire_index:
            self.report(AnomalyCode.INDEX_REUSED, f"output_index {place} tells another item")
        else:
            self.report(AnomalyCode.ITEM_NOT_ANNOUNCED, "an item was sent whole and never announced")
        self._begin(place, self._typed(item), whole=True)

    def _lifted_item(self, record: ItemRecord, sent: JSON, *, whole: bool) -> JSON:
        """An item as it was sent, its arguments as they are handed on."""
        text = sent.get("arguments")
        if not self.lifts.declared or record.type not in LIFTABLE or not isinstance(text, str) or not text:
            return sent
        tool = string(sent, "name") or tool_of(record)
        return {**sent, "arguments": self.lifts.whole_text(record.index, tool, text, self.out, whole=whole)}

    def _typed(self, item: JSON) -> JSON:
        """An item of which no type is known, with the one that its members tell."""
        if item.get("type") or (found := type_by_members(item)) is None:
            return item
        self.report_once(AnomalyCode.INVALID_FIELD, "type", f"a {found} came without its type")
        return self._as_text({**item, "type": found})

    def _as_text(self, item: JSON) -> JSON:
        """An item with text and parts where it has those: arguments may come as a value, parts as text."""
        kind = item.get("type")
        if kind == "message" or kind == "reasoning":
            for group in GROUPS:
                entries = item.get(group)
                if not entries:
                    continue
                if isinstance(entries, str):
                    entries = [entries]
                if isinstance(entries, list) and any(isinstance(entry, str) for entry in entries):
                    self.report_invalid(f"{group} of a {kind}", entries)
                    item = {**item, group: [part_of(entry, BARE_PARTS[kind, group]) for entry in entries]}
        elif isinstance(kind, str) and kind in CALLS:
            field = ITEM_VALUES[kind]
            value = item.get(field)
            if value is not None and not isinstance(value, str):
                item = {**item, field: self._written(value, field)}
            for field in ("call_id", "name"):
                if item.get(field) is not None and not isinstance(item[field], str):
                    self.report_invalid(field, item[field])
                    item = {key: value for key, value in item.items() if key != field}
        return item

    def _written(self, value: Any, name: str) -> Any:
        """Arguments that came as an object or array, as text. What is neither stays as it is."""
        if not isinstance(value, (dict, list)):
            self.report_invalid(name, value)
            return value
        self.report_once(AnomalyCode.ARGUMENTS_NOT_TEXT, None, f"{name} is {value!r:.40}")
        return compact(value)

    def _check_parts(self, sent: JSON) -> None:
        """Raises `LimitExceeded` where an item was sent with more parts than one may have."""
        for group in GROUPS:
            entries = sent.get(group)
            if isinstance(entries, list) and len(entries) > self.fold.limits.parts:
                raise LimitExceeded("parts", self.fold.limits.parts)

    def _finalize(self, record: ItemRecord, sent: JSON, *, waits: bool = False) -> None:
        """A known item was sent whole. `waits`: where it was before, it may be weighed later."""
        self._check_parts(sent)
        index, ended = record.index, record.state is ITEM_DONE
        if index not in self.resent and record.finished is not None and record.finished.data == sent:
            return
        if waits and ended and self._waits(index, sent, record.to_dict):
            overlay(self.resent.setdefault(index, {}), sent)
            return
        if not record.type:
            sent = self._typed(sent)
            self._set_missing_type(index, string(sent, "type"))
        if index in self.resent:
            resent = self.resent.pop(index)
            if not ended:
                resent = {name: value for name, value in resent.items() if name not in PROVISIONAL}
            sent = overlay(resent, sent)
        if self.waiting and (waiting := self.take_update(index)):
            sent = merge_fields(waiting, sent)
        if self.gaps is not None:
            self._fill_gap(record, sent.get(ITEM_VALUES.get(record.type, "")))
            if self._has_gap(record):
                sent = {**sent, "status": "incomplete"}
        sent = self._lifted_item(record, sent, whole=True)
        if record.finished is not None and record.finished.data == sent:
            return
        if record.state is ITEM_OPEN and (events := reconcile_as_streamed(record, sent)) is not None:
            self.out += events
            self.out.append(make.item_finished(index, self.fold.item(record, sent, whole=True)))
            return
        self._check_item_id(record.index, sent, "id")
        self._learn_ids(record.index, sent)
        if record.type in ("function_call", "custom_tool_call"):
            for name, code in (("call_id", AnomalyCode.CALL_ID_CHANGED), ("name", AnomalyCode.NAME_CHANGED)):
                if (
                    not empty(sent.get(name))
                    and not empty(record.data.get(name))
                    and sent[name] != record.data[name]
                ):
                    self.report_once(code, record.index, f"the {name} of item {record.index} changed")
        merged, events = reconcile_item(record, sent, self.report, whole=True)
        self.out += events
        if record.state is not ITEM_DONE:
            self.out += reconcile_no_arguments(record, merged)
            self.out.append(make.item_finished(record.index, self.fold.item(record, merged, whole=True)))
        elif merged != record.to_dict():
            self.out.append(e.ItemUpdated(record.index, self.fold.item(record, merged, whole=True)))

    def _with_unmatched(
        self, sent: list[JSON], matches: list[int | None]
    ) -> tuple[list[JSON], list[int | None]]:
        """A snapshot without the items that no id names, which wait; or with all those that do."""
        unknown = [item for item, index in zip(sent, matches, strict=True) if index is None]
        waits = self._waits(OUTPUT, unknown, self._items_so_far)
        if not waits and not self.unmatched:
            return sent, matches
        count: dict[str, int] = {}
        for item in unknown:
            kind = string(item, "type") or ""
            count[kind] = at = count.get(kind, -1) + 1
            overlay(self.unmatched.setdefault((kind, at), {}), item)
        found: list[tuple[JSON, int | None]] = [
            (item, index) for item, index in zip(sent, matches, strict=True) if index is not None
        ]
        if not waits:
            found += [(item, None) for item in self.unmatched.values()]
            self.unmatched = {}
        return [item for item, _ in found], [index for _, index in found]

    def _settle_rest(self, status: str | None) -> None:
        """The response ends: what was sent again and waited is weighed, but for items that end with it."""
        sent, self.unmatched = [*self.unmatched.values()], {}
        matches: list[int | None] = [None] * len(sent)
        self._match_by_content(sent, matches)
        for item, index in zip(sent, matches, strict=True):
            if index is None:
                self._begin(None, item, whole=status is not None)
            else:
                overlay(self.resent.setdefault(index, {}), item)
        for index in [*self.resent]:
            if self.fold.items[index].state is ITEM_DONE:
                self._finalize(self.fold.items[index], {})

    def _items_so_far(self) -> list[JSON]:
        """All items as they stand."""
        return [record.to_dict() for record in self.fold.items.values()]

    def _settle_output(self, output: Any, *, whole: bool) -> list[int] | None:
        """A list of items was sent. Gives the order of the items where it is not that of their indexes."""
        if isinstance(output, list) and len(output) > self.fold.limits.items:
            raise LimitExceeded("items", self.fold.limits.items)
        if isinstance(output, dict) and "type" in output:
            self.report_invalid("output", output)
            output = [output]
        sent: list[JSON] = []
        if isinstance(output, list):
            sent = [self._as_text(item) for item in output if isinstance(item, dict)]
        if (isinstance(output, list) and len(sent) < len(output)) or not isinstance(
            output, (list, type(None))
        ):
            self.report_once(AnomalyCode.INVALID_FIELD, "output", "output holds something that is no item")
        if not sent:
            if whole and self.fold.items:
                self.report(AnomalyCode.OUTPUT_EMPTY_AT_END, "the output is empty at the end")
            return None
        if whole:
            self.unmatched = {}
        items = self.fold.items
        if not items:  # beside others it may be one of them
            sent = [self._typed(item) for item in sent]
        if (
            not self.resent
            and len(sent) == len(items)
            and sent == [record.finished and record.finished.data for _, record in sorted(items.items())]
        ):
            return None  # the usual end: just what had been sent item by item
        order = []
        matches = self._matches_by_id(sent)
        if None in matches and not whole:
            sent, matches = self._with_unmatched(sent, matches)
        if None in matches:
            self._match_by_content(sent, matches)
        for position, (item, index) in enumerate(zip(sent, matches, strict=True)):
            if index is None:
                place = position if position not in self.index_by_wire_index else None
                order.append(self._begin(place, item, whole=whole))
            else:
                record = self.fold.items[index]
                if whole:
                    self._finalize(record, item)
                elif record.state is ITEM_OPEN and self._waits(index, item, record.to_dict):
                    overlay(self.resent.setdefault(index, {}), item)
                elif record.state is ITEM_OPEN:
                    item = overlay(self.resent.pop(index, {}), item)
                    item = self._lifted_item(record, item, whole=False)
                    self._set_missing_type(index, string(item, "type"))
                    merged, events = reconcile_item(record, item, self.report, whole=False)
                    self.out += events
                    if merged != record.to_dict():
                        self.out.append(e.ItemUpdated(index, self.fold.item(record, merged)))
                order.append(index)
        if not whole:
            return None
        missing = deque(sorted(self.fold.items.keys() - set(order)))
        if not missing:
            return order if order != sorted(order) else None
        self.report(AnomalyCode.ITEM_MISSING_AT_END, f"items {[*missing]!s:.40} are not in the final output")
        whole_order: list[int] = []
        for index in order:
            while missing and missing[0] < index:
                whole_order.append(missing.popleft())
            whole_order.append(index)
        whole_order += missing
        return whole_order if whole_order != sorted(whole_order) else None


def overlay(known: JSON, sent: JSON) -> JSON:
    """Lays what is sent of an item over what was sent before: the later wins, unless it says nothing.

    `known` is changed, down to its parts, and given. Costs what is sent.
    """
    waiting: list[tuple[JSON, JSON, tuple[e.Group, ...]]] = [(known, sent, GROUPS)]
    while waiting:
        below, above, groups = waiting.pop()
        for name, value in above.items():
            before = below.get(name)
            if name in groups and isinstance(value, list):
                parts = below[name] = before if isinstance(before, list) else []
                for at, part in enumerate(value):
                    if at >= len(parts):
                        parts.append(copied(part))
                    elif isinstance(part, dict) and isinstance(parts[at], dict):
                        waiting.append((parts[at], part, ()))
                    else:
                        parts[at] = copied(part)
            elif not says_nothing(name, value) or says_nothing(name, before):
                below[name] = value
    return known


def says_nothing(name: str, value: Any) -> bool:
    """Whether a member says nothing: it is empty, or the arguments are."""
    return empty(value) or (name == "arguments" and value in EMPTY_ARGUMENTS)


def type_by_members(item: JSON) -> str | None:
    """The type of an item that came without one, where its members leave no doubt."""
    content = item.get("content")
    if item.get("role") == "assistant" and isinstance(content, (list, str)):
        return "message"
    if isinstance(content, list) and any(isinstance(part, dict) and is_spoken(part) for part in content):
        return "message"
    if "arguments" in item and string(item, "call_id") and string(item, "name"):
        # Calls that the server has run itself have more.
        return None if item.keys() & HOSTED else "function_call"
    return "reasoning" if isinstance(item.get("summary"), list) else None


def is_spoken(part: JSON) -> bool:
    """Whether a part is one that only messages have."""
    return part.get("type") in ("output_text", "refusal")


def part_of(entry: Any, blank: JSON) -> Any:
    """A part, which may have come as mere text."""
    return {**blank, "text": entry} if isinstance(entry, str) else entry


def adds(known: JSON, sent: JSON) -> bool:
    """Whether there may be something new in what was sent of an item."""
    return any(
        name not in known or (not empty(value) and known[name] != value) for name, value in sent.items()
    )


def without_output(response: JSON) -> JSON:
    data = dict(response)
    data.pop("output", None)
    return data
