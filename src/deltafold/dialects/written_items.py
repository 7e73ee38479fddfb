"""What a writer remembers of an item and of a part: their life cycles, and how far they are on the wire."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.hot_delta import REASONING
from deltafold.dialects.written_json import ObjectScan
from deltafold.machine.lifecycle import ITEM_OPEN, PART_ABSENT, ItemState, PartState
from deltafold.machine.values import KINDS
from deltafold.model import events as e
from deltafold.model.items import CustomToolCall, FunctionCall, Item, Message
from deltafold.wire.json_text import is_strict_json

__all__ = ["MISPLACED", "WrittenItem", "WrittenPart", "can_have", "is_misleading", "part_key"]

JSON: TypeAlias = dict[str, Any]


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
        """What streams in it: `text`, `refusal`, `reasoning`, `summary`; "" where it is left out, `misplaced`
        where its item can have no such part."""
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
        "unwritten",
        "ident",
        "prefix",
        "pieces",
        "scan",
        "unscanned",
        "written",
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
        self.unwritten: list[e.Event] | None = None
        """What came of it while it has no type; None where that is known."""
        self.ident: str | None = None
        """Its id on the wire."""
        self.prefix = ""
        """All of a frame of arguments before their text."""
        self.pieces: list[str] = []
        """Fragments of arguments."""
        self.scan = ObjectScan()
        self.unscanned: list[str] = []
        """Fragments that were not looked at yet."""
        self.written: list[str] | None = None
        """The fragments that were written, where others took their place."""
        self.values: dict[tuple[str, int], list[str]] = {}
        """Fragments of commands."""
        self.kinds = ""
        """Which kinds of reasoning were written: `text`, `summary`."""
        self.member: str | None = None
        self.final: JSON | None = None
        """As it was sent when it was whole."""
        self.called: tuple[str, str] | None = None
        """The id and the name with which a call was written."""
        self.counts: dict[str, int] = {}
        """How many parts of its content and of its summary are written."""

    def written_pieces(self) -> list[str]:
        """The fragments that were streamed of its arguments, whatever took their place."""
        return self.pieces if self.written is None else self.written

    def written_text(self) -> str:
        """What was streamed of its arguments, whatever took its place."""
        return "".join(self.written_pieces())

    def is_whole_object(self) -> bool:
        """Whether its arguments, as far as they came, are one whole JSON object."""
        if self.unscanned:
            pieces, self.unscanned = self.unscanned, []
            for piece in pieces:
                self.scan.feed(piece)
        return self.scan.whole


MISPLACED: Final = "misplaced"


def can_have(item: Item, group: e.Group) -> bool:
    """Whether items of this type have parts in a group: calls have none, and messages no summary."""
    if isinstance(item, Message):
        return group == "content"
    return not isinstance(item, (FunctionCall, CustomToolCall))


def is_misleading(item: Item) -> bool:
    """Whether an item is a call that is not whole, and whose text is that of a whole one."""
    if isinstance(item, FunctionCall):
        return not item.complete and is_strict_json(item.arguments or "{}")
    return isinstance(item, CustomToolCall) and not item.whole


VALUE_GROUPS: Final[dict[str, str]] = {
    "text": "content",
    "refusal": "content",
    "reasoning": "content",
    "summary": "summary",
}


OF_CONTENT: Final = (e.TextDelta, e.RefusalDelta, e.AnnotationAdded)
OF_PARTS: Final = (e.PartStarted, e.PartFinished)
OF_VALUES: Final = (e.ValueReplaced, e.ValueFinished)


def part_key(event: Any) -> tuple[str, int] | None:
    """The part that an event is about; None where it is about an item."""
    kind = type(event)
    if kind in OF_CONTENT:
        return "content", event.content_index
    if kind is REASONING:
        return ("summary" if event.kind == "summary" else "content"), event.part_index
    if kind in OF_PARTS:
        return event.group, event.part_index
    if kind in OF_VALUES:
        group = VALUE_GROUPS.get(event.kind)
        if group is not None:
            at = event.content_index if KINDS[event.kind].field == "content_index" else event.part_index
            return group, 0 if at is None else at
    return None
