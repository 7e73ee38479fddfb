"""Deltas of content blocks: text, thinking, signatures, input of calls, citations, compactions.

Text and thinking that fit no block begin one. A piece of input goes only into a call that is open: no call is
altered by what may belong to another.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from deltafold.dialects.anthropic.blocks import begin_block, emit_piece, place_of
from deltafold.dialects.anthropic.calls import ARGUMENTS, emit_input, has_arguments, take_back, written
from deltafold.dialects.anthropic.citations import read_citation
from deltafold.dialects.anthropic.state import Block, OpenMessage
from deltafold.dialects.anthropic.table import DELTAS, ITEM_TYPES, UNTYPED_DELTAS
from deltafold.dialects.emitter import Emitter
from deltafold.machine.build import NO_ARGUMENTS
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.json_values import copied, string, weight

__all__ = ["read_delta"]

JSON: TypeAlias = dict[str, Any]


def read_delta(emitter: Emitter, message: OpenMessage, payload: JSON) -> None:
    """`content_block_delta`."""
    delta = payload.get("delta")
    if not isinstance(delta, dict):
        emitter.report_invalid("delta", delta)
        return
    place = place_of(emitter, message, payload)
    block = message.blocks.get(place)
    what = string(delta, "type") or type_by_member(emitter, delta)
    if what in DELTAS:
        fits, member = DELTAS[what]
        read_text(emitter, message, place, block, fits, delta.get(member))
        if len(delta) > 2:
            # Thinking that is not shown counts its tokens here, for progress only.
            emitter.out.append(e.Notice(what, delta))
    elif what == "input_json_delta":
        read_input(emitter, message, place, block, delta.get("partial_json"), payload)
    elif block is None:
        report_misfit(emitter, place, f"a {what[:40]} for block {place}, which never began")
        emitter.out.append(e.UnknownEvent("content_block_delta", payload))
    elif what == "signature_delta":
        read_signature(emitter, place, block, delta.get("signature"))
    elif what == "citations_delta" and block.kind == "text":
        read_citation(emitter, block, delta.get("citation"))
    elif what == "compaction_delta" and block.kind == "compaction":
        read_compaction(emitter, block, delta)
    else:
        if what in ("citations_delta", "compaction_delta"):
            report_misfit(emitter, place, f"a {what} for a block of type {block.kind[:40]}")
        emitter.out.append(e.UnknownEvent("content_block_delta", payload))


def type_by_member(emitter: Emitter, delta: JSON) -> str:
    """The type of a delta that has none, by the member that it has."""
    for name, member in UNTYPED_DELTAS.items():
        if member in delta:
            emitter.report_once(
                AnomalyCode.TYPE_MISSING, "delta", f"a delta has no type, but what a {name} has"
            )
            return name
    return ""


def report_misfit(emitter: Emitter, place: int, text: str) -> None:
    """Reports a delta that does not fit the block at its place."""
    emitter.report_once(AnomalyCode.DELTA_MISFITS, place, text)


def read_text(
    emitter: Emitter, message: OpenMessage, place: int, block: Block | None, fits: str, text: Any
) -> None:
    """Text and thinking go to a block of the right kind at that place, which begins if need be."""
    if block is None or block.kind != fits:
        if not isinstance(text, str) or not text:
            if text is not None and not isinstance(text, str):
                emitter.report_invalid("delta", text)
            return
        known = "which never began" if block is None else f"of type {block.kind[:40]}"
        report_misfit(emitter, place, f"{fits} for block {place}, {known}")
        if block is None:
            block = message.blocks[place] = begin_block(emitter, message, {"type": fits})
            message.newest = place
        else:
            if message.strays is None:
                message.strays = {}
            stray = message.strays.get((place, fits))
            if stray is None:
                stray = message.strays[place, fits] = begin_block(emitter, message, {"type": fits})
            block = stray
    elif not block.open and isinstance(text, str) and text:
        emitter.report_once(
            AnomalyCode.DELTA_AFTER_DONE, block.index, f"{fits} for block {place}, which had ended"
        )
    emit_piece(emitter, message, block, "text" if fits == "text" else "reasoning", text)


def read_input(
    emitter: Emitter, message: OpenMessage, place: int, block: Block | None, text: Any, payload: JSON
) -> None:
    """A piece of the input of a call."""
    if isinstance(text, (dict, list)):
        emitter.report_once(AnomalyCode.ARGUMENTS_NOT_TEXT, place, f"partial_json is {text!r:.40}")
        text = written(text) or NO_ARGUMENTS
    elif text is not None and not isinstance(text, str):
        emitter.report_invalid("partial_json", text)
        doubt(emitter, message, block)
        if block is not None and not block.gap:
            block.gap = emitter.size_so_far(block.index, ARGUMENTS)
    if not isinstance(text, str) or not text:
        return
    if block is None or not block.open or not has_arguments(emitter, block):
        report_misfit(emitter, place, f"input for block {place}, which is no open call")
        emitter.out.append(e.UnknownEvent("content_block_delta", payload))
        doubt(emitter, message, block)
        return
    message.only_stop_is_missing = False
    emit_input(emitter, block, text)


def doubt(emitter: Emitter, message: OpenMessage, block: Block | None) -> None:
    """Input came that has no place: a call into which nothing was streamed may be the one that it is for."""
    message.input_astray = message.input_astray or block is None
    for known in message.blocks.values() if block is None else (block,):
        if known.open:
            known.doubtful = True
    if block is not None and block.without_arguments:
        take_back(emitter, block)


def read_signature(emitter: Emitter, place: int, block: Block, signature: Any) -> None:
    """ "signature := …": a second one takes the place of the first."""
    if not isinstance(signature, str):
        emitter.report_invalid("signature", signature)
    elif block.kind == "thinking":
        if signature:
            block.late["encrypted_content"] = signature
            if not block.open:
                emitter.update_item(block.index, block.late)
    else:
        report_misfit(emitter, place, f"a signature for a block of type {block.kind[:40]}")
        if block.kind in ITEM_TYPES:
            block.late["signature"] = signature


def read_compaction(emitter: Emitter, block: Block, delta: JSON) -> None:
    """ "the final value, null = compaction failed"; a null beside a value erases nothing."""
    known = emitter.record(block.index).data
    for key, value in delta.items():
        if key != "type" and (value is not None or (key not in block.late and key not in known)):
            emitter.hold_text(len(key) + weight(value) - weight(block.late.get(key)))
            block.late[key] = copied(value)
