"""The rule of evidence: one value may be sent many times.

In fragments, by its own end, by its part, its item and the end of the response. Four rules settle it:

1. What came later and is fuller wins: `"Hel"`, then `"Hello"` hands out `"lo"`.
2. An empty or missing value never erases a fuller one: `"Hello"`, then `""` or `null` changes nothing; nor
   do arguments that are sent as `{}`. What was sent whole, and went on after that, is not cut back by sending
   the same again.
3. What was streamed and is sent again is not handed out twice: `"Hello"`, then `"Hello"` ends the value.
4. A contradiction is an anomaly, and an event says that the value was replaced: `"Hello"`, then `"Bye"`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias, cast

from deltafold.machine import make
from deltafold.machine.build import NO_ARGUMENTS, has_no_arguments, part_from
from deltafold.machine.fold import Fold
from deltafold.machine.lifecycle import ITEM_DONE
from deltafold.machine.records import (
    ItemRecord,
    PartRecord,
    StreamedValue,
    begins,
    empty,
    merge_fields,
    part_indexes,
)
from deltafold.machine.values import (
    GROUPS,
    ITEM_VALUES,
    PART_FIELDS,
    ValuePath,
    delta_of,
    find,
    indexes_of,
    place,
    value_finished,
)
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.items import Part
from deltafold.model.json_values import string
from deltafold.wire.json_text import ReportAnomaly

__all__ = [
    "EMPTY_ARGUMENTS",
    "as_part",
    "close_item",
    "is_refusal",
    "reconcile_as_streamed",
    "reconcile_item",
    "reconcile_no_arguments",
    "reconcile_part",
    "reconcile_part_again",
    "reconcile_value",
]

JSON: TypeAlias = dict[str, Any]

EMPTY_ARGUMENTS: Final = ("{}", "[]")


def reconcile_value(
    index: int,
    kind: e.ValueKind,
    key: ValuePath,
    value: StreamedValue | None,
    sent: str,
    report: ReportAnomaly,
    *,
    whole: bool,
) -> list[e.Event]:
    """A value was sent whole: what of it has not been handed out, and whether it contradicts what was."""
    if not sent and kind == "arguments":
        return []  # the end of the call says whether it has none
    if keeps(kind, value, sent):
        return []
    so_far = "" if value is None else value.text
    if sent == so_far:
        if not whole or (value is not None and value.is_complete):
            return []
        return [value_finished(index, kind, key, sent)]
    if sent.startswith(so_far):
        events: list[e.Event] = [delta_of(index, kind, key, sent[len(so_far) :])]
        if whole:
            events.append(value_finished(index, kind, key, sent))
        return events
    report(
        AnomalyCode.VALUE_CONTRADICTED,
        f"{kind} was streamed as {excerpt(so_far)}, then sent as {excerpt(sent)}",
    )
    return [e.ValueReplaced(index, kind, sent, **indexes_of(kind, key))]


def keeps(kind: e.ValueKind, value: StreamedValue | None, sent: str) -> bool:
    """Whether a value stays as it is whatever was sent: that says nothing, or nothing new.

    Costs what was sent, for the value may be long, and may be sent so at each of its fragments.
    """
    if value is None:
        return False
    if not sent:
        return value.size() > 0
    if kind == "arguments":
        if sent.strip() not in EMPTY_ARGUMENTS:
            return False
        if value.size() <= len(sent) and sent.startswith(value.text):
            return False
        return value.says_something()
    return (
        value.is_complete and value.ended_size == len(sent) < value.size() and begins(value.fragments, sent)
    )


def excerpt(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:20]}…{text[-20:]}")


def reconcile_as_streamed(record: ItemRecord, sent: JSON) -> list[e.Event] | None:
    """The usual end of an item: nothing is sent but what had been streamed, and its new status.

    Gives None where that is not so: then `reconcile_item()` has to find out what is new.
    """
    if record.to_dict() | {"status": sent.get("status")} != sent:
        return None
    return ends_of_values(record) + reconcile_no_arguments(record, sent)


def ends_of_values(record: ItemRecord) -> list[e.Event]:
    """All values of an item are whole as they were streamed."""
    return [
        value_finished(record.index, value.kind, key, value.text)
        for key, value in record.values.items()
        if not value.is_complete and (value.kind != "arguments" or value.text)
    ]


def reconcile_no_arguments(record: ItemRecord, sent: JSON) -> list[e.Event]:
    """A function call ends: where it has no argument text at all, its arguments are `{}`."""
    if not has_no_arguments(sent):
        return []
    value = record.values.get(("arguments",))
    return [] if value is not None and value.text else [make.arguments_delta(record.index, NO_ARGUMENTS)]


def reconcile_item(
    record: ItemRecord, sent: JSON, report: ReportAnomaly, *, whole: bool
) -> tuple[JSON, list[e.Event]]:
    """An item was sent: the item as it then is, and the events that lead there."""
    record.type = record.type or (string(sent, "type") or "")
    before = record.to_dict()
    merged = merge_fields(before, sent)
    if whole and record.state is not ITEM_DONE:
        # What an announcement says of these is provisional: the ciphertext of an announced reasoning item is
        # not the one to send back, and `in_progress` is over.
        for key in ("encrypted_content", "status"):
            if key in before:
                if key in sent:
                    merged[key] = sent[key]
                else:
                    merged.pop(key, None)
    if record.type and not isinstance(sent.get("type"), str):
        merged["type"] = record.type
    events: list[e.Event] = []
    for group in GROUPS:
        entries = sent.get(group)
        if record.parts(group) and not empty(entries) and not isinstance(entries, list):
            report(AnomalyCode.INVALID_FIELD, f"{group} is {entries!r:.40}")
            merged[group] = before[group]
        elif isinstance(entries, list) and entries:
            merged[group] = reconcile_parts(record, group, entries, report, events, whole=whole)
    paths: list[ValuePath] = [path for path in record.values if path[0] not in GROUPS]
    field = ITEM_VALUES.get(record.type)
    if field is not None and (field,) not in paths:
        paths.append((field,))
    kept: list[tuple[ValuePath, str]] = []
    for path in paths:
        text = find(sent, path)
        value = record.values.get(path)
        if text is not None:
            kind: e.ValueKind = "code" if path == ("code",) else "arguments"
            kind = kind if value is None else value.kind
            events += reconcile_value(record.index, kind, path, value, text, report, whole=whole)
        if value is not None and keeps(value.kind, value, text or ""):
            kept.append((path, value.text))
    place(merged, kept)
    return merged, events


def close_item(
    fold: Fold,
    record: ItemRecord,
    status: str | None,
    more: Mapping[ValuePath, str],
    late: JSON,
    report: ReportAnomaly,
) -> list[e.Event]:
    """An item that was never sent whole ends with its response: as `status`, or as it stands if None.

    `more` is text that was held back, `late` are fields that became known since the item began.
    """
    sent = {**record.to_dict(more), **late}
    if status is not None and sent.get("status") == "in_progress":
        sent["status"] = status
    if more or late or status is None:
        merged, events = reconcile_item(record, sent, report, whole=status is not None)
    else:
        merged, events = sent, ends_of_values(record)
    if status is not None:
        if status == "completed" and (none := reconcile_no_arguments(record, merged)):
            events += none
            merged["arguments"] = NO_ARGUMENTS  # the server sent no end of its own, whose "" would stay
        events.append(
            make.item_finished(record.index, fold.item(record, merged, whole=status == "completed"))
        )
    elif late:
        events.append(e.ItemUpdated(record.index, fold.item(record, merged, whole=False)))
    return events


def reconcile_parts(
    record: ItemRecord,
    group: e.Group,
    entries: list[Any],
    report: ReportAnomaly,
    events: list[e.Event],
    *,
    whole: bool,
) -> list[Any]:
    """The parts of an item were sent: the parts as they then are, and the events that lead there."""
    merged: dict[int, Any] = {}
    for index, entry in zip(part_indexes(record.keys(group), len(entries)), entries, strict=True):
        merged[index], more = reconcile_part(record, group, index, entry, report, whole=whole)
        events += more
    if len(merged) < len(record.parts(group)):
        # Parts that the list does not have stay where they hold something.
        held = {cast(int, key[1]) for key, value in record.values.items() if key[0] == group and value.text}
        for missing in sorted(held - merged.keys()):
            merged[missing] = record.part_data(group, missing)
    return [merged[index] for index in sorted(merged)]


def reconcile_part(
    record: ItemRecord, group: e.Group, index: int, entry: Any, report: ReportAnomaly, *, whole: bool
) -> tuple[Any, list[e.Event]]:
    """A part was sent: the part as it then is, and the events that lead there."""
    events: list[e.Event] = []
    known = record.parts(group).get(index)
    values = record.part_values(group, entry)
    if known is not None and record.part_data(group, index) == entry:
        held = [record.values.get((group, index, field)) for field, _ in values]
        if all(value is not None and value.is_complete for value in held):
            return entry, events  # the usual end: nothing is sent but what had been streamed
        merged = entry
    elif known is None or not isinstance(known.data, dict):
        merged = entry
    elif isinstance(entry, dict):
        merged = merge_fields(record.part_data(group, index), entry)
        for field in PART_FIELDS:
            value = record.values.get((group, index, field))
            if value is not None and field in merged and not isinstance(merged[field], str):
                report(AnomalyCode.INVALID_FIELD, f"{field} is {merged[field]!r:.40}")
                merged[field] = value.text
    else:
        report(AnomalyCode.INVALID_FIELD, f"a part is {entry!r:.40}")
        merged = record.part_data(group, index)
    if merged is not entry:
        values = record.part_values(group, merged)
    becomes_refusal = known is not None and not is_refusal(known) and ("text", "text") in values
    if becomes_refusal and merged.get("type") == "refusal" and merged["text"]:
        report(AnomalyCode.TEXT_IN_REFUSAL, f"{excerpt(merged['text'])} stands in a refusal")
    if known is None and isinstance(merged, dict):
        blank = {**merged, **{field: "" for field, _ in values}}
        events.append(make.part_started(record.index, index, group, as_part(record, group, blank)))
    for field, kind in values:
        key: ValuePath = (group, index, field)
        value = record.values.get(key)
        events += reconcile_value(record.index, kind, key, value, merged[field], report, whole=whole)
        if value is not None and merged[field] and keeps(kind, value, merged[field]):
            merged = {**merged, field: value.text}
    return merged, events


def reconcile_part_again(
    record: ItemRecord, group: e.Group, index: int, entry: JSON, report: ReportAnomaly
) -> list[e.Event]:
    """A part was sent whole once more: what is new of its values. Costs what was sent, not the whole part."""
    events: list[e.Event] = []
    known = record.parts(group)[index]
    for field in PART_FIELDS:
        sent = entry.get(field)
        if (group, index, field) in record.values and not isinstance(sent, str) and not empty(sent):
            report(AnomalyCode.INVALID_FIELD, f"{field} is {sent!r:.40}")
    for field, kind in record.part_values(group, entry):
        key: ValuePath = (group, index, field)
        text = entry[field]
        if kind == "text" and text and entry.get("type") == "refusal" and not is_refusal(known):
            report(AnomalyCode.TEXT_IN_REFUSAL, f"{excerpt(text)} stands in a refusal")
        events += reconcile_value(record.index, kind, key, record.values.get(key), text, report, whole=True)
    return events


def is_refusal(part: PartRecord | None) -> bool:
    """Whether a part was announced or sent as a refusal."""
    return part is not None and isinstance(part.data, dict) and part.data.get("type") == "refusal"


def as_part(record: ItemRecord, group: e.Group, data: JSON) -> Part:
    """A part of an item, out of its JSON."""
    return part_from(data, reasoning=record.type == "reasoning", summary=group == "summary")
