"""What a user interface shows of a stream: display messages, each with an index and an id.

A small pure view over events. It is given every event in the order in which the parser hands them out, and
says what each of them changes. The same events give the same messages: a stream that is read again, or goes
on in another process, has the same ids. An id is the caller's base id, a hyphen, and the message's index.

How events are grouped:

1. A message is what one voice of one item says: its text, its refusal, its raw reasoning, its summary of
   reasoning, the call that it is, what came of that call. Its index is one more than that of the message that
   began before it, and stays.
2. A call has one message from its announcement on, whatever comes between its fragments. So has its output,
   and so have the text and the reasoning that are lifted out of its arguments, each beside the call itself.
3. Text, refusal and reasoning on the Responses API go on until another voice of the same item begins. What
   other items say meanwhile does not matter: an item is one place on the screen.
4. In Chat Completions they go on until another message of the same choice begins. A choice has but one item
   for all its text and one for all its reasoning; so text after a tool call is a new message, and so is text
   after more reasoning. What other choices say meanwhile does not matter.
5. In a message each value has one part; mostly there is but one. A summary of reasoning may have several:
   each but the first begins with a blank line.
6. Reasoning that ends without a word shown, and an end before the response was whole, are messages as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeAlias

import attrs

from deltafold.machine.values import KINDS, index_of, kind_of
from deltafold.model import events as e
from deltafold.model.errors import UsageError
from deltafold.model.frozen import field, frozen
from deltafold.model.items import (
    CustomToolCall,
    FunctionCall,
    OtherItem,
    Reasoning,
    shorten,
    text_field,
)
from deltafold.model.json_values import joined, string
from deltafold.model.response import Outcome

__all__ = ["DisplayKind", "DisplayMessage", "DisplayUpdate", "DisplayView"]

VERSION = 1


class DisplayKind(StrEnum):
    """What a display message is."""

    TEXT = "text"
    """What the model says to the user: text, words of spoken output, or text lifted out of a call."""
    REFUSAL = "refusal"
    """Why the model will not answer."""
    REASONING = "reasoning"
    """What the model thinks: raw, in summary, or lifted out of a call."""
    HIDDEN_REASONING = "hidden_reasoning"
    """The model reasoned, and nothing of it is shown. There is no text."""
    TOOL_CALL = "tool_call"
    """A call of a function or tool. The text is its arguments or input, or its code, commands or patch."""
    TOOL_OUTPUT = "tool_output"
    """What a hosted tool gave back."""
    APPROVAL_REQUEST = "approval_request"
    """A call that waits for the user's approval. The text is its arguments."""
    ERROR = "error"
    """The provider reported a failure. The text is its message, else its code or kind."""
    STOPPED = "stopped"
    """The response ended before it was whole. The text is the server's reason, else the outcome."""


def shorten_parts(parts: tuple[str, ...]) -> str:
    """The repr of the joined parts, cut where it is long."""
    return shorten("".join(parts))


@frozen
class DisplayMessage:
    """One message, as far as it is known."""

    id: str
    """The base id, a hyphen, and the index."""
    index: int
    """Messages count from 0, in the order in which they began."""
    kind: DisplayKind
    parts: tuple[str, ...] = field(repr=shorten_parts)
    """Its text in parts, with what separates them."""
    output_index: int | None
    """The item that it belongs to; None where it belongs to the response as a whole."""
    choice_index: int | None
    """The choice that it belongs to; None on the Responses API, which has but one."""
    name: str | None
    """The name of the tool, or the type of a hosted one; None where there is none."""
    call_id: str | None
    """What a result has to name, or the answer to an MCP approval request."""
    status: str | None
    """The server's last word on the item: `in_progress`, `searching`, `completed`…"""
    finished: bool
    """Whether the item is whole. In a stream that broke off it may never be."""

    @property
    def text(self) -> str:
        """The parts, joined."""
        return "".join(self.parts)


@frozen(weakref_slot=False)
class DisplayUpdate:
    """What an event changes in one message. The first update that has an index begins that message.

    Nearly always `text` goes on at the end of the message; else it is `replaced`, or `part` is not the last.
    Where there is no text something else changed, which `DisplayView.message()` tells: its name, its status.
    """

    message_id: str
    index: int
    kind: DisplayKind
    text: str = text_field()
    part: int = 0
    """Which of the message's parts `text` belongs to."""
    replaced: bool = False
    """Whether `text` takes the place of that part; else it goes on at its end, and may be its beginning."""


Updates: TypeAlias = tuple[DisplayUpdate, ...]
Place: TypeAlias = int | tuple[str | int, ...] | None
"""Which of an item's values of one kind: the index of its part or command, or the path of a lifted one."""

DISPLAY_KINDS: dict[str, DisplayKind] = {
    "text": DisplayKind.TEXT,
    "refusal": DisplayKind.REFUSAL,
    "summary": DisplayKind.REASONING,
    "reasoning": DisplayKind.REASONING,
    "hidden": DisplayKind.HIDDEN_REASONING,
    "call": DisplayKind.TOOL_CALL,
    "output": DisplayKind.TOOL_OUTPUT,
    "lifted text": DisplayKind.TEXT,
    "lifted reasoning": DisplayKind.REASONING,
    "transcript": DisplayKind.TEXT,
    "error": DisplayKind.ERROR,
    "stopped": DisplayKind.STOPPED,
}
"""The voices, and what their messages are. A call that needs approval is an approval request."""

VOICES = {
    **dict.fromkeys(("arguments", "code", "diff", "command"), "call"),
    **dict.fromkeys(("stdout", "stderr"), "output"),
}
"""Which voice a kind of value belongs to, where it has not its own."""

PROSE = ("text", "refusal", "summary", "reasoning")
"""The voices of which an item may have several messages. Of each other one it has one."""

REASONED = ("summary", "reasoning")

SEPARATORS = {"summary": "\n\n", "lifted text": "\n\n", "lifted reasoning": "\n\n", "command": "\n"}
"""What a part begins with that is not the first of its message, by the kind of its value."""


@attrs.define
class MessageSource:
    """The item that messages belong to, as far as they show it; or the response as a whole."""

    choice_index: int | None = None
    name: str | None = None
    call_id: str | None = None
    status: str | None = None
    needs_approval: bool = False
    finished: bool = False
    messages: list[int] = attrs.field(factory=list, eq=False)
    by_channel: dict[str, int] = attrs.field(factory=dict, eq=False)


@attrs.define
class MessagePart:
    """A value, or a piece of one, in a message."""

    kind: str
    place: Place
    fragments: list[str]

    @property
    def text(self) -> str:
        """The fragments, joined once."""
        return joined(self.fragments)


@attrs.define
class OpenMessage:
    """A message while it grows."""

    id: str
    kind: DisplayKind
    channel: str
    output_index: int | None
    pieces: list[MessagePart] = attrs.field(factory=list)

    def separator(self, part: int) -> str:
        """What separates a part from the one before it."""
        return SEPARATORS.get(self.pieces[part].kind, "") if part else ""


class DisplayView:
    """The display messages of one response. Give it every event, in order."""

    def __init__(self, base_id: str) -> None:
        """
        :param base_id: what the ids of the messages begin with. The same one gives the same ids.
        """
        self._base_id = base_id
        self._messages: list[OpenMessage] = []
        self._origins: dict[int | None, MessageSource] = {None: MessageSource()}
        # Where each value is: its message and part. In Chat Completions it may have pieces in several.
        self._values: dict[tuple[int | None, str, Place], list[tuple[int, int]]] = {}
        # The message of each choice that began last.
        self._newest: dict[int, int] = {}

    def apply(self, event: e.Event) -> Updates:
        """What an event changes, in order: most that are no fragment, nothing. Costs what it changes."""
        handler = HANDLERS.get(type(event))
        return () if handler is None else handler(self, event)

    @property
    def messages(self) -> tuple[DisplayMessage, ...]:
        """All messages so far. Costs their size."""
        return tuple(self.message(index) for index in range(len(self._messages)))

    def message(self, index: int) -> DisplayMessage:
        """The message of that index; -1 is the newest. Costs its size. Raises `IndexError`."""
        index = range(len(self._messages))[index]
        message = self._messages[index]
        origin = self._origins[message.output_index]
        return DisplayMessage(
            message.id,
            index,
            message.kind,
            tuple(message.separator(part) + piece.text for part, piece in enumerate(message.pieces)),
            message.output_index,
            origin.choice_index,
            origin.name,
            origin.call_id,
            origin.status,
            origin.finished,
        )

    def getstate(self) -> dict[str, Any]:
        """All that `resume()` needs to go on from here, as a dict of JSON values. Costs its size."""
        return {
            "version": VERSION,
            "base_id": self._base_id,
            "origins": [
                [index, attrs.asdict(origin, filter=attrs.filters.exclude("messages", "by_channel"))]
                for index, origin in self._origins.items()
            ],
            "messages": [
                [
                    message.channel,
                    message.output_index,
                    [
                        [piece.kind, list(at) if isinstance(at := piece.place, tuple) else at, piece.text]
                        for piece in message.pieces
                    ],
                ]
                for message in self._messages
            ],
        }

    @classmethod
    def resume(cls, state: Mapping[str, Any]) -> DisplayView:
        """The view that goes on where `getstate()` was called. Raises `UsageError` on a damaged state."""
        try:
            if state["version"] != VERSION:
                raise ValueError(f"version {state['version']!r}, this library reads {VERSION}")
            view = cls(state["base_id"])
            view._origins.update({index: MessageSource(**fields) for index, fields in state["origins"]})
            for channel, index, pieces in state["messages"]:
                at = view._begin(index, channel)
                for kind, place, text in pieces:
                    if not isinstance(text, str):
                        raise TypeError(f"{text!r:.40} is no text")
                    view._add(at, kind, tuple(place) if isinstance(place, list) else place, text)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"not a state of DisplayView: {error!r}") from error
        return view

    # ---------------------------------------------------------------------------------------- messages

    def _begin(self, index: int | None, channel: str) -> int:
        """A message begins. Gives its index."""
        origin = self._origins[index]
        kind = DISPLAY_KINDS[channel]
        if channel == "call" and origin.needs_approval:
            kind = DisplayKind.APPROVAL_REQUEST
        at = len(self._messages)
        self._messages.append(OpenMessage(f"{self._base_id}-{at}", kind, channel, index))
        origin.messages.append(at)
        origin.by_channel[channel] = at
        if origin.choice_index is not None:
            self._newest[origin.choice_index] = at
        return at

    def _message_of(self, index: int | None, channel: str) -> int:
        """The message that something new of a voice goes into; it begins where there is none."""
        origin = self._origins.setdefault(index, MessageSource())
        if channel not in PROSE:
            at = origin.by_channel.get(channel)
            return self._begin(index, channel) if at is None else at
        if origin.choice_index is not None:
            newest = self._newest.get(origin.choice_index)
        else:
            newest = origin.messages[-1] if origin.messages else None
        if newest is not None:
            message = self._messages[newest]
            if message.channel == "hidden" and message.output_index == index and channel in REASONED:
                # The end of the response shows what its item had not.
                message.channel, message.kind = channel, DISPLAY_KINDS[channel]
                del origin.by_channel["hidden"]
            if message.channel == channel and message.output_index == index:
                return newest
        return self._begin(index, channel)

    def _changed(self, at: int) -> DisplayUpdate:
        """Something beside its text changed, or it began without any."""
        message = self._messages[at]
        return DisplayUpdate(message.id, at, message.kind, "", max(0, len(message.pieces) - 1))

    # ------------------------------------------------------------------------------------------ values

    def _append(self, index: int | None, kind: str, place: Place, text: str) -> Updates:
        """A fragment of a value."""
        places = self._values.get((index, kind, place))
        if places is not None:
            at, part = places[-1]
            choice = self._origins[index].choice_index
            if choice is None or kind not in PROSE or self._newest.get(choice) == at:
                message = self._messages[at]
                message.pieces[part].fragments.append(text)
                return (DisplayUpdate(message.id, at, message.kind, text, part),)
        at = self._message_of(index, VOICES.get(kind, kind))
        part = self._add(at, kind, place, text)
        message = self._messages[at]
        return (DisplayUpdate(message.id, at, message.kind, message.separator(part) + text, part),)

    def _add(self, at: int, kind: str, place: Place, text: str) -> int:
        """A value, or a piece of one, begins in a message. Gives its part."""
        message = self._messages[at]
        message.pieces.append(MessagePart(kind, place, [text]))
        part = len(message.pieces) - 1
        if text:
            self._values.setdefault((message.output_index, kind, place), []).append((at, part))
        return part

    def _replace(self, index: int | None, kind: str, place: Place, text: str) -> Updates:
        """A value is `text`. What of that was shown rightly stays where it is, the rest goes after it."""
        places = self._values.pop((index, kind, place), [])
        if not places:
            return self._append(index, kind, place, text)
        updates, kept, done = [], [], 0
        for number, (at, part) in enumerate(places, 1):
            message = self._messages[at]
            piece = message.pieces[part]
            stays = piece.text
            if number == len(places) or not text.startswith(stays, done):
                stays = text[done:]
                piece.fragments = [stays]
                whole = message.separator(part) + stays
                updates.append(DisplayUpdate(message.id, at, message.kind, whole, part, replaced=True))
            done += len(stays)
            if stays:
                kept.append((at, part))
        self._values[index, kind, place] = kept
        return tuple(updates)

    def _tell(self, index: int, kind: str, text: str) -> Updates:
        """A value was sent whole in its item, which streams no fragments of it."""
        places = self._values.get((index, kind, None), ())
        so_far = "".join([self._messages[at].pieces[part].text for at, part in places])
        if not text or text == so_far:
            return ()
        if text.startswith(so_far):
            return self._append(index, kind, None, text[len(so_far) :])
        return self._replace(index, kind, None, text)

    # ------------------------------------------------------------------------------------------ events

    def _item(self, event: e.ItemStarted | e.ItemUpdated | e.ItemFinished) -> Updates:
        index, item = event.output_index, event.item
        origin = self._origins.setdefault(index, MessageSource())
        before, count = attrs.evolve(origin), len(origin.messages)
        origin.choice_index = item.choice_index
        origin.status = item.status
        origin.finished = origin.finished or isinstance(event, e.ItemFinished)
        sent: Updates = ()
        if isinstance(item, (FunctionCall, CustomToolCall)):
            origin.name, origin.call_id, origin.needs_approval = item.name, item.call_id, item.needs_approval
            self._call(index, origin)
        elif isinstance(item, OtherItem):
            origin.name = string(item.data, "name") or item.type
            if item.type == "mcp_approval_request":
                origin.call_id, origin.needs_approval = item.id, True
                self._call(index, origin)
                sent = self._tell(index, "arguments", string(item.data, "arguments") or "")
            elif item.type.endswith("_call"):
                self._call(index, origin)
        elif isinstance(item, Reasoning) and origin.finished and not self._spoken(origin, REASONED):
            self._message_of(index, "hidden")
        if origin == before and len(origin.messages) == count:
            return sent
        return (*(self._changed(at) for at in origin.messages), *sent)

    def _call(self, index: int, origin: MessageSource) -> None:
        """An item is a call, which may need approval; that may become known late, with its name."""
        message = self._messages[self._message_of(index, "call")]
        message.kind = DisplayKind.APPROVAL_REQUEST if origin.needs_approval else DisplayKind.TOOL_CALL

    def _spoken(self, origin: MessageSource, voices: tuple[str, ...]) -> bool:
        """Whether any of these voices has a message."""
        return any(self._messages[at].channel in voices for at in origin.messages)

    def _progress(self, event: e.ItemProgress) -> Updates:
        origin = self._origins.setdefault(event.output_index, MessageSource())
        if origin.status == event.status:
            return ()
        origin.status = event.status
        return tuple(self._changed(at) for at in origin.messages)

    def _delta(self, event: Any) -> Updates:
        kind = kind_of(event)
        at = index_of(event, kind) if KINDS[kind].index else None
        return self._append(event.output_index, kind, at, event.text)

    def _lifted(self, event: e.LiftedDelta) -> Updates:
        return self._append(event.output_index, f"lifted {event.into}", event.path, event.text)

    def _transcript(self, event: e.TranscriptDelta) -> Updates:
        return self._append(None, "transcript", None, event.text)

    def _replaced(self, event: e.ValueReplaced) -> Updates:
        place = event.part_index if event.content_index is None else event.content_index
        return self._replace(event.output_index, event.kind, place, event.text)

    def _error(self, event: e.ErrorReported) -> Updates:
        # A second report is the fuller cause of the first.
        error = event.error
        return self._replace(None, "error", None, error.message or str(error.code or error.kind))

    def _finished(self, event: e.ResponseFinished) -> Updates:
        response, origin = event.response, self._origins[None]
        origin.finished = True
        updates = [self._changed(at) for at in origin.messages]
        if response.hidden_reasoning and all(message.channel != "hidden" for message in self._messages):
            updates.append(self._changed(self._begin(None, "hidden")))
        if event.outcome is not Outcome.COMPLETED and not self._spoken(origin, ("error",)):
            updates += self._append(None, "stopped", None, response.incomplete_reason or str(event.outcome))
        return tuple(updates)


HANDLERS: dict[type, Callable[[DisplayView, Any], Updates]] = {
    e.ItemStarted: DisplayView._item,
    e.ItemUpdated: DisplayView._item,
    e.ItemProgress: DisplayView._progress,
    e.ItemFinished: DisplayView._item,
    **dict.fromkeys((row.delta for row in KINDS.values()), DisplayView._delta),
    e.LiftedDelta: DisplayView._lifted,
    e.TranscriptDelta: DisplayView._transcript,
    e.ValueReplaced: DisplayView._replaced,
    e.ErrorReported: DisplayView._error,
    e.ResponseFinished: DisplayView._finished,
}
"""What an event does here. All others change nothing that is shown."""
