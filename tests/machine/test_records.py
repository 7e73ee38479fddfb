"""What is known of values, parts, items and choices while they grow."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from deltafold.machine.build import item_from
from deltafold.machine.lifecycle import ItemState, PartState
from deltafold.machine.records import (
    MOST_LOOSE,
    ChoiceRecord,
    PartRecord,
    StreamedValue,
    begins,
    empty,
    key_of,
    key_of_delta,
    merge_fields,
    part_indexes,
)
from deltafold.model import events as e
from machine.records import record_of
from runs import JSON

TEXT = ("content", 0, "text")


# ------------------------------------------------------------------------------------------------ the words


@pytest.mark.parametrize("value", [None, "", [], {}])
def test_what_says_nothing(value: Any) -> None:
    """It takes the place of nothing."""
    assert empty(value)
    assert merge_fields({"a": 1, "b": 2}, {"a": value}) == {"a": 1, "b": 2}
    assert merge_fields({"a": value, "b": value}, {"a": None}) == {"a": None}


@pytest.mark.parametrize("value", [0, False, 0.0, " ", [None], {"a": None}, ()])
def test_what_says_something(value: Any) -> None:
    """Be it zero or false."""
    assert not empty(value)
    assert merge_fields({"a": 1}, {"a": value}) == {"a": value}
    assert merge_fields({"a": value}, {"a": ""}) == {"a": value}


@pytest.mark.parametrize(
    ("pieces", "text", "whether"),
    [
        ([], "", True),
        ([], "a", False),
        (["ab", "cd"], "", True),
        (["ab", "cd"], "a", True),
        (["ab", "cd"], "ab", True),
        (["ab", "cd"], "abc", True),
        (["ab", "cd"], "abcd", True),
        (["ab", "cd"], "abcde", False),
        (["ab", "cd"], "b", False),
        (["ab", "cd"], "ac", False),
        (["ab", "cd"], "abd", False),
        (["ab", "cd"], "xbcd", False),
        (["ab", "ab"], "aba", True),
        (["ab", "", "c"], "abc", True),
        ([""], "a", False),
    ],
)
def test_what_pieces_begin_with(pieces: list[str], text: str, whether: bool) -> None:
    """However they are cut."""
    assert begins(pieces, text) is whether


@pytest.mark.parametrize(
    ("keys", "count", "indexes"),
    [
        ([], 0, []),
        ([], 2, [0, 1]),
        ([0], 2, [0, 1]),
        ([0, 1], 2, [0, 1]),
        ([1], 2, [0, 1]),
        ([1], 1, [1]),
        ([2], 2, [2, 3]),
        ([1, 4], 1, [1]),
        ([1, 4], 3, [1, 4, 5]),
        ([1, 4], 5, [0, 1, 2, 3, 4]),
        ([1, 4], 4, [1, 4, 5, 6]),
    ],
)
def test_which_parts_a_list_is_of(keys: list[int], count: int, indexes: list[int]) -> None:
    """Those of its positions, unless a part that came lies behind all of them."""
    assert part_indexes(keys, count) == indexes


PLACES: list[tuple[Any, e.ValueKind, Any]] = [
    (e.TextDelta(0, 2, "x"), "text", ("content", 2, "text")),
    (e.RefusalDelta(0, 2, "x"), "refusal", ("content", 2, "refusal")),
    (e.ReasoningDelta(0, 2, "x", "text"), "reasoning", ("content", 2, "text")),
    (e.ReasoningDelta(0, 2, "x", "summary"), "summary", ("summary", 2, "text")),
    (e.ArgumentsDelta(0, "x"), "arguments", ("arguments",)),
    (e.CodeDelta(0, "x"), "code", ("code",)),
    (e.DiffDelta(0, "x"), "diff", ("operation", "diff")),
    (e.CommandDelta(0, 2, "x"), "command", ("action", "commands", 2)),
    (e.CommandOutputDelta(0, 2, "stdout", "x"), "stdout", ("output", 2, "stdout")),
    (e.CommandOutputDelta(0, 2, "stderr", "x"), "stderr", ("output", 2, "stderr")),
    (e.OutputDelta(0, "x"), "output", ("output",)),
]
"""A fragment of each kind of value, and where it goes."""


@pytest.mark.parametrize(("delta", "kind", "place"), PLACES)
def test_where_values_stand(delta: Any, kind: e.ValueKind, place: Any) -> None:
    """An event about a whole value means the same as its fragments do, by whichever index it has."""
    record = record_of({"type": "message"})
    assert key_of_delta(delta, record) == place
    for event in (e.ValueFinished, e.ValueReplaced):
        assert key_of(record, event(0, kind, "x", content_index=2)) == place
        assert key_of(record, event(0, kind, "x", part_index=2)) == place
        assert key_of(record, event(0, kind, "x", content_index=2, part_index=5)) == place
    custom = record_of({"type": "custom_tool_call"})
    told = ("input",) if kind == "arguments" else place
    assert key_of_delta(delta, custom) == told
    assert key_of(custom, e.ValueFinished(0, kind, "x", content_index=2)) == told


# ------------------------------------------------------------------------------------------------- one value


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 99])
@pytest.mark.parametrize("pieces", [["abcdef"], list("abcdef"), ["ab", "", "cdef"], ["abcde", "f"]])
def test_the_end_of_a_value(pieces: list[str], size: int) -> None:
    """Without joining what comes before it."""
    value = StreamedValue("text", list(pieces))
    assert value.tail(size) == "abcdef"[-size:]
    assert value.fragments == pieces


def test_the_size_of_a_value_and_what_was_joined() -> None:
    """Every fragment counts once, joined or not; what was joined into one was joined."""
    value = StreamedValue("text", [])
    assert (value.size(), value.text, value.join_count) == (0, "", 0)
    for number in range(3 * MOST_LOOSE + 5):
        value.add("ab" if number % 2 else "c")
        assert value.size() == 3 * ((number + 1) // 2) + (number + 1) % 2
    assert [len(piece) for piece in value.fragments[:3]] == [MOST_LOOSE * 3 // 2] * 3
    assert (value.packed_count, value.packed_size) == (3, 3 * MOST_LOOSE * 3 // 2)
    assert value.text == ("cab" * 2 * MOST_LOOSE)[: value.size()]
    assert (value.join_count, value.packed_count, value.packed_size) == (1, 1, value.size())
    assert value.text == value.fragments[0]
    assert value.join_count == 1
    value.add("d")
    assert value.size() == len(value.text)
    assert value.join_count == 2


def test_a_value_that_is_sent_whole() -> None:
    """It knows how long it was then."""
    assert (
        StreamedValue("text", ["ab", "c"], True).ended_size,
        StreamedValue("text", ["ab"]).ended_size,
    ) == (3, 0)


@pytest.mark.parametrize(
    ("text", "whether"),
    [
        ("", False),
        (" \n", False),
        ("{}", False),
        (" {} [] ", False),
        ("{}{}", False),
        ("{", True),
        ("[", True),
        ("{ }", True),
        ("[{}]", True),
        ("null", True),
        ('{"a":1}', True),
        ("{}x", True),
    ],
)
def test_arguments_that_say_something(text: str, whether: bool) -> None:
    """More than empty objects and arrays; what once says something goes on saying it."""
    value = StreamedValue("arguments", list(text))
    assert value.says_something() is whether
    assert value.says_something() is whether
    assert value.has_substance is whether
    value.add("x")
    assert value.says_something()


# -------------------------------------------------------------------------------------------------- one part


def test_annotations_of_a_part() -> None:
    """In the order of their indexes, in whichever they come; the last one of an index stays."""
    part = PartRecord({"annotations": [{"n": 0}]})
    assert part.top == -1
    for index, told in ((4, {"n": 4}), (2, {"n": 2}), (0, {"n": "new"}), (2, {"n": "two"})):
        part.annotate(index, told)
        assert part.top == 4
    assert part.to_dict() == {"annotations": [{"n": "new"}, {"n": "two"}, {"n": 4}]}
    assert part.data == {"annotations": [{"n": 0}]}
    assert PartRecord({}, annotations={3: {}, 1: {}}).top == 3


@pytest.mark.parametrize("known", [None, "x", 5, {}])
def test_log_probabilities_of_a_part(known: Any) -> None:
    """They are in it, whatever stood there that is no list."""
    part = PartRecord(
        {"logprobs": known, "annotations": known}, logprobs=[{"token": "a"}], annotations={0: {}}
    )
    assert part.to_dict() == {"logprobs": [{"token": "a"}], "annotations": [{}]}


# -------------------------------------------------------------------------------------------------- one item


@pytest.mark.parametrize(
    ("kind", "group", "part", "values", "rest"),
    [
        ("message", "content", {"text": "a", "x": 1}, {"text": ("text", "a")}, {"x": 1}),
        ("message", "content", {"refusal": "a"}, {"refusal": ("refusal", "a")}, {}),
        (
            "message",
            "content",
            {"text": "a", "refusal": "b"},
            {"text": ("text", "a"), "refusal": ("refusal", "b")},
            {},
        ),
        ("message", "content", {"text": "", "x": 1}, {"text": ("text", "")}, {"x": 1}),
        ("message", "content", {"text": None, "refusal": 5}, {}, {"text": None, "refusal": 5}),
        ("message", "summary", {"text": "a", "refusal": "b"}, {"text": ("summary", "a")}, {"refusal": "b"}),
        ("reasoning", "content", {"text": "a"}, {"text": ("reasoning", "a")}, {}),
        ("reasoning", "summary", {"text": "a"}, {"text": ("summary", "a")}, {}),
        ("brand", "content", {"text": "a"}, {}, {"text": "a"}),
        ("brand", "content", {"refusal": "a"}, {"refusal": ("refusal", "a")}, {}),
        ("brand", "summary", {"text": "a"}, {"text": ("summary", "a")}, {}),
        ("", "content", {"text": "a"}, {}, {"text": "a"}),
        ("message", "content", "words", {}, "words"),
        ("message", "content", None, {}, None),
        ("message", "content", ["text"], {}, ["text"]),
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_what_streams_in_a_part(
    kind: str, group: Any, part: Any, values: dict[str, tuple[str, str]], rest: Any, whole: bool
) -> None:
    """That follows from its item and its group; the rest of the part is kept beside it."""
    before = copy.deepcopy(part)
    record = record_of({"type": kind})
    assert record.take_values(group, 3, part, whole=whole) == rest
    found = {key: (value.kind, value.text) for key, value in record.values.items()}
    assert found == {(group, 3, field): told for field, told in values.items()}
    assert all(value.is_complete is whole for value in record.values.values())
    assert part == before
    record = record_of({"type": kind, group: [part]})
    assert record.to_dict() == {"type": kind, group: [part]}
    assert [known.data for known in record.parts(group).values()] == [rest]


@pytest.mark.parametrize(
    ("kind", "field", "told"),
    [
        ("function_call", "arguments", "arguments"),
        ("mcp_call", "arguments", "arguments"),
        ("custom_tool_call", "input", "arguments"),
        ("code_interpreter_call", "code", "code"),
    ],
)
@pytest.mark.parametrize("done", [False, True])
def test_what_streams_in_an_item(kind: str, field: str, told: str, done: bool) -> None:
    """That follows from its type; a value is complete where the item was sent whole."""
    for sent, text in (
        ({field: "ab"}, "ab"),
        ({field: ""}, ""),
        ({field: None}, None),
        ({field: 5}, None),
        ({}, None),
    ):
        item = {"type": kind, **sent}
        record = record_of({"type": kind} if done else item)
        if done:
            record.set_complete(item_from(item, whole=True))
        if kind == "function_call" and done and not sent.get(field):
            text = "{}"
        found = {key: (value.kind, value.text, value.is_complete) for key, value in record.values.items()}
        assert found == ({} if text is None else {(field,): (told, text, done)})
    other = record_of({"type": "brand", "arguments": "a", "input": "b", "code": "c"})
    assert other.values == {}
    assert other.to_dict() == {"type": "brand", "arguments": "a", "input": "b", "code": "c"}


@pytest.mark.parametrize(
    ("item", "arguments"),
    [
        ({"type": "function_call", "arguments": ""}, "{}"),
        ({"type": "function_call"}, "{}"),
        ({"type": "function_call", "arguments": "", "status": "incomplete"}, ""),
        ({"type": "function_call", "arguments": "[]"}, "[]"),
        ({"type": "mcp_call", "arguments": ""}, ""),
    ],
)
def test_the_arguments_of_a_call_that_had_none(item: JSON, arguments: str) -> None:
    """Of a function that was called whole an empty object, and its JSON stays what the server sent."""
    record = record_of({"type": item["type"], "arguments": ""})
    record.set_complete(item_from(item, whole=True))
    assert record.to_dict() == item
    assert record.values["arguments",].text == arguments
    assert record.to_dict() == {**item, "arguments": arguments}
    announced = record_of({"type": "function_call", "arguments": ""})
    assert announced.values["arguments",].text == ""


def test_the_parts_of_an_item_by_their_index() -> None:
    """Those of each group have indexes of their own, in any order."""
    record = record_of({"type": "message"})
    assert (record.top("content"), record.top("summary")) == (-1, -1)
    assert (record.parts("content"), record.keys("summary")) == ({}, [])
    for index in (3, 1):
        record.add_part("content", index, PartRecord({"n": index}))
        assert record.top("content") == 3
    record.add_part("summary", 0, PartRecord({"n": "s"}))
    assert (record.top("content"), record.top("summary")) == (3, 0)
    assert (record.keys("content"), record.keys("summary")) == ([1, 3], [0])
    assert record.to_dict() == {"type": "message", "content": [{"n": 1}, {"n": 3}], "summary": [{"n": "s"}]}
    record.merge({"type": "message", "content": [{"n": 1}] * 5})
    assert (record.top("content"), record.keys("content")) == (4, [0, 1, 2, 3, 4])
    record.add_part("content", 7, PartRecord({"n": 7}))
    assert record.top("content") == 7
    other = record_of({"type": "message"})
    other.add_part("content", 2, PartRecord({}))
    assert (other.top("content"), other.top("summary")) == (2, -1)


def test_an_item_with_more_than_came() -> None:
    """Text that is held back shows in it where that is asked for, and does not stay there."""
    record = record_of({"type": "function_call", "arguments": "", "content": [{"refusal": "a"}, {"x": 1}]})
    record.values["arguments",] = StreamedValue("arguments", ["{"])
    more = {("arguments",): "}", ("content", 0, "refusal"): "b", ("content", 1, "text"): "none"}
    told = {"type": "function_call", "arguments": "{", "content": [{"refusal": "a"}, {"x": 1}]}
    assert record.to_dict() == told
    assert record.to_dict(more) == {**told, "arguments": "{}", "content": [{"refusal": "ab"}, {"x": 1}]}
    assert record.to_dict() == told
    record.set_complete(item_from({**told, "arguments": "{}"}, whole=True))
    assert record.to_dict({("arguments",): "!"})["arguments"] == "{}!"
    assert record.to_dict() is not record.to_dict()


def test_more_of_an_item_before_it_is_whole() -> None:
    """Its values go on as they are; parts that it had stay as they were, and new ones are open."""
    record = record_of({"type": "message", "content": [{"text": "a"}], "x": 1})
    record.values[TEXT].add("b")
    record.parts("content")[0].state = PartState.DONE
    record.merge({"type": "message", "content": [{"text": "z"}, {"text": "c"}], "y": 2})
    assert record.to_dict() == {"type": "message", "content": [{"text": "ab"}, {"text": "c"}], "y": 2}
    assert [part.state for part in record.parts("content").values()] == [PartState.DONE, PartState.OPEN]
    assert [value.is_complete for value in record.values.values()] == [False, False]
    record.merge({"type": "message"})
    assert record.keys("content") == [0, 1]
    assert record.data == {"type": "message"}
    record.change("status", "searching")
    assert record.data["status"] == "searching"
    record.merge({"x": 1})
    assert record.type == ""


def test_an_item_that_was_sent_whole() -> None:
    """It is kept as it was handed out until somebody asks; then its parts and values are whole."""
    record = record_of({"type": "message", "content": [{"text": "a"}]})
    item = item_from({"type": "message", "content": [{"text": "ab"}, {"text": ""}], "status": "completed"})
    record.set_complete(item)
    assert record.finished is item
    assert record.to_dict() == item.data
    assert [part.state for part in record.parts("content").values()] == [PartState.DONE, PartState.DONE]
    found = [(value.text, value.is_complete, value.ended_size) for value in record.values.values()]
    assert found == [("ab", True, 2), ("", True, 0)]
    assert record.data == {"type": "message", "content": [], "status": "completed"}
    assert record.state is ItemState.OPEN
    record.set_complete(item_from({"type": "message", "x": 1}))
    assert record.data == {"type": "message", "x": 1}


@pytest.mark.parametrize(
    ("before", "ended", "sent", "size"),
    [
        ("abc", 2, "abc", 2),
        ("abc", 2, "abcd", 2),
        ("abc", 2, "a", 1),
        ("abc", 3, "abcd", 4),
        ("abc", None, "abcd", 4),
    ],
)
def test_how_long_a_value_was_that_went_on(before: str, ended: int | None, sent: str, size: int) -> None:
    """It is remembered when its part or its item is sent, so that sending that much again cuts nothing."""
    for name in ("part", "item", "call"):
        record = record_of({"type": "message", "content": [{"text": ""}]})
        key: Any = TEXT
        told: JSON = {"type": "message", "content": [{"text": sent}]}
        if name == "call":
            record, key = record_of({"type": "function_call", "arguments": ""}), ("arguments",)
            told = {"type": "function_call", "arguments": sent}
        value = StreamedValue("text", [before[: ended or 0]] if ended else [], ended is not None)
        value.add(before[ended or 0 :])
        record.values[key] = value
        if name == "part":
            record.take_values("content", 0, {"text": sent}, whole=True)
            assert record.values[key].ended_size == min(size, ended or size)
        else:
            record.set_complete(item_from(told, whole=True))
            assert record.values[key].ended_size == size
    record = record_of({"type": "message"})
    record.values[TEXT] = StreamedValue("text", ["a"], True)
    record.take_values("content", 0, {"text": "abc"}, whole=False)
    assert (record.values[TEXT].ended_size, record.values[TEXT].is_complete) == (0, False)


def test_what_streamed_outside_of_parts_stays_of_its_kind() -> None:
    """Where the item, sent whole, has it, also where its type has no such value."""
    record = record_of({"type": "shell_call"})
    record.values["action", "commands", 0] = StreamedValue("command", ["ls"])
    record.values["output", 0, "stdout"] = StreamedValue("stdout", ["x"])
    record.values["operation", "diff"] = StreamedValue("diff", ["+"])
    told = {"type": "shell_call", "action": {"commands": ["ls -l"]}, "output": [{"stdout": "xy"}]}
    record.set_complete(item_from(told))
    found = {key: (value.kind, value.text, value.is_complete) for key, value in record.values.items()}
    assert found == {
        ("action", "commands", 0): ("command", "ls -l", True),
        ("output", 0, "stdout"): ("stdout", "xy", True),
    }
    call = record_of({"type": "custom_tool_call", "input": "a"})
    call.set_complete(item_from({"type": "custom_tool_call", "input": "ab"}, whole=True))
    assert {key: value.text for key, value in call.values.items()} == {("input",): "ab"}


def test_parts_that_a_whole_item_does_not_have() -> None:
    """They are still known by their indexes where those are not the positions of the list."""
    record = record_of({"type": "message"})
    record.add_part("content", 1, PartRecord({"text": "a"}))
    record.set_complete(item_from({"type": "message", "content": [{"text": "ab"}]}))
    assert record.keys("content") == [1]
    assert record.values["content", 1, "text"].text == "ab"
    for content in (None, "words"):
        record = record_of({"type": "message", "content": [{"x": 1}]})
        record.set_complete(item_from({"type": "message", "content": content}))
        assert record.keys("content") == [0]


# ------------------------------------------------------------------------------------------------ one choice


def updated(data: JSON, **more: Any) -> e.ChoiceUpdated:
    """More of a choice."""
    return e.ChoiceUpdated(2, more.pop("finish_reason", None), data, **more)


def test_what_adds_up_in_a_choice() -> None:
    """Lists that come in pieces grow, members of members join, and all else is what came last."""
    record = ChoiceRecord(2)
    pieces: list[JSON] = [
        {
            "logprobs": {"content": [1], "x": 1},
            "message": {"own": {"a": 1}, "b": [1]},
            "y": [1],
            "z": {"a": 1},
        },
        {
            "logprobs": {"content": [2], "x": [3]},
            "message": {"own": {"c": 2}, "b": [2]},
            "y": [2],
            "z": {"b": 1},
        },
        {"logprobsResult": {"a": [1]}, "citationMetadata": {"b": [1]}, "content": {"role": "m", "x": [1]}},
        {"logprobsResult": {"a": [2]}, "citationMetadata": {"b": [2]}, "content": {"x": [2], "y": 1}},
        {"groundingMetadata": {"a": [1], "b": 1}},
        {"groundingMetadata": {"a": [2]}},
    ]
    before = copy.deepcopy(pieces)
    for piece in pieces:
        record.add(updated(piece))
    assert record.to_choice().data == {
        "logprobs": {"content": [1, 2], "x": [3]},
        "message": {"own": {"a": 1, "c": 2}, "b": [2]},
        "y": [2],
        "z": {"b": 1},
        "logprobsResult": {"a": [1, 2]},
        "citationMetadata": {"b": [1, 2]},
        "content": {"role": "m", "x": [2], "y": 1},
        "groundingMetadata": {"a": [2], "b": 1},
    }
    assert pieces == before


@pytest.mark.parametrize("name", ["logprobs", "content", "message"])
def test_a_member_of_a_choice_that_is_no_object(name: str) -> None:
    """It takes the place of what was there, and gives way to an object."""
    record = ChoiceRecord(0)
    for value, told in (("words", "words"), ({"a": [1]}, {"a": [1]}), (None, None), ({"b": 1}, {"b": 1})):
        record.add(updated({name: value}))
        assert record.to_choice().data == {name: told}


def test_a_choice_that_was_asked_for_stays_as_it_was() -> None:
    """Nothing in it grows with the record."""
    record = ChoiceRecord(0)
    sent = {"logprobs": {"a": [1]}, "content": {"a": [1]}, "message": {"a": {"b": [1]}}}
    record.add(updated(sent))
    choice = record.to_choice()
    kept = copy.deepcopy(choice.data)
    record.add(updated({"logprobs": {"a": [2]}, "content": {"b": 1}, "message": {"a": {"c": 1}}}))
    assert choice.data == kept == sent
    record.to_choice().data["message"]["a"]["b"].append(5)
    assert record.to_choice().data["message"]["a"] == {"b": [1], "c": 1}


def test_what_is_told_of_a_choice() -> None:
    """Its reason is the last one, also where that is none; its members are those that were named."""
    record = ChoiceRecord(2)
    record.add(updated({}, finish_reason="stop", reasoning_field="reasoning", legacy_call_id="c"))
    record.add(updated({}))
    choice = record.to_choice()
    assert (choice.index, choice.finish_reason) == (2, None)
    assert (choice.reasoning_field, choice.legacy_call_id) == ("reasoning", "c")
    record.add(updated({}, finish_reason="length", reasoning_field="reasoning_content", legacy_call_id="d"))
    choice = record.to_choice()
    assert choice.finish_reason == "length"
    assert (choice.reasoning_field, choice.legacy_call_id) == ("reasoning_content", "d")
