"""The filter of another connection to the same response: it drops what is old, and lets through what is new.

A server that is asked for a response again sends part of it again. Until the new connection has caught up, a
`Replay` stands between it and the *live* dialect and fold, which hold what was handed out:

| mode       | what decides                                      | leaves it when                          |
| ---------- | ------------------------------------------------- | --------------------------------------- |
| UNDECIDED  | nothing of a response has come                    | a number comes, or a response begins    |
| BY_NUMBER  | numbers up to the last known one are old          | a new number comes                      |
| BY_CONTENT | a *replica* reads the replay from its beginning   | nothing is outstanding                  |
| REFUSED    | nothing: all payloads come as unknown events      | the next connection begins              |

The replica is a dialect with a fold of its own. Each of its events is compared with what was handed out: what
was handed out is dropped, what goes beyond it is handed out. A streamed value is compared by its text, so a
replay may cut it otherwise. Items, parts and ends are known by their places, which are *outstanding* until
they have come again. All other events are counted by class and item. Once nothing is outstanding, the replica
takes the place of the live dialect. What fits neither way is refused: nothing is handed out twice in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

from deltafold.diagnosis.error_payloads import is_error_payload
from deltafold.dialects.base import Dialect
from deltafold.machine.fold import Emitted, PendingFinish, replay_key
from deltafold.machine.lifecycle import (
    ITEM_DONE,
    ITEM_OPEN,
    ITEM_VALUES,
    PART_DONE,
    PART_VALUES,
    STREAM_EVENTS,
)
from deltafold.machine.records import GROWING, MERGED, ItemRecord, empty, key_of, key_of_delta
from deltafold.machine.values import GROUPS
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import ResponseError
from deltafold.model.frozen import evolve
from deltafold.model.items import Item
from deltafold.model.json_values import joined, string
from deltafold.model.response import Usage
from deltafold.wire.json_text import ReportAnomaly

__all__ = ["DeferredAnomalies", "Replay", "ReplayMode"]

JSON: TypeAlias = dict[str, Any]


MOST_WAITING = 4096
"""Events that wait until all that had been handed out has come again."""


class ReplayMode(StrEnum):
    """What decides whether an event of the new connection is old."""

    UNDECIDED = "undecided"
    """Nothing of a response has come."""
    BY_NUMBER = "by_number"
    """Sequence numbers tell."""
    BY_CONTENT = "by_content"
    """A replica reads the replay, and its events are compared with what was handed out."""
    REFUSED = "refused"
    """The connection is of no use: it sends another response, or this one otherwise."""


class DeferredAnomalies:
    """Anomalies that a replica meets. Most were reported when they were met first."""

    __slots__ = ("met",)

    def __init__(self) -> None:
        self.met: list[tuple[AnomalyCode, str]] = []

    def __call__(self, code: AnomalyCode, message: str) -> None:
        """Something is out of order."""
        self.met.append((code, message))


class ReplayMismatch(Exception):
    """The replay is not one of this response. Never leaves this file."""


class Replay:
    """Stands in for the live dialect while another connection sends again what was handed out."""

    __slots__ = (
        "_first",
        "_held",
        "_mode",
        "_number",
        "_outstanding",
        "_outstanding_counts",
        "_outstanding_counts_before",
        "_replica",
        "_report",
        "_unweighed",
        "_waiting",
        "_weighed",
        "ending",
        "live",
        "over",
    )

    def __init__(
        self, live: Dialect, replica: Dialect, held: DeferredAnomalies, report: ReportAnomaly
    ) -> None:
        """
        :param live: the dialect that has read the response so far; its fold is what was handed out.
        :param replica: a new dialect with a new fold, which reports to `held`.
        :param report: where anomalies go that had not been met.
        """
        self.live = live
        self._replica = replica
        self._held = held
        self._report = report
        self._mode = ReplayMode.UNDECIDED
        # Both counts are taken with the first payload: a connection that brings nothing costs nothing.
        self._outstanding_counts_before: dict[str, int] | None = None
        # What was handed out and has not come again. By item, else under None: the places that have to come,
        # and, by the place of each streamed value, how much of it has come again.
        self._outstanding: dict[int | None, dict[Hashable, int]] | None = None
        self._outstanding_counts: dict[str, int] = {}
        # An item is looked at once something comes for it. So many are left.
        self._weighed: set[int] = set()
        self._unweighed = 0
        # What goes beyond, until all that was handed out has come again: a connection that breaks off or is
        # refused before that must leave nothing that the old dialect does not know of.
        self._waiting: list[Any] = []
        # The first and the last old number that came.
        self._first: int | None = None
        self._number: int | None = None
        self.over = False
        """Whether nothing old can come any more."""
        self.ending: PendingFinish | None = None
        """The end of the response, where the replay came to it."""

    # ------------------------------------------------------------------------------------ as a dialect

    @property
    def ended(self) -> bool:
        """Whether the response has ended."""
        return self.live.ended

    @property
    def last_sequence_number(self) -> int | None:
        """The last number that is known."""
        return self.live.last_sequence_number

    @property
    def is_failing(self) -> bool:
        """Whether the response failed as it was sent again."""
        return self._mode is ReplayMode.BY_CONTENT and self._replica.is_failing

    def translate(self, payload: JSON, name: str) -> list[Emitted]:
        """What is new in one payload."""
        own = self.live
        if self._mode is ReplayMode.REFUSED:
            return as_unknown_event(own, payload, name)
        if self._mode is not ReplayMode.BY_CONTENT:
            seen = own.was_seen(payload, name)
            number = own.number_of(payload)
            if seen is not None:
                sent = own.response_of(payload)
                if sent is not None and self._is_another(sent):
                    return self._refuse(payload, name, "another response came")
                self._mode = ReplayMode.BY_NUMBER
                own.last_number_before_reconnect = own.last_sequence_number
                if seen:
                    self._number = number
                    self._first = number if self._first is None else self._first
                    return []
                self.over = True
                return own.translate(payload, name)
            begins = own.can_begin(payload, name)
            if self._mode is ReplayMode.BY_NUMBER and begins is not None:
                return self._refuse(payload, name, "an event has no number among such that have")
            if own.last_sequence_number is not None:
                if begins is None:
                    return self._new_signs(own.translate(payload, name))
                sent = own.response_of(payload)
                if payload.get("type") in own.resets and sent is not None and not self._is_another(sent):
                    return own.translate(payload, name)
            if begins is False and own.started and number != 0:  # which only a replay from the start has
                return self._refuse(payload, name, "it does not begin as a response does, and has no numbers")
            if begins is not None:
                self._mode = ReplayMode.BY_CONTENT
        self._held.met.clear()
        return self._filter(self._replica.translate(payload, name), payload, name)

    def filter_event(self, event: e.Event) -> list[Emitted]:
        """What is new in an event that was made without the dialect."""
        if self._mode is ReplayMode.BY_CONTENT or self.live.last_sequence_number is None:
            return self._filter([event], None, "")
        return self._new_signs([event])

    def handle_done(self) -> list[Emitted]:
        """`[DONE]` came. It ends nothing before something of the response has come again."""
        if self._mode is ReplayMode.BY_NUMBER:
            return self.live.handle_done()
        if self._mode is not ReplayMode.BY_CONTENT:
            return []
        self._held.met.clear()
        return self._filter(self._replica.handle_done(), None, "")

    def reject_body(self, error: ResponseError) -> list[Emitted]:
        """The body is no event stream: the response fails with what it has."""
        self.over = True
        return self.live.reject_body(error)

    def translate_body(self, payload: JSON) -> list[Emitted]:
        """A whole body that is one JSON object: the response as it is now, or an error."""
        if self._is_another(self.live.response_of(payload) or payload):
            return self._refuse(payload, "", "another response came")
        tells = self.live.can_begin(payload, "") and payload.get("choices", True)
        if self.live.started and not tells and not is_error_payload(payload):
            return self._refuse(payload, "", "the body is no response")
        self.over = True
        return self.live.translate_body(payload)

    # ----------------------------------------------------------------------------------- for the parser

    @property
    def successor(self) -> Dialect:
        """The dialect that reads on: the replica, once it holds all that was handed out; else the old one."""
        return self._replica if self._mode is ReplayMode.BY_CONTENT and self._content_caught_up else self.live

    def keep_counts(self) -> None:
        """What is only counted, and did not come again here, counts for the next connection as well."""
        counts = dict(self._replica.fold.replay_counts or {})
        for key, left in self._outstanding_counts.items():
            counts[key] = counts.get(key, 0) + left
        self._replica.fold.replay_counts = counts

    @property
    def has_waiting(self) -> bool:
        """Whether there is news that has not been handed out, because not all that is old had come."""
        return bool(self._waiting)

    def abandon(self) -> None:
        """This connection is over. What a refused one brought does not count for the next."""
        if self._mode is ReplayMode.REFUSED:
            assert self._outstanding_counts_before is not None
            self.live.fold.replay_counts = self._outstanding_counts_before

    def getstate(self) -> dict[str, Any]:
        """All that it remembers beside the dialect, whose place it takes."""
        sent = {name: getattr(self, name) for name in SNAPSHOT_FIELDS}
        return {**sent, "fold": self._replica.fold, "replica": self._replica.getstate()}

    def setstate(self, state: dict[str, Any]) -> None:
        """Goes on where another one stood."""
        for name in SNAPSHOT_FIELDS:
            setattr(self, name, state[name])
        self._replica.fold = state["fold"]
        self._replica.setstate(state["replica"])

    # -------------------------------------------------------------------------------------- refusing

    def _is_another(self, response: JSON) -> bool:
        changes = AnomalyCode.RESPONSE_ID_CHANGED, None
        if changes in self.live.reported or changes in self._replica.reported:
            return False  # it changes all the time
        known, sent = string(self.live.fold.data, "id"), string(response, "id")
        return known is not None and sent is not None and sent not in ("", known)

    def _refuse(self, payload: JSON | None, name: str, why: str) -> list[Emitted]:
        self._take_counts()
        self._mode = ReplayMode.REFUSED
        self._outstanding = None
        self._waiting = []
        self._report(AnomalyCode.REPLAY_REFUSED, why)
        return [] if payload is None else as_unknown_event(self.live, payload, name)

    # --------------------------------------------------------------------------------------- weighing

    def _new_signs(self, events: list[Emitted]) -> list[Emitted]:
        """What is new among events without a number where others have such.

        Where the replay goes back to the beginning, their count tells. Else those between old numbers are
        old, and of the rest nobody can say: then they come, for a sign that comes twice does no harm.
        """
        self._take_counts()
        last = self.live.last_sequence_number
        between = self._number is not None and last is not None and self._number < last
        news = []
        for event in events:
            counted = self._uncount(event)
            old = counted if self._first in (0, 1) else between and isinstance(event, STREAM_EVENTS)
            if not old or isinstance(event, e.Heartbeat):
                news.append(event)
                if self._mode is ReplayMode.UNDECIDED and isinstance(event, STREAM_EVENTS):
                    self._replica.fold.apply(event)  # which is to count what it did not read
        self.over = self.live.ended
        return news

    def _take_counts(self) -> None:
        """What had come before this connection is counted."""
        if self._outstanding_counts_before is None:
            self._outstanding_counts_before = dict(self.live.fold.replay_counts or {})
            self._outstanding_counts = dict(self._outstanding_counts_before)

    def _uncount(self, event: Any) -> bool:
        """Whether as many events of this kind had come before."""
        if not self._outstanding_counts:
            return False
        key = replay_key(event)
        left = self._outstanding_counts.pop(key, 0)
        if left > 1:
            self._outstanding_counts[key] = left - 1
        return left > 0

    @property
    def _content_caught_up(self) -> bool:
        """Whether all that was handed out has come again, but for what is only counted."""
        return self._outstanding is not None and not self._outstanding and not self._unweighed

    @property
    def _caught_up(self) -> bool:
        """Whether what is counted has come again as well."""
        if not self._content_caught_up or self._outstanding_counts:
            return False
        known, sent = self.live.fold.usage, self._replica.fold.usage
        return known in (None, sent) or tokens(sent) > tokens(known)

    def _remember(self) -> dict[int | None, dict[Hashable, int]]:
        """What was handed out of the response itself, place by place. Its items are looked at one by one."""
        fold = self.live.fold
        self._unweighed = len(fold.items)
        rest: dict[Hashable, int] = {(AUDIO, name): 0 for name in fold.audio or ()}
        if self.live.started:
            rest[STARTED] = 0
        if fold.error is not None:
            rest[ERROR] = 0
        for index, choice in (fold.choices or {}).items():
            if choice.finish_reason is not None:
                rest[CHOICE_END, index] = 0
            for member in choice.data.keys() & GROWING:
                pieces = choice.data[member]
                for name, entries in pieces.items() if isinstance(pieces, dict) else ():
                    if isinstance(entries, list) and entries:
                        rest[PIECES, index, member, name] = 0
        return {None: rest} if rest else {}

    def _places(self, index: int | None) -> dict[Hashable, int]:
        """What was handed out of an item, or of the response itself, and has not come again."""
        assert self._outstanding is not None
        record = None if index is None else self.live.fold.items.get(index)
        if self._unweighed and record is not None and record.index not in self._weighed:
            self._weighed.add(record.index)
            self._unweighed -= 1
            self._outstanding[record.index] = places = places_of(record)
            lifted = self.live.fold.lifted or {}
            for lift in self.live.lifts.declared_lifts:
                if (record.index, lift.path, lift.into) in lifted:
                    places[LIFTED, lift.path, lift.into] = 0
        return self._outstanding.get(index, {})

    def _filter(self, events: list[Emitted], payload: JSON | None, name: str) -> list[Emitted]:
        """What is new among the events of the replica."""
        if self._outstanding is None:
            self._take_counts()
            self._outstanding = self._remember()
        fold, was_level = self._replica.fold, self._content_caught_up
        news: list[Emitted] = []
        try:
            for event in events:
                if isinstance(event, PendingFinish):
                    if not self._content_caught_up:
                        raise ReplayMismatch("it ends before all that had come has come again")
                    self.ending = event
                    self.over = True
                    self._mode = ReplayMode.BY_CONTENT
                    break
                if isinstance(event, e.ErrorReported) and self.live.fold.error is None:
                    if not self._content_caught_up:
                        # The other connection failed before it was of use: the response ends with that.
                        self._mode = ReplayMode.UNDECIDED
                        return self.reject_body(event.error)
                    self._mode = ReplayMode.BY_CONTENT
                new = self._diff(event)
                fold.apply(event)
                if new is not None:
                    news.append(new)
        except ReplayMismatch as difference:
            return self._refuse(payload, name, str(difference))
        if news or was_level:
            for code, message in self._held.met:
                if code is not AnomalyCode.RESPONSE_NOT_ANNOUNCED or not self.live.started:
                    self._report(code, message)
        if self._mode is ReplayMode.BY_CONTENT and self._caught_up:
            self.over = True
        if self._content_caught_up:
            news, self._waiting = [*self._waiting, *news], []
            return news
        self._waiting += [event for event in news if not isinstance(event, STREAM_EVENTS)]
        if len(self._waiting) > MOST_WAITING:
            return self._refuse(payload, name, "too much is new before all that had come has come again")
        return [event for event in news if isinstance(event, STREAM_EVENTS)]

    def _diff(self, event: Any) -> Any:
        """What of an event is new; None where all of it is old. Raises `ReplayMismatch`."""
        counted = self._uncount(event)
        if isinstance(event, (e.ResponseStarted, e.StatusChanged)):
            if not self._content_caught_up and self._is_another(event.data):
                raise ReplayMismatch("another response came")
        elif isinstance(event, e.ErrorReported):
            self._check_off(None, ERROR)
        elif (
            isinstance(event, e.ItemUpdated)
            and not self._content_caught_up
            and self._record(event) is not None
        ):
            return None  # it tells the item as the replica has it, which may be less than was handed out
        if isinstance(event, e.ChoiceUpdated):
            return self._choice(event, counted=counted)
        weigh = DIFFS.get(type(event))
        if weigh is not None:
            return weigh(self, event)
        return None if counted else event

    def _check_off(self, index: int | None, place: Hashable) -> bool:
        """Something came for a place: whether it had come before, and now has come again."""
        places = self._places(index)
        if places.pop(place, None) is None:
            return False
        if not places:
            self._forget(index)
        return True

    def _forget(self, index: int | None) -> None:
        """All of an item, or of the response itself, has come again."""
        assert self._outstanding is not None
        self._outstanding.pop(index, None)

    def _new_suffix(
        self, index: int | None, place: Hashable, came: Sequence[Any], known: Callable[[], Any]
    ) -> Any:
        """What of a value's piece is new: all of it, once what is known of the value has come again."""
        places = self._places(index)
        at = places.get(place)
        if at is None:
            return came
        whole = known()
        old = whole[at : at + len(came)]
        if came[: len(old)] != old:
            raise ReplayMismatch(f"item {index} is sent otherwise than before: {came!r:.60}")
        if at + len(came) >= len(whole):
            self._check_off(index, place)
        else:
            places[place] = at + len(came)
        return came[len(old) :]

    def _record(self, event: Any) -> ItemRecord | None:
        return self.live.fold.items.get(event.output_index)

    def _is_replayed(self, index: int, place: Hashable) -> bool:
        """Whether something had been handed out that has not come again."""
        return self._outstanding is not None and place in self._places(index)

    def _goes_on(self, index: int, place: Any) -> bool:
        """Whether a value went on after it had been sent whole: then it may end before all has come again."""
        record = self.live.fold.items.get(index)
        value = None if record is None else record.values.get(place)
        return value is not None and value.is_complete and value.ended_size < value.size()

    # ------------------------------------------------------------------------------- kinds of events

    def _started(self, event: e.ResponseStarted) -> Any:
        self._check_off(None, STARTED)
        return None if self.live.started else event

    def _delta(self, event: Any) -> Any:
        record = self._record(event)
        if record is None:
            return event
        key = key_of_delta(event, record)
        text = self._new_suffix(event.output_index, key, event.text, lambda: record.values[key].text)
        return remainder(event, text)

    def _lifted(self, event: e.LiftedDelta) -> Any:
        at = event.output_index, event.path, event.into
        lifted = self.live.fold.lifted or {}
        text = self._new_suffix(
            event.output_index, (LIFTED, event.path, event.into), event.text, lambda: joined(lifted[at])
        )
        return remainder(event, text)

    def _audio(self, event: e.AudioDelta) -> Any:
        pieces = self.live.fold.audio or {}
        data = self._new_suffix(None, (AUDIO, "data"), event.data, lambda: joined(pieces["data"]))
        return evolve(event, data=data) if data else None

    def _transcript(self, event: e.TranscriptDelta) -> Any:
        pieces = self.live.fold.audio or {}
        place = (AUDIO, "transcript")
        return remainder(
            event, self._new_suffix(None, place, event.text, lambda: joined(pieces["transcript"]))
        )

    def _item_started(self, event: e.ItemStarted) -> Any:
        record = self._record(event)
        if record is None:
            return event
        self._check_identity(record, event.item, begins=True)
        self._check_off(event.output_index, ITEM)
        return None

    def _item_finished(self, event: e.ItemFinished) -> Any:
        index, record = event.output_index, self._record(event)
        if record is None:
            return event
        places = self._places(index)
        for place in [*places]:
            if not is_value(place):
                del places[place]
            elif not self._goes_on(index, place):
                raise ReplayMismatch(f"item {index} ends before all of it has come again")
        if not places:
            self._forget(index)
        if record.state is not ITEM_DONE:
            return event
        self._check_identity(record, event.item, begins=False)
        return None

    def _check_identity(self, record: ItemRecord, item: Item, *, begins: bool) -> None:
        for name in IDENTITY:
            known, sent = string(record.data, name), string(item.data, name)
            if not known or not sent or known == sent:
                continue
            grows = record.state is not ITEM_OPEN or known.startswith(sent)
            if not begins or name == "type" or not grows:
                raise ReplayMismatch(f"the {name} of item {record.index} was {known:.40}, and is {sent:.40}")

    def _part_started(self, event: e.PartStarted) -> Any:
        record = self._record(event)
        if record is None or event.part_index not in record.parts(event.group):
            return event
        self._check_off(event.output_index, (PART, event.group, event.part_index))
        return None

    def _part_finished(self, event: e.PartFinished) -> Any:
        index, group, at = event.output_index, event.group, event.part_index
        for field in ("text", "refusal"):
            if self._is_replayed(index, (group, at, field)) and not self._goes_on(index, (group, at, field)):
                raise ReplayMismatch(f"part {at} of item {index} ends before all of it has come again")
            self._check_off(index, (WHOLE, group, at, field))
        return None if self._check_off(index, (PART_END, group, at)) else event

    def _value_finished(self, event: e.ValueFinished) -> Any:
        record = self._record(event)
        if record is None:
            return event
        key = key_of(record, event)
        if self._is_replayed(event.output_index, key) and not self._goes_on(event.output_index, key):
            raise ReplayMismatch(f"a value of item {event.output_index} ends before all of it has come again")
        again = self._check_off(event.output_index, (WHOLE, *key))
        return None if again or self._is_replayed(event.output_index, ITEM_END) else event

    def _value_replaced(self, event: e.ValueReplaced) -> Any:
        record = self._record(event)
        if record is None:
            return event
        key = key_of(record, event)
        behind = self._check_off(event.output_index, key)
        if not self._check_off(event.output_index, (WHOLE, *key)) and not behind:
            return event
        if record.values[key].text != event.text:
            raise ReplayMismatch(
                f"item {event.output_index} is sent otherwise than before: {event.text!r:.60}"
            )
        beyond = self._replica.fold.items[event.output_index].values[key].text != event.text
        return event if beyond and not behind else None  # more than this had come, and is corrected

    def _annotation(self, event: e.AnnotationAdded) -> Any:
        record = self._record(event)
        part = None if record is None else record.parts("content").get(event.content_index)
        if part is None:
            return event
        at = event.annotation_index
        known = None if part.annotations is None else part.annotations.get(at)
        sent = part.data.get("annotations") if isinstance(part.data, dict) else None
        if known is None and isinstance(sent, list) and at < len(sent):
            known = sent[at]
        return event if known != event.annotation else None

    def _usage(self, event: e.UsageReported) -> Any:
        # A replay that is cut otherwise tells it more or less often, but never more than was used.
        known = self.live.fold.usage
        return event if known is None or tokens(event.usage) > tokens(known) else None

    def _choice(self, event: e.ChoiceUpdated, *, counted: bool) -> Any:
        known = (self.live.fold.choices or {}).get(event.choice_index)
        if known is None:
            return event
        if event.finish_reason is not None:
            self._check_off(None, (CHOICE_END, event.choice_index))
        new = {}
        for name, value in event.data.items():
            before = known.data.get(name)
            if (name in GROWING or name in MERGED) and isinstance(value, dict):
                value = self._new_pieces(event.choice_index, name, value, before, counted=counted)
            elif before == value or (counted and name in known.data):
                continue  # it may have been sent otherwise since
            if not empty(value):
                new[name] = value
        ends = event.finish_reason not in (None, known.finish_reason)
        ends = ends and (not counted or known.finish_reason is None)
        spelled = event.reasoning_field not in (None, known.reasoning_field)
        spelled = spelled or event.legacy_call_id not in (None, known.legacy_call_id)
        return evolve(event, data=new) if new or ends or spelled else None

    def _new_pieces(self, index: int, member: str, sent: JSON, known: Any, *, counted: bool) -> JSON:
        """What is new in a member of a choice that comes in pieces."""
        known = known if isinstance(known, dict) else {}
        if counted and member == "message":
            return unknown_members(known, sent)
        new = {}
        for name, value in sent.items():
            before = known.get(name)
            if member in GROWING and isinstance(value, list) and isinstance(before, list):
                place = PIECES, index, member, name
                value = self._new_suffix(None, place, value, lambda before=before: before)  # type: ignore[misc]
            elif value == before or (counted and member in MERGED and name in known):
                continue
            if not empty(value):
                new[name] = value
        return new


SNAPSHOT_FIELDS = (
    "_first",
    "_number",
    "_outstanding",
    "_outstanding_counts",
    "_outstanding_counts_before",
    "_unweighed",
    "_waiting",
    "_weighed",
    "_mode",
    "ending",
    "over",
)

ITEM, ITEM_END, PART, PART_END, WHOLE = "item", "item end", "part", "part end", "whole"
LIFTED, AUDIO, PIECES, STARTED, ERROR = "lifted", "audio", "pieces", "started", "error"
CHOICE_END = "choice end"
IDENTITY = ("type", "id", "call_id", "name")
DIFFS: dict[type, Callable[[Replay, Any], Any]] = {
    **dict.fromkeys((*PART_VALUES, *ITEM_VALUES), Replay._delta),
    e.ResponseStarted: Replay._started,
    e.LiftedDelta: Replay._lifted,
    e.AudioDelta: Replay._audio,
    e.TranscriptDelta: Replay._transcript,
    e.ItemStarted: Replay._item_started,
    e.ItemFinished: Replay._item_finished,
    e.PartStarted: Replay._part_started,
    e.PartFinished: Replay._part_finished,
    e.ValueFinished: Replay._value_finished,
    e.ValueReplaced: Replay._value_replaced,
    e.AnnotationAdded: Replay._annotation,
    e.UsageReported: Replay._usage,
}


def places_of(record: ItemRecord) -> dict[Hashable, int]:
    """What was handed out of an item, place by place."""
    places: dict[Hashable, int] = {ITEM: 0}
    for group in GROUPS:
        for at, part in record.parts(group).items():
            places[PART, group, at] = 0
            if part.state is PART_DONE:
                places[PART_END, group, at] = 0
    for key, value in record.values.items():
        if value.text:
            places[key] = 0
        if value.is_complete:
            places[WHOLE, *key] = 0
    if record.state is ITEM_DONE:
        places[ITEM_END] = 0
    return places


def as_unknown_event(dialect: Dialect, payload: JSON, name: str) -> list[Emitted]:
    """What a payload is that belongs to no response of ours."""
    kind = payload.get("type")
    if isinstance(kind, str) and kind in dialect.heartbeats:
        return [e.Heartbeat(kind)]
    return [e.UnknownEvent(kind if isinstance(kind, str) else name, payload)]


def tokens(usage: Usage | None) -> int:
    """All tokens of a usage that are known. A later report has more of them."""
    if usage is None:
        return 0
    return usage.total_tokens or (usage.input_tokens or 0) + (usage.output_tokens or 0)


def is_value(place: Hashable) -> bool:
    """Whether a place is that of a streamed value."""
    return isinstance(place, tuple) and place[0] not in (PART, PART_END, WHOLE)


def unknown_members(known: JSON, sent: JSON) -> JSON:
    """The members that are sent and not known, those of objects inside included: what is laid over."""
    new: JSON = {}
    waiting: list[tuple[JSON, JSON, tuple[str, ...]]] = [(known, sent, ())]
    while waiting:
        below, above, path = waiting.pop()
        for name, value in above.items():
            if name not in below:
                inner = new
                for step in path:
                    inner = inner.setdefault(step, {})
                inner[name] = value
            elif isinstance(below[name], dict) and isinstance(value, dict):
                waiting.append((below[name], value, (*path, name)))
    return new


def remainder(event: Any, text: str) -> Any:
    """A delta with what of its text is new; None where nothing is."""
    if not text or text == event.text:
        return event if text else None
    sent = {"logprobs": ()} if isinstance(event, e.TextDelta) else {}
    return evolve(event, text=text, **sent)
