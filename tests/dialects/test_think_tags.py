"""`think_tags=True`: reasoning that a server leaves in the text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltafold import ReasoningDelta, ResponseParser, TextDelta
from deltafold.dialects.chat.think_tags import ThinkTags


def parse(*deltas, finish=True, think_tags=True):
    parser = ResponseParser("chat", think_tags=think_tags)
    for delta in deltas:
        delta = {"content": delta} if isinstance(delta, str) else delta
        chunk = {"choices": [{"index": 0, "delta": delta}]}
        parser.feed(f"data: {json.dumps(chunk)}\n\n".encode())
    if finish:
        parser.feed(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
    parser.close()
    events = list(parser.events())
    return events, parser.response


def told(events, kind):
    return "".join(event.text for event in events if isinstance(event, kind))


def test_what_stands_between_the_tags_is_reasoning():
    events, response = parse("<th", "ink>why", " so</thi", "nk>Hello")
    assert response.output_text == "Hello"
    assert response.reasoning_text == "why so"
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert told(events, TextDelta) == "Hello"
    assert told(events, ReasoningDelta) == "why so"


def test_without_the_option_tags_are_text():
    _, response = parse("<think>why</think>Hello", think_tags=False)
    assert response.output_text == "<think>why</think>Hello"


@pytest.mark.parametrize("text", ["<think-tank>", "a </think> b", "<thinking>", "< think>", "1 < 2"])
def test_what_only_resembles_a_tag_is_text(text):
    events, response = parse(*text)
    assert response.output_text == told(events, TextDelta) == text


@pytest.mark.parametrize("finish", [True, False])
@pytest.mark.parametrize("before", [(), ("a",), ({"refusal": "no"},)])
def test_half_a_tag_at_the_end_is_text(finish, before):
    events, response = parse(*before, "<thi", finish=finish)
    assert response.output_text.endswith("<thi")
    assert told(events, TextDelta) == response.output_text


def test_half_a_closing_tag_at_the_end_is_reasoning():
    events, response = parse("<think>b</thi")
    assert response.reasoning_text == told(events, ReasoningDelta) == "b</thi"
    assert response.output_text == ""


def test_a_message_told_whole_is_split_as_well():
    chunk = {
        "choices": [{"index": 0, "message": {"content": "<think>why</think>Hello"}, "finish_reason": "stop"}]
    }
    parser = ResponseParser("chat", think_tags=True)
    parser.feed(json.dumps(chunk).encode())
    parser.close()
    list(parser.events())
    assert parser.response.reasoning_text == "why"
    assert parser.response.output_text == "Hello"


PIECES = st.lists(st.sampled_from(["<think>", "</think>", "<", "think", ">", "</", "a", "<thi", " "]))


def split(text):
    """What the tags mean, for a text that is there as a whole."""
    found = {"text": "", "reasoning": ""}
    thinking = False
    while True:
        before, tag, text = text.partition("</think>" if thinking else "<think>")
        found["reasoning" if thinking else "text"] += before
        if not tag:
            return found
        thinking = not thinking


@given(PIECES, st.data())
def test_the_cut_does_not_matter(pieces, data):
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    tags = ThinkTags()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        found += tags.feed(text[start:end])
    found += tags.close()
    assert {kind: "".join(t for k, t in found if k == kind) for kind in ("text", "reasoning")} == split(text)
