"""Arguments that come piece by piece: paths, the text that grows, and the value where no text can go on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold.dialects.gemini.argument_text import (
    MOST_NULLS,
    ArgumentText,
    compact,
    quoted_steps_of,
    steps_of,
)

PATHS: list[tuple[str, tuple[tuple[str | int, ...], bool] | None]] = [
    ("$", ((), False)),
    ("$.a", (("a",), False)),
    ("$.a.b[0].c", (("a", "b", 0, "c"), False)),
    ("$.a-b c.é", (("a-b c", "é"), False)),
    ("$['a.b']", (("a.b",), False)),
    ('$["x"][12]', (("x", 12), False)),
    ("$['it\\'s \\\\ \\u0041\\n']", (("it's \\ A\n",), False)),
    ("$['\\ud83d\\ude42']", (("🙂",), False)),
    ("$['\\ud83d']", (("\ufffd",), False)),
    ("$['']", (("",), False)),
    ("$.a[]", (("a",), True)),
    ("$[]", ((), True)),
    ("", None),
    ("a", None),
    ("$a", None),
    ("$.", None),
    ("$..a", None),
    ("$.*", None),
    ("$[*]", None),
    ("$[-1]", None),
    ("$[01]", None),
    ("$[1:2]", None),
    ("$[?@.a]", None),
    ("$[1", None),
    ("$[1234567890]", None),
    ("$[].a", None),
    ("$.a[].b", None),
    ("$['a'", None),
    ("$['a", None),
    ("$['\\x']", None),
    ("$['\\u12']", None),
    ("$['\\u12zz']", None),
    ("$['a'x", None),
    ("$.a]", None),
    ("$[١]", None),
    # The same faults beside a name in quotes.
    ("a['b']", None),
    ("$x['b']", None),
    ("$.['b']", None),
    ("$.*['b']", None),
    ("$['b'][0", None),
    ("$['b'][01]", None),
    ("$['b'][1].c", (("b", 1, "c"), False)),
    ("$['b'][]", (("b",), True)),
    ("$['b'][].c", None),
]


@pytest.mark.parametrize(("path", "steps"), PATHS, ids=[repr(path) for path, _ in PATHS])
def test_paths(path: str, steps: tuple[tuple[str | int, ...], bool] | None) -> None:
    """Names and indexes from the root are read, and nothing else is guessed at."""
    assert steps_of(path) == steps


@given(st.text("$.[]*a0 1é", max_size=12).map(lambda path: "$" + path))
def test_paths_without_quotes(path: str) -> None:
    """Where no name stands in quotes, a path is read in one go, as it would be letter by letter."""
    assert steps_of(path) == quoted_steps_of(path)


def grown() -> tuple[ArgumentText, str]:
    """Arguments that have begun."""
    writer = ArgumentText()
    return writer, writer.begin()


def test_a_text_grows() -> None:
    """Containers open on the way to a leaf and close with the next path; a string stays open."""
    writer, text = grown()
    text += writer.place(("a", "b", 1), compact("x"), more=True)
    assert text == '{"a":{"b":[null,"x'
    assert writer.goes_on(("a", "b", 1))
    assert not writer.goes_on(("a", "b", 2))
    text += writer.more_text('"y', more=True)
    text += writer.more_text("", more=False)
    text += writer.place(("a", "b", 2), "3", more=False)
    text += writer.place(("c",), "{}", more=False)
    assert text + writer.close_to(-1) == '{"a":{"b":[null,"x\\"y",3]},"c":{}}'


def test_where_a_path_can_be_written() -> None:
    """A path that is there needs a new text; one that contradicts, or lies far off, has no place."""
    writer, _ = grown()
    writer.place(("a", 0), "1", more=False)
    assert writer.can_place(("a", 1)) is True
    assert writer.can_place(("a", 0)) is False
    assert writer.can_place(("a",)) is False
    assert writer.can_place(()) is False
    assert writer.can_place(("a", "b")) is None
    assert writer.can_place((0,)) is None
    assert writer.can_place(("a", MOST_NULLS + 1)) is True
    assert writer.can_place(("a", MOST_NULLS + 2)) is None
    assert writer.can_place(("b", MOST_NULLS, 1)) is None


def test_a_value_in_place_of_a_text() -> None:
    """Once a path came again that was closed, strings go on where they were and other leaves are replaced."""
    writer, text = grown()
    text += writer.place(("a",), compact("x"), more=False)
    text += writer.place(("b", "c"), compact("y"), more=True)
    writer.become_tree(text)
    assert writer.put(("a",), "z", empty=False)
    assert writer.put(("b", "c"), "w", empty=False)
    assert writer.put(("b", "c"), "!", empty=False)
    assert writer.put(("n",), 1, empty=False)
    assert writer.put(("n",), "one", empty=False)
    assert writer.put(("l", 1, "m"), None, empty=False)
    assert writer.put(("l", 0, "m"), True, empty=False)
    assert writer.put(("l",), [], empty=True)
    assert writer.put(("e",), {}, empty=True)
    assert writer.put(("a",), 5, empty=False)
    for steps in ((), ("a", "b"), ("b", 0), ("l", "m"), ("l",), ("l", 0, "m", "x"), ("f", 99), ("l", 99)):
        assert not writer.put(steps, "no", empty=False)
    wanted = {"a": 5, "b": {"c": "yw!"}, "n": "one", "l": [{"m": True}, {"m": None}], "e": {}}
    assert writer.whole() == compact(wanted)
    assert writer.whole() == compact(wanted)


# ------------------------------------------------------------------------------------------------- laws

KEYS = st.sampled_from(["a", "b", "日", "x.y", "it's", ""])
LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.text('ab"\\é🙂', max_size=4)
OBJECTS = st.dictionaries(
    KEYS,
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


def leaves(value: Any, steps: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    """The leaves of a value in its order; empty containers are such."""
    if isinstance(value, (dict, list)) and (value or not steps):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        return [leaf for key, member in members for leaf in leaves(member, (*steps, key))]
    return [(steps, value)]


@given(OBJECTS)
def test_leaves_in_order_make_the_text(value: dict[str, Any]) -> None:
    """Leaves in their order add up to the compact text, whatever they are."""
    writer, text = grown()
    for steps, leaf in leaves(value):
        assert writer.can_place(steps) is True
        more = isinstance(leaf, str)
        text += writer.place(steps, compact(leaf[:1] if more else leaf), more=more)
        if more:
            text += writer.more_text(leaf[1:], more=False)
    assert text + writer.close_to(-1) == compact(value)


@given(OBJECTS, st.data())
def test_leaves_in_any_order_make_the_value(value: dict[str, Any], data: st.DataObject) -> None:
    """Where the text cannot go on the value does: in any order, leaves add up to it."""
    writer, text = grown()
    for steps, leaf in data.draw(st.permutations(leaves(value))):
        if writer.tree is None and writer.can_place(steps):
            text += writer.place(steps, compact(leaf), more=False)
            continue
        if writer.tree is None:
            writer.become_tree(text)
        assert writer.put(steps, leaf, empty=isinstance(leaf, (dict, list)))
    found = text + writer.close_to(-1) if writer.tree is None else writer.whole()
    assert json.loads(found) == value
