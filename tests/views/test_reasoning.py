"""What is printed of reasoning while it comes is what the response tells of it at the end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

import runs
from deltafold import ReasoningDelta, ReasoningPrinter, ResponseParser, TextDelta, ValueReplaced
from deltafold.testing import Stream, StreamBuilder
from deltafold.testing.strategies import streams


def printed(events: Any) -> str:
    """What a loop over the events prints."""
    printer = ReasoningPrinter()
    return "".join([printer.text_of(event) for event in events])


def summary(text: str, part: int = 0, item: int = 0) -> ReasoningDelta:
    """A fragment of a summary."""
    return ReasoningDelta(item, part, text, "summary")


def raw(text: str, part: int = 0, item: int = 0) -> ReasoningDelta:
    """A fragment of the reasoning itself."""
    return ReasoningDelta(item, part, text, "text")


def test_parts_are_paragraphs() -> None:
    """Between two parts, and between two items, there is a blank line."""
    deltas = [summary("a"), summary("b"), summary("c", 1), summary("", 2), summary("d", 0, 1)]
    assert printed([*deltas, TextDelta(2, 0, "x")]) == "ab\n\nc\n\nd"


def test_raw_reasoning_runs_on() -> None:
    """The reasoning itself has no paragraphs but its own; its summary is not printed among it."""
    assert printed([raw("a"), raw("b", 1), summary("s"), raw("c", 0, 1)]) == "abc"
    assert printed([summary("s"), raw("a"), raw("b"), summary("t", 1), raw("c")]) == "s\n\nabc"


@given(streams())
def test_it_is_what_the_response_tells(stream: Stream) -> None:
    """Joined, it is `reasoning_text`, where not both kinds came."""
    reading = runs.play(stream.body, "auto")
    kinds = {event.kind for event in reading.events if isinstance(event, ReasoningDelta)}
    indexes = [event.output_index for event in reading.events if isinstance(event, ReasoningDelta)]
    if len(kinds) < 2 and indexes == sorted(indexes):
        assert printed(reading.events) == reading.response.reasoning_text


@pytest.mark.parametrize("path", sorted(runs.FIXTURES.glob("*/*.sse")), ids=lambda path: path.stem)
def test_fixtures(path: Any) -> None:
    """So it is in the fixtures, wherever nothing was replaced and no response began anew."""
    reading = runs.play(path.read_bytes(), "auto")
    deltas = [event for event in reading.events if isinstance(event, ReasoningDelta)]
    if len({delta.kind for delta in deltas}) < 2 and not any(
        isinstance(event, ValueReplaced) for event in reading.events
    ):
        assert printed(reading.events) == reading.response.reasoning_text


def test_a_stream_of_summaries() -> None:
    """A stream as the API sends it."""
    stream = StreamBuilder("responses").reasoning("One", " two").text("x").completed()
    assert printed(ResponseParser().read(stream.chunks(7))) == "One two"
