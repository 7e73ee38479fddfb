"""What is remembered of each candidate while a response is open: its text, its calls, what was said of it."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.emitter import Emitter
from deltafold.dialects.gemini.argument_text import ArgumentText

__all__ = ["OpenCandidate", "OpenFunctionCall", "OpenRun"]

JSON: TypeAlias = dict[str, Any]


class OpenRun:
    """Consecutive parts of text, or of thought: a message or a reasoning item that is open."""

    SNAPSHOT_FIELDS: Final = ("kind", "index", "parts", "joins")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, kind: str, index: int) -> None:
        self.kind = kind
        """The type of its item."""
        self.index = index
        """Its output index."""
        self.parts = 0
        """How many parts have begun."""
        self.joins = False
        """Whether a bare part goes on with the last one."""


class OpenFunctionCall:
    """A function call."""

    SNAPSHOT_FIELDS: Final = ("index", "data", "text", "streamed", "open", "damaged", "has_id")
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, index: int, data: JSON) -> None:
        self.index = index
        """Its output index."""
        self.data = data
        """The item, without its arguments and status."""
        self.text: ArgumentText | None = None
        """What makes text of arguments that come piece by piece."""
        self.streamed = False
        """Whether the call was sent in several pieces."""
        self.open = False
        """Whether more of it will come."""
        self.damaged = False
        """Whether a piece of it could not be read: what is known of it is not the whole."""
        self.has_id = False
        """Whether the server gave it an id, by which pieces are found while other calls are open."""


class OpenCandidate:
    """What is known of one candidate."""

    SNAPSHOT_FIELDS: Final = (
        "index",
        "run",
        "calls",
        "ids",
        "newest",
        "last",
        "finish_reason",
        "known",
        "cited",
        "announced",
        "content",
        "pieces_astray",
    )
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, index: int) -> None:
        self.index = index
        self.run: OpenRun | None = None
        """The message or reasoning item that is open."""
        self.calls: dict[int, OpenFunctionCall] = {}
        """Its calls, by their output indexes."""
        self.ids: dict[str, int] = {}
        """Their output indexes, by the ids that the server gave them."""
        self.newest: int | None = None
        """The output index of the call that began last."""
        self.last: int | None = None
        """The output index of the item that began last."""
        self.finish_reason: str | None = None
        """The finish reason that was sent last."""
        self.known: JSON = {}
        """What was handed on of its other members."""
        self.cited: dict[str, None] = {}
        """The citations that were handed on."""
        self.announced = False
        """Whether anything that was handed on says that it exists."""
        self.content: JSON = {}
        """What its content has beside parts."""
        self.pieces_astray = False
        """Whether pieces of arguments came before any call: they may be of the one that begins next."""

    @property
    def call(self) -> OpenFunctionCall | None:
        """The call that began last."""
        return None if self.newest is None else self.calls[self.newest]

    def begin_item(self, emitter: Emitter, data: JSON) -> int:
        """An item of the candidate begins. Gives its output index. Raises `LimitExceeded`."""
        self.last = emitter.begin_item(data, choice_index=self.index)
        self.announced = True
        return self.last

    def end_run(self, emitter: Emitter, status: str) -> None:
        """The message or reasoning item that is open ends, if there is one."""
        run = self.run
        if run is not None:
            self.run = None
            emitter.finish_item(run.index, status)
