"""Content blocks: each is one item, in the order in which they begin.

Text, thinking, redacted thinking and `tool_use` have items of the Responses API. A block of any other type,
as the calls and results of the server's tools, keeps its members in an item of its own type; what would mean
something else there stands under `block`.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.anthropic.calls import (
    ARGUMENTS,
    emit_input,
    end_arguments,
    has_arguments,
    identify,
    input_as_value,
)
from deltafold.dialects.anthropic.citations import read_citations
from deltafold.dialects.anthropic.state import Block, OpenMessage
from deltafold.dialects.anthropic.table import ITEM_TYPES, OF_BLOCK, OF_ITEM, UNTYPED_BLOCKS, is_call
from deltafold.dialects.emitter import Emitter
from deltafold.machine import make
from deltafold.machine.records import empty
from deltafold.machine.values import GROUPS, MODELLED, ValuePath
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.errors import LimitExceeded
from deltafold.model.json_values import copied

__all__ = [
    "begin_block",
    "emit_piece",
    "end_block",
    "place_of",
    "read_whole_blocks",
    "start_block",
    "stop_block",
]

JSON: TypeAlias = dict[str, Any]

TEXT: Final[ValuePath] = ("content", 0, "text")


# -------------------------------------------------------------------------------------------------- events


def start_block(emitter: Emitter, message: OpenMessage, payload: JSON) -> None:
    """`content_block_start`."""
    sent = payload.get("content_block")
    if not isinstance(sent, dict):
        emitter.report_invalid("content_block", sent)
        return
    place = place_of(emitter, message, payload)
    known = message.blocks.get(place)
    before = message.newest_block()
    due = (message.begun_blocks, message.begun_blocks + message.whole_blocks)
    if known is not None and is_same(emitter, known, sent):
        emitter.report_once(AnomalyCode.ANNOUNCED_TWICE, place, f"block {place} was announced again")
        return
    if known is not None and known.open:
        emitter.report_once(AnomalyCode.INDEX_REUSED, place, f"block {place} begins again while it is open")
        end_block(emitter, known, whole=True)
    elif before is not None and before.open:
        emitter.report_once(
            AnomalyCode.BLOCK_OUT_OF_ORDER, None, f"block {place} begins while another one is open"
        )
    elif place not in due or message.only_stop_is_missing:
        emitter.report_once(AnomalyCode.BLOCK_OUT_OF_ORDER, None, f"block {place} begins where none is due")
    end_strays(emitter, message, place)
    message.begun_blocks += 1
    message.only_stop_is_missing = False
    block = message.blocks[place] = begin_block(emitter, message, sent)
    message.newest = place
    block.doubtful = message.input_astray


def is_same(emitter: Emitter, block: Block, sent: JSON) -> bool:
    """Whether what begins is the call that is open: it has its id."""
    ident = sent.get("id")
    if not block.open or not isinstance(ident, str) or not ident or sent.get("type") != block.kind:
        return False
    return ident == emitter.record(block.index).data.get("call_id" if block.kind == "tool_use" else "id")


def stop_block(emitter: Emitter, message: OpenMessage, payload: JSON) -> None:
    """`content_block_stop`."""
    place = place_of(emitter, message, payload)
    had_strays = end_strays(emitter, message, place)
    block = message.blocks.get(place)
    if block is None:
        emitter.report_once(AnomalyCode.DELTA_MISFITS, place, f"block {place} ends, and never began")
    elif block.open:
        end_block(emitter, block, whole=True)
    elif not had_strays:
        emitter.report_once(AnomalyCode.ANNOUNCED_TWICE, place, f"block {place} ended again")


def place_of(emitter: Emitter, message: OpenMessage, payload: JSON) -> int:
    """The wire's index of a block; where there is none, that of the block that began last."""
    place = emitter.index(payload, "index")
    if place is not None:
        return place
    emitter.report_once(AnomalyCode.INDEX_MISSING, None, "an event of a block has no index")
    if message.newest is None:
        return 0
    return message.newest if payload.get("content_block") is None else message.newest + 1


def read_whole_blocks(emitter: Emitter, message: OpenMessage, content: Any) -> None:
    """Blocks that come whole in a message stand before all that are streamed."""
    if content is not None and not isinstance(content, list):
        emitter.report_invalid("content", content)
        content = [{"type": "text", "text": content}] if isinstance(content, str) and content else []
    limits = emitter.fold.limits
    if content and len(content) > limits.items:
        raise LimitExceeded("items", limits.items)
    for sent in content or ():
        if isinstance(sent, dict):
            message.whole_blocks += 1
            end_block(emitter, begin_block(emitter, message, sent), whole=True)
        else:
            emitter.report_invalid("content block", sent)


# --------------------------------------------------------------------------------------------- its beginning


def begin_block(emitter: Emitter, message: OpenMessage, sent: JSON) -> Block:
    """A block begins, with whatever it has already. Raises `LimitExceeded`."""
    limits = emitter.fold.limits
    for group in GROUPS:
        entries = sent.get(group)
        if isinstance(entries, list) and len(entries) > limits.parts:
            raise LimitExceeded("parts", limits.parts)
    kind = sent.get("type")
    if not isinstance(kind, str) or not kind:
        emitter.report_invalid("the type of a block", kind)
        kind = next((name for name, members in UNTYPED_BLOCKS.items() if members <= sent.keys()), "")
    item = item_of(emitter, message, sent, kind) if kind in ITEM_TYPES else other_item(sent, kind)
    block = Block(emitter.begin_item(item), kind)
    if kind == "text":
        part: JSON = {"type": "output_text", "text": "", "annotations": []}
        emitter.begin_part(block.index, "content", 0, part)
        read_citations(emitter, block, sent.get("citations"))
        emit_piece(emitter, message, block, "text", sent.get("text"))
    elif kind == "thinking":
        emitter.begin_part(block.index, "content", 0, {"type": "reasoning_text", "text": ""})
        emit_piece(emitter, message, block, "reasoning", sent.get("thinking"))
    elif kind == "tool_use":
        block.start = copied(sent.get("input"))
        if block.start is not None and not isinstance(block.start, dict):
            emitter.report_invalid("input", block.start)
    elif kind == "fallback":
        to = sent.get("to")
        model = to.get("model") if isinstance(to, dict) else None
        if isinstance(model, str):
            emitter.out.append(make.status_changed(None, {"model": model}))
    return block


def emit_piece(emitter: Emitter, message: OpenMessage, block: Block, kind: e.ValueKind, text: Any) -> None:
    """Hands out a piece of the text of a block. A null says nothing."""
    if isinstance(text, str):
        if text:
            message.only_stop_is_missing = False
            emitter.emit_text(block.index, kind, TEXT, text)
    elif text is not None:
        emitter.report_invalid(kind, text)


def item_of(emitter: Emitter, message: OpenMessage, sent: JSON, kind: str) -> JSON:
    """A block as an item of the Responses API, without its text."""
    item: JSON = {"type": ITEM_TYPES[kind], "status": "in_progress"}
    rest = {key: copied(value) for key, value in sent.items() if key not in OF_BLOCK[kind]}
    if kind == "text":
        item |= {"role": "assistant", "content": []}
        if rest.get("citations"):
            del rest["citations"]
    elif kind == "tool_use":
        identify(emitter, message, item, rest, sent)
        if empty(rest.get("input")):
            rest.pop("input", None)
    else:
        item |= {"summary": [], "content": []} if kind == "thinking" else {"summary": []}
        name = "signature" if kind == "thinking" else "data"
        secret = sent.get(name)
        if isinstance(secret, str):
            if secret or kind == "redacted_thinking":
                item["encrypted_content"] = secret
        elif secret is not None:
            emitter.report_invalid(name, secret)
    clashing = {key: rest.pop(key) for key in [*rest] if key in OF_ITEM}
    return {**item, **rest, **({"block": clashing} if clashing else {})}


def other_item(sent: JSON, kind: str) -> JSON:
    """A block of any other type keeps its members. A call of the server's has its arguments beside."""
    item: JSON = {"type": kind, **copied(sent)}
    clashing: JSON = {}
    calls = is_call(sent)
    if kind in MODELLED or (kind == "" and "type" in sent):
        clashing["type"] = item["type"]
        item["type"] = ""
    if isinstance(item.get("summary"), list):
        clashing["summary"] = item.pop("summary")  # which would be parts with texts of their own
    content = item.get("content")
    if isinstance(content, list):
        for entry in content:
            if isinstance(entry, dict) and isinstance(entry.get("refusal"), str):
                clashing["content"] = item.pop("content")
                break
    if calls and "arguments" in item:
        clashing["arguments"] = item.pop("arguments")
    if clashing and "block" in item:
        clashing["block"] = item.pop("block")
    if clashing:
        item["block"] = clashing
    return {**item, "arguments": ""} if calls else item


# --------------------------------------------------------------------------------------------------- its end


def end_block(emitter: Emitter, block: Block, *, whole: bool, status: str | None = "completed") -> None:
    """A block ends: `whole` where the server said so, or its message did."""
    block.open = False
    index = block.index
    if block.kind in ITEM_TYPES:
        if block.kind == "tool_use" and whole and not end_arguments(emitter, block) and status is not None:
            status = "incomplete"
        emitter.finish_item(index, status, block.late)
        return
    if not whole:
        emitter.finish_item(index, None, block.late)
        return
    if emitter.pending_surrogates.pop((index, ARGUMENTS), None) is not None:
        emitter.report(AnomalyCode.LONE_SURROGATE, "half a surrogate pair ends a value")
        emit_input(emitter, block, "\ufffd")
    data = {**emitter.present(index).to_dict(), **block.late}
    if has_arguments(emitter, block):
        input_as_value(emitter, block, data)
    emitter.out.append(make.item_finished(index, emitter.fold.item(emitter.record(index), data, whole=True)))
    emitter.additions(index).has_ended = True


def end_strays(emitter: Emitter, message: OpenMessage, place: int) -> bool:
    """What came under the index of a block and did not fit it ends with that block."""
    found = False
    if message.strays:
        for fits in ("text", "thinking"):
            stray = message.strays.pop((place, fits), None)
            if stray is not None:
                found = True
                end_block(emitter, stray, whole=True)
    return found
