"""What comes out: one class for each kind of event. Data only.

A delta carries its keys and the fragment, nothing cumulative. `output_index` names an item, and on the
Responses API it is the wire's own; on Chat Completions items are numbered in the order of their appearance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

from deltafold.model.errors import ResponseError, UsageError
from deltafold.model.frozen import field, frozen
from deltafold.model.items import Item, Part, shorten, text_field
from deltafold.model.json_form import CLASS, form_of, object_of
from deltafold.model.rate_limits import RateLimits
from deltafold.model.response import Outcome, Response, Usage

__all__ = [
    "AnnotationAdded",
    "ArgumentsDelta",
    "AudioDelta",
    "ChoiceUpdated",
    "CodeDelta",
    "CommandDelta",
    "CommandOutputDelta",
    "DiffDelta",
    "ErrorReported",
    "Event",
    "Heartbeat",
    "ItemFinished",
    "ItemProgress",
    "ItemStarted",
    "ItemUpdated",
    "LiftedDelta",
    "Notice",
    "OutputDelta",
    "PartFinished",
    "PartStarted",
    "PartialImage",
    "RateLimitsReported",
    "ReasoningDelta",
    "RefusalDelta",
    "ResponseFinished",
    "ResponseStarted",
    "StatusChanged",
    "TextDelta",
    "TranscriptDelta",
    "UnknownEvent",
    "UsageReported",
    "ValueFinished",
    "ValueReplaced",
    "event_from_dict",
]

FORM: Final = 1
"""The version of the form of events as JSON."""

Group: TypeAlias = Literal["content", "summary"]
"""Which list of an item a part stands in."""

ValueKind: TypeAlias = Literal[
    "text",
    "refusal",
    "summary",
    "reasoning",
    "arguments",
    "code",
    "diff",
    "command",
    "stdout",
    "stderr",
    "output",
]
"""What a streamed value is. `arguments` is also the input of a custom tool."""


def payload_field() -> Any:
    return field(repr=shorten, hash=False)


class EventBase:
    """What all events can do."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The event as a JSON-safe dict, all of it, to be sent on; `event_from_dict()` makes it again.

        Its `deltafold` is the version of this form, its `event` the name of the class; the other members are
        the fields. Items, parts, responses and errors inside are such dicts as well, with the name of their
        class as `class`. It shares nothing with the event.
        """
        form = form_of(self)
        del form[CLASS]
        return {"event": type(self).__name__, "deltafold": FORM, **form}


# ------------------------------------------------------------------------------------------ the response


@frozen
class ResponseStarted(EventBase):
    """The response has begun. Comes once, before everything that belongs to the response."""

    response_id: str | None
    model: str | None
    data: dict[str, Any] = field(factory=dict, repr=False, hash=False)
    """The response as it was announced, without its output. Not to be changed."""
    dialect: str | None = field(default=None, repr=False, eq=False)
    """The wire that sent it. None where no parser made the event."""


@frozen
class StatusChanged(EventBase):
    """The server says how far the response is, or more about it."""

    status: str | None
    """`queued`, `in_progress`; None where only `data` is new."""
    data: dict[str, Any] = field(factory=dict, repr=False, hash=False)
    """The response as it was sent, without its output. Not to be changed."""


@frozen
class ChoiceUpdated(EventBase):
    """Chat Completions says of a choice what is not its text: why it finished, content filters…"""

    choice_index: int
    finish_reason: str | None
    """The server's own word. It is no end: arguments and usage may follow."""
    data: dict[str, Any] = payload_field()
    """What is new, as the server sent it."""
    reasoning_field: str | None = field(default=None, repr=False)
    """The member in which the reasoning came, where there are several names for it; sent at the end."""
    legacy_call_id: str | None = field(default=None, repr=False)
    """The id of the call that came as `function_call`; sent at the end."""


@frozen
class UsageReported(EventBase):
    """Tokens used. A later report takes the place of an earlier one; they are never to be added."""

    usage: Usage


@frozen
class RateLimitsReported(EventBase):
    """The caller's rate limits, as the server sent them inside the stream."""

    limits: RateLimits | None = field(repr=shorten, hash=False)
    """What could be read of them."""
    payload: dict[str, Any] = payload_field()


@frozen
class ErrorReported(EventBase):
    """The provider reported a failure. `ResponseFinished` with the outcome `failed` follows."""

    error: ResponseError


@frozen
class ResponseFinished(EventBase):
    """The end. Comes once, last."""

    outcome: Outcome
    response: Response = field(repr=str)


# --------------------------------------------------------------------------------------- items and parts


@frozen
class ItemStarted(EventBase):
    """An item has begun. Comes before everything that belongs to the item."""

    output_index: int
    item: Item
    member: str | None = field(default=None, repr=False, eq=False)
    """The member of the wire in which it came, where servers have several for one thing: `reasoning`,
    `function_call`…"""


@frozen
class ItemUpdated(EventBase):
    """More is known of an item that had begun: its name, an id."""

    output_index: int
    item: Item


@frozen
class ItemProgress(EventBase):
    """A hosted tool says how far it is."""

    output_index: int
    status: str
    """The last word of the wire's type: `searching`, `interpreting`, `completed`…"""


@frozen
class ItemFinished(EventBase):
    """An item is whole."""

    output_index: int
    item: Item


@frozen
class PartStarted(EventBase):
    """A part of an item's content or summary has begun."""

    output_index: int
    part_index: int
    """`content_index` or `summary_index`, by `group`."""
    group: Group
    part: Part


@frozen
class PartFinished(EventBase):
    """A part of an item's content or summary is whole."""

    output_index: int
    part_index: int
    group: Group
    part: Part


# ---------------------------------------------------------------------------------------- streamed values


@frozen(weakref_slot=False)
class TextDelta(EventBase):
    """A fragment of a message's text."""

    output_index: int
    content_index: int
    text: str = text_field()
    logprobs: tuple[dict[str, Any], ...] = field(default=(), repr=False, hash=False)
    """Log probabilities of the fragment's tokens, as the server sent them."""


@frozen
class RefusalDelta(EventBase):
    """A fragment of a refusal."""

    output_index: int
    content_index: int
    text: str = text_field()


@frozen(weakref_slot=False)
class ReasoningDelta(EventBase):
    """A fragment of reasoning: of its summary, or of its raw text."""

    output_index: int
    part_index: int
    text: str = field(repr=shorten)
    kind: Literal["summary", "text"]


@frozen(weakref_slot=False)
class ArgumentsDelta(EventBase):
    """A fragment of a function call's or an MCP call's arguments, or of a custom tool's input."""

    output_index: int
    text: str = text_field()


@frozen
class LiftedDelta(EventBase):
    """A fragment of a string inside a call's arguments that was declared to be text or reasoning."""

    output_index: int
    path: tuple[str | int, ...]
    """Where in the arguments: object keys and array positions from the top."""
    into: Literal["text", "reasoning"]
    text: str = text_field()


@frozen
class CodeDelta(EventBase):
    """A fragment of the code that the code interpreter is to run."""

    output_index: int
    text: str = text_field()


@frozen
class DiffDelta(EventBase):
    """A fragment of a patch."""

    output_index: int
    text: str = text_field()


@frozen
class CommandDelta(EventBase):
    """A fragment of a shell command."""

    output_index: int
    command_index: int
    text: str = text_field()


@frozen
class CommandOutputDelta(EventBase):
    """A fragment of what a shell command wrote."""

    output_index: int
    command_index: int
    stream: Literal["stdout", "stderr"]
    text: str = text_field()


@frozen
class OutputDelta(EventBase):
    """A fragment of a hosted tool's output."""

    output_index: int
    text: str = text_field()


@frozen
class ValueReplaced(EventBase):
    """A value sent whole contradicts what was handed out: it is `text`, and later deltas go on from there."""

    output_index: int
    kind: ValueKind
    text: str = text_field()
    content_index: int | None = None
    """Which part, where `kind` is `text` or `refusal`."""
    part_index: int | None = None
    """Which part or command, where `kind` has such."""


@frozen
class ValueFinished(EventBase):
    """The server sent a value whole; the deltas handed out, joined, are just that."""

    output_index: int
    kind: ValueKind
    text: str = text_field()
    content_index: int | None = None
    """Which part, where `kind` is `text` or `refusal`."""
    part_index: int | None = None
    """Which part or command, where `kind` has such."""


@frozen
class AnnotationAdded(EventBase):
    """A citation or file path that belongs to a text part."""

    output_index: int
    content_index: int
    annotation_index: int
    annotation: dict[str, Any] = payload_field()


@frozen
class PartialImage(EventBase):
    """A preview of an image that is being made. It is not kept in the response."""

    output_index: int
    partial_image_index: int
    image: str = field(repr=shorten)
    """The image, in base64."""
    data: dict[str, Any] = field(repr=False, hash=False)
    """What else was sent of it: its format, size, quality, background."""


@frozen
class AudioDelta(EventBase):
    """A fragment of spoken output, in base64."""

    data: str = text_field()


@frozen
class TranscriptDelta(EventBase):
    """A fragment of the words of spoken output."""

    text: str = text_field()


# ---------------------------------------------------------------------------------------- everything else


@frozen
class Heartbeat(EventBase):
    """A sign of life that says nothing: a comment, a keepalive or ping, an event without data."""

    source: str
    """`comment`, `empty`, or the wire's type or event name: `keepalive`, `ping`…"""
    text: str = field(default="", repr=shorten)


@frozen
class Notice(EventBase):
    """An event that is known, and changes nothing in the response: metadata, timing, steering."""

    type: str
    payload: dict[str, Any] = payload_field()


@frozen
class UnknownEvent(EventBase):
    """Something that this library does not know, or could not read, as it came."""

    type: str
    """The payload's type, else the SSE event name, else ""."""
    payload: Any = payload_field()
    """The JSON value; where it is no JSON, the text as `str`."""


Event: TypeAlias = (
    ResponseStarted
    | StatusChanged
    | ChoiceUpdated
    | UsageReported
    | RateLimitsReported
    | ErrorReported
    | ResponseFinished
    | ItemStarted
    | ItemUpdated
    | ItemProgress
    | ItemFinished
    | PartStarted
    | PartFinished
    | TextDelta
    | RefusalDelta
    | ReasoningDelta
    | ArgumentsDelta
    | LiftedDelta
    | CodeDelta
    | DiffDelta
    | CommandDelta
    | CommandOutputDelta
    | OutputDelta
    | ValueReplaced
    | ValueFinished
    | AnnotationAdded
    | PartialImage
    | AudioDelta
    | TranscriptDelta
    | Heartbeat
    | Notice
    | UnknownEvent
)


EVENTS: Final[dict[str, type]] = {kind.__name__: kind for kind in get_args(Event)}
"""The classes of events by their names."""


def event_from_dict(sent: Mapping[str, Any]) -> Event:
    """The event that `to_dict()` wrote: equal to the one that it was, and sharing nothing with `sent`.

    Raises `TypeError` for what is no mapping, and `UsageError` where it is no such dict, of another version,
    or damaged: with a member that is missing, unknown, or of the wrong type.
    """
    if not isinstance(sent, Mapping):
        raise TypeError(f"an event is made out of a mapping, not {type(sent).__name__!r}")
    version, name = sent.get("deltafold"), sent.get("event")
    if type(version) is not int:
        raise UsageError("this is no event as to_dict() tells it: it has no version")
    if version != FORM:
        raise UsageError(f"an event in version {version} of the form; this library reads version {FORM}")
    kind = EVENTS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise UsageError(f"there is no event {name!r:.60}")
    fields = {key: value for key, value in sent.items() if key not in ("deltafold", "event")}
    made: Event = object_of(kind, fields, kind.__name__)
    return made
