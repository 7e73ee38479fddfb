"""A request that goes to another API and back: nothing is lost of it without a loss."""

from __future__ import annotations

import copy
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations import DIALECTS, requests
from deltafold import Loss, convert_request
from deltafold.dialects.conversion import FILE_NAMES, Losses, results_behind_calls
from deltafold.model.requests import Block, Setting, Tool
from deltafold.registry import part_of
from sdk_types import check_request

Said = tuple[str, str]
"""Where something stands, and what it says there, in no API's words."""

MEDIA = ("image", "file", "audio")
ELSEWHERE = (*FILE_NAMES, "detail", "file_id")
"""Members that count with what they are members of; the detail of an image is low, or told by none."""
EMPTY = ({"type": "object"}, {"type": "object", "properties": {}})
MADE = (json.dumps(["max_tokens", 4096]),)
"""What an API requires, and the source did not say."""


def value_of(text: str) -> Any:
    """What a text says: JSON by its value."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def shown(block: Block) -> Any:
    """What is shown. Of a URL the type does not count: the server sees what it is."""
    return [block.kind, block.url or block.file_id or [block.media_type, block.data]]


def said_by(block: Block, role: str, calls: dict[str, int]) -> Any:
    """What a block says. Calls have numbers here, for their ids may change."""
    if block.kind == "call":
        calls[block.id] = len(calls)
        arguments = block.text if block.custom else value_of(block.text or "{}")
        return ["call", calls[block.id], block.name, block.custom, arguments]
    if block.kind == "result":
        text = "".join(part.text for part in block.content)
        media = [shown(part) for part in block.content if part.kind != "text"]
        return ["result", calls[block.id], value_of(text), media, block.is_error]
    if block.kind in ("text", "refusal"):
        return [role, block.kind, block.text]
    return [role, shown(block)] if block.kind in MEDIA else [role, block.type, block.own]


def said_by_block(block: Block, role: str, calls: dict[str, int]) -> list[tuple[str, Any]]:
    found = [(block.path, said_by(block, role, calls))]
    for part in (block, *block.content):
        if part.kind in MEDIA and part.name:
            found.append((part.path, ["name", part.name, role, calls.get(block.id)]))
        members = {key: value for key, value in part.more.items() if key.split(".")[-1] not in ELSEWHERE}
        found += [(f"{part.path}.{key}", [key, value]) for key, value in members.items()]
    return found


def said_by_tool(tool: Tool) -> list[tuple[str, Any]]:
    where = f"{tool.path}.{tool.inside}"
    schema = None if tool.schema in EMPTY else tool.schema
    found = [(tool.path, ["tool", tool.kind, tool.name, tool.description, schema, tool.type])]
    found += [(f"{where}strict", ["strict", tool.name])] if tool.strict else []
    found += [(f"{where}format", ["format", tool.name, tool.format])] if tool.format else []
    return [*found, *((f"{tool.path}.{key}", [key, value]) for key, value in tool.more.items())]


def said_by_setting(name: str, setting: Setting) -> list[tuple[str, Any]]:
    """Nothing where it says what is so without it. One API has one name for who asks."""
    value = setting.value
    if name in ("stream", "model") or (value is False and name != "parallel_tool_calls"):
        return []
    if name != "format":
        return [(setting.path, [{"user": "safety_identifier"}.get(name, name), value])]
    found = [(setting.path, [value["type"], value.get("schema")])]
    for key in ("name", "strict"):
        if value.get(key) and value[key] != "response":
            found.append((f"{setting.path}.{key}", [key, value[key]]))
    return found


def meaning(request: dict[str, Any], dialect: str) -> list[Said]:
    """All that a request says."""
    read = part_of(dialect, "request").read_request(copy.deepcopy(request))
    found: list[tuple[str, Any]] = []
    calls: dict[str, int] = {}
    for message in results_behind_calls(read.messages, Losses("")):
        role = "system" if message.role == "developer" else message.role
        found += [(f"{message.path}.{key}", [key, value]) for key, value in message.more.items()]
        for block in message.blocks:
            found += said_by_block(block, role, calls)
    for tool in read.tools:
        found += said_by_tool(tool)
    choice = read.choice
    if choice is not None and choice.kind != "auto":
        kind = "function" if choice.kind == "custom" else choice.kind
        found.append((choice.path, ["choice", kind, choice.name, choice.names, choice.required]))
    for name, setting in read.settings.items():
        found += said_by_setting(name, setting)
    return [(path, json.dumps(said, sort_keys=True)) for path, said in found]


def is_named(losses: tuple[Loss, ...], path: str) -> bool:
    """Whether a loss is about what stands at a path."""
    paths = [loss.path for loss in losses if loss.path]
    return any(path.startswith(told) or told.startswith(path) for told in paths)


def in_order(said: list[str], other: list[str]) -> list[str]:
    """What is said once here and once there, by its place here; instructions may be moved."""
    one, two = Counter(said), Counter(other)
    spoken = ('["user"', '["assistant"', '["call"', '["result"')
    return [entry for entry in said if one[entry] == two[entry] == 1 and entry.startswith(spoken)]


@pytest.mark.parametrize("source", DIALECTS)
@given(st.data(), st.sampled_from(DIALECTS))
def test_there_and_back_nothing_is_lost_without_a_loss(source: str, data: st.DataObject, target: str) -> None:
    """What is missing then was a loss on the way; nothing is made up, and the order is as it was."""
    request = data.draw(requests(source))
    given_ = copy.deepcopy(request)
    there = convert_request(request, source, target)
    back = convert_request(there.request, target, source)
    assert request == given_
    if source == target:
        assert back.request == request
        assert not there.losses
        return
    places = meaning(request, source)
    before = [said for _, said in places]
    after = [said for _, said in meaning(back.request, source)]
    assert in_order(before, after) == in_order(after, before)
    common = Counter(before) & Counter(after)
    made_up = Counter(said for said in after if said not in MADE) - common
    assert made_up.total() <= len(there.losses) + len(back.losses)
    missing = Counter(before) - common
    unnamed = [said for path, said in places if said in missing and not is_named(there.losses, path)]
    assert len(unnamed) <= len(back.losses), (unnamed, there, back.losses)


@pytest.mark.parametrize("target", DIALECTS)
@given(st.data(), st.sampled_from(DIALECTS))
def test_what_is_made_is_what_the_sdk_takes(target: str, data: st.DataObject, source: str) -> None:
    """By the types of its parameters."""
    if source != target:
        check_request(target, convert_request(data.draw(requests(source)), source, target).request)
