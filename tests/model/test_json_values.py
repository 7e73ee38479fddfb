"""JSON values: what is written of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold.dialects.written_json import dumps
from deltafold.model.json_values import (
    FEW_NAMES,
    LONGEST_NAMES,
    MANY_NAMES,
    NAMES,
    compact,
    encode_with,
    held,
    is_same_json,
    weight,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_one_encoder_writes_as_the_module_does(value: object) -> None:
    """One encoder for all values, in C or not, writes what `json.dumps()` does, which makes one for each."""
    without = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
    expected = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert compact(value) == encode_with(without, None)(value) == expected
    assert dumps(value) == json.dumps(value, separators=(",", ":"))


@pytest.mark.parametrize("value", [{1, 2}, [object()], {"a": b"x"}])
def test_what_is_no_json_is_refused(value: object) -> None:
    """It raises what `json.dumps()` raises."""
    with pytest.raises(TypeError, match="not JSON serializable"):
        compact(value)


@given(
    st.lists(st.dictionaries(st.text("ab", max_size=4), st.integers(), max_size=20), min_size=1, max_size=4)
)
def test_what_is_held_is_a_copy(sent: list[dict[str, int]]) -> None:
    """It has the members of what was sent, in their order, whatever was held before."""
    for data in sent:
        for one in (data, dict(reversed(data.items())), data):
            copy = held(one)
            assert copy is not one
            assert [*copy.items()] == [*one.items()]


def test_names_are_shared() -> None:
    """Objects with the same many members have the same strings as names. Those with other members, few, very
    many, or with very long names have not."""
    NAMES.clear()

    def shared(names: list[str]) -> bool:
        one, other = ({f" {name}"[1:]: at for at, name in enumerate(names)} for _ in range(2))
        first, second = held(one), held(other)
        assert first == second == one
        return all(a is b for a, b in zip(first, second, strict=True))

    names = [f"name {number}" for number in range(FEW_NAMES + 1)]
    assert shared(names)
    assert shared([*reversed(names)])
    assert not shared(names[1:])
    assert shared([f"name {number}" for number in range(MANY_NAMES)])
    assert not shared([f"name {number}" for number in range(MANY_NAMES + 1)])
    assert not shared(["long" * LONGEST_NAMES, *names])
    assert sorted(NAMES) == [len(names), MANY_NAMES]


def test_names_that_look_like_others_when_joined() -> None:
    """Names are told apart whatever stands in them."""
    NAMES.clear()
    rest = [f"name {number}" for number in range(FEW_NAMES)]
    for names in (["a", "b\0c", *rest], ["a\0b", "c", *rest], ["a", "a\0a", *rest], ["a\0a", "a", *rest]):
        sent = dict.fromkeys(names, 1)
        assert [*held(sent)] == names
    assert not NAMES


@pytest.mark.parametrize(
    ("value", "characters"),
    [("abc", 3), (7, 4), (["ab", 1, None], 14), ({"key": "abc", "n": 1}, 23), ({"a": [{"b": "c"}]}, 23)],
)
def test_about_how_many_characters(value: object, characters: int) -> None:
    """Strings and names count their characters, and all else four: brackets, numbers, what stands between."""
    assert weight(value) == characters


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a":1}', '{"a": 1}', True),
        ('{"a":', '{"a":', True),
        ('{"a":', '{"a": ', False),
        ("[1]", "[2]", False),
        ("[1]", "[1", False),
    ],
)
def test_the_same_json(one: str, other: str, same: bool) -> None:
    """The same value is the same JSON, and so is the same text, whatever it is."""
    assert is_same_json(one, other) is same
