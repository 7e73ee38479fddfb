"""The fold: what the events handed out so far add up to.

`Fold.apply()` is the one place where the response changes, one event at a time. The rest of the file is the
rule of evidence, for the dialects: one value may be told many times, in fragments, by its own end, by its
part, its item and the end of the response. The later and fuller telling wins, an empty one never erases a
fuller one, and a contradiction is an anomaly.

Fragments are kept in lists and joined on demand, for `text += delta` on an attribute copies the whole text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast

from deltafold.machine.build import item_from, part_from
from deltafold.machine.lifecycle import (
    CANCELLED,
    COMPLETED,
    FAILED,
    IDLE,
    INCOMPLETE,
    ITEM,
    ITEM_ABSENT,
    ITEM_DONE,
    ITEM_OPEN,
    OF_ITEMS,
    PART,
    PART_ABSENT,
    PART_DONE,
    PART_OPEN,
    RESPONSE,
    PartState,
    step,
)
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import LimitExceeded, ResponseError
from deltafold.model.items import Item, Part, is_whole
from deltafold.model.json_values import joined, string
from deltafold.model.limits import Limits
from deltafold.model.response import (
    FINISH_REASONS,
    Choice,
    LiftedText,
    Outcome,
    Response,
    Usage,
    usage_of_responses,
)
from deltafold.wire.json_text import Report

__all__ = ["Ending", "Fold", "ItemRecord", "PartRecord", "Value", "ValueKey"]

JSON: TypeAlias = dict[str, Any]
ValueKey: TypeAlias = tuple[str | int, ...]
"""Where a streamed value stands in its item: ("content", 0, "text"), ("arguments",), ("output", 0, "x")."""


GROUPS: Final[tuple[e.Group, e.Group]] = ("content", "summary")
PART_FIELDS: Final = ("text", "refusal")
ITEM_VALUES: Final = {
    "function_call": "arguments",
    "mcp_call": "arguments",
    "custom_tool_call": "input",
    "code_interpreter_call": "code",
}
"""The member of an item that is streamed, by the item's type."""


def empty(value: Any) -> bool:
    """Whether a member says nothing: null, "", [] or {}."""
    return value is None or value == "" or value == [] or value == {}


class Value:
    """One streamed string."""

    MEMORY: Final = ("kind", "fragments", "whole", "joins")
    __slots__ = MEMORY

    def __init__(self, kind: e.ValueKind, fragments: list[str], whole: bool = False) -> None:
        self.kind: e.ValueKind = kind
        self.fragments = fragments
        self.whole = whole
        """The server told it whole."""
        self.joins = 0
        """How often the fragments were joined into one."""

    @property
    def text(self) -> str:
        self.joins += len(self.fragments) > 1
        return joined(self.fragments)


class PartRecord:
    """One part of an item, without its streamed values."""

    MEMORY: Final = ("data", "state", "logprobs", "annotations")
    __slots__ = MEMORY

    def __init__(
        self,
        data: Any,
        state: PartState = PART_OPEN,
        logprobs: list[JSON] | None = None,
        annotations: dict[int, JSON] | None = None,
    ) -> None:
        self.data = data
        self.state = state
        self.logprobs: list[JSON] = [] if logprobs is None else logprobs
        """Those that came with fragments."""
        self.annotations: dict[int, JSON] = {} if annotations is None else annotations
        """Those that came one by one, by their index."""

    def to_dict(self) -> Any:
        """The part as JSON, without its streamed values."""
        if not self.logprobs and not self.annotations:
            return self.data
        fields = dict(self.data) if isinstance(self.data, dict) else {}
        if self.logprobs:
            known = fields.get("logprobs")
            fields["logprobs"] = [*(known if isinstance(known, list) else ()), *self.logprobs]
        if self.annotations:
            known = fields.get("annotations")
            told = dict(enumerate(known if isinstance(known, list) else ())) | self.annotations
            fields["annotations"] = [told[index] for index in sorted(told)]
        return fields


class ItemRecord:
    """One item, without its parts and streamed values."""

    MEMORY: Final = (
        "index",
        "type",
        "choice_index",
        "_data",
        "state",
        "_parts",
        "_values",
        "finished",
        "_told",
        "_streamed",
    )
    __slots__ = MEMORY

    def __init__(self, index: int, kind: str, choice_index: int | None) -> None:
        self.index = index
        self.type = kind
        self.choice_index = choice_index
        self._data: JSON = {}
        self.state = ITEM_OPEN
        self._parts: dict[e.Group, dict[int, PartRecord]] = {"content": {}, "summary": {}}
        self._values: dict[ValueKey, Value] = {}
        self.finished: Item | None = None
        """The item as it was handed out when it was finished, unless something came since."""
        # The item as it was told whole, not yet taken apart: for most items nothing more comes. And those of
        # its values outside of parts that had been streamed by then.
        self._told: JSON | None = None
        self._streamed: dict[ValueKey, e.ValueKind] = {}

    @property
    def data(self) -> JSON:
        """The item's own fields."""
        if self._told is not None:
            self._take_apart()
        return self._data

    @property
    def parts(self) -> dict[e.Group, dict[int, PartRecord]]:
        """Its parts, by their group and index."""
        if self._told is not None:
            self._take_apart()
        return self._parts

    @property
    def values(self) -> dict[ValueKey, Value]:
        """Its streamed values, by where they stand."""
        if self._told is not None:
            self._take_apart()
        return self._values

    def keys(self, group: e.Group) -> list[int]:
        """The indexes of the parts of a group, rising."""
        return sorted(self.parts[group])

    def part_data(
        self, group: e.Group, index: int, more: Mapping[ValueKey, str] = MappingProxyType({})
    ) -> Any:
        """A part as JSON, with its streamed values."""
        data = self.parts[group][index].to_dict()
        for field in PART_FIELDS:
            value = self._values.get((group, index, field))
            if value is not None:
                data = dict(data) if isinstance(data, dict) else {}
                data[field] = value.text + more.get((group, index, field), "")
        return data

    def to_dict(self, more: Mapping[ValueKey, str] = MappingProxyType({})) -> JSON:
        """The item as JSON, with its parts and streamed values, and what `more` adds to those.

        What it holds is shared with the record: JSON values are never changed in place here.
        """
        if self._told is not None and not more:
            return dict(self._told)
        data = dict(self.data)
        for group, parts in self._parts.items():
            if parts:
                data[group] = [self.part_data(group, index, more) for index in sorted(parts)]
        for key, value in self._values.items():
            if key[0] not in GROUPS:
                place(data, key, value.text + more.get(key, ""))
        return data

    def load(self, data: JSON) -> None:
        """More was told of the item: its fields, and parts that are new. Values go on as they are."""
        known = dict(self.values)
        self._load(data, whole=False)
        if known:
            self._values.update(known)

    def change(self, name: str, value: Any) -> None:
        """One of its own fields has another value. (The JSON may be shared with an item: it is replaced.)"""
        self._data = {**self.data, name: value}

    def finish(self, item: Item) -> None:
        """The item was told whole."""
        self._streamed = {key: value.kind for key, value in self.values.items() if key[0] not in GROUPS}
        self.type = item.type
        self._told = item.data
        self.finished = item

    def _take_apart(self) -> None:
        assert self._told is not None
        told, self._told = self._told, None
        self._values = {}
        self._load(told, whole=True)
        for key, kind in self._streamed.items():
            if key not in self._values and (text := find(told, key)) is not None:
                self._values[key] = Value(kind, [text], True)

    def _load(self, data: JSON, *, whole: bool) -> None:
        told = dict(data)
        self.type = string(told, "type") or ""
        state = PART_DONE if whole else PART_OPEN
        for group, parts in self._parts.items():
            entries = told.get(group)
            if not isinstance(entries, list) or (not entries and not parts):
                continue
            told[group] = []
            indexes = align(sorted(parts), len(entries))
            before = dict(parts)
            parts.clear()
            for index, entry in zip(indexes, entries, strict=True):
                known = before.get(index)
                fields = self.take_values(group, index, entry, whole=whole)
                parts[index] = PartRecord(fields, state if whole or known is None else known.state)
        field = ITEM_VALUES.get(self.type)
        if field is not None and isinstance(told.get(field), str):
            self._values[field,] = Value("code" if field == "code" else "arguments", [told[field]], whole)
        self._data = told

    def take_values(self, group: e.Group, index: int, part: Any, *, whole: bool) -> Any:
        """Keeps the streamed members of a part as it was told. Gives the rest of it."""
        told = self.part_values(group, part)
        if not told:
            return part
        rest, values = dict(part), self.values
        for field, kind in told:
            values[group, index, field] = Value(kind, [rest.pop(field)], whole)
        return rest

    def part_values(self, group: e.Group, entry: Any) -> list[tuple[str, e.ValueKind]]:
        """The streamed members of a part as it was told, with what they are."""
        found: list[tuple[str, e.ValueKind]] = []
        if isinstance(entry, dict):
            if type(entry.get("text")) is str and (kind := self.text_kind(group)) is not None:
                found.append(("text", kind))
            if "refusal" in entry and type(entry["refusal"]) is str and group == "content":
                found.append(("refusal", "refusal"))
        return found

    def text_kind(self, group: e.Group) -> e.ValueKind | None:
        """What the text of a part is: that follows from the item, whatever the server calls its parts."""
        if group == "summary":
            return "summary"
        if self.type == "reasoning":
            return "reasoning"
        return "text" if self.type == "message" else None


def align(keys: list[int], count: int) -> list[int]:
    """Under which part indexes the entries of a told list stand.

    Normally those are their positions. Some servers count their parts from 1, or leave one out: where a
    fragment came for a part that the list does not reach, the order decides.
    """
    if not keys or keys[-1] < count:
        return list(range(count))
    return keys[:count] + [keys[-1] + 1 + more for more in range(count - len(keys))]


def place(data: Any, key: ValueKey, text: str) -> None:
    """Puts a value where it stands in its item, making what is missing on the way.

    Only the outermost object is changed in place; what lies inside is replaced by changed copies.
    """
    for here, following in pairwise(key):
        inner: Any = {} if isinstance(following, str) else []
        if isinstance(here, int):
            data += [type(inner)() for _ in range(here + 1 - len(data))]
            known = data[here]
        else:
            known = data.get(here)
        data[here] = type(inner)(known) if isinstance(known, type(inner)) else inner
        data = data[here]
    last = key[-1]
    if isinstance(last, int):
        data += [""] * (last + 1 - len(data))
    data[last] = text


def find(data: Any, key: ValueKey) -> str | None:
    """The value that stands at a place in an item as it was told, if it is a string."""
    for step_ in key:
        try:
            data = data[step_]
        except (LookupError, TypeError):
            return None
    return data if isinstance(data, str) else None


class Ending:
    """How a response ended, before the final response is made. Never handed out: `ResponseFinished` is."""

    MEMORY: Final = ("outcome", "data", "order", "finish_reason", "by_server")
    __slots__ = MEMORY

    def __init__(
        self,
        outcome: Outcome,
        data: JSON | None = None,
        order: list[int] | None = None,
        finish_reason: str | None = None,
        by_server: bool = False,
    ) -> None:
        self.outcome = outcome
        self.data: JSON = {} if data is None else data
        """The response as the server told it at its end, without its output."""
        self.order = order
        """The order of the items, where the server's differs from that of their indexes."""
        self.finish_reason = finish_reason
        """The server's own, in a dialect that has such."""
        self.by_server = by_server
        """Whether the server told it as the end of the response."""


class Fold:
    """The response so far."""

    MEMORY: Final = (
        "limits",
        "approval_required",
        "state",
        "data",
        "outcome",
        "error",
        "usage",
        "finish_reason",
        "items",
        "order",
        "size",
        "audio",
        "choices",
        "lifted",
        "had_whole_call",
        "ended_by_server",
        "tally",
        "prepared",
    )
    __slots__ = MEMORY

    def __init__(self, limits: Limits, approval_required: frozenset[str] = frozenset()) -> None:
        self.limits = limits
        self.approval_required = approval_required
        self.state = IDLE
        self.data: JSON = {}
        self.outcome: Outcome | None = None
        self.error: ResponseError | None = None
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        """The server's own, where the dialect has such."""
        self.items: dict[int, ItemRecord] = {}
        self.order: list[int] | None = None
        self.size = 0
        """Characters of streamed values."""
        self.audio: dict[str, list[str]] = {}
        self.choices: dict[int, Choice] = {}
        self.lifted: dict[tuple[int, tuple[str | int, ...], str], list[str]] = {}
        self.had_whole_call = False
        """Whether a call that can be run was handed out."""
        self.ended_by_server = False
        self.tally: dict[tuple[str, int | None], int] = {}
        """How often events came by which, counted, a replay is known: by their class and output index."""
        self.prepared: dict[int, ItemRecord] = {}
        """Records that a dialect has made already for items that are about to start."""

    def become(self, other: Fold) -> None:
        """All that another fold holds takes the place of what this one does."""
        for name in self.MEMORY:
            setattr(self, name, getattr(other, name))

    # ------------------------------------------------------------------------------------------ apply

    def apply(self, event: e.Event) -> None:
        """One event is handed out."""
        kind = type(event)
        self.state = RESPONSE[self.state].get(kind) or step(RESPONSE, self.state, kind)
        handler = HANDLERS.get(kind)
        if handler is not None:
            handler(self, event)

    def end(self, ending: Ending) -> e.ResponseFinished:
        """The last event is handed out."""
        self.state = step(RESPONSE, self.state, e.ResponseFinished)
        self.data = self.data | ending.data
        self.outcome = ending.outcome
        self.ended_by_server = ending.by_server
        self.order = ending.order
        self.finish_reason = ending.finish_reason
        return e.ResponseFinished(ending.outcome, self.response())

    def _started(self, event: e.ResponseStarted) -> None:
        self.data = self.data | event.data if self.data else event.data

    def _status(self, event: e.StatusChanged) -> None:
        if event.data != self.data:
            self.data = self.data | merge_fields(self.data, event.data)

    def _usage(self, event: e.UsageReported) -> None:
        self.usage = event.usage

    def _error(self, event: e.ErrorReported) -> None:
        self.error = event.error

    def _choice(self, event: e.ChoiceUpdated) -> None:
        known = self.choices.get(event.choice_index)
        data = {} if known is None else dict(known.data)
        for name, value in event.data.items():
            data[name] = merge_logprobs(data.get(name), value) if name == "logprobs" else value
        self.choices[event.choice_index] = Choice(event.choice_index, event.finish_reason, data)

    def _item_started(self, event: e.ItemStarted) -> None:
        if len(self.items) >= self.limits.items:
            raise LimitExceeded("items", self.limits.items)
        index = event.output_index
        assert index not in self.items
        record = self.prepared.pop(index, None)
        if record is None:
            record = ItemRecord(index, event.item.type, event.item.choice_index)
            record.load(event.item.data)
        record.state = step(ITEM, ITEM_ABSENT, e.ItemStarted)
        self.items[index] = record

    def _item(self, event: Any) -> ItemRecord:
        kind = type(event)
        record = self.items.get(event.output_index)
        state = ITEM_ABSENT if record is None else record.state
        state = step(ITEM, state, kind)
        assert record is not None
        record.state = state
        record.finished = None
        return record

    def _item_updated(self, event: e.ItemUpdated) -> None:
        self._item(event).load(event.item.data)
        self.had_whole_call = self.had_whole_call or is_whole(event.item)

    def _item_progress(self, event: e.ItemProgress) -> None:
        record = self._item(event)
        record.change("status", event.status)

    def _item_finished(self, event: e.ItemFinished) -> None:
        self._item(event).finish(event.item)
        self.had_whole_call = self.had_whole_call or is_whole(event.item)

    def _part(self, event: Any, item: ItemRecord, group: e.Group, index: int) -> PartRecord:
        part = item.parts[group].get(index)
        state = PART_ABSENT if part is None else part.state
        state = step(PART, state, type(event))
        assert part is not None
        part.state = state
        return part

    def _part_started(self, event: e.PartStarted) -> None:
        item = self._item(event)
        parts = item.parts[event.group]
        if len(parts) >= self.limits.parts:
            raise LimitExceeded("parts", self.limits.parts)
        index = event.part_index
        step(PART, PART_ABSENT if index not in parts else parts[index].state, e.PartStarted)
        parts[index] = PartRecord(item.take_values(event.group, index, event.part.data, whole=False))

    def _part_finished(self, event: e.PartFinished) -> None:
        item = self._item(event)
        part = self._part(event, item, event.group, event.part_index)
        part.data = item.take_values(event.group, event.part_index, event.part.data, whole=True)

    def _grow(self, item: ItemRecord, key: ValueKey, kind: e.ValueKind, text: str) -> None:
        if self.size + len(text) > self.limits.text_size:
            raise LimitExceeded("text_size", self.limits.text_size)
        value = item.values.get(key)
        if value is None:
            value = item.values[key] = Value(kind, [])
        value.fragments.append(text)
        self.size += len(text)

    def _text(self, event: e.TextDelta) -> None:
        item = self._item(event)
        part = self._part(event, item, "content", event.content_index)
        self._grow(item, ("content", event.content_index, "text"), "text", event.text)
        part.logprobs += event.logprobs

    def _refusal(self, event: e.RefusalDelta) -> None:
        item = self._item(event)
        self._part(event, item, "content", event.content_index)
        self._grow(item, ("content", event.content_index, "refusal"), "refusal", event.text)

    def _reasoning(self, event: e.ReasoningDelta) -> None:
        group: e.Group = "summary" if event.kind == "summary" else "content"
        item = self._item(event)
        self._part(event, item, group, event.part_index)
        kind: e.ValueKind = "summary" if event.kind == "summary" else "reasoning"
        self._grow(item, (group, event.part_index, "text"), kind, event.text)

    def _arguments(self, event: e.ArgumentsDelta) -> None:
        item = self._item(event)
        self._grow(item, arguments_key(item), "arguments", event.text)

    def _lifted(self, event: e.LiftedDelta) -> None:
        self._item(event)
        self.lifted.setdefault((event.output_index, event.path, event.into), []).append(event.text)

    def _code(self, event: e.CodeDelta) -> None:
        self._grow(self._item(event), ("code",), "code", event.text)

    def _diff(self, event: e.DiffDelta) -> None:
        self._grow(self._item(event), ("operation", "diff"), "diff", event.text)

    def _command(self, event: e.CommandDelta) -> None:
        key = ("action", "commands", event.command_index)
        self._grow(self._item(event), key, "command", event.text)

    def _command_output(self, event: e.CommandOutputDelta) -> None:
        key = ("output", event.command_index, event.stream)
        self._grow(self._item(event), key, event.stream, event.text)

    def _output(self, event: e.OutputDelta) -> None:
        self._grow(self._item(event), ("output",), "output", event.text)

    def _told(self, event: e.ValueReplaced | e.ValueFinished) -> None:
        item = self._item(event)
        key = key_of(item, event)
        if key[0] in GROUPS:
            self._part(event, item, "summary" if key[0] == "summary" else "content", cast(int, key[1]))
        value = item.values.get(key)
        if value is not None and type(event) is e.ValueFinished:
            value.whole = True
        else:
            item.values[key] = Value(event.kind, [event.text], True)

    def _annotation(self, event: e.AnnotationAdded) -> None:
        part = self._part(event, self._item(event), "content", event.content_index)
        part.annotations[event.annotation_index] = event.annotation

    def _audio(self, event: e.AudioDelta) -> None:
        self.audio.setdefault("data", []).append(event.data)

    def _transcript(self, event: e.TranscriptDelta) -> None:
        self.audio.setdefault("transcript", []).append(event.text)

    def _counted(self, event: Any) -> None:
        key = tally_key(event)
        self.tally[key] = self.tally.get(key, 0) + 1
        handler = COUNTED[type(event)]
        if handler is not None:
            handler(self, event)

    def fragments(self, event: e.TextDelta | e.ReasoningDelta | e.ArgumentsDelta) -> list[str]:
        """Where the text of a delta went that was handed out."""
        item = self.items[event.output_index]
        return item.values[place_of(event, item)].fragments

    # --------------------------------------------------------------------------------------- response

    def item(self, record: ItemRecord, data: JSON | None = None, *, whole: bool | None = None) -> Item:
        """An item as it stands, or as `data` would have it."""
        if whole is None:
            value = record.values.get(arguments_key(record))
            whole = record.state is ITEM_DONE or (value is not None and value.whole)
        return item_from(
            record.to_dict() if data is None else data,
            whole=whole,
            choice_index=record.choice_index,
            approval_required=self.approval_required,
        )

    def response(self) -> Response:
        """The response as it stands. Costs its size."""
        order = sorted(self.items) if self.order is None else self.order
        records = [self.items[index] for index in order]
        output = tuple(
            self.item(record) if record.finished is None else record.finished for record in records
        )
        data = dict(self.data)
        for name, value in BLANK_RESPONSE.items():
            if name not in data:
                data[name] = value
        if data["usage"] is None and "usage" not in self.data and self.usage is not None:
            data["usage"] = usage_of_responses(self.usage)
        if self.audio:
            data["audio"] = {name: "".join(pieces) for name, pieces in self.audio.items()}
        details = data["incomplete_details"]
        reason = string(details, "reason") if isinstance(details, dict) else None
        return Response(
            string(data, "id"),
            string(data, "model"),
            string(data, "status"),
            self.outcome,
            output,
            self.usage,
            self.error,
            reason,
            self._finish_reason(output, reason),
            data,
            tuple(self.choices[index] for index in sorted(self.choices)),
            tuple(LiftedText(*place, "".join(pieces)) for place, pieces in self.lifted.items()),
            self.had_whole_call,
            self.size > 0,
            self.ended_by_server,
        )

    def _finish_reason(self, output: tuple[Item, ...], incomplete_reason: str | None) -> str | None:
        if self.outcome is FAILED:
            return "error"
        if self.outcome is CANCELLED:
            return "cancelled"
        reason = self.finish_reason
        if reason is None and self.outcome is INCOMPLETE and incomplete_reason is not None:
            return FINISH_REASONS.get(incomplete_reason, incomplete_reason)
        if reason is None and self.outcome is COMPLETED:
            reason = "stop"
        if reason == "stop":
            for item in output:
                if is_whole(item):
                    return "tool_calls"
        return reason


BLANK_RESPONSE: Final[JSON] = {
    "id": None,
    "object": "response",
    "model": None,
    "status": None,
    "error": None,
    "incomplete_details": None,
    "usage": None,
}


COUNTED: Final[dict[type, Callable[[Fold, Any], None] | None]] = {
    e.AnnotationAdded: Fold._annotation,
    e.ChoiceUpdated: Fold._choice,
    e.ErrorReported: Fold._error,
    e.ItemProgress: Fold._item_progress,
    e.ItemUpdated: Fold._item_updated,
    e.Notice: None,
    e.PartialImage: None,
    e.RateLimitsReported: None,
    e.StatusChanged: Fold._status,
    e.UnknownEvent: None,
}
"""Events that add up to nothing from which one could tell whether they had come before."""
HANDLERS: Final[dict[type, Callable[[Fold, Any], None]]] = {
    e.ResponseStarted: Fold._started,
    e.UsageReported: Fold._usage,
    e.ItemStarted: Fold._item_started,
    e.ItemFinished: Fold._item_finished,
    e.PartStarted: Fold._part_started,
    e.PartFinished: Fold._part_finished,
    e.TextDelta: Fold._text,
    e.RefusalDelta: Fold._refusal,
    e.ReasoningDelta: Fold._reasoning,
    e.ArgumentsDelta: Fold._arguments,
    e.LiftedDelta: Fold._lifted,
    e.CodeDelta: Fold._code,
    e.DiffDelta: Fold._diff,
    e.CommandDelta: Fold._command,
    e.CommandOutputDelta: Fold._command_output,
    e.OutputDelta: Fold._output,
    e.ValueReplaced: Fold._told,
    e.ValueFinished: Fold._told,
    e.AudioDelta: Fold._audio,
    e.TranscriptDelta: Fold._transcript,
    **dict.fromkeys(COUNTED, Fold._counted),
}


ABOUT_ITEMS: Final = frozenset(OF_ITEMS)


def item_of(event: Any) -> int | None:
    """The `output_index` of the item that an event is about; None where it is about none."""
    return event.output_index if type(event) in ABOUT_ITEMS else None


def tally_key(event: Any) -> tuple[str, int | None]:
    """Under what an event is counted."""
    return type(event).__name__, item_of(event)


def merge_logprobs(known: Any, told: JSON) -> JSON:
    """Log probabilities come in pieces, like the text they belong to."""
    merged: JSON = dict(known) if isinstance(known, dict) else {}
    for name, value in told.items():
        before = merged.get(name)
        merged[name] = [*before, *value] if isinstance(before, list) and isinstance(value, list) else value
    return merged


# ------------------------------------------------------------------------------------------ value, event


def arguments_key(item: ItemRecord) -> ValueKey:
    """Where the text of `ArgumentsDelta` stands in an item."""
    custom = item.type == "custom_tool_call" or ("input" in item.data and item.type not in ITEM_VALUES)
    return ("input",) if custom else ("arguments",)


def place_of(event: Any, record: ItemRecord) -> ValueKey:
    """Which value of its item a delta goes on with."""
    match event:
        case e.TextDelta():
            return ("content", event.content_index, "text")
        case e.RefusalDelta():
            return ("content", event.content_index, "refusal")
        case e.ReasoningDelta():
            return ("summary" if event.kind == "summary" else "content", event.part_index, "text")
        case e.CodeDelta():
            return ("code",)
        case e.DiffDelta():
            return ("operation", "diff")
        case e.CommandDelta():
            return ("action", "commands", event.command_index)
        case e.CommandOutputDelta():
            return ("output", event.command_index, event.stream)
        case e.OutputDelta():
            return ("output",)
    return arguments_key(record)


def key_of(item: ItemRecord, event: e.ValueReplaced | e.ValueFinished) -> ValueKey:
    """Which value an event is about."""
    if event.content_index is not None:
        return ("content", event.content_index, event.kind)
    match event.kind:
        case "summary" | "reasoning":
            return ("summary" if event.kind == "summary" else "content", event.part_index or 0, "text")
        case "arguments":
            return arguments_key(item)
        case "command":
            return ("action", "commands", event.part_index or 0)
        case "stdout" | "stderr":
            return ("output", event.part_index or 0, event.kind)
        case "diff":
            return ("operation", "diff")
        case _:
            return (event.kind,)  # code or output; text and refusal have a content_index


def delta_of(index: int, kind: e.ValueKind, key: ValueKey, text: str, logprobs: Any = ()) -> e.Event:
    """The delta that hands out a fragment of a value. `logprobs` are those of a text."""
    at: Any = key[1] if len(key) > 1 and isinstance(key[1], int) else key[len(key) - 1]
    match kind:
        case "text":
            known = tuple([entry for entry in logprobs if isinstance(entry, dict)]) if logprobs else ()
            return e.TextDelta(index, at, text, known)
        case "refusal":
            return e.RefusalDelta(index, at, text)
        case "summary":
            return e.ReasoningDelta(index, at, text, "summary")
        case "reasoning":
            return e.ReasoningDelta(index, at, text, "text")
        case "arguments":
            return e.ArgumentsDelta(index, text)
        case "code":
            return e.CodeDelta(index, text)
        case "diff":
            return e.DiffDelta(index, text)
        case "command":
            return e.CommandDelta(index, at, text)
        case "stdout" | "stderr":
            return e.CommandOutputDelta(index, at, kind, text)
        case _:
            return e.OutputDelta(index, text)


def indexes_of(kind: e.ValueKind, key: ValueKey) -> dict[str, int]:
    """The index fields of an event about a value as a whole."""
    if kind in ("text", "refusal"):
        return {"content_index": cast(int, key[1])}
    if kind in ("summary", "reasoning", "stdout", "stderr"):
        return {"part_index": cast(int, key[1])}
    return {"part_index": cast(int, key[2])} if kind == "command" else {}


# ---------------------------------------------------------------------------------------------- evidence


def settle_value(
    index: int,
    kind: e.ValueKind,
    key: ValueKey,
    value: Value | None,
    told: str,
    report: Report,
    *,
    whole: bool,
) -> list[e.Event]:
    """A value was told whole: what of it has not been handed out, and whether it contradicts what was."""
    so_far = "" if value is None else value.text
    if told == so_far:
        if not whole or (value is not None and value.whole):
            return []
        return [e.ValueFinished(index, kind, told, **indexes_of(kind, key))]
    if not told:
        return []  # an empty value never erases a fuller one
    if told.startswith(so_far):
        events: list[e.Event] = [delta_of(index, kind, key, told[len(so_far) :])]
        if whole:
            events.append(e.ValueFinished(index, kind, told, **indexes_of(kind, key)))
        return events
    report(
        AnomalyCode.VALUE_CONTRADICTED, f"{kind} was streamed as {brief(so_far)}, then told as {brief(told)}"
    )
    return [e.ValueReplaced(index, kind, told, **indexes_of(kind, key))]


def brief(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:20]}…{text[-20:]}")


def settle_as_streamed(record: ItemRecord, told: JSON) -> list[e.Event] | None:
    """The usual end of an item: nothing is told but what had been streamed, and its new status.

    Gives None where that is not so: then `settle_item()` has to find out what is new.
    """
    if record.to_dict() | {"status": told.get("status")} != told:
        return None
    return [
        e.ValueFinished(record.index, value.kind, value.text, **indexes_of(value.kind, key))
        for key, value in record.values.items()
        if not value.whole
    ]


def settle_item(record: ItemRecord, told: JSON, report: Report, *, whole: bool) -> tuple[JSON, list[e.Event]]:
    """An item was told: the item as it then is, and the events that lead there."""
    record.type = record.type or (string(told, "type") or "")
    before = record.to_dict()
    merged = merge_fields(before, told)
    if whole and record.state is not ITEM_DONE:
        # What an announcement says of these is provisional: the ciphertext of an announced reasoning item is
        # not the one to send back, and `in_progress` is over.
        for key in ("encrypted_content", "status"):
            if key in before and empty(told.get(key)):
                if key in told:
                    merged[key] = told[key]
                else:
                    merged.pop(key, None)
    if record.type and not isinstance(told.get("type"), str):
        merged["type"] = record.type
    events: list[e.Event] = []
    for group in GROUPS:
        entries = told.get(group)
        if record.parts[group] and not empty(entries) and not isinstance(entries, list):
            report(AnomalyCode.INVALID_FIELD, f"{group} is {entries!r:.40}")
            merged[group] = before[group]
        elif isinstance(entries, list) and entries:
            merged[group] = settle_parts(record, group, entries, report, events, whole=whole)
    places: list[ValueKey] = [key for key in record.values if key[0] not in GROUPS]
    field = ITEM_VALUES.get(record.type)
    if field is not None and (field,) not in places:
        places.append((field,))
    for place_ in places:
        text = find(told, place_)
        value = record.values.get(place_)
        if text is not None:
            kind: e.ValueKind = "code" if place_ == ("code",) else "arguments"
            kind = kind if value is None else value.kind
            events += settle_value(record.index, kind, place_, value, text, report, whole=whole)
        if not text and value is not None and value.text:
            place(merged, place_, value.text)
    return merged, events


def close_item(
    fold: Fold,
    record: ItemRecord,
    status: str | None,
    more: Mapping[ValueKey, str],
    late: JSON,
    report: Report,
) -> list[e.Event]:
    """An item that was never told whole ends with its response: as `status`, or as it stands if None.

    `more` is text that was held back, `late` are fields that became known since the item began.
    """
    told = {**record.to_dict(more), **late}
    if status is not None and told.get("status") == "in_progress":
        told["status"] = status
    merged, events = settle_item(record, told, report, whole=status is not None)
    if status is not None:
        item = fold.item(record, merged, whole=status == "completed")
        events.append(e.ItemFinished(record.index, item))
    elif late:
        events.append(e.ItemUpdated(record.index, fold.item(record, merged, whole=False)))
    return events


def settle_parts(
    record: ItemRecord,
    group: e.Group,
    entries: list[Any],
    report: Report,
    events: list[e.Event],
    *,
    whole: bool,
) -> list[Any]:
    """The parts of an item were told: the parts as they then are, and the events that lead there."""
    merged: dict[int, Any] = {}
    for index, entry in zip(align(record.keys(group), len(entries)), entries, strict=True):
        merged[index], more = settle_part(record, group, index, entry, report, whole=whole)
        events += more
    if len(merged) < len(record.parts[group]):
        # Parts that the list does not have stay where they hold something.
        held = {cast(int, key[1]) for key, value in record.values.items() if key[0] == group and value.text}
        for missing in sorted(held - merged.keys()):
            merged[missing] = record.part_data(group, missing)
    return [merged[index] for index in sorted(merged)]


def settle_part(
    record: ItemRecord, group: e.Group, index: int, entry: Any, report: Report, *, whole: bool
) -> tuple[Any, list[e.Event]]:
    """A part was told: the part as it then is, and the events that lead there."""
    events: list[e.Event] = []
    known = record.parts[group].get(index)
    values = record.part_values(group, entry)
    if known is not None and record.part_data(group, index) == entry:
        held = [record.values.get((group, index, field)) for field, _ in values]
        if all(value is not None and value.whole for value in held):
            return entry, events  # the usual end: nothing is told but what had been streamed
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
        report(AnomalyCode.TEXT_IN_REFUSAL, f"{brief(merged['text'])} stands in a refusal")
    if known is None and isinstance(merged, dict):
        blank = {**merged, **{field: "" for field, _ in values}}
        events.append(e.PartStarted(record.index, index, group, as_part(record, group, blank)))
    for field, kind in values:
        key: ValueKey = (group, index, field)
        events += settle_value(
            record.index, kind, key, record.values.get(key), merged[field], report, whole=whole
        )
    return merged, events


def is_refusal(part: PartRecord | None) -> bool:
    """Whether a part was announced or told as a refusal."""
    return part is not None and isinstance(part.data, dict) and part.data.get("type") == "refusal"


def as_part(record: ItemRecord, group: e.Group, data: JSON) -> Part:
    return part_from(data, reasoning=record.type == "reasoning", summary=group == "summary")


def merge_fields(known: JSON, told: JSON) -> JSON:
    """What is told wins, but for what is empty; what is not told stays, but for what is empty."""
    merged = {
        key: known[key] if empty(value) and not empty(known.get(key)) else value
        for key, value in told.items()
    }
    for key, value in known.items():
        if key not in merged and not empty(value):
            merged[key] = value
    return merged
