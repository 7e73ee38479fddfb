"""The fold: what the events handed out so far add up to.

`Fold.apply()` is the one place where the response changes, one event at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

from deltafold.machine import make
from deltafold.machine.build import item_from
from deltafold.machine.lifecycle import (
    CANCELLED,
    COMPLETED,
    FAILED,
    IDLE,
    INCOMPLETE,
    ITEM_ABSENT,
    ITEM_DONE,
    ITEM_EVENTS,
    ITEM_TRANSITIONS,
    ITEM_VALUES,
    PART_ABSENT,
    PART_TRANSITIONS,
    PART_VALUES,
    RESPONSE_TRANSITIONS,
    next_state,
)
from deltafold.machine.records import (
    ChoiceRecord,
    ItemRecord,
    PartRecord,
    StreamedValue,
    arguments_key,
    empty,
    key_of,
    key_of_delta,
)
from deltafold.machine.usage import usage_of_responses
from deltafold.machine.values import GROUPS, ValuePath, index_of, kind_of, path_of
from deltafold.model import events as e
from deltafold.model.anomalies import Anomaly
from deltafold.model.errors import LimitExceeded, ResponseError
from deltafold.model.items import Item, is_whole
from deltafold.model.json_values import held, joined, string, weight
from deltafold.model.limits import Limits
from deltafold.model.response import (
    FINISH_REASONS,
    LiftedText,
    Outcome,
    Response,
    Usage,
)

__all__ = ["Emitted", "Fold", "PendingFinish", "item_of", "replay_key"]

JSON: TypeAlias = dict[str, Any]
PART_KINDS: Final = ("text", "refusal", "summary", "reasoning")
"""Kinds of values that stand in a part."""


class PendingFinish:
    """How a response ended, before the final response is made. Never handed out: `ResponseFinished` is."""

    SNAPSHOT_FIELDS: Final = ("outcome", "data", "order", "finish_reason", "by_server")
    __slots__ = SNAPSHOT_FIELDS

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
        """The response as the server sent it at its end, without its output."""
        self.order = order
        """The order of the items, where the server's differs from that of their indexes."""
        self.finish_reason = finish_reason
        """The server's own, in a dialect that has such."""
        self.by_server = by_server
        """Whether the server sent it as the end of the response."""


Emitted: TypeAlias = e.Event | PendingFinish
"""What a dialect makes of a payload: events, and at the end what becomes `ResponseFinished`."""


class Fold:
    """The response so far."""

    SNAPSHOT_FIELDS: Final = (
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
        "replay_counts",
        "announced_records",
        "dialect",
        "noted",
    )
    __slots__ = SNAPSHOT_FIELDS

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
        # What few streams have is made when it is first needed, for there are many streams.
        self.audio: dict[str, list[str]] | None = None
        self.choices: dict[int, ChoiceRecord] | None = None
        self.lifted: dict[tuple[int, tuple[str | int, ...], str], list[str]] | None = None
        self.had_whole_call = False
        """Whether a call that can be run was handed out."""
        self.ended_by_server = False
        self.replay_counts: dict[str, int] | None = None
        """How often events came by which, counted, a replay is known: by their class and output index."""
        self.announced_records: dict[int, ItemRecord] | None = None
        """Records that a dialect has made already for items that are about to start."""
        self.dialect: str | None = None
        """The wire that tells the response, by its name."""
        self.noted = 0
        """The weight of what was sent of the response and its choices beside items."""

    def replace_with(self, other: Fold) -> None:
        """All that another fold holds takes the place of what this one does."""
        for name in self.SNAPSHOT_FIELDS:
            setattr(self, name, getattr(other, name))

    def announce(self, record: ItemRecord) -> None:
        """A dialect has made the record of an item that is about to start."""
        if self.announced_records is None:
            self.announced_records = {}
        self.announced_records[record.index] = record

    # ------------------------------------------------------------------------------------------ apply

    def apply(self, event: e.Event) -> None:
        """One event is handed out."""
        kind = type(event)
        self.state = RESPONSE_TRANSITIONS[self.state].get(kind) or next_state(
            RESPONSE_TRANSITIONS, self.state, kind
        )
        handler = HANDLERS.get(kind)
        if handler is not None:
            handler(self, event)

    def end(self, ending: PendingFinish, anomalies: tuple[Anomaly, ...] = ()) -> e.ResponseFinished:
        """The last event is handed out. `anomalies` is what the response is to say was out of order."""
        self.state = next_state(RESPONSE_TRANSITIONS, self.state, e.ResponseFinished)
        self.data.update(ending.data)
        self.outcome = ending.outcome
        self.ended_by_server = ending.by_server
        self.order = ending.order
        self.finish_reason = ending.finish_reason
        return make.response_finished(ending.outcome, self.response(anomalies))

    def _started(self, event: e.ResponseStarted) -> None:
        self.data = self.data | event.data if self.data else held(event.data)

    def _status(self, event: e.StatusChanged) -> None:
        known = self.data
        if event.data != known:
            for name, value in event.data.items():
                if not empty(value) or empty(known.get(name)):
                    self._note(weight(value) + len(name) - weight(known.get(name)))
                    known[name] = value

    def _usage(self, event: e.UsageReported) -> None:
        self.usage = event.usage

    def _error(self, event: e.ErrorReported) -> None:
        self.error = event.error

    def _choice(self, event: e.ChoiceUpdated) -> None:
        if self.choices is None:
            self.choices = {}
        record = self.choices.get(event.choice_index)
        if record is None:
            record = self.choices[event.choice_index] = ChoiceRecord(event.choice_index)
        self._note(weight(event.data))
        record.add(event)

    def _note(self, more: int) -> None:
        """More is sent of the response or a choice: what adds up there is bounded as streamed values are."""
        self.noted += more
        if self.noted > self.limits.text_size:
            raise LimitExceeded("text_size", self.limits.text_size)

    def _item_started(self, event: e.ItemStarted) -> None:
        index = event.output_index
        assert index not in self.items
        record = None
        if self.announced_records is not None:
            record = self.announced_records.pop(index, None)
            if not self.announced_records:
                self.announced_records = None
        if record is None:
            record = ItemRecord(index, event.item.type, event.item.choice_index)
            record.merge(event.item.data)
        record.state = next_state(ITEM_TRANSITIONS, ITEM_ABSENT, e.ItemStarted)
        self.items[index] = record

    def _item(self, event: Any) -> ItemRecord:
        kind = type(event)
        record = self.items.get(event.output_index)
        state = ITEM_ABSENT if record is None else record.state
        state = next_state(ITEM_TRANSITIONS, state, kind)
        assert record is not None
        record.state = state
        record.finished = None
        return record

    def _item_updated(self, event: e.ItemUpdated) -> None:
        record = self._item(event)
        before = weight(record.data)
        record.merge(event.item.data)
        self._note(weight(record.data) - before)
        self.had_whole_call = self.had_whole_call or is_whole(event.item)

    def _item_progress(self, event: e.ItemProgress) -> None:
        record = self._item(event)
        record.change("status", event.status)

    def _item_finished(self, event: e.ItemFinished) -> None:
        self._item(event).set_complete(event.item)
        self.had_whole_call = self.had_whole_call or is_whole(event.item)

    def _part(self, event: Any, item: ItemRecord, group: e.Group, index: int) -> PartRecord:
        part = item.parts(group).get(index)
        state = PART_ABSENT if part is None else part.state
        state = next_state(PART_TRANSITIONS, state, type(event))
        assert part is not None
        part.state = state
        return part

    def _part_started(self, event: e.PartStarted) -> None:
        item = self._item(event)
        parts = item.parts(event.group)
        if len(parts) >= self.limits.parts:
            raise LimitExceeded("parts", self.limits.parts)
        index = event.part_index
        next_state(PART_TRANSITIONS, PART_ABSENT if index not in parts else parts[index].state, e.PartStarted)
        fields = item.take_values(event.group, index, event.part.data, whole=False)
        item.add_part(event.group, index, PartRecord(fields))

    def _part_finished(self, event: e.PartFinished) -> None:
        item = self._item(event)
        part = self._part(event, item, event.group, event.part_index)
        part.data = item.take_values(event.group, event.part_index, event.part.data, whole=True)

    def hold(self, size: int) -> None:
        """So many more characters of streamed values are about to be held. Raises `LimitExceeded`."""
        if self.size + size > self.limits.text_size:
            raise LimitExceeded("text_size", self.limits.text_size)

    def _grow(self, item: ItemRecord, key: ValuePath, kind: e.ValueKind, text: str) -> None:
        if self.size + len(text) > self.limits.text_size:
            raise LimitExceeded("text_size", self.limits.text_size)
        value = item.values.get(key)
        if value is None:
            value = item.values[key] = StreamedValue(kind, [])
        value.add(text)
        self.size += len(text)

    def _delta(self, event: Any) -> None:
        item = self._item(event)
        kind = kind_of(event)
        at = index_of(event, kind)
        if kind in PART_KINDS:
            part = self._part(event, item, "summary" if kind == "summary" else "content", at)
            if kind == "text" and event.logprobs:
                more = LOGPROB_SIZE * len(event.logprobs)
                self.hold(more + len(event.text))
                self.size += more
                part.logprobs = part.logprobs or []
                part.logprobs += event.logprobs
        self._grow(item, arguments_key(item) if kind == "arguments" else path_of(kind, at), kind, event.text)

    def _lifted(self, event: e.LiftedDelta) -> None:
        self._item(event)
        self.hold(len(event.text))
        self.size += len(event.text)
        if self.lifted is None:
            self.lifted = {}
        self.lifted.setdefault((event.output_index, event.path, event.into), []).append(event.text)

    def _unparsed(self, event: e.ValueReplaced | e.ValueFinished) -> None:
        item = self._item(event)
        key = key_of(item, event)
        if key[0] in GROUPS:
            self._part(event, item, "summary" if key[0] == "summary" else "content", cast(int, key[1]))
        value = item.values.get(key)
        if value is not None and type(event) is e.ValueFinished:
            value.is_complete = True
            value.ended_size = value.size()
        else:
            more = len(event.text) - (0 if value is None else value.size())
            self.hold(more)
            self.size += more
            item.values[key] = StreamedValue(event.kind, [event.text], True)

    def _annotation(self, event: e.AnnotationAdded) -> None:
        part = self._part(event, self._item(event), "content", event.content_index)
        part.annotate(event.annotation_index, event.annotation)

    def _audio(self, event: e.AudioDelta) -> None:
        self._speak("data", event.data)

    def _transcript(self, event: e.TranscriptDelta) -> None:
        self._speak("transcript", event.text)

    def _speak(self, name: str, piece: str) -> None:
        """More came of the sound, or of its transcript."""
        self.hold(len(piece))
        self.size += len(piece)
        if self.audio is None:
            self.audio = {}
        self.audio.setdefault(name, []).append(piece)

    def _count_for_replay(self, event: Any) -> None:
        key = replay_key(event)
        if self.replay_counts is None:
            self.replay_counts = {}
        self.replay_counts[key] = self.replay_counts.get(key, 0) + 1
        handler = REPLAYED_BY_COUNT[type(event)]
        if handler is not None:
            handler(self, event)

    def value(self, event: e.TextDelta | e.ReasoningDelta | e.ArgumentsDelta) -> StreamedValue:
        """Where the text of a delta went that was handed out."""
        item = self.items[event.output_index]
        return item.values[key_of_delta(event, item)]

    # --------------------------------------------------------------------------------------- response

    def item(self, record: ItemRecord, data: JSON | None = None, *, whole: bool | None = None) -> Item:
        """An item as it stands, or as `data` would have it."""
        if whole is None:
            value = record.values.get(arguments_key(record))
            whole = record.state is ITEM_DONE or (value is not None and value.is_complete)
        return item_from(
            record.to_dict() if data is None else data,
            whole=whole,
            choice_index=record.choice_index,
            approval_required=self.approval_required,
        )

    def response(self, anomalies: tuple[Anomaly, ...] = ()) -> Response:
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
            known = data.get("audio")
            spoken = {name: joined(pieces) for name, pieces in self.audio.items()}
            data["audio"] = {**known, **spoken} if isinstance(known, dict) else spoken
        details = data["incomplete_details"]
        reason = string(details, "reason") if isinstance(details, dict) else None
        return make.whole_response(
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
            () if self.choices is None else tuple([c.to_choice() for _, c in sorted(self.choices.items())]),
            ()
            if self.lifted is None
            else tuple([LiftedText(*place, joined(pieces)) for place, pieces in self.lifted.items()]),
            self.had_whole_call,
            self.size > 0,
            self.ended_by_server,
            self.dialect,
            anomalies,
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


LOGPROB_SIZE: Final = 64
"""As how many characters the log probabilities of one token count, for a limit must bound them too."""
BLANK_RESPONSE: Final[JSON] = {
    "id": None,
    "object": "response",
    "model": None,
    "status": None,
    "error": None,
    "incomplete_details": None,
    "usage": None,
}


REPLAYED_BY_COUNT: Final[dict[type, Callable[[Fold, Any], None] | None]] = {
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
    **dict.fromkeys((*PART_VALUES, *ITEM_VALUES), Fold._delta),
    e.LiftedDelta: Fold._lifted,
    e.ValueReplaced: Fold._unparsed,
    e.ValueFinished: Fold._unparsed,
    e.AudioDelta: Fold._audio,
    e.TranscriptDelta: Fold._transcript,
    **dict.fromkeys(REPLAYED_BY_COUNT, Fold._count_for_replay),
}


ABOUT_ITEMS: Final = frozenset(ITEM_EVENTS)


def item_of(event: Any) -> int | None:
    """The `output_index` of the item that an event is about; None where it is about none."""
    return event.output_index if type(event) in ABOUT_ITEMS else None


def replay_key(event: Any) -> str:
    """Under what an event is counted."""
    name, index = type(event).__name__, item_of(event)
    return name if index is None else f"{name} {index}"
