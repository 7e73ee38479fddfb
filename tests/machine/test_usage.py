"""Usage of any API in the words of the Responses API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deltafold import Usage, parse
from deltafold.machine.usage import counted_usage, usage_of_responses

JSON = dict[str, Any]
COUNTED = {
    "input_tokens": 12,
    "output_tokens": 5,
    "total_tokens": 17,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "output_tokens_details": {"reasoning_tokens": 3},
}


def test_counts_alone() -> None:
    """Each has its member, those of details below; what is not known is left out."""
    assert counted_usage(Usage(12, 5, 17, 4, 2, 3)) == COUNTED
    assert counted_usage(Usage(None, None, None)) == {}
    assert counted_usage(Usage(0, 0, 0, 0, 0, 0)) == {
        **dict.fromkeys(("input_tokens", "output_tokens", "total_tokens"), 0),
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }


def test_own_words_stay_as_they_came() -> None:
    """With members that nobody knows."""
    sent = {**COUNTED, "cost": 1}
    body = {"object": "response", "id": "r", "status": "completed", "output": [], "usage": sent}
    usage = parse(json.dumps(body).encode(), "responses").usage
    assert usage is not None
    assert usage_of_responses(usage) == sent


def test_words_of_chat_are_renamed() -> None:
    """The details too."""
    sent = {
        "prompt_tokens": 12,
        "completion_tokens": 5,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
        "cost": 1,
    }
    body = {"object": "chat.completion", "choices": [], "usage": sent}
    usage = parse(json.dumps(body).encode(), "chat").usage
    assert usage is not None
    assert usage_of_responses(usage) == {
        "input_tokens": 12,
        "output_tokens": 5,
        "total_tokens": 17,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens_details": {"reasoning_tokens": 3},
        "cost": 1,
    }


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (Usage(), None),
        (Usage(data={"cost": 1}), {"cost": 1}),
        (Usage(total_tokens=17), {"total_tokens": 17}),
        (Usage(cached_tokens=4), {"input_tokens_details": {"cached_tokens": 4}}),
        (Usage(reasoning_tokens=0), {"output_tokens_details": {"reasoning_tokens": 0}}),
        (Usage(12, 5, 17, 4, 2, 3), COUNTED),
    ],
)
def test_usage_without_words_of_its_own(usage: Usage, told: JSON | None) -> None:
    """Its counts are told; None where there is neither a count nor a word."""
    assert usage_of_responses(usage) == told


@pytest.mark.parametrize(("sent", "told"), [({}, None), ({"cost": 1}, {"cost": 1})])
def test_usage_that_counts_nothing(sent: JSON, told: JSON | None) -> None:
    """A response has it where it says anything; an empty one is as none."""
    body = {"object": "chat.completion", "choices": [], "usage": sent}
    assert parse(json.dumps(body).encode(), "chat").to_dict()["usage"] == told


@pytest.mark.parametrize(
    ("sent", "counted"),
    [
        (
            {"input_tokens": 6, "output_tokens": 5, "cache_read_input_tokens": 4},
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "total_tokens": 15,
                "input_tokens_details": {"cached_tokens": 4},
            },
        ),
        (
            {"input_tokens": 6, "output_tokens": 5, "cache_read_input_tokens": 0},
            {
                "input_tokens": 6,
                "output_tokens": 5,
                "total_tokens": 11,
                "input_tokens_details": {"cached_tokens": 0},
            },
        ),
        (
            {"input_tokens": 6, "output_tokens": 5, "cache_creation_input_tokens": 0},
            {
                "input_tokens": 6,
                "output_tokens": 5,
                "total_tokens": 11,
                "input_tokens_details": {"cache_write_tokens": 0},
            },
        ),
        (
            {"input_tokens": 6, "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 3}},
            {
                "input_tokens": 6,
                "output_tokens": 5,
                "total_tokens": 11,
                "output_tokens_details": {"reasoning_tokens": 3},
            },
        ),
        (
            {"input_tokens": 6, "output_tokens": 5, "service_tier": "standard"},
            {"input_tokens": 6, "output_tokens": 5, "total_tokens": 11},
        ),
    ],
)
def test_counts_of_anthropic(sent: JSON, counted: JSON) -> None:
    """Its input leaves out what the cache had a part in, and it has no total: only the counts go over."""
    body = {"type": "message", "role": "assistant", "content": [], "stop_reason": "end_turn", "usage": sent}
    usage = parse(json.dumps(body).encode(), "anthropic").usage
    assert usage is not None
    assert usage_of_responses(usage) == counted


@pytest.mark.parametrize(
    ("raw", "whose"),
    [
        ({}, True),
        ({"output_tokens_details": {"reasoning_tokens": 1}}, True),
        ({"output_tokens_details": {}}, True),
        ({"output_tokens_details": None}, True),
        ({"output_tokens_details": {"thinking_tokens": 0}}, False),
        ({"cache_creation_input_tokens": 0}, False),
        ({"cache_read_input_tokens": 0}, False),
        ({"thinking_tokens": 0}, False),
        ({"thinking_tokens": 0, "output_tokens_details": {"thinking_tokens": 0}}, False),
    ],
)
def test_whose_words_a_usage_is_in(raw: JSON, whose: bool) -> None:
    """One member of another wire is enough: then only the counts go over."""
    sent = {"input_tokens": 6, "output_tokens": 5, "total_tokens": 11, **raw}
    made = usage_of_responses(Usage(6, 5, 11, data=sent))
    assert made == (sent if whose else {"input_tokens": 6, "output_tokens": 5, "total_tokens": 11})


@pytest.mark.parametrize(
    ("usage", "sent", "made"),
    [
        ((6, None, None), {"input_tokens": 6, "cost": 1}, {"input_tokens": 6, "cost": 1}),
        ((None, 5, None), {"output_tokens": 5, "cost": 1}, {"output_tokens": 5, "cost": 1}),
        ((None, None, 11), {"total_tokens": 11, "cost": 1}, {"total_tokens": 11, "cost": 1}),
        ((None, None, None), {"cost": 1}, {"cost": 1}),
        ((None, None, None), {}, None),
        ((6, None, None), {"promptTokenCount": 6}, {"input_tokens": 6}),
        ((None, 5, None), {"candidatesTokenCount": 5}, {"output_tokens": 5}),
        ((7, 5, None), {"input_tokens": 6, "output_tokens": 5}, {"input_tokens": 7, "output_tokens": 5}),
        ((6, 7, None), {"input_tokens": 6, "output_tokens": 5}, {"input_tokens": 6, "output_tokens": 7}),
        ((6, None, 6), {"input_tokens": 6}, {"input_tokens": 6, "total_tokens": 6}),
        ((6, None, None), {"prompt_tokens": 6, "cost": 1}, {"input_tokens": 6, "cost": 1}),
        ((None, 5, None), {"completion_tokens": 5, "cost": 1}, {"output_tokens": 5, "cost": 1}),
    ],
)
def test_what_was_sent_of_a_usage_in_part(usage: Any, sent: JSON, made: JSON | None) -> None:
    """It goes as it came where it says what was counted, else the counts go alone."""
    assert usage_of_responses(Usage(*usage, data=sent)) == made
