"""JSON values: what is written of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold.dialects.written_json import dumps
from deltafold.model.json_values import compact, encode_with

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
