"""Where streamed values stand in their items."""

from __future__ import annotations

from typing import Any

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
