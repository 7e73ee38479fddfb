"""What is remembered of a message while it is open: its own members, its usage, and its content blocks."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.anthropic.usage import UsageTotals

__all__ = ["Block", "OpenMessage"]

JSON: TypeAlias = dict[str, Any]


class Block:
    """One content block."""

    SNAPSHOT_FIELDS: Final = (
        *("index", "kind", "start", "open", "citations", "late"),
        *("without_arguments", "doubtful", "gap"),
    )
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self, index: int, kind: str) -> None:
        self.index = index
        """Its output index."""
        self.kind = kind
        """Its type; "" where that is no text."""
        self.start: Any = None
        """The input with which a call began; it counts where nothing is streamed."""
        self.open = True
        self.citations = 0
        """How many it has."""
        self.late: JSON = {}
        """Fields that became known since it began."""
        self.without_arguments = False
        """Whether it ended as a call into which nothing had been streamed."""
        self.doubtful = False
        """Whether input came that had no place, and may have been for it."""
        self.gap = 0
        """How many characters of the input had come before a piece that could not be read."""


class OpenMessage:
    """The message of one response.

    The wire's `index` is a key to open blocks, not a position: gaps and reuse happen.
    """

    SNAPSHOT_FIELDS: Final = (
        "id",
        "announced",
        "known",
        "usage",
        "stop_reason",
        "only_stop_is_missing",
        "blocks",
        "strays",
        "newest",
        "begun_blocks",
        "whole_blocks",
        "call_ids",
        "input_astray",
    )
    __slots__ = SNAPSHOT_FIELDS

    def __init__(self) -> None:
        self.id: str | None = None
        self.announced = False
        """Whether a `message_start` came."""
        self.known: JSON = {}
        """What was handed on of its own members."""
        self.usage = UsageTotals()
        self.stop_reason: str | None = None
        self.only_stop_is_missing = False
        """Whether a stop reason came and no block behind it, so that only `message_stop` is missing."""
        self.blocks: dict[int, Block] = {}
        """The last block that began under each index of the wire."""
        self.strays: dict[tuple[int, str], Block] | None = None
        """Blocks that began with a delta which fitted no other, by the wire's index and their type."""
        self.newest: int | None = None
        """The wire's index of the block that began last."""
        self.begun_blocks = 0
        """How many blocks were streamed."""
        self.whole_blocks = 0
        """How many came whole in the message that begins the stream."""
        self.call_ids: dict[str, bool] = {}
        """The ids of its calls."""
        self.input_astray = False
        """Whether input came for a block that had not begun: it may be for any that begins later."""

    def newest_block(self) -> Block | None:
        """The block that began last."""
        return None if self.newest is None else self.blocks[self.newest]

    def open_blocks(self) -> list[Block]:
        """The blocks that have not ended, in the order of their items."""
        opened = [block for block in (*self.blocks.values(), *(self.strays or {}).values()) if block.open]
        opened.sort(key=output_index)
        return opened


def output_index(block: Block) -> int:
    """The output index of a block."""
    return block.index
