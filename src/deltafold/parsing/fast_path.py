"""The fast path for deltas: a few comparisons in place of framing, JSON, dialect and fold.

Nearly all events of a stream are fragments that differ from the one before in their text, their sequence
number and their padding. Once such an event has gone the long way and came out as one plain delta, its block
becomes a template: all else in it is compared, byte for byte, with the blocks that follow. What is equal to
it is parsed equally. Whatever is not goes the long way itself, so the parser is right also where nothing is
ever learned. The invariant: with or without it, events and state are the same.

Templates belong to one stream, and are dropped whenever anything but a plain delta comes for the same item.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from deltafold.machine.fold import Emitted, Fold, item_of
from deltafold.machine.records import StreamedValue
from deltafold.model import events as e
from deltafold.wire.blocks import BlockScanner

__all__ = ["FAST_EVENTS", "FastEvent", "FastPath"]

FastEvent: TypeAlias = e.TextDelta | e.ReasoningDelta | e.ArgumentsDelta
Path: TypeAlias = tuple[str | int, ...]
Special: TypeAlias = tuple[str, Callable[[str], bool]]
"""First characters of texts that may have to go the long way, and what knows whether such a text has to."""

BACKSLASH: Final = "\\"
# What stands between two pieces of a template.
TEXT: Final = "text"
COUNT: Final = "number"
PADDING: Final = "padding"
TALLY: Final = "tally"
# A text with escapes, up to its closing quote. Half a surrogate pair may wait for its other half, so escapes
# of such are not in it.
PLAIN: Final = r'[^"\\\x00-\x1f]*+'
ESCAPE: Final = r'\\(?:["\\/bfnrt]|u(?:[0-9A-Ca-cEFef][0-9A-Fa-f]|[Dd][0-7])[0-9A-Fa-f]{2})'
ESCAPED: Final = re.compile(f'{PLAIN}(?:{ESCAPE}{PLAIN})*+(?=")')
# Escapes that `json.dumps()` would write otherwise, in a text that has escapes.
OTHER_ESCAPE: Final = re.compile(r"(?<!\\)(?:\\\\)*+\\[/u]")
NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,14})(?![0-9])")
CONTROLS: Final = re.compile(r"[\x00-\x1f]")
NEVER: Final[Special] = "", bool
NOWHERE: Final = 0, ""
NOBODY: Final = None, 0, ""
MOST_GROUPS: Final = 8
MOST_TEMPLATES: Final = 64
MOST_UNUSED: Final = 32
# Longer blocks are not worth comparing.
LONGEST: Final = 4096
HIGHEST: Final = 10**15


class PlainDialect(Protocol):
    """What has to be known of a dialect."""

    last_sequence_number: int | None
    pending_surrogates: dict[Any, int]
    escaped_texts: ClassVar[frozenset[str]]

    def text_path(self, payload: dict[str, Any], event: Any) -> tuple[Path, Special | None] | None:
        """Where the text of an event stands in the payload that made it.

        Only if payloads that differ in nothing else make events that differ in nothing else; with what
        knows the texts of which that may be untrue, where there are any.
        """

    @abstractmethod
    def tallies(self, payload: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The object in a payload that holds numbers of which no event comes, and their names there."""

    def tally(self, counts: dict[str, Any], names: list[str], numbers: list[str]) -> None:
        """A payload with such an object came, with these numbers in it."""


DRAFTS: Final = {
    e.TextDelta: e.TextDraft,
    e.ReasoningDelta: e.ReasoningDraft,
    e.ArgumentsDelta: e.ArgumentsDraft,
}
FAST_EVENTS: Final = tuple(DRAFTS)


class Template:
    """Blocks that differ in nothing but a text, a number and padding, and where the text goes."""

    __slots__ = (
        "after_first",
        "counts",
        "draft",
        "has_sequence_number",
        "index",
        "is_special",
        "keeps_escapes",
        "key",
        "kind",
        "names",
        "numbers",
        "part",
        "place",
        "reasoning",
        "remaining",
        "special_first_chars",
        "start",
        "value",
    )

    def __init__(
        self,
        start: str,
        rest: list[tuple[str, str]],
        event: FastEvent,
        value: StreamedValue,
        special: Special | None,
        names: list[str],
        counts: dict[str, Any],
        keeps_escapes: bool,
    ) -> None:
        self.keeps_escapes = keeps_escapes
        """Whether the text is handed out as it stands in the block: it is the text of JSON itself."""
        self.names = names
        """Which numbers of their own they have, in the order in which these stand there."""
        self.counts = counts
        """The object in which these stood in the payload that showed what they look like."""
        self.numbers: list[str] = []
        """The numbers of the block that was found last."""
        self.has_sequence_number = COUNT in [place for place, _ in rest]
        """Whether there is a number in them."""
        # A number that comes first is the same for all templates: they are told apart by what follows it.
        first = rest[0][0] == COUNT
        self.start = start if first else ""
        """What stands before a number that comes first."""
        self.key = rest[0][1] if first else start
        """What stands next, …"""
        self.place, self.after_first = rest[1 if first else 0]
        """… what may differ behind it, and what is the same behind that."""
        self.remaining = rest[2 if first else 1 :]
        """What else may differ, each with what is the same behind it."""
        self.kind = type(event)
        self.draft = DRAFTS[self.kind]
        self.index = event.output_index
        self.part: int | None = None
        self.reasoning: str | None = None
        if isinstance(event, e.TextDelta):
            self.part = event.content_index
        elif isinstance(event, e.ReasoningDelta):
            self.part, self.reasoning = event.part_index, event.kind
        self.value = value
        """Where the text goes."""
        opens, is_special = NEVER if special is None else special
        self.special_first_chars = opens
        self.is_special = is_special

    def match(self, latin1: str, begin: int, number: str) -> tuple[int, str]:
        """The end of the block at `begin` and the text of its first variable field, else `NOWHERE`."""
        at, text = begin + len(self.after_first), ""
        if latin1[begin:at] != self.after_first:
            return NOWHERE
        if self.names:
            self.numbers = []
        for place, piece in self.remaining:
            begin, found = match_variable(latin1, at, place, number)
            if place == TEXT:
                text = found
            elif place == TALLY:
                self.numbers.append(found)
            at = begin + len(piece)
            if not begin or latin1[begin:at] != piece:
                return NOWHERE
        return at, text

    def event(self, text: str) -> FastEvent:
        """The event that hands out a text."""
        draft: Any = self.draft()
        draft.output_index = self.index
        draft.text = text
        if self.reasoning is not None:
            draft.part_index = self.part
            draft.kind = self.reasoning
        elif self.part is not None:
            draft.content_index = self.part
            draft.logprobs = ()
        draft.__class__ = self.kind
        event: FastEvent = draft
        return event


def match_variable(latin1: str, begin: int, place: str, number: str) -> tuple[int, str]:
    """The end of the variable field that starts at `begin`, with its text if it is one; else `NOWHERE`."""
    if place == COUNT:
        at = begin + len(number)
        return (at, "") if number and latin1[begin:at] == number else NOWHERE
    if place == TALLY:
        written = NUMBER.match(latin1, begin)
        return NOWHERE if written is None else (written.end(), written[0])
    at = latin1.find('"', begin)
    if at < 0:
        return NOWHERE
    found = latin1[begin:at]
    if place == PADDING:
        return (at, "") if not found or (found.isascii() and found.isalnum()) else NOWHERE
    if BACKSLASH in found:
        escaped = ESCAPED.match(latin1, begin)
        if escaped is None:
            return NOWHERE
        found = escaped[0]
        at = begin + len(found)
    return (at, found) if found else NOWHERE


class TemplateGroup:
    """Templates that begin alike, but for their keys, which are of one length."""

    __slots__ = ("length", "place", "start", "templates")

    def __init__(self, template: Template) -> None:
        self.start = template.start
        self.length = len(template.key)
        self.place = template.place
        self.templates = [template]
        """The newest first."""

    def begins(self, template: Template) -> bool:
        """Whether a template begins so."""
        alike = self.place == template.place and self.start == template.start
        return alike and self.length == len(template.key)

    def find(self, latin1: str, at: int, number: str) -> tuple[Template | None, int, str]:
        """Whose the block at a position is, where it ends, and its text."""
        start = self.start
        if start:
            begin = at + len(start)
            if latin1[at:begin] != start:
                return NOBODY
            at, _ = match_variable(latin1, begin, COUNT, number)
            if not at:
                return NOBODY
        begin = at + self.length
        key, text = latin1[at:begin], ""
        at = 0
        for template in self.templates:
            if template.key == key:
                if not at:
                    at, text = match_variable(latin1, begin, self.place, number)
                    if not at:
                        return NOBODY
                end, other = template.match(latin1, at, number)
                if end:
                    return template, end, text or other
        return NOBODY


class FastPath:
    """What the hot deltas of one stream look like, and where they go."""

    __slots__ = (
        "_decoder",
        "_fold",
        "_most_text",
        "_pending",
        "_unused",
        "candidate",
        "dialect",
        "groups",
    )

    dialect: PlainDialect

    def __init__(self, decoder: BlockScanner, fold: Fold, pending: list[Emitted]) -> None:
        """`pending` are the events that wait to be handed out: none may overtake them."""
        self._decoder = decoder
        self._fold = fold
        self._pending = pending
        self._most_text = fold.limits.text_size
        self.groups: list[TemplateGroup] = []
        self.candidate: tuple[dict[str, Any], str] | None = None
        """A payload that may show what hot deltas look like, and its block."""
        self._unused = 0
        """How many templates in a row were learned and matched nothing."""

    def set_dialect(self, dialect: PlainDialect) -> None:
        """Another dialect takes over: nothing is known of its deltas."""
        self.dialect = dialect
        self.invalidate(None)
        self._unused = 0

    def take(self) -> FastEvent | None:
        """The next event, if that is a plain delta; else None, and nothing has changed."""
        decoder, groups = self._decoder, self.groups
        if not groups or self._pending:
            return None
        position = decoder.position
        if decoder.has_unjoined_line and decoder.only_lf and position >= decoder.blocks_end:
            decoder.join()
            position = 0
        if not decoder.only_lf or position >= decoder.blocks_end:
            return None
        last = self.dialect.last_sequence_number
        number = "" if last is None else digits(last + 1)
        for opening in groups:
            template, end, text = opening.find(decoder.buffer, position, number)
            if template is None:
                continue
            if not text.isascii():
                try:
                    text = text.encode("latin-1").decode()
                except UnicodeDecodeError:
                    return None
            if BACKSLASH in text and template.keeps_escapes:
                if OTHER_ESCAPE.search(text) is not None:
                    return None
            elif BACKSLASH in text:
                # Nearly all escapes are quotes of the JSON inside of arguments.
                unquoted = text.replace('\\"', '"')
                text = scanstring(text + '"', 0)[0] if BACKSLASH in unquoted else unquoted
            elif not text.isprintable() and CONTROLS.search(text) is not None:
                return None
            fold = self._fold
            size = fold.size + len(text)
            if size > self._most_text or end - position > decoder.longest_block:
                return None
            if (
                template.special_first_chars
                and text[0] in template.special_first_chars
                and template.is_special(text)
            ):
                return None
            # From here on it is as if the event had gone the long way.
            if last is not None and template.has_sequence_number:
                self.dialect.last_sequence_number = last + 1
            if template.names:
                self.dialect.tally(template.counts, template.names, template.numbers)
            decoder.position = end
            decoder.event_count += 1
            fold.size = size
            self._unused = 0
            template.value.add(text)
            return template.event(text)
        return None

    def set_candidate(self, payload: dict[str, Any]) -> None:
        """A block went the long way and gave just one hot delta, which is about to be handed out."""
        if self._unused < MOST_UNUSED and (block := self._decoder.block()) is not None:
            self.candidate = payload, block
        elif self.groups:
            self.invalidate_for_pending()

    def learn_from_candidate(self, event: Any) -> None:
        """The event of the candidate was handed out: does it show how the next ones look?"""
        assert self.candidate is not None
        payload, block = self.candidate
        self.candidate = None
        found = self.dialect.text_path(payload, event)
        if found is None:
            self.invalidate(None)
        else:
            path, special = found
            self._unused += 1
            self.add_template(block, payload, path, event, self._fold.value(event), special)

    def invalidate_for_pending(self) -> None:
        """Drops the templates of every item that a pending event is about, and all of them if an item begins.

        What these events change is what the templates rely on.
        """
        if not self._pending or self.dialect.pending_surrogates:
            self.invalidate(None)
        for event in self._pending:
            # A new item may be the one that the next fragment means.
            self.invalidate(None if type(event) is e.ItemStarted else item_of(event))

    def invalidate(self, index: int | None) -> None:
        """Something else came for an item, or for the response as a whole if None."""
        if index is None:
            self.groups.clear()
        elif self.groups:
            for opening in self.groups:
                opening.templates = [known for known in opening.templates if known.index != index]
            self.groups = [opening for opening in self.groups if opening.templates]

    def add_template(
        self,
        block: str,
        payload: dict[str, Any],
        path: Path,
        event: FastEvent,
        value: StreamedValue,
        special: Special | None,
    ) -> None:
        """A block went the long way and came out as one plain delta, whose text stands at a path in it."""
        if len(block) > LONGEST or (isinstance(event, e.TextDelta) and event.logprobs):
            return
        counts, tallies = self.dialect.tallies(payload)
        found = make_template(block, payload, path, tallies)
        if found is None:
            return
        start, rest, names = found
        escaped = path[-1] in self.dialect.escaped_texts
        new = Template(start, rest, event, value, special, names, counts, escaped)
        if sum([len(opening.templates) for opening in self.groups]) >= MOST_TEMPLATES:
            self.groups.clear()
        for opening in self.groups:
            if opening.begins(new):
                opening.templates.insert(0, new)
                return
        del self.groups[MOST_GROUPS - 1 :]
        self.groups.insert(0, TemplateGroup(new))


def digits(number: Any) -> str:
    """A sequence number as it is written; "" where there is none, or a very long one."""
    return str(number) if type(number) is int and 0 <= number < HIGHEST else ""


def make_template(
    latin1: str, payload: dict[str, Any], path: Path, tallies: tuple[str, ...] = ()
) -> tuple[str, list[tuple[str, str]], list[str]] | None:
    """A block as it begins, and what may differ in others like it, each with what is the same behind it.

    Of what may differ, numbers of their own come with their names, in the order in which they stand there.

    None where the block is not just an `event` line, a `data` line and a blank line, or where it cannot be
    told for certain what stands where. That can be told of a key that is there, occurs but once, and cannot
    be spelled in another way, because there are no escapes.
    """
    begin = latin1.find("\n") + 1 if latin1.startswith("event: ") else 0
    if latin1[begin : begin + 6] != "data: " or latin1.find("\n", begin) != len(latin1) - 2:
        return None
    name, latin1 = latin1[:begin], latin1[begin:]
    colon = '": ' if '": ' in latin1 else '":'
    places = [(position_of(latin1, f'"{path[-1]}', colon + '"'), TEXT, "")]
    number, written = payload.get("sequence_number"), ""
    if type(number) is int:
        written = digits(number)
        behind = position_of(latin1, '"sequence_number', colon + written) if written else 0
        places.append((behind - len(written), COUNT, ""))
    if isinstance(payload.get("obfuscation"), str):
        places.append((position_of(latin1, '"obfuscation', colon + '"'), PADDING, ""))
    places += [(position_of(latin1, f'"{name}', colon), TALLY, name) for name in tallies]
    places.sort()
    if places[0][1] == TALLY:
        return None  # what comes first tells templates apart
    end = len(latin1)
    rest: list[tuple[str, str]] = []
    for begin, place, _ in reversed(places):
        if begin <= 0:
            return None
        if place == TALLY:
            number_ = NUMBER.match(latin1, begin)
            if number_ is None:
                return None
            stop = number_.end()
        else:
            stop = begin + len(written) if place == COUNT else scanstring(latin1, begin)[1] - 1
        rest.insert(0, (place, latin1[stop:end]))
        if BACKSLASH in latin1[stop:end]:
            return None
        end = begin
    names = [named for _, place, named in places if place == TALLY]
    return None if BACKSLASH in latin1[:end] else (name + latin1[:end], rest, names)


def position_of(latin1: str, key: str, colon: str) -> int:
    """Where the value of a key begins that occurs once, else 0."""
    at = latin1.find(key + '"')
    begin = at + len(key) + len(colon)
    once = at >= 0 and latin1.find(key + '"', begin) < 0
    return begin if once and latin1[begin - len(colon) : begin] == colon else 0
