"""What every reader does alike: errors that stand beside what a payload brings."""

from __future__ import annotations

from typing import Any

import pytest

from deltafold.testing import anthropic as a
from deltafold.testing import gemini as g
from runs import choice, chunk, run

BESIDE: list[dict[str, Any]] = [
    {"error": {"message": "boom"}},
    {"base_resp": {"status_code": 1004, "status_msg": "boom"}},
    {"x_groq": {"error": {"message": "boom"}}},
    {"x_error": {"message": "boom"}},
    {"x-error": {"message": "boom"}},
]
NONE: list[dict[str, Any]] = [
    {"error": None},
    {"base_resp": {"status_code": 0, "status_msg": ""}},
    {"base_resp": None},
    {"x_groq": {"id": "boom"}},
    {"xerror": {"message": "boom"}},
    {"note": {"error": {"message": "boom"}}},
]


def payloads(dialect: str, more: dict[str, Any]) -> list[Any]:
    """A stream whose last payload has these members beside what it brings."""
    if dialect == "anthropic":
        return [a.message_start(), *a.block(a.text(), a.said("Hi")), {**a.message_delta(), **more}]
    if dialect == "gemini":
        return [g.chunk(g.text("Hi")), {**g.chunk(g.text("Ho")), **more}]
    return [chunk(choice({"content": "Hi"})), {**chunk(choice({"content": "Ho"})), **more}]


@pytest.mark.parametrize("dialect", ["anthropic", "chat", "gemini"])
@pytest.mark.parametrize("more", BESIDE, ids=lambda more: next(iter(more)))
def test_an_error_beside_a_piece_of_the_answer(dialect: str, more: dict[str, Any]) -> None:
    """The response has failed, by whatever member tells of it."""
    found = run(*payloads(dialect, more), dialect=dialect)
    assert found.response.outcome == "failed"
    assert found.response.error is not None
    assert found.response.error.message == "boom"
    assert found.response.output_text.startswith("Hi")


@pytest.mark.parametrize("dialect", ["anthropic", "chat", "gemini"])
@pytest.mark.parametrize("more", NONE, ids=repr)
def test_a_member_that_is_no_error(dialect: str, more: dict[str, Any]) -> None:
    """Nothing has failed where it is empty, or is called otherwise."""
    found = run(*payloads(dialect, more), dialect=dialect)
    assert found.response.outcome != "failed"
    assert found.response.error is None
