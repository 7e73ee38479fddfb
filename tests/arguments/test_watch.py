"""Arguments that are asked about while they come are read once, however their fragments are held."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold.arguments.reader import ArgumentsReader
from deltafold.arguments.watch import PartialArguments
from deltafold.machine.records import MOST_LOOSE, StreamedValue


class CountingReader:
    """A reader that counts the characters that it is given."""

    def __init__(self) -> None:
        self.reader = ArgumentsReader()
        self.count = 0

    def feed(self, text: str) -> None:
        self.count += len(text)
        self.reader.feed(text)

    def value(self) -> Any:
        return self.reader.value()


STEPS = st.tuples(st.text("ab", max_size=3), st.sampled_from(["", "ask", "join", "ask, join"]))


@given(st.lists(STEPS, max_size=120))
def test_each_character_is_read_once(steps: list[tuple[str, str]]) -> None:
    """What was asked for between any fragments is what has come by then, also where they have been joined."""
    value = StreamedValue("arguments", [])
    watched = PartialArguments(value)
    counting: Any = CountingReader()
    watched._reader = counting
    value.add('"')
    whole = '"'
    for text, does in steps:
        value.add(text)
        whole += text
        if "ask" in does:
            assert watched.read() == whole[1:]
            assert counting.count == len(whole)
        if "join" in does:
            assert value.text == whole
    assert watched.read() == whole[1:]
    assert counting.count == len(whole)


@pytest.mark.parametrize("count", [0, 1, MOST_LOOSE - 1, MOST_LOOSE, MOST_LOOSE + 1, 10 * MOST_LOOSE])
def test_many_fragments_are_joined(count: int) -> None:
    """Few fragments are held as they came; those that were joined are not joined again."""
    value = StreamedValue("text", [])
    for _ in range(count):
        value.add("ab")
    assert value.size() == 2 * count
    assert len(value.fragments) == count // MOST_LOOSE + count % MOST_LOOSE
    assert value.packed_count == count // MOST_LOOSE
    first = value.fragments[0] if count else None
    value.add("c")
    assert count < MOST_LOOSE or value.fragments[0] is first
    assert value.text == "ab" * count + "c"
    assert value.packed_count == 1
