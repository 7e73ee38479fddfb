"""What is given as a limit, as bytes or as a field is checked when it is given."""

from __future__ import annotations

from typing import Any

import pytest

from deltafold import Limits, ResponseParser, UsageError, encode_frame


@pytest.mark.parametrize("given", ["5", 5.0, None, True])
def test_a_limit_is_an_int(given: Any) -> None:
    """Nothing that only looks like a number."""
    with pytest.raises(TypeError, match="items"):
        Limits(items=given)


@pytest.mark.parametrize("given", [-1, 10**20])
def test_a_limit_is_within_bounds(given: int) -> None:
    """And the bounds are named."""
    with pytest.raises(UsageError, match="json_depth must be 0 to 200"):
        Limits(json_depth=given)


def test_a_buffer_that_was_let_go() -> None:
    """It cannot be read, which is no fault of the stream."""
    view = memoryview(b"data: x\n\n")
    view.release()
    with pytest.raises(TypeError, match="cannot be read"):
        ResponseParser().feed(view)
    with pytest.raises(TypeError, match="'int'"):
        ResponseParser().feed(5)  # type: ignore[arg-type]


def test_fields_of_a_frame_have_their_types() -> None:
    """What is no text, or no number, is named."""
    for fields in ({"event": 5}, {"id": b"1"}):
        with pytest.raises(TypeError, match="must be a str"):
            encode_frame("x", **fields)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must be a str"):
        encode_frame(5)  # type: ignore[arg-type]
    for retry in ("5", 5.0, True):
        with pytest.raises(TypeError, match="retry must be an int"):
            encode_frame("x", retry=retry)  # type: ignore[arg-type]
