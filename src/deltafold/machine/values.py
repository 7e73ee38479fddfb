"""The kinds of streamed values: one table of what each one is, and where it stands in its item.

A value is streamed in fragments, each handed out as a delta. Which class of delta that is, where the text
stands in the JSON of its item, and which fields hold the index of its part or command, follows from its kind
alone. Whatever reads, folds, shows or writes values asks here.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final, TypeAlias

from deltafold.machine import make
from deltafold.model import events as e

__all__ = [
    "GROUPS",
    "ITEM_VALUES",
    "KINDS",
    "MODELLED",
    "PART_FIELDS",
    "ValuePath",
    "ValueRow",
    "arguments_path",
    "delta_of",
    "find",
    "index_of",
    "indexes_of",
    "kind_of",
    "path_of",
    "place",
    "value_finished",
]

JSON: TypeAlias = dict[str, Any]
ValuePath: TypeAlias = tuple[str | int, ...]
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
MODELLED: Final = frozenset({"message", "reasoning", *ITEM_VALUES})
"""Types of items with values of their own. What another wire calls so is none of them."""


class ValueRow:
    """One kind of streamed value."""

    __slots__ = ("before", "behind", "delta", "field", "index")

    def __init__(
        self, delta: type, before: ValuePath, behind: ValuePath = (), index: str = "", field: str = ""
    ) -> None:
        self.delta = delta
        """The class of its deltas."""
        self.before = before
        """Where it stands, up to the index of its part or command; all of it where it has none."""
        self.behind = behind
        """What follows that index."""
        self.index = index
        """The field of the delta that holds the index; "" where there is none."""
        self.field = field
        """The field of `ValueFinished` and `ValueReplaced` that holds it."""


KINDS: Final[dict[e.ValueKind, ValueRow]] = {
    "text": ValueRow(e.TextDelta, ("content",), ("text",), "content_index", "content_index"),
    "refusal": ValueRow(e.RefusalDelta, ("content",), ("refusal",), "content_index", "content_index"),
    "summary": ValueRow(e.ReasoningDelta, ("summary",), ("text",), "part_index", "part_index"),
    "reasoning": ValueRow(e.ReasoningDelta, ("content",), ("text",), "part_index", "part_index"),
    "arguments": ValueRow(e.ArgumentsDelta, ("arguments",)),  # or where `arguments_path()` says
    "code": ValueRow(e.CodeDelta, ("code",)),
    "diff": ValueRow(e.DiffDelta, ("operation", "diff")),
    "command": ValueRow(e.CommandDelta, ("action", "commands"), (), "command_index", "part_index"),
    "stdout": ValueRow(e.CommandOutputDelta, ("output",), ("stdout",), "command_index", "part_index"),
    "stderr": ValueRow(e.CommandOutputDelta, ("output",), ("stderr",), "command_index", "part_index"),
    "output": ValueRow(e.OutputDelta, ("output",)),
}

KIND_OF: Final[dict[type, e.ValueKind]] = {
    e.TextDelta: "text",
    e.RefusalDelta: "refusal",
    e.ArgumentsDelta: "arguments",
    e.CodeDelta: "code",
    e.DiffDelta: "diff",
    e.CommandDelta: "command",
    e.OutputDelta: "output",
}
"""The kind that a class of deltas has. Of two classes a field of the delta says it."""


def kind_of(event: Any) -> e.ValueKind:
    """What a delta is a fragment of."""
    kind = KIND_OF.get(type(event))
    if kind is not None:
        return kind
    if type(event) is e.ReasoningDelta:
        return "summary" if event.kind == "summary" else "reasoning"
    stream: e.ValueKind = event.stream
    return stream


def index_of(event: Any, kind: e.ValueKind) -> int:
    """The index of the part or command that a delta belongs to; 0 where its kind has none."""
    name = KINDS[kind].index
    at: int = getattr(event, name) if name else 0
    return at


def path_of(kind: e.ValueKind, at: int, arguments: ValuePath = ("arguments",)) -> ValuePath:
    """Where a value stands in its item. `arguments` is where those of this item do."""
    row = KINDS[kind]
    if row.index:
        return (*row.before, at, *row.behind)
    return arguments if kind == "arguments" else row.before


def arguments_path(item_type: str, data: JSON) -> ValuePath:
    """Where the text of `ArgumentsDelta` stands in an item: custom tools and unknown ones have an `input`.

    Where there are `arguments` beside it, the text is those, and the `input` a value that they are JSON of.
    """
    custom = item_type == "custom_tool_call" or (
        "input" in data and item_type not in ITEM_VALUES and "arguments" not in data
    )
    return ("input",) if custom else ("arguments",)


def delta_of(index: int, kind: e.ValueKind, key: ValuePath, text: str, logprobs: Any = ()) -> e.Event:
    """The delta that hands out a fragment of a value. `logprobs` are those of a text."""
    at: Any = key[1] if len(key) > 1 and isinstance(key[1], int) else key[len(key) - 1]
    match kind:
        case "text":
            known = tuple([entry for entry in logprobs if isinstance(entry, dict)]) if logprobs else ()
            return make.text_delta(index, at, text, known)
        case "summary":
            return make.reasoning_delta(index, at, text, "summary")
        case "reasoning":
            return make.reasoning_delta(index, at, text, "text")
        case "stdout" | "stderr":
            return e.CommandOutputDelta(index, at, kind, text)
    row = KINDS[kind]
    made: Any = row.delta
    delta: e.Event = made(index, at, text) if row.index else made(index, text)
    return delta


def indexes_of(kind: e.ValueKind, key: ValuePath) -> dict[str, int]:
    """The index fields of an event about a value as a whole."""
    row = KINDS[kind]
    at = key[len(row.before)] if row.field else 0
    return {row.field: at} if row.field and isinstance(at, int) else {}


def value_finished(index: int, kind: e.ValueKind, key: ValuePath, text: str) -> e.ValueFinished:
    """The event that a value was sent whole."""
    row = KINDS[kind]
    at: Any = key[len(row.before)] if row.field else None
    if row.field == "content_index":
        return make.value_finished(index, kind, text, at)
    return make.value_finished(index, kind, text, None, at)


def place(data: dict[str, Any], values: Iterable[tuple[ValuePath, str]]) -> None:
    """Puts values where they stand in their item, making what is missing on the way.

    Only the item itself is changed in place; what lies inside is replaced by changed copies, one of each.
    """
    copies: dict[ValuePath, Any] = {}
    for key, text in values:
        within: Any = data
        for depth, (here, following) in enumerate(pairwise(key), 1):
            kind = dict if isinstance(following, str) else list
            inner = copies.get(key[:depth])
            if not isinstance(inner, kind):
                if isinstance(here, int):
                    within += [kind() for _ in range(here + 1 - len(within))]
                known = within[here] if isinstance(here, int) else within.get(here)
                inner = copies[key[:depth]] = within[here] = (
                    kind(known) if isinstance(known, kind) else kind()
                )
            within = inner
        last = key[-1]
        if isinstance(last, int):
            within += [""] * (last + 1 - len(within))
        within[last] = text


def find(data: Any, key: ValuePath) -> str | None:
    """The value that stands at a place in an item as it was sent, if it is a string."""
    for step_ in key:
        try:
            data = data[step_]
        except (LookupError, TypeError):
            return None
    return data if isinstance(data, str) else None
