"""Connections after the first one: what waits for its turn, and the replay of what was handed out already."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from deltafold.machine.fold import Fold
from deltafold.machine.lifecycle import TRUNCATED
from deltafold.model.anomalies import AnomalyCode
from deltafold.parsing.bodies import forget_pieces, read_body
from deltafold.parsing.state import ReaderState
from deltafold.wire.body_kind import EVENT_STREAM, Body
from deltafold.wire.json_text import is_strict_json

if TYPE_CHECKING:
    from deltafold.parsing.replay import Replay

__all__ = ["end_replay", "expect_replay", "is_bytes", "next_connection", "queue_for_connection"]


def queue_for_connection(reader: ReaderState, piece: Any, call: str) -> None:
    """What comes over a later connection waits until the earlier ones have been read."""
    assert reader.queued_connections is not None
    pieces: list[Any] = reader.queued_connections[-1]
    if pieces and type(pieces[0]) is not type(piece):
        reader.refuse_input(call)
    if piece or isinstance(piece, str):
        pieces.append(piece)
        if not isinstance(piece, str):
            reader.later_size += len(piece)
        reader.decoder.drained = False


def next_connection(reader: ReaderState) -> None:
    """The old connection has been read as far as it is whole: the next one begins."""
    if reader.body is Body.JSON and reader.body_chunks:
        text = b"".join(reader.body_chunks).decode("utf-8-sig", "replace")
        reader.body_chunks = []
        if is_strict_json(text):
            read_body(reader, text)
            return
    if reader.replay is not None:
        reader.replay.abandon()
        end_replay(reader, reader.replay)
    reader.bytes_before += reader.bytes_of_connection()
    reader.decoder.reconnect()
    reader.report.payload_count = None
    assert reader.queued_connections is not None
    pieces = reader.queued_connections.popleft()
    reader.body, reader.direct_to_decoder = None, False
    reader.body_chunks, reader.body_size = [], 0
    forget_pieces(reader)
    reader.opening, reader.report.framed = None, None
    if is_bytes(pieces):
        reader.body_chunks, reader.body_size = [b"".join(pieces)], sum(map(len, pieces))
        reader.later_size -= reader.body_size
    elif pieces:
        reader.payloads = deque(pieces)
        reader.report.payload_count = 0
    if not reader.dialect_unknown and not reader.dialect.ended:
        expect_replay(reader)


def expect_replay(reader: ReaderState) -> Replay:
    """Payloads go through a `Replay` now, which drops what was handed out before `reconnect()`."""
    from deltafold.parsing.replay import DeferredAnomalies, Replay

    dialect, held = reader.own_dialect, DeferredAnomalies()
    replica = reader.dialect_of(dialect.name, Fold(reader.limits, reader.fold.approval_required), held)
    reader.replay = replay = Replay(dialect, replica, held, reader.report)
    reader.set_active_dialect(replay)
    return replay


def end_replay(reader: ReaderState, replay: Replay) -> None:
    """The new connection has caught up: its payloads go straight to the dialect that is complete.

    That is `replay.successor`. `data`, `usage` and `choices` stay as the events had them that were handed
    out: what is only counted may have come again in part.
    """
    reader.replay = reader.last_response = None
    successor = replay.successor
    if replay.has_waiting and reader.closed is TRUNCATED and not reader.queued_connections:
        reader.report(AnomalyCode.REPLAY_REFUSED, "it broke off before all that had come had come again")
    if successor is replay.live:
        reader.set_active_dialect(successor)
    else:
        data, usage, choices = reader.fold.data, reader.fold.usage, reader.fold.choices
        replay.keep_counts()
        reader.fold.replace_with(successor.fold)
        reader.fold.data, reader.fold.usage, reader.fold.choices = data, usage, choices
        reader.select_dialect(successor.name).setstate(successor.getstate())
    if replay.ending is not None:
        reader.pending.append(replay.ending)
    reader.direct_to_decoder = (
        reader.body is EVENT_STREAM and reader.closed is None and not reader.queued_connections
    )


def is_bytes(pieces: list[Any]) -> bool:
    """Whether bytes came over a connection, not payloads."""
    return bool(pieces) and isinstance(pieces[0], bytes)
