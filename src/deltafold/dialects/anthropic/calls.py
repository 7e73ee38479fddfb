"""Tool calls: their ids and names, and their input, which is streamed as pieces of JSON.

`tool_use` is a call of the caller's tool. Blocks of other types may be calls of the server's tools: their
items have the input as arguments too, and as the value that it is.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from deltafold.dialects.anthropic.state import Block, OpenMessage
from deltafold.dialects.anthropic.table import ITEM_TYPES, MADE_ID, is_call, value_of
from deltafold.dialects.emitter import Emitter
from deltafold.machine.build import NO_ARGUMENTS
from deltafold.machine.records import empty
from deltafold.machine.values import ValuePath
from deltafold.model import events as e
from deltafold.model.anomalies import AnomalyCode
from deltafold.model.json_values import compact, copied

__all__ = [
    "ARGUMENTS",
    "emit_input",
    "end_arguments",
    "has_arguments",
    "identify",
    "input_as_value",
    "take_back",
    "take_call_back",
    "written",
]

JSON: TypeAlias = dict[str, Any]

ARGUMENTS: Final[ValuePath] = ("arguments",)


def identify(emitter: Emitter, message: OpenMessage, item: JSON, rest: JSON, sent: JSON) -> None:
    """The id and the name of a call go into its item. What cannot be either stays a member of the block."""
    ident, name = sent.get("id"), sent.get("name")
    if not isinstance(name, str) or not name:
        emitter.report(AnomalyCode.CALL_NAME_MISSING, "a tool call has no name")
        if "name" in sent and name != "":
            rest["name"] = copied(name)
        name = ""
    if not isinstance(ident, str) or not ident:
        emitter.report(AnomalyCode.CALL_ID_MISSING, f"the call of {name[:40]!r} has no id")
    elif ident in message.call_ids:
        emitter.report_once(AnomalyCode.CALL_ID_REPEATED, ident[:40], f"two calls have the id {ident[:40]!r}")
    else:
        message.call_ids[ident] = True
        item |= {"call_id": ident, "name": name, "arguments": ""}
        return
    if "id" in sent:
        rest["id"] = copied(ident)
    item |= {"call_id": MADE_ID.format(emitter.free_index()), "name": name, "arguments": ""}


def has_arguments(emitter: Emitter, block: Block) -> bool:
    """Whether a block is one that has arguments."""
    if block.kind in ITEM_TYPES:
        return block.kind == "tool_use"
    data = emitter.record(block.index).data
    return "arguments" in data and is_call(data)


def emit_input(emitter: Emitter, block: Block, text: str) -> None:
    """Hands out a piece of the input."""
    emitter.emit_text(block.index, "arguments", ARGUMENTS, text)


def end_arguments(emitter: Emitter, block: Block) -> bool:
    """The input with which a call began is its arguments, where nothing was streamed.

    Gives whether it is sure that these are the arguments: of a doubtful call none are made up, and those in
    the midst of which a piece could not be read are not whole.
    """
    index = block.index
    size = emitter.size_so_far(index, ARGUMENTS)
    if (index, ARGUMENTS) in emitter.pending_surrogates or size:
        return not 0 < block.gap < size
    block.without_arguments = empty(block.start)
    if block.without_arguments and block.doubtful:
        return False
    emit_input(emitter, block, written(block.start) or NO_ARGUMENTS)
    return True


def written(value: Any) -> str:
    """The JSON of an input, as arguments have it; "" where there is none."""
    if isinstance(value, str):
        return value
    if empty(value):
        return ""
    return compact(value)


def input_as_value(emitter: Emitter, block: Block, data: JSON) -> None:
    """The streamed input of a call of the server's goes into the item's `data` as the value that it is."""
    text = emitter.so_far(block.index, ARGUMENTS)
    value = value_of(text)
    if not text:
        del data["arguments"]
    elif value is not None:
        data["input"] = value


def take_call_back(emitter: Emitter, message: OpenMessage) -> None:
    """A limit cut the message behind a call of which nothing had come: it may have had arguments."""
    block = message.newest_block()
    if block is not None and block.without_arguments:
        take_back(emitter, block)


def take_back(emitter: Emitter, block: Block) -> None:
    """A call that had ended without arguments is not whole after all."""
    record = emitter.record(block.index)
    if record.data.get("status") != "incomplete":
        data = {**record.to_dict(), "status": "incomplete"}
        emitter.out.append(e.ItemUpdated(block.index, emitter.fold.item(record, data)))
