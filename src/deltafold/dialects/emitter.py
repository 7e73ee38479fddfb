"""What a reader writes through: events of one payload that keep to the life cycles.

A reader knows its wire; what every wire needs stands here once. While a payload is translated the fold does
not change, for the caller has not seen its events yet. So the emitter knows the fold *and* what the present
payload has begun: items, parts, and pieces of text. On the way out it joins halves of surrogate pairs, lifts
declared strings out of arguments, checks limits when something begins, and weighs what is sent whole against
what was streamed. Each end costs the size of what ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, ClassVar, Final, TypeAlias, cast

from deltafold.arguments.lifted_calls import CallLifts
from deltafold.machine import make
from deltafold.machine.build import item_from, part_from
from deltafold.machine.evidence import close_item, reconcile_value
from deltafold.machine.fold import Emitted, Fold, PendingFinish
from deltafold.machine.lifecycle import ITEM_DONE, ITEM_STATUS_AT_END
from deltafold.machine.records import ItemRecord, PartRecord, StreamedValue, arguments_key
from deltafold.machine.values import GROUPS, PART_FIELDS, ValuePath, delta_of
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import ErrorKind, LimitExceeded, ResponseError
from deltafold.model.json_values import string, weight, whole_number
from deltafold.wire.json_text import ReportAnomaly, join_halves

__all__ = ["Emitter"]

JSON: TypeAlias = dict[str, Any]
MANY_UPDATES: Final = 16
CONTROL_TOKEN: Final = "<|"
"""How the control tokens of models begin, which some servers leave in names: `f<|channel|>commentary`."""
LIFTABLE: Final = ("function_call", "mcp_call")
"""Items whose arguments are JSON."""


class Additions:
    """What the present payload adds to one item, beside what the fold holds."""

    __slots__ = ("cited", "has_ended", "learned", "parts", "restarted", "texts", "whole")

    def __init__(self) -> None:
        self.parts: list[e.PartStarted] = []
        """The parts that begin with it."""
        self.texts: dict[ValuePath, StreamedValue] = {}
        """What it adds to streamed values."""
        self.restarted: dict[ValuePath, bool] = {}
        """Values that it replaced: `texts` holds all of them."""
        self.whole: dict[ValuePath, bool] = {}
        """Values that it ended."""
        self.cited: list[e.AnnotationAdded] = []
        """The annotations that it adds."""
        self.learned: JSON | None = None
        """Fields that it lays over those of the item."""
        self.has_ended = False
        """Whether it ended the item."""


class Emitter:
    """Makes the events of one payload after another."""

    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (
        "started",
        "ended",
        "reported",
        "pending_surrogates",
        "held_items",
        "held_text",
        "updates",
        "waiting",
    )
    """What it remembers from payload to payload."""
    __slots__ = ("added", "begun", "fold", "lifts", "out", "report", *SNAPSHOT_FIELDS)

    def __init__(self, fold: Fold, report: ReportAnomaly, lifts: CallLifts) -> None:
        self.fold = fold
        self.report = report
        self.lifts = lifts
        self.started = False
        self.ended = False
        # What holds nothing but True would be a set, were an empty set not three times as large as a dict.
        self.reported: dict[tuple[str, str | int | None], bool] = {}
        self.pending_surrogates: dict[tuple[int, ValuePath], int] = {}
        """High surrogates at the end of a fragment, which wait for their other half: code points."""
        self.held_items = 0
        """Items of which something came, and which have not begun yet."""
        self.held_text = 0
        """Characters that are kept, and that the fold does not hold yet."""
        self.updates: dict[int, int] | None = None
        """How often more became known of an item that had begun."""
        self.waiting: dict[int, JSON] | None = None
        """Fields that became known so and are not handed out yet, by the index of their item."""
        self.out: list[Emitted] = []
        """The events that the present payload makes."""
        self.begun: dict[int, ItemRecord] = {}
        """The records of items that begin with the present payload."""
        self.added: dict[int, Additions] = {}
        """What it adds to items, by their index."""

    def begin_payload(self) -> None:
        """Forgets the payload before, whose events have been handed out."""
        self.out = []
        if self.begun:
            self.begun.clear()
        if self.added:
            self.added.clear()

    # ---------------------------------------------------------------------------------------- the response

    def begin_response(self, data: JSON, *, announced: bool = True) -> None:
        """The response begins. `announced`: by what begins one on this wire."""
        self.started = True
        if not announced:
            self.report(AnomalyCode.RESPONSE_NOT_ANNOUNCED, "the response began without its announcement")
        self.announce(data)

    def announce(self, data: JSON) -> None:
        """Hands out that the response begins."""
        self.out.append(
            make.response_started(string(data, "id"), string(data, "model"), data, self.fold.dialect)
        )

    def end_response(self, ending: PendingFinish) -> None:
        """The response ends, and what is still open in it."""
        self.finish_open(ITEM_STATUS_AT_END[ending.outcome])
        self.hand_out_updates()
        self.ended = True
        self.out.append(ending)

    def refuse_dialect(self, payload: JSON, message: str) -> None:
        """Reports that a payload is of another wire. The caller ends the response as failed."""
        self.report(AnomalyCode.WRONG_DIALECT, message)
        error = ResponseError(ErrorKind.INVALID_REQUEST, message, "wrong_dialect", raw=payload)
        self.out.append(e.ErrorReported(error))

    # --------------------------------------------------------------------------------------------- items

    def record(self, index: int) -> ItemRecord:
        """The record of an item, without what the present payload adds to it."""
        found = self.fold.items.get(index)
        return self.begun[index] if found is None else found

    def additions(self, index: int) -> Additions:
        """What the present payload adds to an item, to be added to."""
        added = self.added.get(index)
        if added is None:
            added = self.added[index] = Additions()
        return added

    def free_index(self) -> int:
        """The first free `output_index` behind all items."""
        return len(self.fold.items) + len(self.begun)

    def begin_item(
        self,
        sent: JSON,
        *,
        choice_index: int | None = None,
        member: str | None = None,
    ) -> int:
        """An item begins, without its streamed values. Gives its index. Raises `LimitExceeded`."""
        index, limits = self.free_index(), self.fold.limits
        if index + self.held_items >= limits.items:
            raise LimitExceeded("items", limits.items)
        self.check_name(string(sent, "name") or "", choice_index)
        record = ItemRecord(index, string(sent, "type") or "", choice_index)
        record.merge(sent)
        self.begun[index] = record
        self.fold.announce(record)
        item = item_from(sent, choice_index=choice_index, approval_required=self.fold.approval_required)
        self.out.append(make.item_started(index, item, member))
        return index

    def hold_item(self) -> None:
        """Something came of an item that cannot begin yet. Raises `LimitExceeded`."""
        limits = self.fold.limits
        if self.free_index() + self.held_items >= limits.items:
            raise LimitExceeded("items", limits.items)
        self.held_items += 1

    def release_item(self) -> None:
        """An item that was held begins now."""
        self.held_items -= 1

    def hold_text(self, size: int) -> None:
        """Characters are kept that nobody sees yet. Raises `LimitExceeded`."""
        self.held_text += size
        self.fold.hold(self.held_text)

    def release_text(self, size: int) -> None:
        """Characters that were kept are handed out, or dropped."""
        self.held_text -= size

    def begin_part(self, index: int, group: e.Group, at: int, sent: JSON) -> None:
        """A part of an item begins; what it has of its streamed value is a delta. Raises `LimitExceeded`."""
        record = self.record(index)
        new = self.additions(index).parts
        if len(record.parts(group)) + len(new) >= self.fold.limits.parts:
            raise LimitExceeded("parts", self.fold.limits.parts)
        values: list[tuple[str, e.ValueKind, str]] = [
            (field, kind, sent[field]) for field, kind in record.part_values(group, sent) if sent[field]
        ]
        if values:
            sent = {**sent, **{field: "" for field, _, _ in values}}
        part = part_from(sent, reasoning=record.type == "reasoning", summary=group == "summary")
        event = make.part_started(index, at, group, part)
        new.append(event)
        self.out.append(event)
        for field, kind, text in values:
            self.emit_text(index, kind, (group, at, field), text)

    def annotate(self, index: int, content_index: int, at: int, annotation: JSON) -> None:
        """A part of a message gets an annotation."""
        event = e.AnnotationAdded(index, content_index, at, annotation)
        self.additions(index).cited.append(event)
        self.out.append(event)

    def update_item(self, index: int, more: JSON) -> None:
        """More is known of an item: `more` is laid over its fields.

        An event of that holds the whole item. So that a thousand of them do not cost a square, those behind
        the first ones are handed out when their number has doubled, or with the end of the item or response.
        """
        if self.updates is None:
            self.updates = {}
        count = self.updates[index] = self.updates.get(index, 0) + 1
        if count > MANY_UPDATES and count & (count - 1):
            self.hold_text(weight(more))
            self.held_update(index).update(more)
            return
        self.emit_item(index, {**self.take_update(index), **more})

    def held_update(self, index: int) -> JSON:
        """What became known of an item and waits, to be added to."""
        if self.waiting is None:
            self.waiting = {}
        return self.waiting.setdefault(index, {})

    def take_update(self, index: int) -> JSON:
        """What became known of an item and waits no longer."""
        return {} if self.waiting is None else self.waiting.pop(index, {})

    def emit_item(self, index: int, more: JSON) -> None:
        """Hands out an item as it is known by now, with `more` laid over its fields."""
        record = self.present(index)
        item = self.fold.item(record, {**record.to_dict(), **more}, whole=self.has_ended(index))
        added = self.additions(index)
        added.learned = {**(added.learned or {}), **more}
        self.out.append(e.ItemUpdated(index, item))

    def hand_out_updates(self) -> None:
        """What is known of items and was not handed out."""
        for index, more in (self.waiting or {}).items():
            self.emit_item(index, more)
        self.waiting = None

    def has_ended(self, index: int) -> bool:
        """Whether an item has been sent whole."""
        added = self.added.get(index)
        return (added is not None and added.has_ended) or self.record(index).state is ITEM_DONE

    def finish_item(self, index: int, status: str | None, late: JSON | None = None) -> None:
        """An item ends: as `status`, or as it stands if None. `late` is what became known since it began."""
        late = {**self.take_update(index), **(late or {})}
        record = self.present(index)
        held: dict[ValuePath, str] = {}
        if self.lifts.declared and record.type in LIFTABLE:
            rest = self.lifts.close(index, self.out)
            if rest:
                held[arguments_key(record)] = rest
        if self.pending_surrogates and status is not None:
            for key in keys_of(record):
                if self.pending_surrogates.pop((index, key), None) is not None:
                    self.report(AnomalyCode.LONE_SURROGATE, "half a surrogate pair ends a value")
                    held[key] = held.get(key, "") + "\ufffd"
        self.out += close_item(self.fold, record, status, held, late, self.report)
        if status is not None:
            self.additions(index).has_ended = True

    def finish_open(self, status: str | None) -> None:
        """All items end that are still open."""
        for index in (*self.fold.items, *self.begun):
            if not self.has_ended(index):
                self.finish_item(index, status)

    def present(self, index: int) -> ItemRecord:
        """The record of an item with what the present payload adds to it. It belongs to nobody else then."""
        record = self.record(index)
        new = self.added.get(index)
        if new is None or not (new.texts or new.parts or new.cited or new.learned is not None):
            return record
        found = ItemRecord(index, record.type, record.choice_index)
        found.merge(record.to_dict() if new.learned is None else {**record.to_dict(), **new.learned})
        for key, value in record.values.items():
            if key in found.values:
                found.values[key].is_complete = value.is_complete
            else:
                found.values[key] = StreamedValue(value.kind, [value.text], value.is_complete)
        for event in new.parts:
            fields = found.take_values(event.group, event.part_index, event.part.data, whole=False)
            found.add_part(event.group, event.part_index, PartRecord(fields))
        for annotated in new.cited:
            part = found.parts("content")[annotated.content_index]
            part.annotate(annotated.annotation_index, annotated.annotation)
        for key, added in new.texts.items():
            known = found.values.get(key)
            if known is None or key in new.restarted:
                known = found.values[key] = StreamedValue(added.kind, [added.text], added.is_complete)
            else:
                known.add(added.text)
            known.is_complete = known.is_complete or key in new.whole
        return found

    # -------------------------------------------------------------------------------------------- values

    def emit_text(self, index: int, kind: e.ValueKind, key: ValuePath, text: str, logprobs: Any = ()) -> None:
        """A fragment of a streamed value: in whole characters, without what is lifted out of it."""
        text = join_halves(self.pending_surrogates, (index, key), text, self.report)
        if self.lifts.declared and kind == "arguments":
            record = self.record(index)
            if record.type in LIFTABLE:
                text = self.lifts.fragment(index, string(record.data, "name") or "", text, self.out)
        if text:
            self._added(index, kind, key).add(text)
            self.out.append(delta_of(index, kind, key, text, logprobs))

    def _added(self, index: int, kind: e.ValueKind, key: ValuePath) -> StreamedValue:
        """What the present payload adds to a value."""
        texts = self.additions(index).texts
        value = texts.get(key)
        if value is None:
            value = texts[key] = StreamedValue(kind, [])
        return value

    def _values_of(self, index: int, key: ValuePath) -> tuple[StreamedValue | None, StreamedValue | None]:
        """What the fold holds of a streamed value, and what the present payload adds to it."""
        added = self.added.get(index)
        if added is None:
            return self.record(index).values.get(key), None
        known = None if key in added.restarted else self.record(index).values.get(key)
        return known, added.texts.get(key)

    def so_far(self, index: int, key: ValuePath) -> str:
        """A streamed value as it was handed on, the present payload included."""
        known, added = self._values_of(index, key)
        so_far = "" if known is None else known.text
        return so_far if added is None else so_far + added.text

    def sent_so_far(self, index: int, key: ValuePath) -> str:
        """Arguments as they came, before anything was lifted out of them."""
        raw = self.lifts.raw(index)
        return self.so_far(index, key) if raw is None else raw.text

    def size_so_far(self, index: int, key: ValuePath) -> int:
        """How many characters `so_far()` has, without joining them."""
        known, added = self._values_of(index, key)
        return (0 if known is None else known.size()) + (0 if added is None else added.size())

    def pieces(self, index: int, key: ValuePath) -> Iterator[str]:
        """The pieces of a streamed value as it was handed on, without joining them."""
        known, added = self._values_of(index, key)
        return chain([] if known is None else known.fragments, [] if added is None else added.fragments)

    def pieces_back(self, index: int, key: ValuePath) -> Iterator[str]:
        """The same, the last one first."""
        known, added = self._values_of(index, key)
        new = [] if added is None else added.fragments
        return chain(reversed(new), reversed([] if known is None else known.fragments))

    def _present_value(self, index: int, kind: e.ValueKind, key: ValuePath) -> StreamedValue | None:
        """A streamed value with what the present payload adds to it. None where there is neither."""
        known, added = self._values_of(index, key)
        if known is None or added is None:
            return added if known is None else known
        here = self.additions(index)
        here.restarted[key] = True  # it is joined once, however often the payload tells it
        ended = known.is_complete or key in here.whole
        joint = here.texts[key] = StreamedValue(kind, [known.text + added.text], ended)
        return joint

    def emit_whole_value(
        self, index: int, kind: e.ValueKind, key: ValuePath, text: str, *, whole: bool
    ) -> None:
        """A value, not empty, was sent whole: what is new is handed out, and a contradiction reported."""
        self.pending_surrogates.pop((index, key), None)  # the other half is sent with it
        record = self.record(index)
        if self.lifts.declared and kind == "arguments" and record.type in LIFTABLE:
            tool = string(record.data, "name") or ""
            text = self.lifts.whole_text(index, tool, text, self.out, whole=whole)
        value = self._present_value(index, kind, key)
        for event in reconcile_value(index, kind, key, value, text, self.report, whole=whole):
            self.out.append(event)
            here, added = self.additions(index), self._added(index, kind, key)
            if isinstance(event, e.ValueReplaced):
                here.restarted[key] = True
                here.texts[key] = StreamedValue(kind, [event.text], True)
                here.whole[key] = True
            elif isinstance(event, e.ValueFinished):
                here.whole[key] = True
                added.is_complete, added.ended_size = True, added.size()
            else:
                added.add(cast(Any, event).text)

    # -------------------------------------------------------------------------------------------- faults

    def report_once(self, code: AnomalyCode, key: str | int | None, message: str) -> None:
        """Reports what would otherwise come with every fragment."""
        if (code, key) not in self.reported:
            self.reported[code, key] = True
            self.report(code, message)

    def report_invalid(self, what: str, value: Any) -> None:
        """Reports, once for each kind of field, that one has a value that it cannot have."""
        self.report_once(AnomalyCode.INVALID_FIELD, what, f"{what} is {value!r:.40}")

    def check_index_limit(self, index: int) -> int:
        """An index. Raises `LimitExceeded`."""
        if index > self.fold.limits.index:
            raise LimitExceeded("index", self.fold.limits.index)
        return index

    def index(self, sent: JSON, name: str, called: str = "") -> int | None:
        """An index that the wire tells. Raises `LimitExceeded`."""
        index = sent.get(name)
        if type(index) is int and index >= 0:
            return self.check_index_limit(index)
        if index is not None:
            self.report_invalid(called or name, index)
            number = whole_number(index)
            if number is not None and number >= 0:
                return self.check_index_limit(number)
        return None

    def check_name(self, name: str, key: str | int | None) -> None:
        """Reports control tokens of the model in the name of a tool, once for each `key`."""
        if CONTROL_TOKEN in name:
            self.report_once(AnomalyCode.CONTROL_TOKEN_IN_NAME, key, f"a tool is called {name[:60]!r}")


def keys_of(record: ItemRecord) -> list[ValuePath]:
    """Where streamed values of an item may stand."""
    keys: list[ValuePath] = [key for key in record.values if len(key) != 3]
    for group in GROUPS:
        keys += [(group, at, field) for at in record.parts(group) for field in PART_FIELDS]
    arguments = arguments_key(record)
    return keys if arguments in keys else [*keys, arguments]
