"""The fast path for deltas: a few comparisons in place of framing, JSON, dialect and fold.

Nearly all events of a stream are fragments that differ from the one before in their text, their sequence
number and their padding. Once such an event has gone the long way and came out as one plain delta, its block
becomes a template: all else in it is compared, byte for byte, with the blocks that follow. What is equal to
it is parsed equally. Whatever is not goes the long way itself, so the parser is right also where nothing is
ever learned. The invariant: with or without it, events and state are the same.

Templates belong to one stream. Those of deltas are dropped whenever anything but a plain delta comes for the
same item. Those of pieces of arguments hold for any item, for the dialect is asked each time where a piece
belongs: they are dropped when the response itself changes.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.base import Dialect
from deltafold.machine import make
from deltafold.machine.fold import Emitted, Fold, item_of
from deltafold.model import events as e
from deltafold.parsing.templates import (
    HIGHEST,
    DeltaTemplate,
    FastEvent,
    Patterns,
    PieceTemplate,
    match_block,
    patterns_of,
    shape_of,
)
from deltafold.wire.blocks import BlockScanner

__all__ = ["FAST_EVENTS", "FastEvent", "FastPath"]

JSON: TypeAlias = dict[str, Any]

NO_PIECES: Final[list[PieceTemplate]] = []
"""What most streams have: the same for all, for there are many."""
NO_PATTERNS: Final[Patterns] = ()
MOST_TEMPLATES: Final = 64
MOST_PIECES: Final = 4
MOST_UNUSED: Final = 32
# Longer blocks are not worth comparing.
LONGEST: Final = 4096
FAST_EVENTS: Final = (e.TextDelta, e.ReasoningDelta, e.ArgumentsDelta)


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
        "patterns",
        "pieces",
        "templates",
    )

    dialect: Dialect

    def __init__(self, decoder: BlockScanner, fold: Fold, pending: list[Emitted]) -> None:
        """`pending` are the events that wait to be handed out: none may overtake them."""
        self._decoder = decoder
        self._fold = fold
        self._pending = pending
        self._most_text = fold.limits.text_size
        self.templates: list[DeltaTemplate] = []
        """The newest first, …"""
        self.patterns = NO_PATTERNS
        """… and how their blocks look."""
        self.pieces = NO_PIECES
        self.candidate: tuple[JSON, str] | None = None
        """A payload that may show what hot deltas look like, and its block."""
        self._unused = 0
        """How many templates in a row were learned and matched nothing."""

    def set_dialect(self, dialect: Dialect | None) -> None:
        """Another dialect takes over: nothing is known of its deltas. None: nothing is to be learned."""
        if dialect is not None:
            self.dialect = dialect
        self.invalidate()
        self._unused = MOST_UNUSED if dialect is None else 0

    def take(self) -> FastEvent | None:
        """The next event, if that is a plain delta; else None, and nothing has changed."""
        decoder, patterns = self._decoder, self.patterns
        if self._pending or not (patterns or self.pieces):
            return None
        position = decoder.position
        if position >= decoder.blocks_end and decoder.has_unjoined_line and decoder.only_lf:
            decoder.join()
            position = 0
        if position >= decoder.blocks_end or not decoder.only_lf:
            return None
        last = self.dialect.last_sequence_number
        number = -1 if last is None else last + 1
        if number >= HIGHEST:
            number = -1
        found = match_block(decoder.buffer, position, patterns, number) if patterns else None
        if found is None:
            for known in self.pieces:
                event = self._take_piece(known, position)
                if event is not None:
                    return event
            return None
        place, end, text, numbers = found
        template = self.templates[place]
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
        if template.has_sequence_number:
            self.dialect.last_sequence_number = number
        if template.tallies is not None:
            template.tallies.numbers = numbers
            self.dialect.tally(template.tallies)
        decoder.position = end
        decoder.event_count += 1
        fold.size = size
        self._unused = 0
        template.value.add(text)
        part = template.part
        if part is None:
            return make.arguments_delta(template.index, text)
        if template.reasoning is None:
            return make.text_delta(template.index, part, text, ())
        return make.reasoning_delta(template.index, part, text, template.reasoning)

    def _take_piece(self, template: PieceTemplate, position: int) -> FastEvent | None:
        """The next event, if its block is one of pieces of arguments that looks so."""
        decoder = self._decoder
        latin1 = decoder.buffer
        begin = position + len(template.key)
        if latin1[position:begin] != template.key:
            return None
        piece = template.find(latin1, begin)
        if piece is None:
            return None
        found = match_block(latin1, piece.end(), template.rest, -1)
        if found is None or found[1] - position > decoder.longest_block:
            return None
        index, text = template.pieces.place(piece)
        if not text:
            return None
        # From here on it is as if the event had gone the long way.
        if template.tallies is not None:
            template.tallies.numbers = found[3]
            self.dialect.tally(template.tallies)
        decoder.position = found[1]
        decoder.event_count += 1
        self._unused = 0
        event = make.arguments_delta(index, text)
        value = template.value
        if value is None or index != template.index:
            self._fold.apply(event)
            template.index, template.value = index, self._fold.value(event)
        else:
            self._fold.size += len(text)
            value.add(text)
        return event

    def set_candidate(self, payload: JSON) -> None:
        """A block went the long way and gave just one hot delta, which is about to be handed out."""
        if self._unused < MOST_UNUSED and (block := self._decoder.block()) is not None:
            self.candidate = payload, block
        elif self.has_templates():
            self.invalidate_for_pending()

    def has_templates(self) -> bool:
        """Whether anything is known that an event may change."""
        return bool(self.templates or self.pieces)

    def learn_from_candidate(self, event: Any) -> None:
        """The event of the candidate was handed out: does it show how the next ones look?"""
        assert self.candidate is not None
        payload, block = self.candidate
        self.candidate = None
        dialect = self.dialect
        pieces = dialect.hot_pieces(payload) if type(event) is e.ArgumentsDelta else None
        key, special = "" if pieces is None else pieces.key, None
        if pieces is None:
            found = dialect.text_path(payload, event)
            if found is None:
                self.invalidate()
                return
            path, special = found
            key = str(path[-1])
        self._unused += 1
        if len(block) > LONGEST or (type(event) is e.TextDelta and event.logprobs):
            return
        tallies = dialect.tallies(payload)
        shape = shape_of(block, payload, key, pieces, () if tallies is None else tallies.names)
        if shape is None:
            return
        if tallies is not None:
            tallies.names, tallies.between = tuple(shape.names), shape.between
        if pieces is None:
            self.add_template(DeltaTemplate(shape, tallies, event, self._fold.value(event), special))
        else:
            new = PieceTemplate(shape, tallies, pieces)
            self.pieces = [new, *[known for known in self.pieces if not known.is_like(new)]][:MOST_PIECES]

    def invalidate_for_pending(self) -> None:
        """Drops the templates of every item that a pending event is about, and all of them if an item begins.

        What these events change is what the templates rely on.
        """
        if not self._pending or self.dialect.pending_surrogates:
            self.invalidate()
        for event in self._pending:
            index = item_of(event)
            # A new item may be the one that the next fragment means.
            if index is None or type(event) is e.ItemStarted:
                self._keep([])
            else:
                self._keep([known for known in self.templates if known.index != index])
            if index is None and type(event) is not e.UsageReported:
                self.pieces.clear()
        for known in self.pieces:
            known.value = None

    def invalidate(self) -> None:
        """Something else came for the response as a whole."""
        self._keep([])
        self.pieces.clear()

    def add_template(self, new: DeltaTemplate) -> None:
        """One more template is known of deltas of a text."""
        others = [known for known in self.templates if not known.is_like(new)]
        self._keep([new] if len(others) >= MOST_TEMPLATES else [new, *others])

    def _keep(self, templates: list[DeltaTemplate]) -> None:
        """These templates are known, and no others."""
        if templates or self.templates:
            self.templates = templates
            self.patterns = patterns_of(templates)
