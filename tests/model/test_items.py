"""Items and parts out of their JSON: what is named, what is kept, and when a call is complete."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold.machine.build import item_from, part_from
from deltafold.model.items import (
    CustomToolCall,
    FunctionCall,
    Message,
    OtherItem,
    OtherPart,
    OutputText,
    Reasoning,
    ReasoningText,
    Refusal,
    SummaryText,
    shorten,
)

TEXT = {"type": "output_text", "text": "x", "annotations": [{"a": 1}, None], "logprobs": [{"token": "x"}, 5]}
ITEMS: list[tuple[type, dict[str, Any]]] = [
    (
        Message,
        {
            "type": "message",
            "id": "m",
            "role": "assistant",
            "status": "completed",
            "phase": "final_answer",
            "content": [TEXT, {"type": "refusal", "refusal": "no"}, {"type": "hologram", "cells": []}],
            "more": {"a": [1]},
        },
    ),
    (
        Reasoning,
        {
            "type": "reasoning",
            "id": "r",
            "summary": [{"type": "summary_text", "text": "s"}],
            "content": [{"type": "reasoning_text", "text": "c"}],
            "encrypted_content": "gAAAA",
            "status": None,
        },
    ),
    (
        FunctionCall,
        {
            "type": "function_call",
            "id": "f",
            "call_id": "c",
            "name": "n",
            "arguments": "{}",
            "status": "completed",
        },
    ),
    (
        CustomToolCall,
        {
            "type": "custom_tool_call",
            "id": "t",
            "call_id": "c",
            "name": "n",
            "input": "x",
            "status": "completed",
        },
    ),
    (OtherItem, {"type": "hologram_call", "id": "h", "status": "completed", "volume": {"cells": [1]}}),
    (OtherItem, {"type": "compaction"}),
    (OtherItem, {}),
]


@pytest.mark.parametrize(("kind", "data"), ITEMS)
def test_an_item_keeps_all_it_was_told(kind: type, data: dict[str, Any]) -> None:
    """Each type has its class, its fields by name, and gives back its whole JSON as a copy."""
    item = item_from(data, whole=True)
    assert type(item) is kind
    assert item.to_dict() == data
    assert item.data is data
    assert item.type == data.get("type", "")
    for name in (
        "id",
        "status",
        "role",
        "phase",
        "call_id",
        "name",
        "arguments",
        "input",
        "encrypted_content",
    ):
        if hasattr(item, name):
            assert getattr(item, name) == data[name] if name in data else getattr(item, name) is None
    copy = item.to_dict()
    copy["added"] = 1
    for member in copy.values():
        if isinstance(member, list) and member and isinstance(member[0], dict):
            member[0]["added"] = 1
    assert "added" not in json.dumps(item.to_dict())


@pytest.mark.parametrize(("kind", "data"), ITEMS)
def test_an_item_is_a_value(kind: type, data: dict[str, Any]) -> None:
    """Items are equal and hash by what they say, and cannot be changed."""
    one, other = item_from(data), item_from(json.loads(json.dumps(data)))
    assert one == other
    assert hash(one) == hash(other)
    assert one != item_from({**data, "added": 1})
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        one.status = "x"  # type: ignore[misc]


@pytest.mark.parametrize(("kind", "data"), ITEMS)
@pytest.mark.parametrize("wrong", [None, True, 5, [], {}, ["x"], [None], [{"text": 5}], {"text": "x"}])
def test_fields_of_the_wrong_type_count_as_not_told(kind: type, data: dict[str, Any], wrong: Any) -> None:
    """A member of the wrong type never raises, and stays in the item's JSON."""
    for name in data:
        told = {**data, name: wrong}
        item = item_from(told, whole=True)
        assert item.to_dict() == told
        assert isinstance(item.type, str)
        if isinstance(item, FunctionCall):
            assert isinstance(item.name, str)
            assert isinstance(item.arguments, str)
        repr(item)


def test_message_parts() -> None:
    """A message's parts have their classes; annotations and logprobs that are no objects are passed over."""
    item = item_from(ITEMS[0][1])
    assert isinstance(item, Message)
    text, refusal, other = item.content
    assert isinstance(text, OutputText)
    assert (text.text, text.annotations, text.logprobs) == ("x", ({"a": 1},), ({"token": "x"},))
    assert isinstance(refusal, Refusal)
    assert refusal.refusal == "no"
    assert isinstance(other, OtherPart)
    assert other.type == "hologram"


def test_reasoning_parts() -> None:
    """A reasoning item has its summary and its raw text in classes of their own."""
    item = item_from(ITEMS[1][1])
    assert isinstance(item, Reasoning)
    assert [type(part) for part in (*item.summary, *item.content)] == [SummaryText, ReasoningText]


@pytest.mark.parametrize(
    ("data", "options", "kind"),
    [
        ({"type": "output_text", "text": "x"}, {}, OutputText),
        ({"type": "text", "text": "x"}, {}, OutputText),
        ({"text": "x"}, {}, OutputText),
        ({"type": "reasoning_text", "text": "x"}, {"reasoning": True}, ReasoningText),
        ({"type": "text", "text": "x"}, {"reasoning": True}, ReasoningText),
        ({"type": "text", "text": "x"}, {"summary": True}, SummaryText),
        ({"type": "refusal", "refusal": "x"}, {}, Refusal),
        ({"type": "refusal", "refusal": "x", "text": "y"}, {}, Refusal),
        ({"type": "refusal", "refusal": None}, {}, OtherPart),
        ({"type": "hologram"}, {"summary": True}, OtherPart),
        ({"type": "output_text", "text": 5}, {}, OtherPart),
        ({"type": 5}, {"reasoning": True}, OtherPart),
        ({}, {}, OtherPart),
    ],
)
def test_part_from(data: dict[str, Any], options: dict[str, bool], kind: type) -> None:
    """A part's class follows from where it stands and what it holds, whatever the server calls it."""
    part = part_from(data, **options)
    assert type(part) is kind
    assert part.to_dict() == data
    assert part.type == (data.get("type") if isinstance(data.get("type"), str) else "")
    assert part == part_from(dict(data), **options)
    assert hash(part) == hash(part_from(dict(data), **options))


@pytest.mark.parametrize(
    ("arguments", "valid"),
    [
        ('{"a": 1}', True),
        ("{}", True),
        ("[]", True),
        ("null", True),
        ("5", True),
        ("", False),
        ("{", False),
        ('{"a": 1', False),
        ("{}{}", False),
        ('{"a": NaN}', False),
        ("{'a': 1}", False),
        ('{"a": 1,}', False),
        ("nope", False),
        (None, False),
        (5, False),
    ],
)
def test_complete(arguments: Any, valid: bool) -> None:
    """A call is complete when it was told whole and its arguments are strict JSON, and never else."""
    for whole in (True, False):
        for status in ("completed", "in_progress", None, "incomplete"):
            data = {"type": "function_call", "arguments": arguments, "status": status}
            item = item_from(data, whole=whole)
            assert isinstance(item, FunctionCall)
            # A call that was told whole without any arguments has none to wait for.
            none = arguments in ("", None) and whole and status != "incomplete"
            assert item.complete is ((whole and valid and status != "incomplete") or none)
            assert item.arguments == ("{}" if none else arguments if isinstance(arguments, str) else "")
            data = {"type": "custom_tool_call", "input": arguments, "status": status}
            custom = item_from(data, whole=whole)
            assert isinstance(custom, CustomToolCall)
            assert custom.whole is (whole and status != "incomplete" and arguments != 5)


def test_approval_and_choice() -> None:
    """Calls of the named tools need approval; items know their choice."""
    for kind in ("function_call", "custom_tool_call"):
        for name, needed in (("rm", True), ("ls", False), (None, False)):
            item = item_from(
                {"type": kind, "name": name}, approval_required=frozenset({"rm"}), choice_index=2
            )
            assert isinstance(item, (FunctionCall, CustomToolCall))
            assert item.needs_approval is needed
            assert item.choice_index == 2


def test_repr_stays_short() -> None:
    """Long text is cut in a repr, and its length is said."""
    assert shorten("x" * 60) == repr("x" * 60)
    assert shorten("x" * 61) == repr("x" * 60) + "… (61 characters)"
    assert shorten(5) == "5"
    long = "x" * 10_000
    for data in (
        {
            "type": "message",
            "content": [{"type": "output_text", "text": long}, {"type": "refusal", "refusal": long}],
        },
        {
            "type": "reasoning",
            "encrypted_content": long,
            "summary": [{"text": long}],
            "content": [{"text": long}],
        },
        {"type": "function_call", "arguments": long},
        {"type": "custom_tool_call", "input": long},
        {"type": "hologram_call", "result": long},
    ):
        assert len(repr(item_from(data))) < 800


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)
names = st.sampled_from(["id", "status", "content", "summary", "arguments", "input", "name", "role", "x"])
kinds = st.sampled_from(["message", "reasoning", "function_call", "custom_tool_call", "x"])


@given(st.dictionaries(names, json_values), kinds | json_values, st.booleans())
def test_any_object_is_an_item(data: dict[str, Any], kind: Any, whole: bool) -> None:
    """Any JSON object becomes an item that gives it back."""
    told = {**data, "type": kind}
    item = item_from(told, whole=whole)
    assert item.to_dict() == told
    assert item == item_from(item.to_dict(), whole=whole)
