"""What a parser holds is bounded, and what it needs no more is let go."""

from __future__ import annotations

import gc
import json
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from deltafold import LimitExceeded, Limits, ResponseParser, UnknownEvent
from deltafold.registry import DIALECTS
from deltafold.wire.json_text import MOST_VALUES
from runs import frames, play
from test_growth import BEGIN, added, block, call, candidate, chunk, delta, piece, said

JSON = dict[str, Any]
MANY = 300


def without_end(make: Callable[[int], JSON], *before: JSON) -> list[JSON]:
    return [*before, *(make(number) for number in range(MANY))]


ADDING_UP: dict[str, tuple[str, list[JSON]]] = {
    "usage of Chat": ("chat", without_end(lambda i: {"choices": [], "usage": {f"k{i}": "x" * 50}})),
    "details of it": ("chat", without_end(lambda i: {"choices": [], "usage": {"a": {f"k{i}": "x" * 50}}})),
    "audio": ("chat", without_end(lambda i: chunk({"audio": {f"k{i}": "x" * 50}}))),
    "fields of a call": (
        "chat",
        without_end(
            lambda i: chunk({"tool_calls": [{"index": 0, f"k{i}": "x" * 50}]}),
            chunk({"tool_calls": [call(0)]}),
        ),
    ),
    "fields of a message": ("chat", without_end(lambda i: chunk({"extra": {f"k{i}": "x" * 50}}))),
    "an item that is announced again": (
        "responses",
        without_end(lambda i: added(0, **{f"k{i}": "x" * 50}), said("created")),
    ),
    "usage of Anthropic": (
        "anthropic",
        without_end(lambda i: {"type": "message_delta", "delta": {}, "usage": {f"k{i}": "x" * 50}}, BEGIN),
    ),
    "members of message_delta": (
        "anthropic",
        without_end(lambda i: {"type": "message_delta", "delta": {f"k{i}": "x" * 50}, "usage": {}}, BEGIN),
    ),
    "compaction": (
        "anthropic",
        without_end(
            lambda i: delta("compaction_delta", 0, **{f"k{i}": "x" * 50}),
            BEGIN,
            block(0, "compaction", content=None)[0],
        ),
    ),
    "usage of Gemini": ("gemini", without_end(lambda i: {"usageMetadata": {f"k{i}": "x" * 50}})),
    "members of the content": (
        "gemini",
        without_end(
            lambda i: {"candidates": [{"index": 0, "content": {f"k{i}": "x" * 50, "parts": [{"text": "a"}]}}]}
        ),
    ),
    "members of a call": (
        "gemini",
        without_end(
            lambda i: candidate({"functionCall": {"name": "f", "args": {}, "id": "c"}, f"k{i}": "x" * 50})
        ),
    ),
    "members of an open call": (
        "gemini",
        without_end(
            lambda i: candidate({**piece("$.a[]"), f"k{i}": "x" * 50}),
            candidate({"functionCall": {"name": "f", "willContinue": True}}),
        ),
    ),
}


@pytest.mark.parametrize("what", ADDING_UP)
def test_what_adds_up_is_limited(what: str) -> None:
    """Whatever a stream tells more and more of is refused where it passes the limit of text."""
    dialect, payloads = ADDING_UP[what]
    assert play(frames(*payloads), dialect=dialect).fault is None
    fault = play(frames(*payloads), dialect=dialect, limits=Limits(text_size=8_000)).fault
    assert isinstance(fault, LimitExceeded)
    assert fault.limit == "text_size"


@pytest.mark.parametrize("what", ADDING_UP)
def test_what_adds_up_is_there_in_the_end(what: str) -> None:
    """However it is handed out in between, nothing of it is missing at the end, nor after a snapshot."""
    dialect, payloads = ADDING_UP[what]
    found = play(frames(*payloads), dialect=dialect)
    told = json.dumps(
        [found.response.to_dict(), [choice.data for choice in found.response.choices]], default=repr
    )
    for number in range(MANY):
        assert f'"k{number}"' in told
    parser = ResponseParser(dialect)
    for payload in payloads[: MANY // 2]:
        parser.feed_payload(payload)
    events = list(parser.events())
    parser = ResponseParser.resume(json.loads(json.dumps(parser.snapshot())))
    for payload in payloads[MANY // 2 :]:
        parser.feed_payload(payload)
    parser.close()
    assert [*events, *parser.events()] == found.events


@pytest.mark.parametrize("dialect", [*DIALECTS, "auto"])
def test_a_parser_is_freed_at_once(dialect: str) -> None:
    """Nothing in a parser keeps it alive once nobody has it, also after a fault."""
    for body, options in ((b"", {}), (b"data: {\n\n", {"strict": True})):
        gc.disable()
        gc.freeze()  # what was made before is not looked at
        try:
            parser = ResponseParser(dialect, **options)
            parser.feed(frames(*ADDING_UP["fields of a call"][1][:3]) + body)
            gone = weakref.ref(parser)
            try:
                for _ in parser.events():
                    pass
            except Exception:
                pass
            del parser
            assert gone() is None
            assert gc.collect() == 0
        finally:
            gc.enable()


@pytest.mark.parametrize("value", ["1 ", "{} ", '"a"', "[] ", '{"type":"x"}'])
def test_many_values_in_one_event(value: str) -> None:
    """They are read some at a time, in their order, and a snapshot may lie between any two of them."""
    count = 2 * MOST_VALUES + 5
    body = f"event: e\ndata: {value * count}\n\n".encode()
    found = play(body, dialect="responses")
    assert len([event for event in found.events if isinstance(event, UnknownEvent)]) == count
    parser = ResponseParser("responses")
    parser.feed(body)
    events = []
    for number in range(count):
        events.append(parser.next_event())
        if number % 700 == 0:
            parser = ResponseParser.resume(json.loads(json.dumps(parser.snapshot())))
    parser.close()
    assert [*events, *parser.events()] == found.events


def peak_of(call: Callable[[], Any]) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "text", ["1 " * 40_000, "{} " * 28_000, "x" + 'data: {"a":' * 8_000, '"",' * 28_000, "[]" * 40_000]
)
def test_small_values_take_no_many_times_their_text(text: str) -> None:
    """An event of very many values takes a few times its bytes."""
    parser = ResponseParser("responses", limits=Limits(anomalies=10))
    body = b"data: " + text.encode() + b"\n\n"

    def read() -> None:
        parser.feed(body)
        try:
            for _ in parser.events():
                pass
        except LimitExceeded:
            pass

    read_nothing = ResponseParser("responses")
    read_nothing.feed(b"data: 1 1\n\n")
    list(read_nothing.events())
    assert peak_of(read) < 6 * len(body) + 160_000


def test_a_payload_beyond_the_limit_is_not_written_out() -> None:
    """An object that is too large is refused without its JSON text, which would take many times its size."""
    payload = {"type": "x", "entries": [{"a": 1}] * 100_000}
    parser = ResponseParser("responses", limits=Limits(event_bytes=1000))
    assert peak_of(lambda: parser.feed_payload(payload)) < 100_000
    with pytest.raises(LimitExceeded, match="event_bytes"):
        parser.next_event()


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"a": 1},
        {"a": "b"},
        {"a": []},
        {"a": ["b"]},
        {"a": [1, "b", None]},
        {"a": {"b": {}}},
        {"a": 1, "b": [[]]},
        {1: 2},
    ],
)
def test_no_payload_within_the_limit_is_refused(payload: Any) -> None:
    """The limit is exact, however small: what is counted is never more than the text has."""
    size = len(json.dumps(payload))
    parser = ResponseParser("responses", limits=Limits(event_bytes=size))
    parser.feed_payload(payload)
    assert parser.next_event()
    parser = ResponseParser("responses", limits=Limits(event_bytes=size - 1))
    parser.feed_payload(payload)
    with pytest.raises(LimitExceeded, match="event_bytes"):
        parser.next_event()


def test_a_payload_inside_of_itself() -> None:
    """An object that has no end is no payload."""
    payload: JSON = {"type": "x"}
    payload["inner"] = [payload]
    with pytest.raises(TypeError, match="no JSON object"):
        ResponseParser().feed_payload(payload)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_big_event_that_tells_nothing_is_let_go(dialect: str) -> None:
    """A heartbeat of any size leaves nothing behind."""
    parser = ResponseParser(dialect)
    kind = "ping" if dialect == "anthropic" else "keepalive"
    parser.feed(frames({"type": kind, "k": ""}))
    list(parser.events())
    body = frames({"type": kind, "k": "x" * 1_000_000})
    gc.collect()
    tracemalloc.start()
    try:
        parser.feed(body)
        list(parser.events())
        assert tracemalloc.get_traced_memory()[0] < 50_000
        assert len(json.dumps(parser.snapshot())) < 10_000
    finally:
        tracemalloc.stop()
