"""What is known of items and parts while they grow.

Fragments are kept in lists and joined on demand, for `text += delta` on an attribute copies the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from deltafold.machine import make
from deltafold.machine.build import NO_ARGUMENTS, has_no_arguments
from deltafold.machine.lifecycle import ITEM_OPEN, PART_DONE, PART_OPEN, PartState
from deltafold.machine.values import (
    GROUPS,
    ITEM_VALUES,
    PART_FIELDS,
    ValuePath,
    arguments_path,
    find,
    index_of,
    kind_of,
    path_of,
    place,
)
from deltafold.model import events as e
from deltafold.model.items import Item
from deltafold.model.json_values import copied, joined, string
from deltafold.model.response import Choice

__all__ = [
    "GROWING",
    "MERGED",
    "ChoiceRecord",
    "ItemRecord",
    "PartRecord",
    "StreamedValue",
    "arguments_key",
    "begins",
    "empty",
    "key_of",
    "key_of_delta",
    "merge_fields",
    "part_indexes",
]

JSON: TypeAlias = dict[str, Any]


GROWING: Final = frozenset({"logprobs", "logprobsResult", "citationMetadata"})
"""Members of a choice whose lists come in pieces, like the text they belong to."""
MERGED: Final = frozenset({"content", "groundingMetadata", "message"})
"""Members of a choice whose own members come one by one."""


def empty(value: Any) -> bool:
    """Whether a member says nothing: null, "", [] or {}."""
    if value is None:
        return True
    kind = type(value)
    return (kind is str or kind is list or kind is dict) and not value


MOST_LOOSE: Final = 32
"""So many fragments are held as they came: a string takes 49 bytes more than its characters."""
NOTHING: Final = re.compile(r"(?:\s|\{\}|\[\])*+")
"""Arguments that say nothing, be it several times."""


def begins(pieces: Iterable[str], text: str) -> bool:
    """Whether what pieces add up to begins with a text. Costs that text, not all of the pieces."""
    at = 0
    for piece in pieces:
        if at + len(piece) >= len(text):
            return piece.startswith(text[at:])
        if not text.startswith(piece, at):
            return False
        at += len(piece)
    return at == len(text)


class StreamedValue:
    """One streamed string."""

    SNAPSHOT_FIELDS: Final = (
        "kind",
        "fragments",
        "is_complete",
        "ended_size",
        "join_count",
        "packed_count",
        "packed_size",
        "has_substance",
    )
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, kind: e.ValueKind, fragments: list[str], whole: bool = False) -> None:
        self.kind: e.ValueKind = kind
        self.fragments = fragments
        self.is_complete = whole
        """The server sent it whole."""
        self.join_count = 0
        """How often all fragments were joined into one."""
        self.packed_count = 0
        """How many of the fragments, the first ones, are several that were joined."""
        self.packed_size = 0
        """How many characters those have."""
        self.has_substance = False
        """Whether it was found to say something as arguments. It goes on saying it."""
        self.ended_size = self.size() if whole else 0
        """How many characters it had when it was sent whole: some servers go on after that."""

    @property
    def text(self) -> str:
        self.join_count += len(self.fragments) > 1
        text = joined(self.fragments)
        self.packed_count = len(self.fragments)
        self.packed_size = len(text)
        return text

    def add(self, text: str) -> None:
        """One more fragment. Where there are many they are joined, each once: an open value takes little more
        than its text."""
        fragments = self.fragments
        fragments.append(text)
        first = self.packed_count
        if len(fragments) - first >= MOST_LOOSE:
            packed = "".join(fragments[first:])
            fragments[first:] = [packed]
            self.packed_count = first + 1
            self.packed_size += len(packed)

    def size(self) -> int:
        """Characters, without joining or counting all of them."""
        return self.packed_size + sum(map(len, self.fragments[self.packed_count :]))

    def tail(self, size: int) -> str:
        """Its last characters, without joining all of them."""
        found = ""
        for piece in reversed(self.fragments):
            found = piece[-size:] + found
            if len(found) >= size:
                break
        return found[-size:]

    def says_something(self) -> bool:
        """Of arguments: whether there is more than empty objects and arrays. Costs its text, but once."""
        if not self.has_substance:
            self.has_substance = NOTHING.fullmatch(self.text) is None
        return self.has_substance


class PartRecord:
    """One part of an item, without its streamed values."""

    SNAPSHOT_FIELDS: Final = ("data", "state", "logprobs", "annotations", "top")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(
        self,
        data: Any,
        state: PartState = PART_OPEN,
        logprobs: list[JSON] | None = None,
        annotations: dict[int, JSON] | None = None,
    ) -> None:
        self.data = data
        self.state = state
        self.logprobs = logprobs
        """Those that came with fragments, if any did."""
        self.annotations = annotations
        """Those that came one by one, by their index, if any did."""
        self.top = max(annotations) if annotations else -1
        """The greatest of those indexes."""

    def annotate(self, index: int, annotation: JSON) -> None:
        """An annotation came."""
        if self.annotations is None:
            self.annotations = {}
        self.annotations[index] = annotation
        self.top = max(self.top, index)

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
            sent = dict(enumerate(known if isinstance(known, list) else ())) | self.annotations
            fields["annotations"] = [sent[index] for index in sorted(sent)]
        return fields


NO_KINDS: Final[dict[ValuePath, e.ValueKind]] = {}
NO_SIZES: Final[dict[ValuePath, int]] = {}
NO_PARTS: Final[dict[int, PartRecord]] = {}
"""What most items have: the same for all, for there are many."""


class ItemRecord:
    """One item, without its parts and streamed values."""

    SNAPSHOT_FIELDS: Final = (
        "index",
        "type",
        "choice_index",
        "_data",
        "state",
        "_content",
        "_summary",
        "_top",
        "_values",
        "finished",
        "_unparsed",
        "_streamed_kinds",
        "_longer",
    )
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, index: int, kind: str, choice_index: int | None) -> None:
        self.index = index
        self.type = kind
        self.choice_index = choice_index
        self._data: JSON = {}
        self.state = ITEM_OPEN
        # Its parts by their index, once there are any.
        self._content: dict[int, PartRecord] | None = None
        self._summary: dict[int, PartRecord] | None = None
        self._top: dict[e.Group, int] | None = None
        self._values: dict[ValuePath, StreamedValue] = {}
        self.finished: Item | None = None
        """The item as it was handed out when it was finished, unless something came since."""
        # The item as it was sent whole, not yet taken apart: for most items nothing more comes. And those of
        # its values outside of parts that had been streamed by then.
        self._unparsed: JSON | None = None
        self._streamed_kinds: dict[ValuePath, e.ValueKind] = NO_KINDS
        # How long those values were sent that went on after that.
        self._longer = NO_SIZES

    @property
    def data(self) -> JSON:
        """The item's own fields."""
        if self._unparsed is not None:
            self._parse()
        return self._data

    def parts(self, group: e.Group) -> dict[int, PartRecord]:
        """Its parts of a group, by their index. They change by `add_part()` alone."""
        if self._unparsed is not None:
            self._parse()
        found = self._summary if group == "summary" else self._content
        return NO_PARTS if found is None else found

    def _set_parts(self, group: e.Group, parts: dict[int, PartRecord] | None) -> None:
        if group == "summary":
            self._summary = parts
        else:
            self._content = parts

    @property
    def values(self) -> dict[ValuePath, StreamedValue]:
        """Its streamed values, by where they stand."""
        if self._unparsed is not None:
            self._parse()
        return self._values

    def keys(self, group: e.Group) -> list[int]:
        """The indexes of the parts of a group, rising."""
        return sorted(self.parts(group))

    def top(self, group: e.Group) -> int:
        """The greatest index of a part of a group, -1 where there is none."""
        content, summary = self.parts("content"), self.parts("summary")
        if self._top is None:  # few items are asked for it
            self._top = {"content": max(content, default=-1), "summary": max(summary, default=-1)}
        return self._top[group]

    def add_part(self, group: e.Group, index: int, part: PartRecord) -> None:
        """A part begins."""
        parts = self.parts(group)
        if parts is NO_PARTS:
            self._set_parts(group, {index: part})
        else:
            parts[index] = part
        if self._top is not None:
            self._top[group] = max(self._top[group], index)

    def part_data(
        self, group: e.Group, index: int, more: Mapping[ValuePath, str] = MappingProxyType({})
    ) -> Any:
        """A part as JSON, with its streamed values."""
        data = self.parts(group)[index].to_dict()
        for field in PART_FIELDS:
            value = self._values.get((group, index, field))
            if value is not None:
                data = dict(data) if isinstance(data, dict) else {}
                data[field] = value.text + more.get((group, index, field), "")
        return data

    def to_dict(self, more: Mapping[ValuePath, str] = MappingProxyType({})) -> JSON:
        """The item as JSON, with its parts and streamed values, and what `more` adds to those.

        What it holds is shared with the record: JSON values are never changed in place here.
        """
        if self._unparsed is not None and not more:
            return dict(self._unparsed)
        data = dict(self.data)
        for group in GROUPS:
            parts = self.parts(group)
            if parts:
                data[group] = [self.part_data(group, index, more) for index in sorted(parts)]
        own = [key for key in self._values if key[0] not in GROUPS]
        place(data, [(key, self._values[key].text + more.get(key, "")) for key in own])
        return data

    def merge(self, data: JSON) -> None:
        """More was sent of the item: its fields, and parts that are new. Values go on as they are."""
        known = dict(self.values)
        self._load(data, whole=False)
        if known:
            self._values.update(known)

    def change(self, name: str, value: Any) -> None:
        """One of its own fields has another value."""
        self.data[name] = value

    def set_complete(self, item: Item) -> None:
        """The item was sent whole."""
        values = self.values
        self._streamed_kinds = {key: value.kind for key, value in values.items() if key[0] not in GROUPS}
        self._longer = {
            key: value.ended_size
            for key, value in values.items()
            if value.is_complete and value.ended_size < value.size()
        }
        self.type = item.type
        self.finished = item
        # What is known is in its JSON now, and would be read from it again.
        for group in GROUPS:
            parts, entries = self.parts(group), item.data.get(group)
            if parts and isinstance(entries, list) and sorted(parts) == list(range(len(entries))):
                self._set_parts(group, None)
        self._unparsed = item.data
        self._data = {}
        self._values = {}

    def _parse(self) -> None:
        assert self._unparsed is not None
        sent, self._unparsed = self._unparsed, None
        self._values = {}
        self._load(sent, whole=True)
        for key, kind in self._streamed_kinds.items():
            if key not in self._values and (text := find(sent, key)) is not None:
                self._values[key] = StreamedValue(kind, [text], True)
        for key in self._longer.keys() & self._values.keys():
            self._values[key].ended_size = min(self._longer[key], self._values[key].ended_size)

    def _load(self, data: JSON, *, whole: bool) -> None:
        sent = dict(data)
        self.type = string(sent, "type") or ""
        state = PART_DONE if whole else PART_OPEN
        self._top = None
        for group in GROUPS:
            before, entries = self.parts(group), sent.get(group)
            if not isinstance(entries, list) or (not entries and not before):
                continue
            sent[group] = []
            indexes = part_indexes(sorted(before), len(entries))
            parts: dict[int, PartRecord] = {}
            self._set_parts(group, parts)
            for index, entry in zip(indexes, entries, strict=True):
                known = before.get(index)
                fields = self.take_values(group, index, entry, whole=whole)
                parts[index] = PartRecord(fields, state if whole or known is None else known.state)
        field = ITEM_VALUES.get(self.type)
        text = NO_ARGUMENTS if whole and has_no_arguments(data) else sent.get(field or "")
        if field is not None and isinstance(text, str):
            self._values[field,] = StreamedValue("code" if field == "code" else "arguments", [text], whole)
        self._data = sent

    def take_values(self, group: e.Group, index: int, part: Any, *, whole: bool) -> Any:
        """Keeps the streamed members of a part as it was sent. Gives the rest of it."""
        sent = self.part_values(group, part)
        if not sent:
            return part
        rest, values = dict(part), self.values
        for field, kind in sent:
            known = values.get((group, index, field))
            text = rest.pop(field)
            value = values[group, index, field] = StreamedValue(kind, [text] if text else [], whole)
            if whole and known is not None and known.is_complete:
                value.ended_size = min(known.ended_size, value.ended_size)
        return rest

    def part_values(self, group: e.Group, entry: Any) -> list[tuple[str, e.ValueKind]]:
        """The streamed members of a part as it was sent, with what they are."""
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


class ChoiceRecord:
    """What was sent of one of several choices beside its items. It grows in place."""

    SNAPSHOT_FIELDS: Final = ("index", "finish_reason", "data", "reasoning_field", "legacy_call_id")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, index: int) -> None:
        self.index = index
        self.finish_reason: str | None = None
        self.data: JSON = {}
        self.reasoning_field: str | None = None
        self.legacy_call_id: str | None = None

    def add(self, event: e.ChoiceUpdated) -> None:
        """More was sent."""
        self.finish_reason = event.finish_reason
        self.reasoning_field = event.reasoning_field or self.reasoning_field
        self.legacy_call_id = event.legacy_call_id or self.legacy_call_id
        for name, value in event.data.items():
            if (name not in GROWING and name not in MERGED) or not isinstance(value, dict):
                self.data[name] = value
                continue
            known = self.data.get(name)
            if not isinstance(known, dict):
                known = self.data[name] = {}
            if name == "message":
                lay_over(known, value)
                continue
            for member, sent in value.items():
                before = known.get(member)
                if name in GROWING and isinstance(sent, list):
                    if isinstance(before, list):
                        before += sent
                        continue
                    sent = list(sent)
                known[member] = sent

    def to_choice(self) -> Choice:
        """As plain data, which shares nothing that grows."""
        data = dict(self.data)
        for name in GROWING | MERGED:
            if name == "message" and name in data:
                data[name] = copied(data[name])
            elif isinstance(data.get(name), dict):
                data[name] = {
                    member: list(value) if isinstance(value, list) else value
                    for member, value in data[name].items()
                }
        return make.choice(self.index, self.finish_reason, data, self.reasoning_field, self.legacy_call_id)


def lay_over(known: JSON, sent: JSON) -> None:
    """Lays members over those known, object by object."""
    waiting = [(known, sent)]
    while waiting:
        below, above = waiting.pop()
        for name, value in above.items():
            before = below.get(name)
            if isinstance(before, dict) and isinstance(value, dict):
                waiting.append((before, value))
            else:
                below[name] = copied(value)


def part_indexes(keys: list[int], count: int) -> list[int]:
    """Under which part indexes the entries of a sent list stand.

    Normally those are their positions. Some servers count their parts from 1, or leave one out: where a
    fragment came for a part that the list does not reach, the order decides.
    """
    if not keys or keys[-1] < count:
        return list(range(count))
    return keys[:count] + [keys[-1] + 1 + more for more in range(count - len(keys))]


def arguments_key(item: ItemRecord) -> ValuePath:
    """Where the text of `ArgumentsDelta` stands in an item."""
    return arguments_path(item.type, item.data)


def key_of_delta(event: Any, record: ItemRecord) -> ValuePath:
    """Which value of its item a delta goes on with."""
    kind = kind_of(event)
    return arguments_key(record) if kind == "arguments" else path_of(kind, index_of(event, kind))


def key_of(item: ItemRecord, event: e.ValueReplaced | e.ValueFinished) -> ValuePath:
    """Which value an event is about."""
    at = event.part_index if event.content_index is None else event.content_index
    return arguments_key(item) if event.kind == "arguments" else path_of(event.kind, at or 0)


def merge_fields(known: JSON, sent: JSON) -> JSON:
    """What is sent wins, but for what is empty; what is not sent stays, but for what is empty."""
    merged = {
        key: known[key] if empty(value) and not empty(known.get(key)) else value
        for key, value in sent.items()
    }
    for key, value in known.items():
        if key not in merged and not empty(value):
            merged[key] = value
    return merged
