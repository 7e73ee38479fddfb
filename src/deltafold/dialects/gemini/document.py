"""A response in the shape of an unstreamed GenerateContentResponse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from deltafold.dialects.gemini.table import FINISH_WORDS, MADE_ID, members_of, stop_of, usage_metadata
from deltafold.model.items import (
    CustomToolCall,
    FunctionCall,
    Item,
    Message,
    OtherItem,
    OtherPart,
    Part,
    Reasoning,
    Refusal,
    is_whole,
)
from deltafold.model.json_values import copied

if TYPE_CHECKING:
    from deltafold.model.response import Choice, Response
from deltafold.wire.json_text import finite_or_none, is_strict_json

__all__ = ["args_of", "gemini_response", "is_made_id", "parts_of"]

JSON: TypeAlias = dict[str, Any]

MADE: Final = frozenset(
    {"object", "status", "error", "incomplete_details", "usage", "id", "model", "members"}
)
"""Members of `Response.data` that Gemini has none of, or under another name."""


def gemini_response(response: Response) -> JSON:
    """The response as generateContent would have sent it."""
    if response.dialect == "gemini":
        return own_response(response)
    return converted_response(response)


def is_made_id(ident: str | None, index: int) -> bool:
    """Whether the id of a call was made from its output index, because the server gave none."""
    return not ident or ident == MADE_ID.format(index)


# ------------------------------------------------------------------------------------ what Gemini sent itself


def own_response(response: Response) -> JSON:
    """What Gemini sent, and nothing else."""
    sent = {choice.index: choice for choice in response.choices}
    by_candidate: dict[int, list[JSON]] = {index: [] for index in sent}
    for index, item in enumerate(response.output):
        by_candidate.setdefault(item.choice_index or 0, []).extend(parts_of(item, index))
    document: JSON = {
        "candidates": [
            own_candidate(index, by_candidate[index], sent.get(index)) for index in sorted(by_candidate)
        ]
    }
    if response.usage is not None:
        document["usageMetadata"] = response.usage.to_dict()
    for key, name in (("model", "modelVersion"), ("id", "responseId")):
        if response.data.get(key) is not None:
            document[name] = response.data[key]
    for key, value in response.data.items():
        if key not in MADE:
            document[key] = copied(value)
    members = response.data.get("members")
    if isinstance(members, dict):
        document.update(copied(members))
    return document


def own_candidate(index: int, parts: list[JSON], sent: Choice | None) -> JSON:
    """One candidate as it was sent."""
    more = {} if sent is None else dict(copied(sent.data))
    content = {"role": "model", "parts": parts, **more.pop("content", {})}
    candidate: JSON = {"content": content}
    if sent is not None and sent.finish_reason is not None:
        candidate["finishReason"] = sent.finish_reason
    return {**candidate, "index": index, **more}


def parts_of(item: Item, index: int) -> list[JSON]:
    """The parts that an item of Gemini's was sent as. `index` is its output index."""
    if isinstance(item, (Message, Reasoning)):
        parts = []
        for part in item.content:
            sent: JSON = {"text": getattr(part, "text", "")}
            if isinstance(item, Reasoning):
                sent["thought"] = True
            parts.append({**sent, **members_of(part.data, ("text",))})
        return parts
    if isinstance(item, FunctionCall):
        members = members_of(item.data)
        whole = item.complete and is_strict_json(item.arguments)
        args = json.loads(item.arguments) if whole else args_of(item.arguments)
        call: JSON = {"name": item.name, "args": args}
        if not is_made_id(item.call_id, index):
            call = {"id": item.call_id, **call}
        if not item.complete:
            call["willContinue"] = True
        inside = members.pop("functionCall", None)
        if isinstance(inside, dict):
            call |= inside
        return [{"functionCall": call, **members}]
    return [members_of(item.data)]


def is_all_of(call: FunctionCall | CustomToolCall) -> bool:
    """Whether the object that is written of a call's arguments is all of them: of others no call is made."""
    return is_whole(call) and (isinstance(call, CustomToolCall) or call.arguments.lstrip()[:1] == "{")


def args_of(arguments: str) -> JSON:
    """Arguments as an object, as far as they are known. (The text stays what it is: nothing runs by this.)"""
    if is_strict_json(arguments):
        found = json.loads(arguments, parse_float=finite_or_none)
    else:
        from deltafold.arguments.reader import ArgumentsReader

        reader = ArgumentsReader()
        reader.feed(arguments)
        found = copied(reader.value())
    return found if isinstance(found, dict) else {}


# ------------------------------------------------------------------------------------- what another API sent


def converted_response(response: Response) -> JSON:
    """What another API sent, in Gemini's words."""
    sent = {choice.index: choice for choice in response.choices}
    by_candidate: dict[int, list[Item]] = {index: [] for index in sent}
    for item in response.output:
        by_candidate.setdefault(item.choice_index or 0, []).append(item)
    if not by_candidate:
        by_candidate[0] = []
    document: JSON = {
        "candidates": [
            converted_candidate(response, index, by_candidate[index], sent.get(index))
            for index in sorted(by_candidate)
        ]
    }
    if response.usage is not None:
        document["usageMetadata"] = usage_metadata(response.usage)
    if response.model is not None:
        document["modelVersion"] = response.model
    if response.id is not None:
        document["responseId"] = response.id
    return document


def converted_candidate(response: Response, index: int, items: list[Item], sent: Choice | None) -> JSON:
    """One choice of another API as a candidate."""
    parts: list[JSON] = []
    for item in items:
        parts += converted_parts(item)
    candidate: JSON = {"content": {"role": "model", "parts": parts}}
    word = None if sent is None else sent.finish_reason
    reason, outcome = response.finish_reason, response.outcome
    if word is not None and index != 0:  # those of the response are those of its first choice
        reason, stop = word, stop_of(word)
        if stop is not None:
            reason, outcome = stop.reason or word, stop.outcome
    if reason is not None and response.outcome in ("completed", "incomplete"):
        nearest = "STOP" if outcome == "completed" else "MAX_TOKENS"
        candidate["finishReason"] = FINISH_WORDS.get(reason, nearest)
    candidate["index"] = index
    return candidate


def converted_parts(item: Item) -> list[JSON]:
    """An item of another API as parts. What Gemini has no part for is left out."""
    if isinstance(item, Message):
        return [{"text": text} for part in item.content if (text := text_of(part))]
    if isinstance(item, Reasoning):
        texts = [text for part in item.content if (text := text_of(part))]
        texts = texts or [text for part in item.summary if (text := text_of(part))]
        return [{"text": text, "thought": True} for text in texts]
    if isinstance(item, (FunctionCall, CustomToolCall)):
        args = {"input": item.input} if isinstance(item, CustomToolCall) else args_of(item.arguments)
        call: JSON = {"name": item.name, "args": args}
        if not is_all_of(item):
            call["willContinue"] = True
        return [{"functionCall": {"id": item.call_id, **call} if item.call_id else call}]
    assert isinstance(item, OtherItem)
    return []


def text_of(part: Part) -> str:
    """The text of a part, be it a refusal."""
    if isinstance(part, Refusal):
        return part.refusal
    return "" if isinstance(part, OtherPart) else part.text
