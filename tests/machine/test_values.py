"""Where streamed values stand in their items."""

from __future__ import annotations

from typing import Any

import pytest

from deltafold.machine.records import ItemRecord, StreamedValue, begins
from deltafold.machine.values import (
    arguments_path,
    delta_of,
    find,
    index_of,
    indexes_of,
    kind_of,
    path_of,
    place,
    value_finished,
)
from deltafold.model import events as e


def test_values_are_placed_in_copies() -> None:
    """What an item holds is shared: only the item itself is changed, and each list in it is copied once."""
    commands, output = ["a"], [{"stdout": "x"}]
    item: dict[str, Any] = {"action": {"commands": commands}, "output": output, "code": 1}
    place(
        item,
        [
            (("code",), "print()"),
            (("action", "commands", 2), "c"),
            (("action", "commands", 1), "b"),
            (("output", 0, "stderr"), "y"),
            (("output", 1, "stdout"), "z"),
        ],
    )
    assert item == {
        "action": {"commands": ["a", "b", "c"]},
        "output": [{"stdout": "x", "stderr": "y"}, {"stdout": "z"}],
        "code": "print()",
    }
    assert commands == ["a"]
    assert output == [{"stdout": "x"}]


def test_what_lies_across_a_value_makes_room() -> None:
    """A member of another type stands where the list of the values belongs."""
    item: dict[str, Any] = {"output": "?", "action": [1]}
    place(item, [(("output", 0, "stdout"), "x"), (("action", "commands", 0), "y")])
    assert item == {"output": [{"stdout": "x"}], "action": {"commands": ["y"]}}


def test_what_pieces_begin_and_end_with() -> None:
    """That is told without joining them."""
    pieces = ["ab", "", "cd", "ef"]
    assert all(begins(pieces, "abcdef"[:size]) for size in range(7))
    assert not any(begins(pieces, text) for text in ("b", "abd", "abcdefg", "xbc"))
    assert begins([], "")
    assert not begins([], "a")
    value = StreamedValue("text", pieces)
    assert [value.tail(size) for size in (1, 2, 3, 6, 9)] == ["f", "ef", "def", "abcdef", "abcdef"]
    assert value.size() == 6
    assert pieces == ["ab", "", "cd", "ef"]


def test_how_many_characters_a_value_has() -> None:
    """They are counted once, however many fragments there are."""
    value = StreamedValue("text", [])
    for count in range(200):
        assert value.size() == 2 * count
        value.add("ab")
    assert len(value.text) == value.size() == 400
    value.add("c")
    assert value.size() == 401


@pytest.mark.parametrize(
    ("text", "says"),
    [
        *[(text, False) for text in ("", " \n", "{}", "[]", "{}{}", " {} [] ", "{} {}\n[]")],
        *[(text, True) for text in ("{", "}", "{}x", "x{}", "{ }", "[{}]", "null", '""', "0", '{"a":1}')],
    ],
)
def test_arguments_that_say_nothing(text: str, says: bool) -> None:
    """Blanks, and empty objects and arrays, be it several times."""
    assert StreamedValue("arguments", [text]).says_something() is says
    assert StreamedValue("arguments", [*text]).says_something() is says


@pytest.mark.parametrize(
    ("kind", "key", "delta"),
    [
        ("text", ("content", 3, "text"), e.TextDelta(7, 3, "a")),
        ("refusal", ("content", 3, "refusal"), e.RefusalDelta(7, 3, "a")),
        ("summary", ("summary", 3, "text"), e.ReasoningDelta(7, 3, "a", "summary")),
        ("reasoning", ("content", 3, "text"), e.ReasoningDelta(7, 3, "a", "text")),
        ("arguments", ("arguments",), e.ArgumentsDelta(7, "a")),
        ("code", ("code",), e.CodeDelta(7, "a")),
        ("diff", ("operation", "diff"), e.DiffDelta(7, "a")),
        ("command", ("action", "commands", 3), e.CommandDelta(7, 3, "a")),
        ("stdout", ("output", 3, "stdout"), e.CommandOutputDelta(7, 3, "stdout", "a")),
        ("stderr", ("output", 3, "stderr"), e.CommandOutputDelta(7, 3, "stderr", "a")),
        ("output", ("output",), e.OutputDelta(7, "a")),
    ],
)
def test_where_a_value_stands_and_what_hands_it_out(kind: Any, key: Any, delta: e.Event) -> None:
    """The table of the kinds once more, in words."""
    assert path_of(kind, 3) == key
    assert path_of(kind, 3, ("input",)) == (("input",) if kind == "arguments" else key)
    assert delta_of(7, kind, key, "a") == delta
    assert kind_of(delta) == kind
    assert index_of(delta, kind) == (3 if 3 in key else 0)
    name = "content_index" if kind in ("text", "refusal") else "part_index"
    assert indexes_of(kind, key) == ({name: 3} if 3 in key else {})
    assert value_finished(7, kind, key, "a") == e.ValueFinished(7, kind, "a", **indexes_of(kind, key))
    item: dict[str, Any] = {}
    place(item, [(key, "a")])
    assert find(item, key) == "a"


@pytest.mark.parametrize(
    ("kind", "data", "member"),
    [
        ("function_call", {}, "arguments"),
        ("function_call", {"input": 1}, "arguments"),
        ("mcp_call", {}, "arguments"),
        ("mcp_call", {"input": 1}, "arguments"),
        ("code_interpreter_call", {"input": 1}, "arguments"),
        ("custom_tool_call", {}, "input"),
        ("custom_tool_call", {"arguments": 1}, "input"),
        ("brand_call", {}, "arguments"),
        ("brand_call", {"input": 1}, "input"),
        ("brand_call", {"input": 1, "arguments": 1}, "arguments"),
    ],
)
def test_where_arguments_stand(kind: str, data: dict[str, Any], member: str) -> None:
    """In the item's own member for them."""
    assert arguments_path(kind, data) == (member,)


@pytest.mark.parametrize("first", [0, 1, 2, 5])
def test_a_list_has_just_as_many_entries_as_it_needs(first: int) -> None:
    """The places before the one that came are empty, and there are none behind it."""
    item: dict[str, Any] = {}
    place(item, [(("output", first, "stdout"), "x"), (("action", "commands", first), "y")])
    assert item == {
        "output": [*[{}] * first, {"stdout": "x"}],
        "action": {"commands": [*[""] * first, "y"]},
    }


@pytest.mark.parametrize("member", ["arguments", "code", "input"])
def test_what_an_item_streams(member: str) -> None:
    """The member that is named in its type's row is a value, and no other one."""
    rows = {
        "function_call": "arguments",
        "mcp_call": "arguments",
        "custom_tool_call": "input",
        "code_interpreter_call": "code",
        "brand_call": None,
    }
    for kind, own in rows.items():
        record = ItemRecord(0, "", None)
        record.merge({"type": kind, member: "x"})
        assert list(record.values) == ([(member,)] if member == own else [])
