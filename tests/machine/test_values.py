"""Where streamed values stand in their items."""

from __future__ import annotations

from typing import Any

from deltafold.machine.records import StreamedValue, begins
from deltafold.machine.values import place


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
