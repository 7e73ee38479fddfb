"""The short cut for hot deltas: a few comparisons in place of framing, JSON, dialect and fold.

Nearly all events of a stream are fragments that differ from the one before in their text, their sequence
number and their padding. Once such an event has gone the long way and came out as one plain delta, its block
becomes a template: all else in it is compared, byte for byte, with the blocks that follow. What is equal to
it is parsed equally. Whatever is not goes the long way itself, so the parser is right also where nothing is
ever learned.

Templates belong to one stream, and are dropped whenever anything but a plain delta comes for the same item.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, Final, Protocol, TypeAlias

from deltafold import events as e
from deltafold.fold import Fold, item_of
from deltafold.sse import SSEDecoder

__all__ = ["HOT", "HotEvent", "HotPath"]

HotEvent: TypeAlias = e.TextDelta | e.ReasoningDelta | e.ArgumentsDelta
Path: TypeAlias = tuple[str | int, ...]
Special: TypeAlias = tuple[str, Callable[[str], bool]]
"""First characters of texts that may have to go the long way, and what knows whether such a text has to."""

BACKSLASH: Final = "\\"
# What stands between two pieces of a template.
TEXT: Final = "text"
COUNT: Final = "number"
PADDING: Final = "padding"
# A text with escapes, up to its closing quote. Half a surrogate pair may wait for its other half, so escapes
# of such are not in it.
PLAIN: Final = r'[^"\\\x00-\x1f]*+'
ESCAPE: Final = r'\\(?:["\\/bfnrt]|u(?:[0-9A-Ca-cEFef][0-9A-Fa-f]|[Dd][0-7])[0-9A-Fa-f]{2})'
ESCAPED: Final = re.compile(f'{PLAIN}(?:{ESCAPE}{PLAIN})*+(?=")')
CONTROLS: Final = re.compile(r"[\x00-\x1f]")
NEVER: Final[Special] = "", bool
NOWHERE: Final = 0, ""
NOBODY: Final = None, 0, ""
MOST_TEMPLATES: Final = 64
MOST_UNUSED: Final = 32
# Longer blocks are not worth comparing.
LONGEST: Final = 16_384
HIGHEST: Final = 10**15


class PlainDialect(Protocol):
    """What has to be known of a dialect."""

    last_sequence_number: int | None

    def plain_text(self, payload: dict[str, Any], event: Any) -> tuple[Path, Special | None] | None:
        """Where the text of an event stands in the payload that made it.

        Only if payloads that differ in nothing else make events that differ in nothing else; with what
        knows the texts of which that may be untrue, where there are any.
        """


DRAFTS: Final = {
    e.TextDelta: e.TextDraft,
    e.ReasoningDelta: e.ReasoningDraft,
    e.ArgumentsDelta: e.ArgumentsDraft,
}
HOT: Final = tuple(DRAFTS)


class Template:
    """Blocks that differ in nothing but a text, a number and padding, and where the text goes."""

    __slots__ = (
        "append",
        "counts",
        "draft",
        "index",
        "is_special",
        "key",
        "kind",
        "opens",
        "part",
        "reasoning",
        "rest",
        "start",
    )

    def __init__(
        self,
        start: str,
        rest: list[tuple[str, str]],
        event: HotEvent,
        append: Callable[[str], None],
        special: Special | None,
    ) -> None:
        self.counts = COUNT in [place for place, _ in rest]
        """Whether there is a number in them."""
        # A number that comes first is the same for all templates, so that they are told apart behind it.
        first = rest[0][0] == COUNT
        self.start = start if first else ""
        """What stands before a number that comes first."""
        self.key = rest[0][1] if first else start
        """What stands next."""
        self.rest = rest[1:] if first else rest
        """What may differ, each with what is the same behind it."""
        self.kind = type(event)
        self.draft = DRAFTS[self.kind]
        self.index = event.output_index
        self.part: int | None = None
        self.reasoning: str | None = None
        if isinstance(event, e.TextDelta):
            self.part = event.content_index
        elif isinstance(event, e.ReasoningDelta):
            self.part, self.reasoning = event.part_index, event.kind
        self.append = append
        opens, is_special = NEVER if special is None else special
        self.opens = opens
        self.is_special = is_special

    def is_like(self, other: Template) -> bool:
        """Whether the same blocks are both of them."""
        return self.key == other.key and self.start == other.start and self.rest == other.rest

    def match(self, view: str, begin: int, number: str) -> tuple[int, str]:
        """Where the block ends that is this one as far as `begin`, and its text; `NOWHERE` if it is not."""
        text = ""
        for place, piece in self.rest:
            if place == COUNT:
                at = begin + len(number)
                if not number or view[begin:at] != number:
                    return NOWHERE
            else:
                at = view.find('"', begin)
                if at < 0:
                    return NOWHERE
                found = view[begin:at]
                if place == TEXT:
                    if BACKSLASH in found:
                        escaped = ESCAPED.match(view, begin)
                        if escaped is None:
                            return NOWHERE
                        found = escaped[0]
                        at = begin + len(found)
                    if not found:
                        return NOWHERE
                    text = found
                elif found and not (found.isascii() and found.isalnum()):
                    return NOWHERE
            begin = at + len(piece)
            if view[at:begin] != piece:
                return NOWHERE
        return begin, text

    def event(self, text: str) -> HotEvent:
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
        event: HotEvent = draft
        return event


class Opening:
    """Templates that are told apart at one place, by as many characters."""

    __slots__ = ("length", "start", "templates")

    def __init__(self, start: str, length: int) -> None:
        self.start = start
        """What stands before the number; "" where no number comes first."""
        self.length = length
        """Of the key, which stands behind it."""
        self.templates: list[Template] = []

    def find(self, view: str, at: int, number: str) -> tuple[Template | None, int, str]:
        """Whose the block at a position is, where it ends, and its text."""
        start = self.start
        if start:
            begin = at + len(start)
            if not number or view[at:begin] != start:
                return NOBODY
            at = begin + len(number)
            if view[begin:at] != number:
                return NOBODY
        begin = at + self.length
        key = view[at:begin]
        for template in self.templates:
            if template.key == key:
                end, text = template.match(view, begin, number)
                if end:
                    return template, end, text
        return NOBODY


def openings_of(templates: list[Template]) -> list[Opening]:
    """Templates, by what tells them apart."""
    found: list[Opening] = []
    for template in templates:
        for opening in found:
            if opening.length == len(template.key) and opening.start == template.start:
                break
        else:
            opening = Opening(template.start, len(template.key))
            found.append(opening)
        opening.templates.append(template)
    return found


class HotPath:
    """What the hot deltas of one stream look like, and where they go."""

    __slots__ = (
        "_decoder",
        "_fold",
        "_most_text",
        "_pending",
        "_unused",
        "candidate",
        "dialect",
        "openings",
        "templates",
    )

    dialect: PlainDialect

    def __init__(self, decoder: SSEDecoder, fold: Fold, pending: deque[Any]) -> None:
        """`pending` are the events that wait to be handed out: none may overtake them."""
        self._decoder = decoder
        self._fold = fold
        self._pending = pending
        self._most_text = fold.limits.text_size
        self.templates: list[Template] = []
        """The newest first."""
        self.openings: list[Opening] = []
        """The same, to be found by how a block begins."""
        self.candidate: tuple[dict[str, Any], str] | None = None
        """A payload that may show what hot deltas look like, and its block."""
        self._unused = 0
        """How often in a row that was of no use."""

    def speak(self, dialect: PlainDialect) -> None:
        """Another dialect takes over: nothing is known of its deltas."""
        self.dialect = dialect
        self.forget(None)
        self._unused = 0

    def take(self) -> HotEvent | None:
        """The next event, if that is a plain delta; else None, and nothing has changed."""
        decoder, openings = self._decoder, self.openings
        if not openings or self._pending:
            return None
        position = decoder.position
        if decoder.fresh and decoder.plain and position >= decoder.complete:
            decoder.join()
            position = 0
        if not decoder.plain or position >= decoder.complete:
            return None
        last = self.dialect.last_sequence_number
        number = "" if last is None else digits(last + 1)
        for opening in openings:
            template, end, text = opening.find(decoder.buffer, position, number)
            if template is None:
                continue
            if not text.isascii():
                try:
                    text = text.encode("latin-1").decode()
                except UnicodeDecodeError:
                    return None
            if BACKSLASH in text:
                # Nearly all escapes are quotes of the JSON inside of arguments.
                unquoted = text.replace('\\"', '"')
                text = scanstring(text + '"', 0)[0] if BACKSLASH in unquoted else unquoted
            elif not text.isprintable() and CONTROLS.search(text) is not None:
                return None
            fold = self._fold
            size = fold.size + len(text)
            if size > self._most_text or end - position > decoder.longest_block:
                return None
            if template.opens and text[0] in template.opens and template.is_special(text):
                return None
            # From here on it is as if the event had gone the long way.
            if last is not None and template.counts:
                self.dialect.last_sequence_number = last + 1
            decoder.position = end
            decoder.event_count += 1
            fold.size = size
            self._unused = 0
            template.append(text)
            return template.event(text)
        return None

    def consider(self, payload: dict[str, Any]) -> None:
        """A block went the long way and gave just one hot delta, which is about to be handed out."""
        if self._unused < MOST_UNUSED and (block := self._decoder.block()) is not None:
            self.candidate = payload, block
        elif self.templates:
            self.cool()

    def handed_out(self, event: Any) -> None:
        """The event of the candidate was handed out: does it show how the next ones look?"""
        assert self.candidate is not None
        payload, block = self.candidate
        self.candidate = None
        self._unused += 1
        found = self.dialect.plain_text(payload, event)
        if found is None:
            self.forget(event.output_index)
        else:
            path, special = found
            self.learn(block, payload, path, event, self._fold.fragments(event), special)

    def cool(self) -> None:
        """What goes the long way may change what hot deltas rely on."""
        if not self._pending:
            self.forget(None)
        for event in self._pending:
            # A new item may be the one that the next fragment means.
            self.forget(None if type(event) is e.ItemStarted else item_of(event))

    def forget(self, index: int | None) -> None:
        """Something else came for an item, or for the response as a whole if None."""
        if self.templates:
            self._keep([t for t in self.templates if index is not None and t.index != index])

    def _keep(self, templates: list[Template]) -> None:
        self.templates = templates
        self.openings = openings_of(templates)

    def learn(
        self,
        block: str,
        payload: dict[str, Any],
        path: Path,
        event: HotEvent,
        fragments: list[str],
        special: Special | None,
    ) -> None:
        """A block went the long way and came out as one plain delta, whose text stands at a path in it."""
        if len(block) > LONGEST or (isinstance(event, e.TextDelta) and event.logprobs):
            return
        found = cut(block, payload, path)
        if found is None:
            return
        new = Template(*found, event, fragments.append, special)
        others = [known for known in self.templates if not known.is_like(new)]
        self._keep([new, *others[: MOST_TEMPLATES - 1]])


def digits(number: Any) -> str:
    """A sequence number as it is written; "" where there is none, or a very long one."""
    return str(number) if type(number) is int and 0 <= number < HIGHEST else ""


def cut(view: str, payload: dict[str, Any], path: Path) -> tuple[str, list[tuple[str, str]]] | None:
    """A block as it begins, and what may differ in others like it, each with what is the same behind it.

    None where the block is not just an `event` line, a `data` line and a blank line, or where it cannot be
    told for certain what stands where. That can be told of a key that is there, occurs but once, and cannot
    be spelled in another way, because there are no escapes.
    """
    begin = view.find("\n") + 1 if view.startswith("event: ") else 0
    if view[begin : begin + 6] != "data: " or view.find("\n", begin) != len(view) - 2 or "\r" in view:
        return None
    colon = '": ' if '": ' in view else '":'
    places = [(place_of(view, f'"{path[len(path) - 1]}', colon + '"'), TEXT)]
    number, written = payload.get("sequence_number"), ""
    if type(number) is int:
        written = digits(number)
        behind = place_of(view, '"sequence_number', colon + written) if written else 0
        places.append((behind - len(written), COUNT))
    if isinstance(payload.get("obfuscation"), str):
        places.append((place_of(view, '"obfuscation', colon + '"'), PADDING))
    places.sort()
    end = len(view)
    rest: list[tuple[str, str]] = []
    for begin, place in reversed(places):
        if begin <= 0:
            return None
        stop = begin + len(written) if place == COUNT else scanstring(view, begin)[1] - 1
        rest.insert(0, (place, view[stop:end]))
        if BACKSLASH in view[stop:end]:
            return None
        end = begin
    return None if BACKSLASH in view[:end] else (view[:end], rest)


def place_of(view: str, key: str, colon: str) -> int:
    """Where the value of a key begins that occurs once, else 0."""
    at = view.find(key + '"')
    begin = at + len(key) + len(colon)
    once = at >= 0 and view.find(key + '"', begin) < 0
    return begin if once and view[begin - len(colon) : begin] == colon else 0
