"""The parts of an item and its streamed values: fragments, ends, annotations, images, audio."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any, ClassVar, Final, TypeAlias, cast

from deltafold.arguments.lifted_calls import CallLifts
from deltafold.dialects.responses.identity import tool_of
from deltafold.dialects.responses.items import ItemReader
from deltafold.dialects.responses.table import (
    BLANK_PARTS,
    COMMAND,
    LIFTABLE,
    PROSE,
    STREAMED,
    STREAMS,
    ValueWire,
    item_type_of_part,
    part_place,
)
from deltafold.machine import make
from deltafold.machine.evidence import (
    as_part,
    is_refusal,
    reconcile_part,
    reconcile_part_again,
    reconcile_value,
)
from deltafold.machine.fold import Fold
from deltafold.machine.lifecycle import ITEM_DONE, ITEM_OPEN, PART_OPEN
from deltafold.machine.records import ItemRecord, StreamedValue, arguments_key
from deltafold.machine.values import GROUPS, ValuePath, delta_of, find
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.wire.json_text import ReportAnomaly, join_halves, join_surrogates

__all__ = ["TRANSCRIPT", "ValueReader"]

JSON: TypeAlias = dict[str, Any]

MOST_OPEN: Final = 32
"""So many parts, the latest ones, may be the one that an event without an index is about."""
WENT_ON: Final = -1
CLOSING: Final = ("}", "]")
TAIL: Final = 64
"""So much of the end of arguments is looked at."""
TRANSCRIPT: Final[tuple[int, ValuePath]] = (-1, ("transcript",))
"""Where half a character of a transcript waits: it belongs to no item."""


class ValueReader(ItemReader):
    """Reads what is streamed for the items of one response."""

    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (*ItemReader.SNAPSHOT_FIELDS, "unannounced_parts", "again")
    __slots__ = ("listed", *SNAPSHOT_FIELDS[len(ItemReader.SNAPSHOT_FIELDS) :])

    def __init__(self, fold: Fold, report: ReportAnomaly, lifts: CallLifts) -> None:
        super().__init__(fold, report, lifts)
        self.unannounced_parts: dict[tuple[int, str, int], bool] | None = None
        self.again: dict[tuple[int, ValuePath], int] | None = None
        """How much of a value came again after it had been sent whole, `WENT_ON` where it went on."""
        self.listed: dict[tuple[int, int], tuple[list[Any], set[str]]] | None = None
        """The annotations that parts were sent with, as text: made anew where they are not here."""

    def _part_index(
        self, payload: JSON, record: ItemRecord, group: e.Group, field: str, *, ends: bool
    ) -> int:
        """The part that an event is about, whose value is its `field`.

        `ends`: the event tells an end, not a fragment.
        """
        name = "summary_index" if group == "summary" else "content_index"
        sent = self.index(payload, name)
        if sent is not None and sent in record.parts(group):
            return sent
        if sent is None:
            self.report_once(
                AnomalyCode.INDEX_MISSING, f"{record.index} {group}", f"no {name} for item {record.index}"
            )
        for index in islice(reversed(record.parts(group)), MOST_OPEN):
            value = record.values.get((group, index, field))
            if (
                value is not None
                and (ends or not value.is_complete)
                and record.parts(group)[index].state is PART_OPEN
            ):
                if sent is not None:
                    self.report_once(
                        AnomalyCode.PART_INDEX_CHANGED, record.index, f"{name} {sent} continues part {index}"
                    )
                return index
        return max(record.top(group), 0) if sent is None else sent

    def _begin_part(self, record: ItemRecord, group: e.Group, index: int, kind: e.ValueKind) -> None:
        """A part begins that was not announced."""
        if group == "summary" or record.type == "message":
            # Raw reasoning is streamed without announcing its parts.
            self.report_once(AnomalyCode.PART_NOT_ANNOUNCED, record.index, f"a part of item {record.index}")
        part = dict(BLANK_PARTS[kind])
        self.out.append(make.part_started(record.index, index, group, as_part(record, group, part)))
        if self.unannounced_parts is None:
            self.unannounced_parts = {}
        self.unannounced_parts[record.index, group, index] = True

    def _part_added(self, payload: JSON, kind: str) -> None:
        part = payload.get("part")
        if not isinstance(part, dict):
            self.report(AnomalyCode.INVALID_FIELD, f"{kind} has no part")
            return
        group, name = part_place(kind)
        record = self._find_or_begin(payload, item_type_of_part(group, part))
        sent = self.index(payload, name)
        if sent is None:
            sent = record.top(group) + 1
            self.report_once(
                AnomalyCode.INDEX_MISSING, f"{record.index} {group}", f"no {name} for item {record.index}"
            )
        if sent in record.parts(group):
            unannounced = self.unannounced_parts
            if unannounced is None or unannounced.pop((record.index, group, sent), None) is None:
                self.report_once(
                    AnomalyCode.ANNOUNCED_TWICE, record.index, f"part {sent} of item {record.index}"
                )
            return
        if part.get("text") or part.get("refusal"):
            part = dict(part)
            self._hold_part_text(record, group, sent, part)
        self.out.append(make.part_started(record.index, sent, group, as_part(record, group, part)))

    def _part_done(self, payload: JSON, kind: str) -> None:
        part = payload.get("part")
        if not isinstance(part, dict):
            self.report(AnomalyCode.INVALID_FIELD, f"{kind} has no part")
            return
        group, _ = part_place(kind)
        record = self._find_or_begin(payload, item_type_of_part(group, part))
        field = "refusal" if part.get("type") == "refusal" else "text"
        index = self._part_index(payload, record, group, field, ends=True)
        known = record.parts(group).get(index)
        if known is not None and known.state is not PART_OPEN:
            self.out += reconcile_part_again(record, group, index, part, self.report)
            return
        merged, events = reconcile_part(record, group, index, part, self.report, whole=True)
        self.out += events
        self.out.append(make.part_finished(record.index, index, group, as_part(record, group, merged)))

    def _value(
        self, payload: JSON, streamed: ValueWire, *, ends: bool = False
    ) -> tuple[ItemRecord, e.ValueKind, ValuePath]:
        """Which value an event is about."""
        record = self._find_exact(payload, payload.get("item_id"), streamed.item_type)
        if record is None:
            record = self._find_or_begin(payload, streamed.item_type)
        kind, key = streamed.kind, streamed.key
        if key[0] in GROUPS:
            group: e.Group = "summary" if key[0] == "summary" else "content"
            if kind != "refusal":
                kind = record.text_kind(group) or kind
            field = "refusal" if kind == "refusal" else "text"
            index = self._part_index(payload, record, group, field, ends=ends)
            if index not in record.parts(group):
                self._begin_part(record, group, index, kind)
            key = (group, index, key[2])
        elif kind == "arguments":
            key = arguments_key(record)
        elif streamed.index:
            key = (*key[:2], self.index(payload, streamed.index) or 0)
        return record, kind, key

    def _delta(self, payload: JSON, kind: str) -> None:
        streamed = STREAMED[kind.removesuffix(".delta")]
        text = payload.get("delta")
        if streamed.kind == "arguments" and (
            isinstance(text, list) or (isinstance(text, dict) and "text" not in text)
        ):
            text = self._written(text, "delta")
        elif isinstance(text, dict):
            text = text.get("text")  # {"type": "text_delta", "text": …}, ChatGPT backend
        if not isinstance(text, str):
            if text is not None:  # Bifrost sends null for nothing
                self.report_invalid("delta", text)
                if streamed.kind == "arguments":
                    self._note_gap(payload, streamed)
            return
        record, value_kind, key = self._value(payload, streamed)
        logprobs = payload.get("logprobs")
        number = payload.get("sequence_number")
        self._fragment(record, value_kind, key, text, logprobs if isinstance(logprobs, list) else (), number)

    def _note_gap(self, payload: JSON, streamed: ValueWire) -> None:
        record, _, key = self._value(payload, streamed)
        if self.gaps is None:
            self.gaps = {}
        if not self.gaps.get(record.index):
            self.gaps[record.index] = self.size_so_far(record.index, key)

    def _fragment(
        self,
        record: ItemRecord,
        kind: e.ValueKind,
        key: ValuePath,
        text: str,
        logprobs: Any = (),
        number: Any = None,
    ) -> None:
        value = record.values.get(key)
        sent = record.state is ITEM_DONE and value is None and find(record.data, key)
        if sent or (value is not None and value.is_complete):
            self.report_once(
                AnomalyCode.DELTA_AFTER_DONE, record.index, f"{kind} of item {record.index}: {text!r:.60}"
            )
            last = self.last_sequence_number
            if type(number) is int and last is not None and number < last:
                return  # an event that was sent before its value was sent whole
            text = self._late(record.index, key, kind, value, text)
            if not text:
                return
        place = record.index, key
        if place in self.announced_text:
            held = self.announced_text.pop(place)
            again = kind == "arguments" or held.startswith(text) or text.startswith(held)
            if not again and (value is None or not value.text):
                self.out.append(delta_of(record.index, kind, key, held))
        text = join_halves(self.pending_surrogates, place, text, self.report)
        if self.lifts.declared and kind == "arguments" and record.type in LIFTABLE:
            text = self.lifts.fragment(record.index, tool_of(record), text, self.out)
        if text:
            if kind == "text" and is_refusal(record.parts("content").get(cast(int, key[1]))):
                self.report_once(
                    AnomalyCode.TEXT_IN_REFUSAL, record.index, f"{text!r:.60} came for a refusal"
                )
            self.out.append(delta_of(record.index, kind, key, text, logprobs))

    def _late(
        self, index: int, key: ValuePath, kind: e.ValueKind, value: StreamedValue | None, text: str
    ) -> str:
        """What of a fragment is new that came after its value had been sent whole.

        Some servers tell a text whole too early and go on with it (decolua/9router#3234). Others stream it
        again from its beginning: as long as it may be that, it is held back.
        """
        if value is None or (kind not in PROSE and not self._may_go_on(index, kind, value)):
            return ""
        place = index, key
        if self.again is None:
            self.again = {}
        again = self.again.get(place, 0)
        if again < 0 or again == value.ended_size > 0:
            return text  # it goes on, after all of it had come again if need be
        if value.ended_size - again >= len(text) and value.text.startswith(text, again):
            self.again[place] = again + len(text)
            return ""
        self.again[place] = WENT_ON
        return value.text[:again] + text

    def _may_go_on(self, index: int, kind: e.ValueKind, value: StreamedValue) -> bool:
        """Whether arguments go on that had been sent whole: those of a custom tool, JSON that is cut."""
        record = self.record(index)
        if kind != "arguments" or record.state is not ITEM_OPEN:
            return False
        return record.type == "custom_tool_call" or not value.tail(TAIL).rstrip().endswith(CLOSING)

    def _done(self, payload: JSON, kind: str) -> None:
        streamed = STREAMED[kind.removesuffix(".done")]
        text = payload.get(streamed.done_field)
        if streamed.kind == "arguments" and isinstance(text, (dict, list)):
            text = self._written(text, streamed.done_field)
        if not isinstance(text, str):
            if text is not None:
                self.report_invalid(streamed.done_field, text)
            return
        record, value_kind, key = self._value(payload, streamed, ends=True)
        self._tell(record, value_kind, key, text)

    def _tell(self, record: ItemRecord, kind: e.ValueKind, key: ValuePath, text: str) -> None:
        if text:
            if kind == "arguments":
                self._fill_gap(record, text)
            if self.announced_text or self.pending_surrogates:
                self.announced_text.pop((record.index, key), None)
                self.pending_surrogates.pop((record.index, key), None)
            if self.lifts.declared and kind == "arguments" and record.type in LIFTABLE:
                text = self.lifts.whole_text(record.index, tool_of(record), text, self.out, whole=True)
        value = record.values.get(key)
        self.out += reconcile_value(record.index, kind, key, value, text, self.report, whole=True)

    def _command_added(self, payload: JSON, kind: str) -> None:
        record, _, key = self._value(payload, COMMAND)
        text = payload.get("command")
        if isinstance(text, str) and text:
            self.announced_text[record.index, key] = text

    def _command_output_delta(self, payload: JSON, kind: str) -> None:
        record = self._find_or_begin(payload, "shell_call_output")
        index = self.index(payload, "command_index") or 0
        pieces = payload.get("delta")
        for stream in STREAMS:
            text = pieces.get(stream) if isinstance(pieces, dict) else None
            if isinstance(text, str) and text:
                self._fragment(record, stream, ("output", index, stream), text)

    def _command_output_done(self, payload: JSON, kind: str) -> None:
        record = self._find_or_begin(payload, "shell_call_output")
        first = self.index(payload, "command_index") or 0
        output = payload.get("output")
        for index, entry in enumerate(output if isinstance(output, list) else (), first):
            for stream in STREAMS:
                if isinstance(entry, dict) and isinstance(entry.get(stream), str) and entry[stream]:
                    self._tell(record, stream, ("output", index, stream), entry[stream])

    def _annotation_added(self, payload: JSON, kind: str) -> None:
        annotation = payload.get("annotation")
        if not isinstance(annotation, dict):
            self.report_once(AnomalyCode.INVALID_FIELD, "annotation", "annotation is no object")
            return
        record = self._find_or_begin(payload, "message")
        index = self._part_index(payload, record, "content", "text", ends=True)
        known: Any = None
        came: dict[int, JSON] = {}
        if index not in record.parts("content"):
            self._begin_part(record, "content", index, "text")
        else:
            part = record.parts("content")[index]
            came = part.annotations or {}
            known = part.data.get("annotations") if isinstance(part.data, dict) else None
        known = known if isinstance(known, list) else []
        at = self.index(payload, "annotation_index")
        if at is None:
            at = next(reversed(came), len(known) - 1) + 1
            if at in came:
                at = record.parts("content")[index].top + 1
            self.check_index_limit(at)
        if came.get(at) != annotation and not self._is_listed(annotation, known, (record.index, index)):
            self.out.append(e.AnnotationAdded(record.index, index, at, annotation))

    def _is_listed(self, annotation: JSON, known: list[Any], of: tuple[int, int]) -> bool:
        """Whether an annotation is among those that its part was sent with."""
        if not known:
            return False
        if self.listed is None:
            self.listed = {}
        listed = self.listed.get(of)
        if listed is None or listed[0] is not known:
            listed = self.listed[of] = known, {json.dumps(entry, sort_keys=True) for entry in known}
        return json.dumps(annotation, sort_keys=True) in listed[1]

    def _partial_image(self, payload: JSON, kind: str) -> None:
        image = payload.get("partial_image_b64")
        if not isinstance(image, str):
            self.report_once(AnomalyCode.INVALID_FIELD, "partial_image_b64", "partial_image_b64 is no text")
            return
        index = self._find_or_begin(payload, "image_generation_call").index
        number = self.index(payload, "partial_image_index")
        left_out = ("type", "partial_image_b64", "sequence_number", "output_index", "item_id")
        data = {k: v for k, v in payload.items() if k not in left_out}
        self.out.append(e.PartialImage(index, number or 0, image, data))

    def _audio(self, payload: JSON, kind: str) -> None:
        self._start()
        text = payload.get("delta")
        if isinstance(text, str):
            if kind == "response.audio.delta":
                self.out.append(e.AudioDelta(join_surrogates(text)))
            elif text := join_halves(self.pending_surrogates, TRANSCRIPT, text, self.report):
                self.out.append(e.TranscriptDelta(text))

    def _audio_done(self, payload: JSON, kind: str) -> None:
        self._start()
        self.out.append(e.Notice(kind, payload))
