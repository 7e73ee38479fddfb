"""What is remembered of each choice while a response is open: its message, its reasoning and its calls."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.chat.reasoning_details import Details
from deltafold.dialects.chat.table import stop_of
from deltafold.dialects.chat.think_tags import ThinkTags
from deltafold.machine.values import ValuePath

__all__ = ["OpenCall", "OpenCalls", "OpenChoice"]

JSON: TypeAlias = dict[str, Any]


class OpenCall:
    """One tool call, found among the fragments of its choice."""

    SNAPSHOT_FIELDS: Final = (
        "place",
        "at",
        "custom",
        "legacy",
        "id",
        "name",
        "name_rest",
        "index",
        "pieces",
        "size",
        "held",
        "more",
        "updates",
        "cumulative",
        "checks",
        "checked",
        "id_repeats",
        "is_odd",
        "gap",
    )
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, place: int | None, at: int, custom: bool, legacy: bool) -> None:
        self.place = place
        """The wire's index."""
        self.at = at
        """Its position among the calls of its choice."""
        self.custom = custom
        self.legacy = legacy
        """It came as `function_call`, the field that was there before `tool_calls`."""
        self.id: str | None = None
        self.name = ""
        self.name_rest: list[str] = []
        """Pieces of a name that is longer than any: they are joined once, at the end."""
        self.index: int | None = None
        """The output index, once the name is known and the item has begun."""
        self.pieces: list[str] = []
        """The arguments so far, until the item has begun."""
        self.size = 0
        """How many characters those have."""
        self.held = ""
        """A leading `{}`, which some servers send before the arguments."""
        self.more: JSON = {}
        """Fields that this library does not know."""
        self.updates = 0
        """How often its item was sent anew."""
        self.cumulative = False
        """Whether each fragment has the arguments so far again."""
        self.checks = 0
        self.checked = 0
        self.id_repeats = False
        """Whether it came with the id of another call."""
        self.is_odd = False
        """Whether arguments came that could not be read."""
        self.gap = 0
        """How many characters of them had come before that."""

    @property
    def key(self) -> ValuePath:
        """Where the arguments stand in the item."""
        return ("input",) if self.custom else ("arguments",)


class OpenCalls:
    """The calls of one choice, and where each is found."""

    SNAPSHOT_FIELDS: Final = ("choice_index", "calls", "by_id", "by_place", "by_item", "legacy", "late")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, choice_index: int) -> None:
        self.choice_index = choice_index
        self.calls: list[OpenCall] = []
        """In the order in which they began."""
        self.by_id: dict[str, int] = {}
        """The first call that has an id."""
        self.by_place: dict[int, int] = {}
        """The last call that came under an index of the wire."""
        self.by_item: dict[int, int] = {}
        """The call that is an item, by its output index."""
        self.legacy: int | None = None
        """The one call that `function_call` can hold."""
        self.late: dict[int, JSON] = {}
        """Fields that became known too late for their item's announcement, by output index."""

    def add(self, call: OpenCall) -> None:
        """A call begins, behind all others."""
        self.calls.append(call)
        if call.legacy:
            self.legacy = call.at
        elif call.place is not None:
            self.by_place[call.place] = call.at

    def of_id(self, ident: str | None) -> OpenCall | None:
        """The call that has an id."""
        at = None if ident is None else self.by_id.get(ident)
        return None if at is None else self.calls[at]

    def of_item(self, index: int) -> OpenCall:
        """The call that is the item of an output index."""
        return self.calls[self.by_item[index]]

    def of_place(self, place: int | None) -> OpenCall | None:
        """The call that came last under an index; where there is none, that which came last at all."""
        if place is None:
            return self.calls[len(self.calls) - 1] if self.calls else None
        at = self.by_place.get(place)
        return None if at is None else self.calls[at]


class OpenChoice:
    """What is known of one choice."""

    SNAPSHOT_FIELDS: Final = (
        "index",
        "role",
        "message",
        "reasoning",
        "parts",
        "next_part",
        "calls",
        "finish_reason",
        "native",
        "sent_fields",
        "fields",
        "reasoning_field",
        "annotations",
        "cited",
        "images",
        "open_tags",
        "reasoning_details",
        "seen_logprobs",
        "named",
        "late_reasoning",
    )
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, index: int) -> None:
        self.index = index
        self.role = "assistant"
        self.message: int | None = None
        self.reasoning: int | None = None
        self.parts: dict[str, int] = {}
        """Where text and refusal stand in the message."""
        self.next_part = 0
        self.calls = OpenCalls(index)
        self.finish_reason: str | None = None
        """The server's own word."""
        self.native: str | None = None
        """That of the server behind a gateway, where it says worse than the gateway's."""
        self.sent_fields: JSON = {}
        """What was handed on of its other fields."""
        self.fields: JSON = {}
        """What was handed on of its message's other fields."""
        self.reasoning_field: str | None = None
        """The member in which reasoning came first."""
        self.named: str | None = None
        """The member that came for it, empty, before any reasoning did."""
        self.annotations = 0
        self.cited: set[str] | None = None
        """The annotations that were handed on."""
        self.images: dict[int, JSON] | None = None
        """The images that were handed on and have an index."""
        self.open_tags: ThinkTags | None = None
        self.reasoning_details: Details | None = None
        self.seen_logprobs: set[str] | None = None
        """The members of `logprobs` that came."""
        self.late_reasoning: JSON = {}
        """Fields of the reasoning that are handed out when it ends."""

    def gravest_word(self) -> str | None:
        """Why it ended: the gateway's word, or that of the server behind it where that says worse."""
        known = None if self.finish_reason is None else stop_of(self.finish_reason)
        native = None if self.native is None else stop_of(self.native)
        if native is not None and (known is None or native.weight > known.weight):
            return self.native
        return self.finish_reason
