"""What all writers share: the life cycles, what was lost, ids that fit, and JSON that forges no frame.

A writer turns events into frames of one wire, and holds what that wire needs to know: which items have begun
there, under which index and id, and what still waits for its turn. It is driven by one event after the other,
and writes nothing that depends on a clock or on chance.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from json.encoder import encode_basestring_ascii
from typing import Any, ClassVar, Final, TypeAlias

from deltafold.dialects.made_items import message, reasoning, text_part, thought_part
from deltafold.machine.lifecycle import (
    COMPLETED,
    FAILED,
    INCOMPLETE,
    ITEM_ABSENT,
    ITEM_DONE,
    ITEM_OPEN,
    ITEM_TRANSITIONS,
    PART_ABSENT,
    PART_TRANSITIONS,
    RESPONSE_TRANSITIONS,
    TRUNCATED,
    ItemState,
    PartState,
    ResponseState,
)
from deltafold.machine.values import KINDS, kind_of
from deltafold.model import events as e
from deltafold.model.errors import ErrorKind, ResponseError, UsageError
from deltafold.model.frozen import evolve
from deltafold.model.items import (
    CustomToolCall,
    FunctionCall,
    Item,
)
from deltafold.model.losses import Loss, LossCode
from deltafold.model.response import Outcome, Response
from deltafold.registry import part_of
from deltafold.wire.json_text import is_strict_json

__all__ = [
    "KIND_CODES",
    "ObjectScan",
    "Options",
    "Writer",
    "WrittenItem",
    "digest",
    "dumps",
    "error_of",
    "fitting_call_id",
    "json_object",
    "quoted",
]

JSON: TypeAlias = dict[str, Any]

quoted: Final = encode_basestring_ascii
"""A string as JSON, in ASCII: no character of it can end a line, whatever reads the lines."""

SAFE_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
"""Event names that may stand outside of JSON."""
LONGEST_REPEATED: Final = 1024
"""Characters of a name that stands in every frame: a longer one would be written again and again."""
MOST_NEW_CHOICES: Final = 128
"""How many choices may begin with one event, where a wire begins them all in order."""
FITTING_IDS: Final[dict[str, tuple[str, re.Pattern[str]]]] = {
    "responses": ("call", re.compile(r"[\s\S]{1,64}")),
    "chat": ("call", re.compile(r"[\s\S]{1,64}")),
    "anthropic": ("toolu", re.compile(r"[a-zA-Z0-9_-]{1,64}")),
    "gemini": ("call", re.compile(r"[\s\S]+")),
}
"""What the id of a call may be on a wire, and what one begins with that had to be made."""

KIND_CODES: Final[dict[ErrorKind, str]] = {
    ErrorKind.CONTEXT_WINDOW_EXCEEDED: "context_length_exceeded",
    ErrorKind.RATE_LIMITED: "rate_limit_exceeded",
    ErrorKind.QUOTA_EXCEEDED: "insufficient_quota",
    ErrorKind.USAGE_LIMIT_REACHED: "usage_limit_reached",
    ErrorKind.AUTHENTICATION: "invalid_api_key",
    ErrorKind.PERMISSION: "permission_denied",
    ErrorKind.NOT_FOUND: "not_found",
    ErrorKind.INVALID_REQUEST: "invalid_request_error",
    ErrorKind.CONTENT_POLICY: "content_policy_violation",
    ErrorKind.OVERLOADED: "server_is_overloaded",
    ErrorKind.SERVER_ERROR: "server_error",
    ErrorKind.TIMEOUT: "timeout",
    ErrorKind.UNKNOWN: "server_error",
}
"""OpenAI's own words for the kinds of errors."""
MESSAGES: Final[dict[LossCode, str]] = {
    LossCode.LATE_FRAGMENT: "a fragment came after its value was whole",
    LossCode.ANNOTATION_UNSUPPORTED: "a citation of another shape is left out",
    LossCode.LOGPROBS_UNSUPPORTED: "log probabilities are left out",
    LossCode.AUDIO_UNSUPPORTED: "spoken output is left out",
    LossCode.IMAGE_UNSUPPORTED: "previews of images are left out",
    LossCode.REASONING_ENCRYPTED: "encrypted reasoning of another API is left out",
    LossCode.REASONING_SUMMARY: "a summary beside reasoning is left out",
    LossCode.REFUSAL_AS_TEXT: "a refusal is written as text",
    LossCode.CUSTOM_TOOL_AS_FUNCTION: "a custom tool is written as a function",
    LossCode.CALL_NAME_MISSING: "a call without a name is left out",
    LossCode.CALL_NOT_WHOLE: "a call that is not whole looks as if it were",
    LossCode.ARGUMENTS_NO_OBJECT: "the arguments of a call are no object",
    LossCode.ARGUMENTS_AFTER_END: "arguments came after their object was closed",
    LossCode.LIFTED_TEXT: "text was lifted out of the arguments of a call",
    LossCode.EVENT_UNWRITABLE: "an event has no form that could be written safely",
}
"""What is said of a loss where there is nothing more to say of it."""


class Options:
    """What the caller of an encoder asked for."""

    SNAPSHOT_FIELDS: Final = (
        "response_id",
        "model",
        "created",
        "include_usage",
        "reasoning_field",
        "custom_tools",
        "foreign_signatures",
        "lifted",
    )
    __slots__ = SNAPSHOT_FIELDS

    def __init__(
        self,
        response_id: str | None,
        model: str | None,
        created: int | None,
        include_usage: bool,
        reasoning_field: str | None,
        custom_tools: str,
        foreign_signatures: bool,
        lifted: bool,
    ) -> None:
        self.response_id = response_id
        self.model = model
        self.created = created
        self.include_usage = include_usage
        self.reasoning_field = reasoning_field
        self.custom_tools = custom_tools
        self.foreign_signatures = foreign_signatures
        self.lifted = lifted


# --------------------------------------------------------------------------------------------------- JSON


def dumps(value: Any) -> str:
    """A JSON value as text in ASCII. What JSON has no number for becomes null.

    Raises `UsageError` for what is no JSON value.
    """
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(countable(value), allow_nan=False, separators=(",", ":"))
    except TypeError as error:
        raise UsageError(f"an event holds what is no JSON value: {error}") from None
    except RecursionError:
        raise UsageError("an event holds a value that is nested too deeply") from None


def countable(value: Any) -> Any:
    """A JSON value without numbers that JSON cannot say."""
    made: Any = [value]
    waiting: list[Any] = [made]
    while waiting:
        holder = waiting.pop()
        for key, member in list(holder.items() if type(holder) is dict else enumerate(holder)):
            if type(member) is dict or type(member) is list:
                holder[key] = inner = member.copy()
                waiting.append(inner)
            elif (type(member) is float and not math.isfinite(member)) or (
                type(member) is int and member.bit_length() > 1024
            ):
                holder[key] = None
    return made[0]


def json_object(text: str) -> JSON | None:
    """The object that a text is, or None."""
    found = json.loads(text) if is_strict_json(text) else None
    return found if type(found) is dict else None


def fitting_call_id(dialect: str, ident: str) -> str:
    """The id of a call as a wire takes it: itself where it fits, else a prefix and a digest.

    The digest is the same wherever the id is sent: in a call, and in its result.
    """
    prefix, fitting = FITTING_IDS[dialect]
    if fitting.fullmatch(ident):
        return ident
    return digest(prefix, ident)


def digest(prefix: str, ident: str) -> str:
    """An id made of another one, always the same."""
    return f"{prefix}_{hashlib.sha256(ident.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


STRUCTURE: Final = re.compile(r'[{}\[\]"]')
IN_STRING: Final = re.compile(r'["\\]')


class ObjectScan:
    """Whether pieces of text are one whole JSON object, as far as brackets and strings say.

    Each piece is looked at once.
    """

    SNAPSHOT_FIELDS: Final = ("depth", "in_string", "escaped", "begun", "whole", "other")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self) -> None:
        self.depth = 0
        self.in_string = False
        self.escaped = False
        self.begun = False
        self.whole = False
        """Whether the object is closed."""
        self.other = False
        """Whether the text is no object: it begins with something else."""

    def feed(self, text: str) -> str:
        """The next piece. Gives what of it stands behind the end of the object."""
        if self.whole:
            return text
        at, size = 0, len(text)
        if not self.begun:
            stripped = text.lstrip(" \t\r\n")
            if not stripped:
                return ""
            self.begun = True
            self.other = stripped[0] != "{"
            at = size - len(stripped)
        if self.other:
            return ""
        if self.escaped and at < size:
            self.escaped = False
            at += 1
        while at < size:
            found = (IN_STRING if self.in_string else STRUCTURE).search(text, at)
            if found is None:
                return ""
            at = found.end()
            sign = found.group()
            if sign == '"':
                self.in_string = not self.in_string
            elif sign == "\\":
                if at == size:
                    self.escaped = True
                at += 1
            elif sign in "{[":
                self.depth += 1
            else:
                self.depth -= 1
                if self.depth <= 0:
                    self.whole = True
                    return text[at:]
        return ""


# -------------------------------------------------------------------------------------------------- items


class WrittenPart:
    """A part of an item, as it stands on the wire."""

    SNAPSHOT_FIELDS: Final = (
        "place",
        "state",
        "kind",
        "prefix",
        "pieces",
        "closed",
        "ended",
        "notes",
        "logprobs",
        "data",
    )
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, place: int, kind: str) -> None:
        self.place = place
        """Its index on the wire; -1 where it is not written."""
        self.state: PartState = PART_ABSENT
        self.kind = kind
        """What streams in it: `text`, `refusal`, `reasoning`, `summary`; "" where it is left out."""
        self.prefix = ""
        """All of a delta's frame before its text."""
        self.pieces: list[str] = []
        self.closed = False
        """Whether its value was sent as whole."""
        self.ended = False
        """Whether the part was sent as whole."""
        self.notes: list[JSON] = []
        self.logprobs: list[JSON] = []
        self.data: JSON = {}
        """What it has beside its text."""


class WrittenItem:
    """An item, as it stands on the wire."""

    SNAPSHOT_FIELDS: Final = (
        "index",
        "item",
        "choice",
        "state",
        "parts",
        "place",
        "begun",
        "over",
        "skipped",
        "ident",
        "prefix",
        "pieces",
        "scan",
        "unscanned",
        "values",
        "kinds",
        "member",
        "final",
        "counts",
        "called",
    )
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, index: int, item: Item) -> None:
        self.index = index
        self.item = item
        """As it was sent last."""
        self.choice = item.choice_index or 0
        self.state: ItemState = ITEM_OPEN
        self.parts: dict[tuple[str, int], WrittenPart] = {}
        self.place = -1
        """Its index on the wire."""
        self.begun = False
        """Whether the wire knows of it."""
        self.over = False
        """Whether the wire was sent its end."""
        self.skipped = False
        """Whether it is left out."""
        self.ident: str | None = None
        """Its id on the wire."""
        self.prefix = ""
        """All of a frame of arguments before their text."""
        self.pieces: list[str] = []
        """Fragments of arguments."""
        self.scan = ObjectScan()
        self.unscanned: list[str] = []
        """Fragments that were not looked at yet."""
        self.values: dict[tuple[str, int], list[str]] = {}
        """Fragments of what else is streamed: code, patches, commands and their output."""
        self.kinds = ""
        """Which kinds of reasoning were written: `text`, `summary`."""
        self.member: str | None = None
        self.final: JSON | None = None
        """As it was sent when it was whole."""
        self.called: tuple[str, str] | None = None
        """The id and the name with which a call was written."""
        self.counts: dict[str, int] = {}
        """How many parts of its content and of its summary are written."""

    def is_whole_object(self) -> bool:
        """Whether its arguments, as far as they came, are one whole JSON object."""
        if self.unscanned:
            pieces, self.unscanned = self.unscanned, []
            for piece in pieces:
                self.scan.feed(piece)
        return self.scan.whole


class HotDelta:
    """What the next delta of an item is written with, if it is like the one before."""

    __slots__ = ("at", "delta", "kind", "pieces", "prefix", "suffix", "unscanned")

    def __init__(
        self,
        delta: type,
        at: int,
        kind: str,
        prefix: str,
        suffix: str,
        pieces: list[str] | None,
        unscanned: list[str] | None,
    ) -> None:
        self.delta = delta
        """Its class, …"""
        self.at = at
        """… its part, …"""
        self.kind = kind
        """… and which reasoning it is."""
        self.prefix = prefix
        """All of its frame before its text; "" where nothing is written of it yet, …"""
        self.suffix = suffix
        """… and behind it; "" where its number stands there."""
        self.pieces = pieces
        """Where its text is kept, …"""
        self.unscanned = unscanned
        """… and where it waits to be looked at, if it is."""


TEXT: Final = e.TextDelta
ARGUMENTS: Final = e.ArgumentsDelta
REASONING: Final = e.ReasoningDelta
HOT: Final = frozenset((TEXT, ARGUMENTS, REASONING))
VALUE_GROUPS: Final[dict[str, str]] = {
    "text": "content",
    "refusal": "content",
    "reasoning": "content",
    "summary": "summary",
}


def part_key(event: Any) -> tuple[str, int] | None:
    """The part that an event is about; None where it is about an item."""
    kind = type(event)
    if kind is e.TextDelta or kind is e.RefusalDelta:
        return "content", event.content_index
    if kind is e.ReasoningDelta:
        return ("summary" if event.kind == "summary" else "content"), event.part_index
    if kind is e.PartStarted or kind is e.PartFinished:
        return event.group, event.part_index
    if kind is e.AnnotationAdded:
        return "content", event.content_index
    if kind is e.ValueReplaced or kind is e.ValueFinished:
        group = VALUE_GROUPS.get(event.kind)
        if group is not None:
            at = event.content_index if KINDS[event.kind].field == "content_index" else event.part_index
            return group, 0 if at is None else at
    return None


class Writer:
    """Events in, frames out."""

    name: ClassVar[str] = ""
    SNAPSHOT_FIELDS: ClassVar[tuple[str, ...]] = (
        "options",
        "state",
        "items",
        "losses",
        "lost",
        "source",
        "data",
        "response_id",
        "model",
        "error",
        "begun",
        "early",
        "usage",
        "lifts",
        "announced",
        "held",
        "number",
        "spoke",
    )

    def __init__(self, options: Options) -> None:
        self.options = options
        self.out: list[str] = []
        """The frames of the present event."""
        self.state: ResponseState = ResponseState.IDLE
        self.items: dict[int, WrittenItem] = {}
        self.losses: list[Loss] = []
        self.lost: set[tuple[str, int | None]] = set()
        """What was lost already: each kind is sent once for each item."""
        self.source: str | None = None
        """The dialect that the events come from; None where nobody knows, or they were made by hand."""
        self.data: JSON = {}
        """What was sent of the response and is not written yet."""
        self.response_id: str | None = None
        self.model: str | None = None
        self.error: ResponseError | None = None
        self.begun = False
        """Whether anything of the response is written."""
        self.early: list[Any] = []
        """Events of the stream that came before the response, and so before its source was known."""
        self.usage: Any = None
        self.number = 0
        """The number of the next event, on a wire that counts them."""
        self.hot: dict[int, HotDelta] = {}
        """Items whose next delta costs little, if it goes on with the one before.

        They stay until something else than a delta comes, or the wire turns to another item. In no snapshot.
        """
        self.announced = False
        self.held: int | None = None
        """The call that began last, while nothing but its name came."""
        self.lifts: dict[tuple[int, str], int] = {}
        """Items that hold what was lifted out of arguments, by call and kind."""
        self.spoke: dict[int, str] = {}
        """The item and part of the reasoning that was written last, by the text that it is added to."""

    # -------------------------------------------------------------------------------------- the encoder

    def write(self, event: Any) -> list[str]:
        """The frames of one event. Raises `UsageError` where no life cycle allows it."""
        self.out = []
        kind = type(event)
        if self.hot and kind not in HOT:
            self.hot.clear()
        if kind in ITEM_EVENTS and event.output_index < 0:
            raise UsageError(f"output_index is {event.output_index}")
        if kind is e.LiftedDelta and self.options.lifted and self.state in RESPONSE_TRANSITIONS:
            self._lifted(event)
        else:
            self._take(event)
            if self.lifts and kind is e.ItemFinished:
                self._end_lifted(event.output_index)
        return self.out

    def quick(self, event: Any) -> str | None:
        """The frame of a delta that goes on with the one before of its item; None for any other event.

        The life cycles allow it, for nothing came in between that could have ended the item or its part.
        """
        kind = type(event)
        if kind is not TEXT and kind is not ARGUMENTS and kind is not REASONING:
            return None
        hot = self.hot.get(event.output_index)
        if hot is None or kind is not hot.delta:
            return None
        if kind is TEXT:
            if event.content_index != hot.at or event.logprobs:
                return None
        elif kind is REASONING and (event.part_index != hot.at or event.kind != hot.kind):
            return None
        text: str = event.text
        if not text:
            return None
        if hot.pieces is not None:
            hot.pieces.append(text)
            if hot.unscanned is not None:
                hot.unscanned.append(text)
        if not hot.prefix:
            return ""
        if hot.suffix:
            return hot.prefix + quoted(text) + hot.suffix
        number = self.number
        self.number = number + 1
        return f'{hot.prefix}{quoted(text)},"sequence_number":{number}}}\n\n'

    def heat(
        self,
        event: Any,
        at: int,
        prefix: str,
        suffix: str,
        pieces: list[str] | None = None,
        unscanned: list[str] | None = None,
    ) -> None:
        """The next delta like this one is written by `quick()`. No suffix: they are numbered."""
        kind = event.kind if type(event) is REASONING else ""
        self.hot[event.output_index] = HotDelta(type(event), at, kind, prefix, suffix, pieces, unscanned)

    def _take(self, event: Any) -> None:
        kind = type(event)
        row = RESPONSE_TRANSITIONS[self.state]
        after = row.get(kind)
        if after is None:
            known = (
                kind.__name__
                if kind in RESPONSE_TRANSITIONS[ResponseState.IN_PROGRESS] or kind in KNOWN
                else None
            )
            if known is None:
                raise UsageError(f"{kind.__name__!r} is no event")
            raise UsageError(f"{known} cannot come while the response is {self.state}")
        if kind is e.ResponseStarted and self.announced:
            raise UsageError("the response begins twice")
        item = self._checked(event, kind)
        if kind is e.ResponseFinished:
            self._finish(event)
            self.state = after
            return
        self.state = after
        if kind is e.ResponseStarted:
            self._start(event)
        elif kind is e.ErrorReported:
            if (
                self.error is None
                or self.error.kind is ErrorKind.UNKNOWN
                or event.error.kind is not ErrorKind.UNKNOWN
            ):
                self.error = event.error
        elif kind is e.Heartbeat:
            self.heartbeat()
        elif kind is e.Notice or kind is e.UnknownEvent or kind is e.RateLimitsReported:
            if not self.announced:
                self.early.append(event)
            elif self.source == self.name:
                self.as_sent(event)
        elif kind is e.UsageReported:
            self.usage = event.usage
        elif kind is e.StatusChanged:
            self.status(event)
        elif kind is e.ChoiceUpdated:
            self.choice_updated(event)
        elif kind is e.AudioDelta or kind is e.TranscriptDelta:
            self.audio(event)
        elif item is None:
            if self.held is not None:
                self._release()
            item = self.items[event.output_index] = WrittenItem(event.output_index, event.item)
            item.member = event.member
            if (self.source == "chat" or self.name == "anthropic") and isinstance(
                event.item, (FunctionCall, CustomToolCall)
            ):
                self.held = event.output_index  # there a name may come in pieces
            else:
                self.item_started(item)
        elif self.held == event.output_index and kind is e.ItemUpdated:
            item.item = event.item
        else:
            if self.held is not None:
                self._release()
            self._of_item(event, kind, item)

    def _release(self) -> None:
        """The call that began last is sent, for its name is whole now."""
        held, self.held = self.held, None
        if held is not None:
            self.hot.clear()
            self.item_started(self.items[held])

    def _drop_held(self) -> None:
        """A call that was cut off before its arguments is left out: it would look like one without any."""
        held, self.held = self.held, None
        if held is not None:
            self.skip(self.items[held], LossCode.CALL_NOT_WHOLE, "a call was cut off before its arguments")

    def _checked(self, event: Any, kind: type) -> WrittenItem | None:
        """The item that an event is about, if its life cycle and that of its part allow the event."""
        if kind not in ITEM_EVENTS:
            return None
        index = event.output_index
        item = self.items.get(index)
        state = ITEM_ABSENT if item is None else item.state
        if kind not in ITEM_TRANSITIONS[state]:
            raise UsageError(f"{kind.__name__} cannot come while item {index} is {state}")
        if item is None:
            return None
        key = part_key(event)
        if key is not None:
            part = item.parts.get(key)
            part_state = PART_ABSENT if part is None else part.state
            if kind not in PART_TRANSITIONS[part_state]:
                raise UsageError(
                    f"{kind.__name__} cannot come while part {key[1]} of item {index} is {part_state}"
                )
        return item

    def _start(self, event: e.ResponseStarted) -> None:
        self.announced = True
        self.source = event.dialect
        self.data = dict(event.data)
        self.response_id = event.response_id
        self.model = event.model
        self.response_started()
        early, self.early = self.early, []
        for known in early:
            if self.source == self.name:
                self.as_sent(known)

    def _of_item(self, event: Any, kind: type, item: WrittenItem) -> None:
        if kind is e.TextDelta:
            if not item.skipped:
                self.text(item, item.parts["content", event.content_index], event)
        elif kind is e.ArgumentsDelta:
            item.pieces.append(event.text)
            if not item.skipped:
                self.arguments(item, event.text)
                self.heat_arguments(item, event)
        elif kind is e.ReasoningDelta:
            group = "summary" if event.kind == "summary" else "content"
            if not item.skipped:
                self.reasoning(item, item.parts[group, event.part_index], event)
        elif kind is e.RefusalDelta:
            if not item.skipped:
                self.refusal(item, item.parts["content", event.content_index], event)
        elif kind is e.ItemUpdated:
            # Its own wire tells that by the finish reason; but for Anthropic's calls without any arguments.
            told_so = self.own() and self.name != "anthropic"
            if item.state is ITEM_DONE and getattr(event.item, "complete", True) is False and not told_so:
                self.lose(LossCode.CALL_NOT_WHOLE, item.index)
            item.item = event.item
            if not item.skipped:
                self.item_updated(item)
        elif kind is e.PartStarted:
            part = item.parts[event.group, event.part_index] = WrittenPart(-1, "")
            part.state = PartState.OPEN
            if not item.skipped:
                self.part_started(item, part, event)
        elif kind is e.PartFinished:
            part = item.parts[event.group, event.part_index]
            part.state = PartState.DONE
            if not item.skipped:
                self.part_finished(item, part, event)
        elif kind is e.ValueFinished:
            if not item.skipped:
                self.value_finished(item, event)
        elif kind is e.ValueReplaced:
            self.lose(LossCode.VALUE_REPLACED, item.index, f"{event.kind} was corrected after it was written")
            key = part_key(event)
            if key is not None:
                item.parts[key].pieces = [event.text]
            elif event.kind == "arguments":
                item.pieces = [event.text]
            else:
                item.values[event.kind, event.part_index or 0] = [event.text]
        elif kind is e.AnnotationAdded:
            if not item.skipped:
                self.annotation(item, item.parts["content", event.content_index], event)
        elif kind is e.ItemFinished:
            item.item = event.item
            item.state = ITEM_DONE
            if not item.skipped:
                self.item_finished(item)
        elif kind is e.LiftedDelta:
            self.lose(LossCode.LIFTED_TEXT, event.output_index)
        elif not item.skipped:
            if kind in HOSTED_DELTAS:
                value = kind_of(event)
                name = KINDS[value].index
                item.values.setdefault((value, getattr(event, name) if name else 0), []).append(event.text)
            self.hosted(item, event)

    def _finish(self, event: e.ResponseFinished) -> None:
        response = event.response
        if not self.announced:
            self.source = response.dialect
            self.response_id, self.model = response.id, response.model
        for (_, into), made in self.lifts.items():
            self._end_made(made, into)
        if self.name == "anthropic":
            self._drop_held()
        self._release()
        outcome = event.outcome
        if outcome is COMPLETED or outcome is INCOMPLETE:
            self.ended(response, outcome)
        else:
            error = response.error if response.error is not None else self.error
            self.failed(response, outcome, error if outcome is FAILED else None)

    # --------------------------------------------------------------------------------- what was lifted out

    def _lifted(self, event: e.LiftedDelta) -> None:
        owner = self._checked(event, e.LiftedDelta)
        assert owner is not None
        index = self.lifts.get((event.output_index, event.into))
        if index is None:
            index = self.lifts[event.output_index, event.into] = -1 - len(self.lifts)
            choice = owner.item.choice_index
            if event.into == "text":
                self._begin_text(index, choice)
            else:
                self._take(e.ItemStarted(index, reasoning((), (), choice=choice)))
                self._take(e.PartStarted(index, 0, "content", thought_part()))
        self.items[index].pieces.append(event.text)
        if event.into == "text":
            self._take(e.TextDelta(index, 0, event.text))
        else:
            self._take(e.ReasoningDelta(index, 0, event.text, "text"))

    def _begin_text(self, index: int, choice: int | None) -> None:
        """A message begins that no wire sent."""
        self._take(e.ItemStarted(index, message((), whole=False, choice=choice)))
        self._take(e.PartStarted(index, 0, "content", text_part()))

    def _end_lifted(self, owner: int) -> None:
        for into in ("reasoning", "text"):
            made = self.lifts.get((owner, into))
            if made is not None:
                self._end_made(made, into)

    def _end_made(self, made: int, into: str) -> None:
        item = self.items[made]
        if item.state is ITEM_OPEN:
            text = "".join(item.pieces)
            choice = item.item.choice_index
            whole: Item
            if into == "text":
                whole = message((text_part(text),), whole=True, choice=choice)
            else:
                whole = reasoning((), (thought_part(text),), choice=choice)
            self._take(e.ItemFinished(made, whole))

    # ------------------------------------------------------------------------------------------- what is lost

    def lose(self, code: LossCode, index: int | None = None, message: str = "") -> None:
        """Something cannot be said. Reported once for each item."""
        if index is not None and index < 0:
            index = None
        if (code, index) not in self.lost:
            self.lost.add((code, index))
            self.losses.append(Loss(code, message or MESSAGES[code], index))

    def skip(self, item: WrittenItem, code: LossCode, message: str = "") -> None:
        """An item is left out, now and whatever more comes of it."""
        item.skipped = True
        self.lose(code, item.index, message)

    def skip_type(self, item: WrittenItem) -> None:
        """An item of a type that the wire does not have is left out."""
        self.skip(item, LossCode.ITEM_UNSUPPORTED, f"a {item.item.type[:60]} is left out")

    def lose_part(self, item: WrittenItem, part: Any) -> None:
        """A part of a type that the wire does not have is left out."""
        self.lose(LossCode.PART_UNSUPPORTED, item.index, f"a part of type {part.type[:40]} is left out")

    # --------------------------------------------------------------------------------------- what is known

    def own(self) -> bool:
        """Whether the events come from the wire that is written."""
        return self.source == self.name

    def ident(self, made: str) -> str:
        """The id of the response. It stands in every frame: one without measure becomes a digest."""
        ident = self.options.response_id or self.response_id or made
        return ident if len(ident) <= LONGEST_REPEATED else digest(made.partition("_")[0], ident)

    def model_name(self) -> str:
        """The model, "" where nobody sent it."""
        return (self.options.model or self.model or "")[:LONGEST_REPEATED]

    def created(self) -> int:
        """When the response began, in seconds since the epoch."""
        sent = self.data.get("created_at")
        if type(sent) is int or type(sent) is float:
            return int(sent) if math.isfinite(sent) else 0
        return self.options.created or 0

    def learn(self, data: JSON) -> None:
        """More is known of a response of which nothing is written."""
        self.data.update(data)
        if self.response_id is None and isinstance(data.get("id"), str):
            self.response_id = data["id"]
        if self.model is None and isinstance(data.get("model"), str):
            self.model = data["model"]

    def call_id(self, item: WrittenItem) -> str:
        """The id of a call, as this wire takes it."""
        ident = getattr(item.item, "call_id", None)
        if not ident:
            return f"call_{item.index if item.index >= 0 else 1000 - item.index}"
        return str(ident) if self.own() else fitting_call_id(self.name, ident)

    def called(self, item: WrittenItem) -> tuple[str, str]:
        """The id and the name of a call: those with which it was written first, whatever was sent since."""
        sent = self.call_id(item), str(getattr(item.item, "name", ""))
        if item.called is None:
            item.called = sent
        elif item.called != sent:
            self.lose(LossCode.VALUE_REPLACED, item.index, "a call got another id or name after it had begun")
        return item.called

    def is_named(self) -> bool:
        """Whether both the id and the model of the response are known."""
        known = self.response_id is not None or self.options.response_id
        return bool(known and (self.model is not None or self.options.model))

    def counted(self, response: Response) -> Any:
        """The usage of a response; None where nobody sent it."""
        return self.usage if response.usage is None else response.usage

    def reason_of(
        self, choice: int, raw: str | None, response: Response, outcome: Outcome
    ) -> tuple[str | None, Outcome]:
        """The finish reason and the outcome of a choice. `raw` is the word of its server.

        Those of a response are those of its first choice.
        """
        if choice <= 0 or not raw or self.source is None:
            return response.finish_reason, outcome
        stop = part_of(self.source, "table").stop_of(raw)
        return (raw, outcome) if stop is None else (stop.reason or raw, stop.outcome)

    def nearest(self, reason: str | None, word: str) -> str:
        """A finish reason that the wire has no word for becomes another one."""
        if reason is not None:
            self.lose(LossCode.FINISH_REASON, None, f"{reason[:60]!r} is written as {word}")
        return word

    # ------------------------------------------------------------------------------ what several wires share

    def replay(self, item: WrittenItem) -> None:
        """The arguments that were held back are written."""
        pieces, item.pieces = item.pieces, []
        for piece in pieces:
            item.pieces.append(piece)
            self.arguments(item, piece)

    def tell_whole(self, item: WrittenItem, text: str) -> None:
        """Arguments of which no fragment came are written at once."""
        if text and not item.pieces:
            item.pieces.append(text)
            self.arguments(item, text)

    def thought(self, item: WrittenItem, event: e.ReasoningDelta, key: int) -> str | None:
        """The text of a fragment of reasoning, on a wire that has one text for reasoning and its summary.

        An empty line parts what is about something else. None: it is left out. `key` is the text that it is
        added to.
        """
        text, kind = event.text, event.kind
        place = f"{item.index} {event.part_index if kind == 'summary' else kind}"
        before = self.spoke.get(key)
        if kind == "summary":
            if "text" in item.kinds:
                self.lose(LossCode.REASONING_SUMMARY, item.index)
                return None
            apart = before is not None and before != place
        else:
            apart = item.kinds == "summary"
        if kind not in item.kinds:
            item.kinds += kind
        if before != place:
            self.hot.clear()  # what another item or part goes on with is to be told apart
            self.spoke[key] = place
        return "\n\n" + text if apart else text

    def finish_items(self, outcome: Outcome) -> None:
        """What is still open ends with its response; a call that ends so is as whole as its arguments are."""
        for item in list(self.items.values()):
            if item.state is not ITEM_DONE and not item.skipped:
                item.state = ITEM_DONE
                sent = item.item
                if isinstance(sent, FunctionCall) and outcome is COMPLETED and not sent.complete:
                    text = "".join(item.pieces) or sent.arguments or "{}"
                    item.item = evolve(sent, complete=is_strict_json(text))
                self.item_finished(item)

    def payload_of(self, event: Any) -> tuple[JSON, str] | None:
        """A payload of the wire as it was sent, and its type. None where it has no form to be written in."""
        payload = event.payload
        if type(payload) is dict:
            kind = payload.get("type") or getattr(event, "type", None)
            if type(kind) is str and SAFE_NAME.fullmatch(kind):
                sent = {"type": kind, **{key: value for key, value in payload.items() if key != "type"}}
                return sent, kind
        self.lose(LossCode.EVENT_UNWRITABLE)
        return None

    # ----------------------------------------------------------------------------- what each wire has its own

    def response_started(self) -> None:
        """The response was announced."""

    def status(self, event: e.StatusChanged) -> None:
        """More is known of the response."""

    def choice_updated(self, event: e.ChoiceUpdated) -> None:
        """More is known of a choice. (The wire's own choices have a place on it.)"""
        if event.data and self.source is not None:
            self.lose(LossCode.CHOICE_DATA, None, f"{', '.join(event.data)[:80]} of a choice")

    def audio(self, event: e.AudioDelta | e.TranscriptDelta) -> None:
        """A piece of spoken output."""
        self.lose(LossCode.AUDIO_UNSUPPORTED)

    def heartbeat(self) -> None:
        """A sign of life."""
        self.out.append(": keepalive\n\n")

    def as_sent(self, event: Any) -> None:
        """An event of the wire itself, back onto it."""

    def item_started(self, item: WrittenItem) -> None:
        """An item begins."""

    def item_updated(self, item: WrittenItem) -> None:
        """More is known of an item."""

    def part_started(self, item: WrittenItem, part: WrittenPart, event: e.PartStarted) -> None:
        """A part begins."""

    def part_finished(self, item: WrittenItem, part: WrittenPart, event: e.PartFinished) -> None:
        """A part is whole."""

    def text(self, item: WrittenItem, part: WrittenPart, event: e.TextDelta) -> None:
        """A fragment of text."""

    def refusal(self, item: WrittenItem, part: WrittenPart, event: e.RefusalDelta) -> None:
        """A fragment of a refusal."""

    def reasoning(self, item: WrittenItem, part: WrittenPart, event: e.ReasoningDelta) -> None:
        """A fragment of reasoning."""

    def arguments(self, item: WrittenItem, text: str) -> None:
        """A fragment of arguments."""

    def heat_arguments(self, item: WrittenItem, event: e.ArgumentsDelta) -> None:
        """The next fragment can go the short way, if it can."""

    def hosted(self, item: WrittenItem, event: Any) -> None:
        """What hosted tools stream, and how far they are."""

    def value_finished(self, item: WrittenItem, event: e.ValueFinished) -> None:
        """A value is whole."""

    def annotation(self, item: WrittenItem, part: WrittenPart, event: e.AnnotationAdded) -> None:
        """A part of a message gets an annotation."""

    def item_finished(self, item: WrittenItem) -> None:
        """An item is whole."""

    def ended(self, response: Response, outcome: Outcome) -> None:
        """The response is complete, or as complete as it will be."""

    def failed(self, response: Response, outcome: Outcome, error: ResponseError | None) -> None:
        """The response failed, was cut off or given up: no client may take it for a success."""


KNOWN: Final = frozenset((e.ResponseStarted,))
ITEM_EVENTS: Final = frozenset(
    kind
    for kinds in (ITEM_TRANSITIONS[ITEM_ABSENT], ITEM_TRANSITIONS[ITEM_OPEN], ITEM_TRANSITIONS[ITEM_DONE])
    for kind in kinds
)
HOSTED_DELTAS: Final = (e.CodeDelta, e.DiffDelta, e.CommandDelta, e.CommandOutputDelta, e.OutputDelta)


def error_of(outcome: Outcome, error: ResponseError | None) -> tuple[str, str]:
    """The code and the message of a response that did not come to its end."""
    if outcome is TRUNCATED:
        return "stream_truncated", "the stream ended before the response did"
    if outcome is not FAILED:
        return "cancelled", "the response was cancelled"
    if error is None:
        return "server_error", "the response failed"
    message = error.message or f"the response failed: {error.code or error.kind}"
    return KIND_CODES.get(error.kind, "server_error"), message
