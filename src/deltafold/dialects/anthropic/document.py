"""A response in the shape of an unstreamed Anthropic message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from deltafold.dialects.anthropic.table import (
    MADE_ID,
    STOP_REASONS,
    block_from,
    members_of,
    rest_of,
    stop_of,
    usage_of_anthropic,
    value_of,
)
from deltafold.dialects.base import ends_complete
from deltafold.model.items import (
    CustomToolCall,
    FunctionCall,
    Item,
    Message,
    OtherItem,
    OtherPart,
    OutputText,
    Reasoning,
    Refusal,
)
from deltafold.model.json_values import copied

if TYPE_CHECKING:
    from deltafold.model.response import Response

__all__ = ["anthropic_message", "block_of", "blocks_from", "input_of", "stop_reason_of"]

JSON: TypeAlias = dict[str, Any]


def anthropic_message(response: Response) -> JSON:
    """The response as an unstreamed message: with the server's own words where it spoke this dialect."""
    own = response.dialect == "anthropic"
    data = response.data
    message: JSON = {
        "id": data.get("id"),
        "type": "message",
        "role": "assistant",
        "model": data.get("model"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }
    for index, item in enumerate(response.output):
        if own:
            message["content"].append(block_of(item, index))
        elif not item.choice_index:  # a message has no room for other choices than the first
            message["content"] += blocks_from(item)
    if own:
        message |= members_of(data)
    else:
        message["stop_reason"] = stop_reason_of(response)
    word = message.get("stop_reason")
    if isinstance(word, str) and any(map(is_cut, response.output)) and ends_complete(stop_of(word)):
        message["stop_reason"] = "max_tokens"  # else the calls would look whole
    if response.usage is not None:
        message["usage"] = response.usage.to_dict() if own else usage_of_anthropic(response.usage)
    return message


def stop_reason_of(response: Response) -> str | None:
    """The stop reason that this API would have sent."""
    reason = response.finish_reason
    if reason is None or response.outcome not in ("completed", "incomplete"):
        return None
    if response.outcome == "completed":
        return STOP_REASONS.get(reason, reason)
    return "max_tokens" if reason == "pause_turn" else STOP_REASONS.get(reason, "max_tokens")


def block_of(item: Item, index: int) -> JSON:
    """The block that an item of this dialect was. `index` is its output index."""
    data = item.data
    if isinstance(item, Message):
        texts = [part for part in item.content if isinstance(part, OutputText)]
        block: JSON = {"type": "text", "text": "".join(part.text for part in texts)}
        citations = [copied(citation) for part in texts for citation in part.annotations]
        return {**block, **rest_of(data), **({"citations": citations} if citations else {})}
    if isinstance(item, Reasoning):
        if not item.content:
            return {"type": "redacted_thinking", "data": item.encrypted_content, **rest_of(data)}
        thoughts = [part.text for part in item.content if not isinstance(part, (OtherPart, Refusal))]
        thinking: JSON = {"type": "thinking", "thinking": "".join(thoughts)}
        if item.encrypted_content is not None:
            thinking["signature"] = item.encrypted_content
        return {**thinking, **rest_of(data)}
    if isinstance(item, FunctionCall):
        call: JSON = {"type": "tool_use"}
        if item.call_id != MADE_ID.format(index):
            call["id"] = item.call_id
        given = input_of(item)
        if given is None:  # what the block began with stands
            given = copied(data.get("input") or {})
        call |= {"name": item.name, "input": given}
        return {**call, **rest_of(data, ("input",))}
    return block_from(data)


def input_of(call: FunctionCall) -> Any:
    """The input of a call: the value of its arguments; None where they are not whole, or are none."""
    return value_of(call.arguments) if call.complete else None


def is_cut(item: Item) -> bool:
    """Whether an item is a call whose block cannot say what its arguments are."""
    if isinstance(item, FunctionCall):
        given = input_of(item)
        return not given and given != {}
    return isinstance(item, CustomToolCall) and not item.whole


def blocks_from(item: Item) -> list[JSON]:
    """An item of another API as blocks. What this one has no block for is left out."""
    if isinstance(item, Message):
        texts = [part.text for part in item.content if isinstance(part, OutputText)]
        texts += [part.refusal for part in item.content if isinstance(part, Refusal)]
        return [{"type": "text", "text": text} for text in texts if text]
    if isinstance(item, Reasoning):
        return [{"type": "thinking", "thinking": item.text, "signature": ""}] if item.text else []
    if isinstance(item, FunctionCall):
        given = input_of(item)
        given = {} if given is None else given
        return [{"type": "tool_use", "id": item.call_id, "name": item.name, "input": given}]
    if isinstance(item, CustomToolCall):
        return [{"type": "tool_use", "id": item.call_id, "name": item.name, "input": {"input": item.input}}]
    assert isinstance(item, OtherItem)
    return []
